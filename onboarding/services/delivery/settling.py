"""What became of a push: asked of the remote, never of the push itself."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    ExpressionWrapper,
    Max,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Now

from onboarding.domain.alarms import Alarm
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.models import Change, Delivery, DeliveryAttempt, Event
from onboarding.ports import CommitFacts, FleetRepository
from onboarding.services import events, stopping
from onboarding.services.delivery.gate import Gate
from onboarding.services.delivery.replanning import Prepared, expected_changes
from onboarding.services.delivery.writer_lease import Lease

LATE_ARRIVAL = 15
"""Seconds for which a push that ended without a trace may still arrive at the remote."""

UNSETTLED = (DeliveryState.QUEUED, DeliveryState.PUSHING, DeliveryState.IN_REVIEW)
"""The states of a delivery whose end is still open."""

_LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a push ended: where the branch is now, whether to look again, whether others were faster."""

    tip: str
    go_on: bool = True
    overtaken: bool = False


def look_for(
    deliveries: Sequence[Delivery], *, tip: str, repository: FleetRepository
) -> dict[int, list[CommitFacts]]:
    """The commits at `tip` that carry the `Change-Id` of one of these, by delivery, newest first.

    Only those with an earlier push are looked for, and all together: most of them share the commit
    before their first push, and whatever a push became is above that.
    """
    first = DeliveryAttempt.objects.filter(delivery__in=[row.pk for row in deliveries])
    since = dict(first.order_by("-number").values_list("delivery", "base_commit"))
    by_base: defaultdict[str, list[Delivery]] = defaultdict(list)
    for row in deliveries:
        if row.pk in since:
            by_base[since[row.pk]].append(row)
    found: dict[int, list[CommitFacts]] = {row.pk: [] for row in deliveries}
    for base, rows in by_base.items():
        uids = {str(row.change.uid): row.pk for row in rows}
        for facts in repository.find("Change-Id", *uids, since=base, tip=tip):
            found[uids[facts.trailers["Change-Id"]]].append(facts)
    return found


def settle(
    *,
    delivery: Delivery,
    found: Sequence[CommitFacts],
    repository: FleetRepository,
    lease: Lease,
    now: datetime,
) -> str:
    """Decide by the commits that carry its `Change-Id` what became of a delivery's pushes.

    A commit with the change's `Plan-Digest`, too, that changes exactly what was approved is the
    delivery. One that carries the trailer but does something else is an alarm. Returns the
    attempt's outcome: `committed`, `foreign`, or "" where there is no such commit.
    """
    expected = dict(expected_changes(delivery.change))
    for facts in found:
        same_plan = facts.trailers.get("Plan-Digest") == delivery.digest
        if same_plan and dict(repository.changes(facts.sha)) == expected:
            commit(delivery, facts.sha, lease, now)
            return "committed"
    if found:
        _alarm(delivery, found[0].sha, lease, now)
        return "foreign"
    return ""


def begin_push(
    prepared: Sequence[Prepared], *, base: str, worker: str, lease: Lease, now: datetime
) -> bool:
    """Write down, before it, that a push of these commits begins: all, or none where one is gone.

    None either where deliveries are stopped: who stops them waits for this, and this for them. And
    none where one of them may not be written any more, which whoever builds it again is told.
    """
    rows = [item.delivery for item in prepared]
    commits = [When(pk=item.delivery.pk, then=Value(item.commit)) for item in prepared]
    with transaction.atomic():
        if not stopping.hold(lease.fleet_id) or not Gate(rows, now=now).admits_all():
            return False
        # Once for each row: of one that was updated before in the same transaction, PostgreSQL asks
        # for a lock of its change, which a withdrawal may hold that waits for this very row.
        taken = Delivery.objects.filter(
            pk__in=[row.pk for row in rows],
            state=DeliveryState.QUEUED.value,
            fence__lte=lease.fence,
        ).update(
            state=DeliveryState.PUSHING.value,
            fence=lease.fence,
            base_commit=base,
            commit=Case(*commits, output_field=CharField()),
            reason="",
            due_at=now + timedelta(seconds=lease.seconds),
        )
        if taken != len(rows):
            transaction.set_rollback(True)
            return False
        _open_attempts(prepared, base=base, worker=worker, lease=lease, now=now)
    for item in prepared:
        row = item.delivery
        row.state, row.base_commit, row.commit = DeliveryState.PUSHING.value, base, item.commit
    return True


