"""What a delivery would write now: the approved intent, planned on the branch as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from onboarding.domain import diff, planner
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.models import Approval, Change, Delivery, Participant
from onboarding.ports import CommitRequest, FleetRepository, TreeEdit
from onboarding.services import plan_records, previews
from onboarding.services.rights import rights_of

_NAMED_PATHS = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery with the commit that was built for it, on `base`."""

    delivery: Delivery
    base: str
    commit: str


def prepare(
    *, delivery: Delivery, base: str, repository: FleetRepository, now: datetime
) -> Prepared:
    """Plan a delivery's change on `base` and build its commit locally; nothing is pushed.

    Raises `Refused` with what a person must know: the approval no longer counts, the plan is
    refused on today's tree, or it would do something else than what was approved (the paths are
    named).
    """
    change = delivery.change
    approvers = valid_approvers(change=change, digest=delivery.digest)
    seen = previews.preview_change(change=change, repository=repository, commit=base)
    if seen.digest != delivery.digest:
        raise Refused(_what_moved(change, seen.plan), code="plan_moved")
    return Prepared(delivery, base, repository.build(base, _request(change, seen, approvers, now)))


def valid_approvers(*, change: Change, digest: str) -> tuple[str, ...]:
    """Who approved the plan with this digest and still may: rights are asked again, at each step.

    Raises `Refused` where nobody is left: the right was taken away, or the approver became an
    author.
    """
    approvals = Approval.objects.filter(
        change=change, digest=digest, verdict=Approval.Verdict.APPROVE
    ).select_related("user")
    authors = set(
        Participant.objects.filter(change=change, role=Participant.Role.AUTHOR).values_list(
            "user_id", flat=True
        )
    ) | {change.requester_id}
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


def _request(
    change: Change, seen: previews.Preview, approvers: tuple[str, ...], now: datetime
) -> CommitRequest:
    """The commit that the plan asks for, in the name of the person who requested it."""
    requester = change.requester
    return CommitRequest(
        edits=tuple(
            TreeEdit(edit.path, edit.before_blob, edit.after.encode()) for edit in seen.plan.edits
        ),
        message=diff.commit_message(
            seen.plan,
            change_id=str(change.uid),
            requester=requester.get_username(),
            approvers=approvers,
            digest=seen.digest,
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
