"""Decisions on a whole rollout: every row's change is approved or rejected with it, or nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.prose import prose
from onboarding.models import Change, Rollout
from onboarding.ports import Clock, WorkQueue
from onboarding.services import approvals, events, rollouts
from onboarding.services.approvals import Decided
from onboarding.services.dropping import drop

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def approve(
    *,
    rollout_id: int,
    digest: str,
    actor: User,
    clock: Clock,
    queue: WorkQueue,
    reason: str = "",
    confirmed: str = "",
) -> Decided:
    """Approve the whole rollout as it was shown, and its way back: every row, in one transaction.

    Nothing is queued: each wave is released when the gate before it has passed. It begins once every row
    has the approvals that the policies demand. Where something goes away on a cluster, `confirmed` is the
    rollout's title as typed. Raises `Refused` as `approvals.approve`, and where the plan is not the one
    that was seen any more.
    """
    now, reason = clock.now(), prose(reason, field="reason")
    with transaction.atomic():
        rollout = Rollout.objects.select_for_update(of=("self",)).get(pk=rollout_id)
        rows = _undecided(rollout, digest, confirmed=confirmed)
        count = approvals.approve_all(rows, actor=actor, clock=clock, queue=queue, reason=reason)
        waiting = rollouts.submitted(rollout).count()
        if not waiting:
            Rollout.objects.filter(pk=rollout.pk).update(
                state=Rollout.State.RUNNING, approved_at=now, note=""
            )
        events.record(
            verb="rollout.approval_added" if waiting else "rollout.approved",
            message=f"{actor.get_username()} approved “{rollout.title}”: {count} clusters"
            f"{f', of which {waiting} need another approval' if waiting else ''}.",
            at=now,
            actor=actor,
            fleet=rollout.fleet,
            detail={"rollout": rollout.pk, "digest": digest, "reason": reason},
        )
    if not waiting:
        queue.wake("onboarding.lead_rollouts")
    return Decided(count, waiting)


def reject(*, rollout_id: int, digest: str, actor: User, clock: Clock, reason: str) -> Decided:
    """Reject the whole rollout for a reason; every row is rejected, and it ends."""
    reason = prose(reason, field="reason")
    now = clock.now()
    with transaction.atomic():
        rollout = Rollout.objects.select_for_update(of=("self",)).get(pk=rollout_id)
        rows = _undecided(rollout, digest)
        count = approvals.reject_all(rows, actor=actor, clock=clock, reason=reason)
        note = f"{actor.get_username()} rejected it: {reason}"
        approved = Change.objects.filter(
            rollout_row__wave__rollout=rollout, state=DecisionState.APPROVED.value
        )
        for change in approved.select_related("fleet"):
            drop(change, at=now, why=note)
        rollouts.end(rollout, Rollout.State.STOPPED, note, now)
    return Decided(count)


def _undecided(rollout: Rollout, digest: str, *, confirmed: str | None = None) -> list[Change]:
    """The changes that a decision on the whole is about; `Refused` where it is not what was shown."""
    if rollout.state != Rollout.State.PROPOSED:
        raise Refused("This rollout was decided on already.", code="wrong_state")
    # The rows first: a plan that moves before the comparison is seen by it, and one that moves later
    # is refused by each change's own approval.
    found = list(rollouts.submitted(rollout).defer(*approvals.NOT_FOR_WHOLE))
    approvals.check_whole(
        found,
        seen=digest,
        now=rollouts.digest_of(rollout),
        title=rollout.title,
        confirmed=confirmed,
    )
    return found
