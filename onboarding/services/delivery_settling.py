"""What became of a push: asked of the remote, never of the push itself."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from onboarding.domain.lifecycle import Act, DecisionState, DeliveryState, decide
from onboarding.models import Change, Delivery, DeliveryAttempt
from onboarding.ports import FleetRepository
from onboarding.services import events
from onboarding.services.delivery_plans import expected_changes
from onboarding.services.writer_lease import Lease

LATE_ARRIVAL = 15
"""Seconds for which a push that ended without a trace may still arrive at the remote."""

_LONGEST_WAIT = 60.0


def settle(
    *, delivery: Delivery, tip: str, repository: FleetRepository, lease: Lease, now: datetime
) -> str:
    """Decide by the remote's history at `tip` what became of a delivery's last push.

    A commit with the change's `Change-Id` and `Plan-Digest` that changes exactly what was approved
    is the delivery. One that carries the trailer but does something else is an alarm. Returns the
    attempt's outcome: `committed`, `foreign`, or "" where the commit is not there.
    """
    change = delivery.change
    found = repository.find("Change-Id", str(change.uid), since=_since(delivery), tip=tip)
    expected = dict(expected_changes(change))
    for facts in found:
        same_plan = facts.trailers.get("Plan-Digest") == delivery.digest
        if same_plan and dict(repository.changes(facts.sha)) == expected:
            _commit(delivery, facts.sha, lease, now)
            return "committed"
    if found:
        _alarm(delivery, found[0].sha, lease, now)
        return "foreign"
    return ""


def close_attempt(
    *, delivery: Delivery, outcome: str, reason: str, now: datetime, lease: Lease
) -> None:
    """Write how the attempts of a delivery that are still open ended."""
    DeliveryAttempt.objects.filter(
        delivery=delivery, outcome="", delivery__fence__lte=lease.fence
    ).update(outcome=outcome, reason=reason, finished_at=now)


def put_back(
    *, delivery: Delivery, reason: str, due_at: datetime, lease: Lease, tried: bool = False
) -> None:
    """Queue a delivery again, with why it waits and from when it is due."""
    Delivery.objects.filter(
        pk=delivery.pk,
        fence=lease.fence,
        state__in=(DeliveryState.QUEUED.value, DeliveryState.PUSHING.value),
    ).update(
        state=DeliveryState.QUEUED.value,
        reason=reason,
        due_at=due_at,
        tries=delivery.tries + (1 if tried else 0),
    )
    delivery.tries += 1 if tried else 0


def fail(*, delivery: Delivery, reason: str, now: datetime, lease: Lease, verb: str) -> bool:
    """End a delivery that cannot succeed by itself; its change stays approved. False: not ours."""
    with transaction.atomic():
        _lock_change(delivery)
        moved = _own(delivery, lease).update(state=DeliveryState.FAILED.value, reason=reason)
        if moved:
            events.record(
                verb=verb,
                message=f"The change could not be written: {reason}",
                at=now,
                change=delivery.change,
                detail={"digest": delivery.digest},
            )
    return bool(moved)


def lapse(*, delivery: Delivery, reason: str, now: datetime, lease: Lease) -> bool:
    """Send an approved change back for a new approval, saying why. False: it was not ours."""
    change = delivery.change
    lapsed = decide(DecisionState.APPROVED, Act.LAPSE, actor_is_author=False, actor_may=frozenset())
    with transaction.atomic():
        _lock_change(delivery)
        moved = _own(delivery, lease).update(state=DeliveryState.FAILED.value, reason=reason)
        if moved:
            Change.objects.filter(pk=change.pk, state=DecisionState.APPROVED.value).update(
                state=lapsed.value, state_note=reason, updated_at=now
            )
            events.record(
                verb="change.lapsed",
                message=f"The approval lapsed. {reason}",
                at=now,
                change=change,
                detail={"digest": delivery.digest},
            )
    return bool(moved)


def may_still_arrive(*, delivery: Delivery, now: datetime) -> bool:
    """Whether a push of this delivery ended so lately that the remote may still come to take it."""
    since = now - timedelta(seconds=LATE_ARRIVAL)
    return (
        DeliveryAttempt.objects.filter(delivery=delivery, finished_at__gt=since)
        .exclude(outcome__in=("committed", "foreign", "moved"))
        .exists()
    )


def wait(tries: int, now: datetime) -> datetime:
    """When to try again: twice as late each time, up to a minute, never all at the same moment."""
    seconds = min(_LONGEST_WAIT, 2.0 ** min(tries, 10))
    return now + timedelta(seconds=seconds * random.uniform(0.5, 1.0))  # noqa: S311 -- spreads load


def _since(delivery: Delivery) -> str:
    """The commit before the first push of this delivery; whatever it became is above."""
    first = delivery.attempts.order_by("number").first()
    return first.base_commit if first else delivery.base_commit


def _commit(delivery: Delivery, sha: str, lease: Lease, now: datetime) -> None:
    """Write that the change is in Git."""
    with transaction.atomic():
        _lock_change(delivery)
        moved = _own(delivery, lease).update(
            state=DeliveryState.COMMITTED.value, commit=sha, committed_at=now, reason=""
        )
        if not moved:
            return
        Change.objects.filter(pk=delivery.change_id, state=DecisionState.APPROVED.value).update(
            settled_at=now, state_note="", updated_at=now
        )
        events.record(
            verb="change.committed",
            message=f"The change is in Git as {sha[:10]}.",
            at=now,
            change=delivery.change,
            detail={"commit": sha, "digest": delivery.digest},
        )


def _alarm(delivery: Delivery, sha: str, lease: Lease, now: datetime) -> None:
    """Write that somebody else's commit claims to be this change."""
    fail(
        delivery=delivery,
        reason=(
            f"Commit {sha[:10]} carries this change's Change-Id, but does not do what was "
            f"approved. "
            f"Somebody wrote that trailer by hand, or copied the commit. Compare it with the plan; "
            f"nothing more is written for this change until an administrator tries again."
        ),
        now=now,
        lease=lease,
        verb="delivery.foreign_trailer",
    )


def _lock_change(delivery: Delivery) -> None:
    """Take the change's row before the delivery's, as people's decisions do: no two deadlock."""
    Change.objects.select_for_update().values_list("pk").get(pk=delivery.change_id)


def _own(delivery: Delivery, lease: Lease) -> QuerySet[Delivery]:
    """The delivery's row, as long as it is open and this lease's."""
    return Delivery.objects.filter(
        pk=delivery.pk,
        fence=lease.fence,
        state__in=(DeliveryState.QUEUED.value, DeliveryState.PUSHING.value),
    )
