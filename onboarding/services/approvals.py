"""Decisions on changes, on one or on many at once: approve or reject exactly what was shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Act, DecisionState, Right, check_approval, decide
from onboarding.domain.policy import Given, Rule, Tally, judge
from onboarding.domain.prose import prose
from onboarding.models import Approval, Change, Participant
from onboarding.ports import Clock, WorkQueue
from onboarding.services import events, handovers, places, policies, rollout_guard
from onboarding.services.delivery import deliveries
from onboarding.services.rights import is_service, reach_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

STALE = "The plan has changed since you opened the page. Look at the new plan and decide again."


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision on many changes came to: how many it was about, how many need another approval yet."""

    count: int
    waiting: int = 0


def approve(
    *,
    change_id: int,
    digest: str,
    actor: User,
    clock: Clock,
    queue: WorkQueue,
    reason: str = "",
    confirmed: str = "",
    rules: Sequence[Rule] | None = None,
) -> Approval:
    """Approve the plan with this digest; where that is enough, queue its delivery in the same transaction.

    What is enough the approval policies say; before that the change goes on waiting, with this approval.
    A change of a rollout whose wave has not begun is approved and not queued.

    `digest` is the one that the approver's page showed, `confirmed` the cluster's name as they typed
    it, which a destructive change asks for together with a reason; `rules` spares reading them for each
    of many. Raises `Refused` where the actor may not approve (no right, requester, editor), where only
    another's approval helps, where the change is not open for approval, where the plan is not the one
    that was seen any more, or where a handover has not arrived on the hub.
    """
    now, reason = clock.now(), prose(reason, field="reason")
    known = policies.rules() if rules is None else rules
    with transaction.atomic():
        change, rights = _decidable(
            change_id=change_id, act=Act.APPROVE, actor=actor, digest=digest
        )
        handovers.refuse_before_hub_follows(change=change)
        check_approval(
            destructive=change.destructive,
            confirm=change.about,
            confirmed=confirmed,
            reason=reason,
            actor_may=rights,
        )
        approval, found = _give(change, known, digest=digest, actor=actor, reason=reason, now=now)
        _count(change, found, now, queue)
        events.record(
            verb="change.approved" if found.is_met else "change.approval_added",
            message=f"{actor.get_username()} approved the plan {digest[:19]}{_so_far(found)}.",
            at=now,
            actor=actor,
            change=change,
            detail={"digest": digest, "reason": reason, "demand": found.demand.to_data()},
        )
    return approval


def approve_all(
    changes: Iterable[Change],
    *,
    actor: User,
    clock: Clock,
    queue: WorkQueue,
    reason: str = "",
) -> int:
    """Approve many changes that were shown and confirmed as a whole, in the caller's transaction.

    Those that the actor approved before, and those where only another's approval helps now, are left as
    they are. Returns how many were approved; raises `Refused` as `approve`, and where there was nothing
    left to approve.
    """
    rows = list(changes)
    done = _approved_by(actor, rows)
    known = policies.rules()
    open_rows = [one for one in rows if (one.pk, one.plan_digest) not in done]
    if not open_rows:
        raise Refused("You have already approved all of it.", code="already_decided")
    count, not_needed = 0, None
    for one in open_rows:
        try:
            approve(
                change_id=one.pk,
                digest=one.plan_digest,
                actor=actor,
                clock=clock,
                queue=queue,
                reason=reason,
                confirmed=one.about,
                rules=known,
            )
            count += 1
        except Refused as refused:
            if refused.refusals[0].code != "other_group":
                raise
            not_needed = refused
    if not count and not_needed:
        raise not_needed
    return count


def reject_all(changes: Iterable[Change], *, actor: User, clock: Clock, reason: str) -> int:
    """Reject many changes that were shown as a whole, in the caller's transaction; returns how many."""
    rows = list(changes)
    for one in rows:
        reject(change_id=one.pk, digest=one.plan_digest, actor=actor, clock=clock, reason=reason)
    return len(rows)


def check_whole(
    changes: Sequence[Change], *, seen: str, now: str, title: str, confirmed: str | None
) -> None:
    """What deciding on many changes at once asks: they are what was shown, and what goes away is confirmed.

    `seen` is the digest of the whole that the page showed, `now` the one of today; `confirmed` is the
    title as typed, None where nothing has to be. Raises `Refused`.
    """
    if seen != now:
        raise Refused(STALE, code="stale_plan")
    unplanned = [one.about for one in changes if not one.plan_digest]
    if unplanned or not changes:
        raise Refused(
            f"What would be done to {', '.join(unplanned[:3]) or 'any cluster'} is not known now; "
            "withdraw what is refused, or wait for its new plan.",
            code="no_plan",
        )
    if confirmed is None or not any(one.destructive for one in changes):
        return
    if confirmed.strip() != title:
        raise Refused(
            f"Type {title} to approve that something goes away on a cluster.",
            field="confirm",
            code="unconfirmed",
        )


def complete(*, clock: Clock, queue: WorkQueue) -> int:
    """Approve what has all its approvals by now: its approvers joined a group, or got a right back.

    Called every few seconds. Returns how many were approved.
    """
    now = clock.now()
    some = Approval.objects.filter(
        change=OuterRef("pk"), digest=OuterRef("plan_digest"), verdict=Approval.Verdict.APPROVE
    )
    waiting = list(policies.waiting_changes().filter(Exists(some)))
    found = policies.tallies(waiting, at=now)
    policies.note_all_wanted(waiting, found)
    return sum(
        complete_one(change_id=pk, at=now, queue=queue) for pk, one in found.items() if one.is_met
    )