def _open_attempts(
    prepared: Sequence[Prepared], *, base: str, worker: str, lease: Lease, now: datetime
) -> None:
    rows = [item.delivery.pk for item in prepared]
    counted = DeliveryAttempt.objects.filter(delivery__in=rows).values_list("delivery")
    earlier = dict(counted.annotate(last=Max("number")))
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(
            delivery=item.delivery,
            number=earlier.get(item.delivery.pk, 0) + 1,
            worker=worker,
            fence=lease.fence,
            base_commit=base,
            commit=item.commit,
            started_at=now,
        )
        for item in prepared
    )


def commit_all(
    prepared: Sequence[Prepared], *, lease: Lease, now: datetime, said: str
) -> list[int]:
    """Write, in the caller's transaction, that these commits are in Git as they were built.

    Returns the numbers of the changes; a row that is not this lease's any more is left alone.
    """
    rows = {item.delivery.pk: item for item in prepared}
    lock_changes(item.delivery.change_id for item in prepared)
    mine = Delivery.objects.filter(
        pk__in=rows, fence=lease.fence, state=DeliveryState.PUSHING.value
    )
    arrived = [rows[pk] for pk in mine.order_by("queued_at", "pk").values_list("pk", flat=True)]
    mine.update(state=DeliveryState.COMMITTED.value, committed_at=now, reason="", alarm="")
    changes = [item.delivery.change_id for item in arrived]
    Change.objects.filter(pk__in=changes, state=DecisionState.APPROVED.value).update(
        settled_at=now, state_note="", updated_at=now
    )
    DeliveryAttempt.objects.filter(
        delivery__in=[item.delivery.pk for item in arrived], outcome=""
    ).update(outcome="committed", reason=said, finished_at=now, closed_at=Now())
    events.record_all([_committed(item.delivery, item.commit, now) for item in arrived])
    return changes


def close_attempts(
    deliveries: Sequence[Delivery], *, outcome: str, reason: str, now: datetime, lease: Lease
) -> None:
    """Write how the attempts of deliveries that are still open ended."""
    DeliveryAttempt.objects.filter(
        delivery__in=[row.pk for row in deliveries], outcome="", delivery__fence__lte=lease.fence
    ).update(outcome=outcome, reason=reason, finished_at=now, closed_at=Now())


def requeue(
    deliveries: Sequence[Delivery], *, now: datetime, lease: Lease, reason: str = ""
) -> None:
    """Queue deliveries again, due at once."""
    Delivery.objects.filter(
        pk__in=[row.pk for row in deliveries],
        fence=lease.fence,
        state__in=(DeliveryState.QUEUED.value, DeliveryState.PUSHING.value),
    ).update(state=DeliveryState.QUEUED.value, reason=reason, alarm="", due_at=now)


def hold_all(
    deliveries: QuerySet[Delivery], *, reason: str, due_at: datetime, lease: Lease
) -> list[int]:
    """Let queued deliveries wait, with why and until when; returns the numbers of their changes."""
    rows = dict(deliveries.values_list("pk", "change"))
    Delivery.objects.filter(
        pk__in=rows, fence__lte=lease.fence, state=DeliveryState.QUEUED.value
    ).update(reason=reason, alarm="", due_at=due_at)
    return list(rows.values())


def put_back(
    *,
    delivery: Delivery,
    reason: str,
    due_at: datetime,
    lease: Lease,
    tried: bool = False,
    alarm: Alarm = Alarm.NONE,
) -> None:
    """Queue a delivery again, with why it waits, from when it is due, and whether a person must act."""
    Delivery.objects.filter(
        pk=delivery.pk,
        fence=lease.fence,
        state__in=(DeliveryState.QUEUED.value, DeliveryState.PUSHING.value),
    ).update(
        state=DeliveryState.QUEUED.value,
        reason=reason,
        alarm=alarm.value,
        due_at=due_at,
        tries=delivery.tries + (1 if tried else 0),
    )
    delivery.tries += 1 if tried else 0


