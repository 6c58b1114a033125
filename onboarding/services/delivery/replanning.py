"""What a delivery would write now: the approved intent, planned on the branch as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from onboarding.domain import diff, planner
from onboarding.domain.errors import Refused
from onboarding.domain.intent_rules import check_neighbours
from onboarding.domain.lifecycle import Right
from onboarding.models import Approval, Change, Delivery, Fleet, Participant
from onboarding.ports import CommitRequest, FleetRepository, TreeEdit
from onboarding.services import plan_records, previews
from onboarding.services.layouts import layout_of
from onboarding.services.rights import rights_of

_NAMED_PATHS = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """A delivery with the plan that its approval holds for, and who approved it."""

    delivery: Delivery
    plan: planner.Plan
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery with the commit that was built for it."""

    delivery: Delivery
    commit: str


def check(*, delivery: Delivery, base: str, repository: FleetRepository) -> Checked:
    """Whether an approval holds on `base`: the approvers still may, the plan is still that plan.

    Where nothing moved that the approved plan has read, it is that plan, and only whether name and
    secret are free is asked again; otherwise it is planned anew. Raises `Refused` with what a
    person must know: the approval no longer counts, the plan is refused on today's tree, or it would
    do something else than what was approved (the paths are named).
    """
    change = delivery.change
    approvers = valid_approvers(change=change, digest=delivery.digest)
    kept = _kept_plan(delivery, base, repository)
    if kept is not None:
        return Checked(delivery, kept, approvers)
    seen = previews.preview_change(change=change, repository=repository, commit=base)
    if seen.digest != delivery.digest:
        raise Refused(_what_moved(change, seen.plan), code="plan_moved")
    return Checked(delivery, seen.plan, approvers)


def build(*, checked: Checked, base: str, repository: FleetRepository, now: datetime) -> Prepared:
    """Build the commit of a checked delivery on `base`, locally; nothing is pushed.

    `base` may be newer than where it was checked: where something moved that the plan depends on,
    it is checked again, and may be refused as by `check`.
    """
    if checked.plan.reads.moved(repository.snapshot(base)):
        checked = check(delivery=checked.delivery, base=base, repository=repository)
    return Prepared(checked.delivery, repository.build(base, _request(checked, now)))


def _kept_plan(delivery: Delivery, base: str, repository: FleetRepository) -> planner.Plan | None:
    """The approved plan, where it is what planning on `base` would give; else None."""
    change = delivery.change
    if change.plan_digest != delivery.digest or not change.read_set:
        return None
    plan = plan_records.kept_plan(change)
    if not _as_laid_out(change.fleet, plan) or plan.reads.moved(repository.snapshot(base)):
        return None
    taken = previews.neighbours_of_change(change=change, intent=plan.intent)
    return None if any(check_neighbours(plan.intent, taken, None)) else plan


def _as_laid_out(fleet: Fleet, plan: planner.Plan) -> bool:
    """Whether the plan read the files that the fleet's layout of today names."""
    layout, placement = layout_of(fleet), plan.intent.placement
    named = {
        layout.releases,
        layout.member_path(placement.hub, placement.cluster),
        *(layer.path for layer in layout.labels_paths(placement)),
    }
    return named <= plan.reads.files.keys()


def valid_approvers(*, change: Change, digest: str) -> tuple[str, ...]:
    """Who approved the plan with this digest and still may: rights are asked again, at each step.

    Raises `Refused` where nobody is left: the right was taken away, or the approver became an
    author.
    """
    approvals = [
        approval
        for approval in change.approvals.all()
        if approval.digest == digest and approval.verdict == Approval.Verdict.APPROVE
    ]
    authors = {
        participant.user_id
        for participant in change.participants.all()
        if participant.role == Participant.Role.AUTHOR
    } | {change.requester_id}
    needed = {Right.APPROVE, *([Right.APPROVE_DESTRUCTIVE] if change.destructive else [])}
    valid = tuple(
        approval.user.get_username()
        for approval in approvals
        if approval.user_id not in authors and needed <= rights_of(approval.user)
    )
    if not valid:
        names = ", ".join(approval.user.get_username() for approval in approvals) or "nobody"
        raise Refused(
            f"The approval by {names} does not count any more: approving needs the right to "
            f"approve, "
            f"held at the time of writing, by somebody who did not take part in the change.",
            code="approval_void",
        )
    return valid


def expected_changes(change: Change) -> Mapping[str, tuple[str, str]]:
    """What the commit of the approved plan changes: path -> (blob before, blob after)."""
    return plan_records.blobs(change)


def _request(checked: Checked, now: datetime) -> CommitRequest:
    """The commit that the plan asks for, in the name of the person who requested it."""
    change, plan = checked.delivery.change, checked.plan
    requester = change.requester
    return CommitRequest(
        edits=tuple(
            TreeEdit(edit.path, edit.before_blob, edit.after.encode()) for edit in plan.edits
        ),
        message=diff.commit_message(
            plan,
            change_id=str(change.uid),
            requester=requester.get_username(),
            approvers=checked.approvers,
            digest=checked.delivery.digest,
        ),
        author_name=requester.get_full_name() or requester.get_username(),
        author_email=requester.email or f"{requester.get_username()}@users.noreply.invalid",
        when=now,
    )


def _what_moved(change: Change, plan: planner.Plan) -> str:
    """Name the paths because of which today's plan is not the approved one."""
    moved = plan_records.moved_paths(change, plan)
    named = ", ".join(moved[:_NAMED_PATHS]) + (" and others" if len(moved) > _NAMED_PATHS else "")
    where = f"These files are not as they were: {named}. " if moved else ""
    return (
        f"What the change would do is not what was approved any more. {where}"
        f"Look at the new plan and ask for approval again."
    )
