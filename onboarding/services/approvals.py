"""Decisions on changes, on one or on many at once: approve or reject exactly what was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, OuterRef

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Act, DecisionState, check_approval
from onboarding.domain.policy import Given, Rule, Tally, judge
from onboarding.domain.prose import prose
from onboarding.models import Approval, Change, Event
from onboarding.ports import Clock, WorkQueue
from onboarding.services import decisions, events, handovers, policies, rollout_guard
from onboarding.services.decisions import STALE
from onboarding.services.delivery import deliveries

if TYPE_CHECKING:
    from django.contrib.auth.models import User


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
) -> Approval:
    """Approve the plan with this digest; where that is enough, queue its delivery in the same transaction.

    What is enough the approval policies say; before that the change goes on waiting, with this approval.
    A change of a rollout whose wave has not begun is approved and not queued.

    `digest` is the one that the approver's page showed, `confirmed` the cluster's name as they typed
    it, which a destructive change asks for together with a reason. Raises `Refused` where the actor may
    not approve (no right, requester, editor), where only another's approval helps, where the change is
    not open for approval, where the plan is not the one that was seen any more, or where a handover has
    not arrived on the hub.
    """
    reason = prose(reason, field="reason")
    with transaction.atomic():
        [approval] = _approve(
            {change_id: digest},
            actor=actor,
            reason=reason,
            confirmed=lambda change: confirmed,
            now=clock.now(),
            queue=queue,
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
    seen = {one.pk: one.plan_digest for one in changes}
    open_rows = dict(seen.items() - _approved_by(actor, seen))
    if not open_rows:
        raise Refused("You have already approved all of it.", code="already_decided")
    given = _approve(
        open_rows,
        actor=actor,
        reason=reason,
        confirmed=lambda change: change.about,
        now=clock.now(),
        queue=queue,
    )
    return len(given)


def reject_all(changes: Iterable[Change], *, actor: User, clock: Clock, reason: str) -> int:
    """Reject many changes that were shown as a whole, in the caller's transaction; returns how many."""
    seen = {one.pk: one.plan_digest for one in changes}
    return len(_reject(seen, actor=actor, reason=reason, now=clock.now()))


NOT_FOR_WHOLE = ("plan", "read_set", "form_data", "intent")
"""Columns of a change that nothing asks for before each is decided on: of thousands, they are much."""


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
        [[change]] = decisions.locked([change_id])
        if change.state != DecisionState.SUBMITTED.value or not change.plan_digest:
            return False
        found = policies.tally(change, policies.rules(), at=at)
        if not found.is_met:
            policies.note_wanted(change, found)
            return False
        _count({change.pk: found}, [change], at, queue)
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
    with transaction.atomic():
        [approval] = _reject({change_id: digest}, actor=actor, reason=reason, now=clock.now())
    return approval


def _approve(
    digests: Mapping[int, str],
    *,
    actor: User,
    reason: str,
    confirmed: Callable[[Change], str],
    now: datetime,
    queue: WorkQueue,
) -> list[Approval]:
    """Approve the plans with these digests, by the numbers of their changes, in the caller's transaction.

    Those for which only another's approval helps are left as they are; raises `Refused` where that are
    all of them.
    """
    known, groups = policies.rules(), policies.groups_of(actor)
    given: list[Approval] = []
    said: list[Event] = []
    not_needed = None
    for part in decisions.decidable(digests, act=Act.APPROVE, actor=actor):
        for one in part:
            handovers.refuse_before_hub_follows(change=one.change)
            check_approval(
                destructive=one.change.destructive,
                confirm=one.change.about,
                confirmed=confirmed(one.change),
                reason=reason,
                actor_may=one.rights,
            )
        before = _of_many_approvals([one.change for one in part], known, now)
        helped = []
        for one in part:
            if (found := before.get(one.change.pk)) and not policies.helps(found, groups):
                not_needed = Refused(
                    f"{found.lacks} Your approval would not bring it further.", code="other_group"
                )
            else:
                helped.append(one.change)
        given += _give(helped, before, actor=actor, reason=reason, now=now)
        alone = [Given(actor.get_username(), now)]
        after = _of_many_approvals(helped, known, now)
        counted = {
            one.pk: after.get(one.pk) or judge(policies.demand_of(one, known), alone, now)
            for one in helped
        }
        _count(counted, helped, now, queue)
        said += (_approved_event(one, counted[one.pk], actor, reason, now) for one in helped)
    if not_needed and not given:
        raise not_needed
    events.record_all(said)
    return given