def fail(
    *,
    delivery: Delivery,
    reason: str,
    now: datetime,
    lease: Lease,
    verb: str,
    alarm: Alarm = Alarm.NONE,
) -> bool:
    """End a delivery that cannot succeed by itself; its change stays approved. False: not ours."""
    with transaction.atomic():
        lock_changes([delivery.change_id])
        moved = own(delivery, lease).update(
            state=DeliveryState.FAILED.value, reason=reason, alarm=alarm.value
        )
        if moved:
            events.record(
                verb=verb,
                message=f"The change could not be written: {reason}",
                at=now,
                change=delivery.change,
                detail={"digest": delivery.digest},
            )
    return bool(moved)


def may_still_arrive(*, delivery: Delivery, now: datetime) -> bool:
    """Whether a push of this delivery ended so lately that the remote may still come to take it.

    Longer than so long ago by the database's clock is long ago, whatever a worker's clock said.
    """
    late = timedelta(seconds=LATE_ARRIVAL)
    long_ago = ExpressionWrapper(Now() - late, output_field=DateTimeField())
    return (
        DeliveryAttempt.objects.filter(delivery=delivery, finished_at__gt=now - late)
        .exclude(closed_at__lt=long_ago)
        .exclude(outcome__in=("committed", "foreign", "moved", "stopped"))
        .exists()
    )


def wait(tries: int, now: datetime) -> datetime:
    """When to try again: twice as late each time, up to a minute, never all at the same moment."""
    seconds = min(_LONGEST_WAIT, 2.0 ** min(tries, 10))
    return now + timedelta(seconds=seconds * random.uniform(0.5, 1.0))  # noqa: S311 -- spreads load


def wait_for_remote(rows: Iterable[Delivery], *, reason: str, now: datetime, lease: Lease) -> None:
    """Let deliveries wait for a remote that cannot be read; the longer they wait, the rarer they ask."""
    for row in rows:
        tries = min(int((now - row.queued_at).total_seconds() // 10), 6)
        Delivery.objects.filter(pk=row.pk, fence__lte=lease.fence).update(
            reason=reason, due_at=wait(tries, now)
        )


def is_due(now: datetime) -> Q:
    """The deliveries to look at now: their time has come, or a wrong clock set it too far ahead."""
    return Q(due_at__lte=now) | Q(due_at__gt=now + timedelta(seconds=2 * _LONGEST_WAIT))


def commit(delivery: Delivery, sha: str, lease: Lease, now: datetime) -> bool:
    """Write that the change is in Git, as this commit. False: the row was not ours."""
    with transaction.atomic():
        lock_changes([delivery.change_id])
        moved = own(delivery, lease).update(
            state=DeliveryState.COMMITTED.value, commit=sha, committed_at=now, reason="", alarm=""
        )
        if moved:
            Change.objects.filter(pk=delivery.change_id, state=DecisionState.APPROVED.value).update(
                settled_at=now, state_note="", updated_at=now
            )
            events.record_all([_committed(delivery, sha, now)])
    return bool(moved)


def _committed(delivery: Delivery, sha: str, now: datetime) -> Event:
    return events.unsaved(
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


def lock_changes(numbers: Iterable[int]) -> None:
    """Take the changes' rows before the deliveries', as people's decisions do: no two deadlock."""
    list(
        Change.objects.select_for_update()
        .filter(pk__in=list(numbers))
        .order_by("pk")
        .values_list("pk")
    )


def own(delivery: Delivery, lease: Lease) -> QuerySet[Delivery]:
    """The delivery's row, as long as it is open and this lease's."""
    return Delivery.objects.filter(
        pk=delivery.pk,
        fence=lease.fence,
        state__in=[state.value for state in UNSETTLED],
    )