def complete_one(*, change_id: int, at: datetime, queue: WorkQueue) -> bool:
    """Approve a waiting change whose approvals are enough; tell whether they were."""
    with transaction.atomic():
        change = _locked(change_id)
        if change.state != DecisionState.SUBMITTED.value or not change.plan_digest:
            return False
        found = policies.tally(change, policies.rules(), at=at)
        if not found.is_met:
            policies.note_wanted(change, found)
            return False
        _count(change, found, at, queue)
        events.record(
            verb="change.approved",
            message=f"It has all its approvals: {', '.join(found.counted)}.",
            at=at,
            change=change,
            detail={"digest": change.plan_digest, "demand": found.demand.to_data()},
        )
    return True


def reject(*, change_id: int, digest: str, actor: User, clock: Clock, reason: str) -> Approval:
    """Reject the plan with this digest, for a reason; the change ends there, whoever approved before.

    Raises `Refused` without a reason, and in the cases of `approve`.
    """
    reason = prose(reason, field="reason")
    if not reason:
        raise Refused(
            "Say why you reject it, so that the requester can act on it.",
            field="reason",
            code="required",
        )
    now = clock.now()
    with transaction.atomic():
        change, _ = _decidable(change_id=change_id, act=Act.REJECT, actor=actor, digest=digest)
        approval = _decide(
            change=change, digest=digest, actor=actor, verdict="reject", reason=reason
        )
        _move(
            change,
            state=DecisionState.REJECTED.value,
            state_note=reason,
            decided_at=now,
            settled_at=now,
            updated_at=now,
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


def _give(
    change: Change, known: Sequence[Rule], *, digest: str, actor: User, reason: str, now: datetime
) -> tuple[Approval, Tally]:
    """Write the actor's approval down, and count: it and those before it, which may not count any more."""
    demand = policies.demand_of(change, known)
    if demand.one_is_enough:
        given = _decide(change=change, digest=digest, actor=actor, verdict="approve", reason=reason)
        return given, judge(demand, [Given(actor.get_username(), now)], now)
    before = policies.tally(change, known, at=now)
    if not policies.helps(before, actor):
        raise Refused(
            f"{before.lacks} Your approval would not bring it further.", code="other_group"
        )
    approval = _renewed(change, before, actor, now) or _decide(
        change=change, digest=digest, actor=actor, verdict="approve", reason=reason
    )
    return approval, policies.tally(change, known, at=now)


def _count(change: Change, found: Tally, now: datetime, queue: WorkQueue) -> None:
    """Let a change be approved where its approvals are enough, and go on waiting where they are not."""
    if not found.is_met:
        _move(change, updated_at=now)
        policies.note_wanted(change, found)
        return
    _move(
        change,
        state=DecisionState.APPROVED.value,
        state_note="",
        decided_at=now,
        updated_at=now,
    )
    if not rollout_guard.is_held(change=change):
        deliveries.enqueue(change=change, at=now, queue=queue)


def _move(change: Change, **columns: Any) -> None:
    """Change a row that is still as it was read; raises `Refused` where somebody was faster."""
    moved = Change.objects.filter(
        pk=change.pk, state=change.state, plan_digest=change.plan_digest
    ).update(**columns)
    if not moved:
        raise Refused(
            "Somebody else decided on this change a moment ago. Reload the page.", code="raced"
        )


def _so_far(found: Tally) -> str:
    """How far it is, where one approval is not all."""
    return f": {found.words}" if found.demand.approvers > 1 or not found.is_met else ""


def _approved_by(actor: User, rows: Sequence[Change]) -> set[tuple[int, str]]:
    """The plans of some changes that a person approved already: number and digest."""
    own = Approval.objects.filter(
        change__in=[one.pk for one in rows], user=actor, verdict=Approval.Verdict.APPROVE
    )
    return set(own.values_list("change", "digest"))


def _renewed(change: Change, found: Tally, actor: User, now: datetime) -> Approval | None:
    """The actor's own approval of this plan, given anew, where it has expired; None where it has not."""
    if actor.get_username() not in dict(found.void):
        return None
    own = Approval.objects.filter(
        change=change,
        digest=change.plan_digest,
        user=actor,
        verdict=Approval.Verdict.APPROVE,
    )
    own.update(created_at=now)
    return own.first()


def _locked(change_id: int) -> Change:
    changes = Change.objects.select_for_update(of=("self",)).select_related("fleet")
    return changes.get(pk=change_id)


def _decidable(
    *, change_id: int, act: Act, actor: User, digest: str
) -> tuple[Change, frozenset[Right]]:
    """The change, locked, if this person may take this decision on this plan now; and what they may
    with all that it touches, asked now.
    """
    if is_service(actor):
        raise Refused(
            "A program never decides on a change: somebody who is signed in does.", code="service"
        )
    change = _locked(change_id)
    is_author = (
        change.requester_id == actor.pk
        or change.participants.filter(user=actor, role=Participant.Role.AUTHOR).exists()
    )
    rights = _rights_over(change, actor)
    decide(DecisionState(change.state), act, actor_is_author=is_author, actor_may=rights)
    if not digest or change.plan_digest != digest:
        raise Refused(STALE, code="stale_plan")
    return change, rights


def _rights_over(change: Change, actor: User) -> frozenset[Right]:
    """What somebody may with all that a change touches, asked now."""
    return reach_of(actor).at_all(places.touched_by(change))


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