def _of_many_approvals(
    changes: Sequence[Change], known: Sequence[Rule], now: datetime
) -> dict[int, Tally]:
    """How far those changes are for which one approval is not enough, by number."""
    several = [one for one in changes if not policies.demand_of(one, known).one_is_enough]
    return policies.tallies(several, at=now, known=known) if several else {}


def _give(
    changes: Sequence[Change],
    before: Mapping[int, Tally],
    *,
    actor: User,
    reason: str,
    now: datetime,
) -> list[Approval]:
    """Write the actor's approvals down: new ones, and anew those of theirs that have expired."""
    renewed = {}
    for one in changes:
        own = _renewed(one, before[one.pk], actor, now) if one.pk in before else None
        if own:
            renewed[one.pk] = own
    fresh = [one for one in changes if one.pk not in renewed]
    given = decisions.write(fresh, actor=actor, verdict=Approval.Verdict.APPROVE, reason=reason)
    return [*renewed.values(), *given]


def _count(
    found: Mapping[int, Tally], changes: Sequence[Change], now: datetime, queue: WorkQueue
) -> None:
    """Let changes be approved whose approvals are enough, and go on waiting where they are not."""
    met = [one for one in changes if found[one.pk].is_met]
    waiting = [one for one in changes if not found[one.pk].is_met]
    decisions.move(waiting, updated_at=now)
    policies.note_all_wanted(waiting, found)
    decisions.move(
        met,
        state=DecisionState.APPROVED.value,
        state_note="",
        decided_at=now,
        updated_at=now,
    )
    held = rollout_guard.held(one.pk for one in met)
    deliveries.enqueue([one for one in met if one.pk not in held], at=now, queue=queue)


def _approved_event(change: Change, found: Tally, actor: User, reason: str, now: datetime) -> Event:
    return events.unsaved(
        verb="change.approved" if found.is_met else "change.approval_added",
        message=f"{actor.get_username()} approved the plan {change.plan_digest[:19]}{_so_far(found)}.",
        at=now,
        actor=actor,
        change=change,
        detail={
            "digest": change.plan_digest,
            "reason": reason,
            "demand": found.demand.to_data(),
        },
    )


def _reject(
    digests: Mapping[int, str], *, actor: User, reason: str, now: datetime
) -> list[Approval]:
    """Reject the plans with these digests, by the numbers of their changes, in the caller's transaction."""
    if not reason:
        raise Refused(
            "Say why you reject it, so that the requester can act on it.",
            field="reason",
            code="required",
        )
    given: list[Approval] = []
    said: list[Event] = []
    for part in decisions.decidable(digests, act=Act.REJECT, actor=actor):
        rows = [one.change for one in part]
        given += decisions.write(rows, actor=actor, verdict=Approval.Verdict.REJECT, reason=reason)
        decisions.move(
            rows,
            state=DecisionState.REJECTED.value,
            state_note=reason,
            decided_at=now,
            settled_at=now,
            updated_at=now,
        )
        said += (_rejected_event(one, actor, reason, now) for one in rows)
    events.record_all(said)
    return given


def _rejected_event(change: Change, actor: User, reason: str, now: datetime) -> Event:
    return events.unsaved(
        verb="change.rejected",
        message=f"{actor.get_username()} rejected the change: {reason}",
        at=now,
        actor=actor,
        change=change,
        detail={"digest": change.plan_digest, "reason": reason},
    )


def _so_far(found: Tally) -> str:
    """How far it is, where one approval is not all."""
    return f": {found.words}" if found.demand.approvers > 1 or not found.is_met else ""


def _approved_by(actor: User, changes: Iterable[int]) -> set[tuple[int, str]]:
    """The plans of some changes that a person approved already: number and digest."""
    own = Approval.objects.filter(
        change__in=list(changes), user=actor, verdict=Approval.Verdict.APPROVE
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
