"""Decisions on a change: approve or reject exactly what was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Act, DecisionState, check_approval, decide
from onboarding.models import Approval, Change, Participant
from onboarding.ports import Clock, WorkQueue
from onboarding.services import events, handovers, rollout_guard
from onboarding.services.delivery import deliveries
from onboarding.services.rights import is_service, rights_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def approve(
    *,
    change_id: int,
    digest: str,
    actor: User,
    clock: Clock,
    queue: WorkQueue,
    reason: str = "",
    confirmed: str = "",
) -> Approval:
    """Approve the plan with this digest and queue its delivery, in one transaction.

    A change of a rollout whose wave has not begun is approved and not queued.

    `digest` is the one that the approver's page showed, `confirmed` the cluster's name as they typed
    it, which a destructive change asks for together with a reason. Raises `Refused` where the actor
    may not approve (no right, requester, editor), where the change is not open for approval, where
    the plan is not the one that was seen any more, or where a handover has not arrived on the hub.
    """
    now = clock.now()
    with transaction.atomic():
        change = _decidable(change_id=change_id, act=Act.APPROVE, actor=actor, digest=digest)
        handovers.refuse_before_hub_follows(change=change)
        check_approval(
            destructive=change.destructive,
            confirm=change.about,
            confirmed=confirmed,
            reason=reason,
            actor_may=rights_of(actor),
        )
        approval = _decide(
            change=change, digest=digest, actor=actor, verdict="approve", reason=reason
        )
        moved = Change.objects.filter(
            pk=change.pk, state=DecisionState.SUBMITTED.value, plan_digest=digest
        ).update(state=DecisionState.APPROVED.value, state_note="", decided_at=now, updated_at=now)
        if not moved:
            raise Refused(
                "Somebody else decided on this change a moment ago. Reload the page.", code="raced"
            )
        if not rollout_guard.is_held(change=change):
            deliveries.enqueue(change=change, at=now, queue=queue)
        events.record(
            verb="change.approved",
            message=f"{actor.get_username()} approved the plan {digest[:19]}.",
            at=now,
            actor=actor,
            change=change,
            detail={"digest": digest, "reason": reason},
        )
    return approval


def reject(*, change_id: int, digest: str, actor: User, clock: Clock, reason: str) -> Approval:
    """Reject the plan with this digest, for a reason; the change ends there.

    Raises `Refused` without a reason, and in the cases of `approve`.
    """
    if not reason.strip():
        raise Refused(
            "Say why you reject it, so that the requester can act on it.",
            field="reason",
            code="required",
        )
    now = clock.now()
    with transaction.atomic():
        change = _decidable(change_id=change_id, act=Act.REJECT, actor=actor, digest=digest)
        approval = _decide(
            change=change, digest=digest, actor=actor, verdict="reject", reason=reason
        )
        moved = Change.objects.filter(pk=change.pk, state=change.state, plan_digest=digest).update(
            state=DecisionState.REJECTED.value,
            state_note=reason,
            decided_at=now,
            settled_at=now,
            updated_at=now,
        )
        if not moved:
            raise Refused(
                "Somebody else decided on this change a moment ago. Reload the page.", code="raced"
            )
        events.record(
            verb="change.rejected",
            message=f"{actor.get_username()} rejected the change: {reason}",
            at=now,
            actor=actor,
            change=change,
            detail={"digest": digest, "reason": reason},
        )
    return approval


def _decidable(*, change_id: int, act: Act, actor: User, digest: str) -> Change:
    """The change, locked, if this person may take this decision on this plan now."""
    if is_service(actor):
        raise Refused(
            "A program never decides on a change: somebody who is signed in does.", code="service"
        )
    change = (
        Change.objects.select_for_update(of=("self",)).select_related("fleet").get(pk=change_id)
    )
    is_author = (
        change.requester_id == actor.pk
        or change.participants.filter(user=actor, role=Participant.Role.AUTHOR).exists()
    )
    decide(
        DecisionState(change.state),
        act,
        actor_is_author=is_author,
        actor_may=rights_of(actor),
    )
    if not digest or change.plan_digest != digest:
        raise Refused(
            "The plan has changed since you opened the page. Look at the new plan and decide again.",
            code="stale_plan",
        )
    return change


def _decide(*, change: Change, digest: str, actor: User, verdict: str, reason: str) -> Approval:
    """Write who decided; the database refuses a second decision, and an approver who is an author."""
    try:
        with transaction.atomic():
            participant, _ = Participant.objects.get_or_create(
                change=change, user=actor, defaults={"role": Participant.Role.APPROVER}
            )
            if participant.role != Participant.Role.APPROVER:
                raise Refused(
                    "You asked for this change or edited it, so somebody else has to decide on it.",
                    code="own_change",
                )
            return Approval.objects.create(
                change=change, digest=digest, user=actor, verdict=verdict, reason=reason
            )
    except IntegrityError as error:
        raise Refused("You have already decided on this plan.", code="already_decided") from error
