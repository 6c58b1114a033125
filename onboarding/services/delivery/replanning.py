"""What a delivery would write now: the approved intent, planned on the branch as it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from onboarding.domain import diff, planner
from onboarding.domain.errors import Refused, Transient
from onboarding.domain.intent_rules import check_neighbours
from onboarding.domain.intents import EditLayer, Intent
from onboarding.domain.layer_plan import layout_mark
from onboarding.domain.plans import ReadSet
from onboarding.domain.snapshot import RememberingSnapshot
from onboarding.models import Change, Delivery, Fleet
from onboarding.ports import CommitRequest, FleetRepository, TreeEdit
from onboarding.services import events, leaving_guard, plan_records, previews, rollout_guard
from onboarding.services.delivery.gate import Gate
from onboarding.services.layouts import layout_of
from onboarding.services.neighbours import Holders

_log = logging.getLogger(__name__)

_NAMED_PATHS = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """A delivery with the plan that its approval holds for, who approved it, and the trail's end."""

    delivery: Delivery
    plan: planner.Plan
    approvers: tuple[str, ...]
    audit_head: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery with the commit that was built for it, and the paths that it changes."""

    delivery: Delivery
    commit: str
    paths: tuple[str, ...]


class Ground:
    """What the checks of some deliveries on one commit have in common, read once for all of them.

    `base` is that commit. Who has a cluster's name or secret is asked of the database here, for all,
    where the audit trail ends, and what policies and rights say at `now`.
    """

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        *,
        base: str,
        repository: FleetRepository,
        now: datetime,
    ) -> None:
        self.base, self.repository = base, repository
        self.gate = Gate(deliveries, now=now)
        self.snapshot = RememberingSnapshot(repository.snapshot(base))
        kept = {row.pk: _kept_plan(row) for row in deliveries}
        self.plans = {pk: plan for pk, plan in kept.items() if plan is not None}
        intents = (plan.intent for plan in self.plans.values())
        self.holders = Holders(one for one in intents if not isinstance(one, EditLayer))
        self.audit_head = events.head()


def check(*, delivery: Delivery, ground: Ground) -> Checked:
    """Whether an approval holds on a ground: its approvers are still enough, the plan is still that plan.

    Where nothing moved that the approved plan has read, it is that plan, and only whether name and
    secret are free is asked again; otherwise it is planned anew. Raises `Refused` with what a
    person must know: the approval no longer counts, the plan is refused on today's tree, or it would
    do something else than what was approved (the paths are named). Raises `Held` in a freeze.
    """
    change = delivery.change
    approvers = ground.gate.admit(delivery)
    kept = ground.plans.get(delivery.pk)
    if kept is not None and _still_holds(kept, change, ground):
        return Checked(delivery, kept, approvers, ground.audit_head)
    seen = previews.preview_change(change=change, repository=ground.repository, commit=ground.base)
    if seen.digest != delivery.digest:
        raise Refused(_what_moved(change, seen.plan), code="plan_moved")
    return Checked(delivery, seen.plan, approvers, ground.audit_head)


def check_alone(
    *, delivery: Delivery, base: str, repository: FleetRepository, now: datetime
) -> Checked:
    """`check` for one delivery on a commit."""
    ground = Ground([delivery], base=base, repository=repository, now=now)
    return check(delivery=delivery, ground=ground)


def build(
    *,
    checked: Checked,
    base: str,
    moved: Set[str] | None,
    held: Set[int],
    gate: Gate,
    repository: FleetRepository,
    now: datetime,
) -> Prepared:
    """Build the commit of a checked delivery on `base`, locally; nothing is pushed.

    `base` may be newer than where it was checked; `moved` are the paths that differ since, with
    their folders, or None where that is not known. Where the plan may depend on one it is looked
    at closely, and checked again where it does; it may be refused as by `check`, and is where its
    change is one of `held`, which wait for a wave of a rollout. What `gate` says is newer than the
    check. Raises `Transient` while the hub still has Applications of a cluster whose member file goes.
    """
    checked = replace(checked, approvers=gate.admit(checked.delivery))
    reads = checked.plan.reads
    if (moved is None or reads.depends_on(moved)) and reads.moved(repository.snapshot(base)):
        checked = check_alone(delivery=checked.delivery, base=base, repository=repository, now=now)
    change = checked.delivery.change
    leaving_guard.refuse_out_of_order(change=change)
    rollout_guard.refuse_early(change=change, held=held)
    try:
        leaving_guard.refuse_removal(fleet=change.fleet, plan=checked.plan, now=now)
    except Refused as refused:
        # What the hub shows may be otherwise in a minute; the approval is as good as it was.
        raise Transient(str(refused)) from refused
    paths = tuple(edit.path for edit in checked.plan.edits)
    return Prepared(checked.delivery, repository.build(base, _request(checked, now)), paths)


def _kept_plan(delivery: Delivery) -> planner.Plan | None:
    """The approved plan as it is kept; None where it has to be made anew."""
    change = delivery.change
    if change.plan_digest != delivery.digest or not change.read_set:
        return None
    try:
        return plan_records.kept_plan(change)
    except Exception:
        # A row that cannot be read is met again when this one change is checked, and said of it.
        _log.warning("The kept plan of change %s cannot be read.", change.pk)
        return None


def _still_holds(plan: planner.Plan, change: Change, ground: Ground) -> bool:
    """Whether the approved plan is what planning on this ground would give."""
    if plan.reads.moved(ground.snapshot):
        return False
    if isinstance(plan.intent, EditLayer):
        return plan.layout == layout_mark(layout_of(change.fleet))
    if not _as_laid_out(change.fleet, plan.of_cluster, plan.reads):
        return False
    taken = ground.holders.of(fleet=change.fleet, intent=plan.intent, change=change)
    return not any(check_neighbours(plan.intent, taken, None))


def _as_laid_out(fleet: Fleet, intent: Intent, reads: ReadSet) -> bool:
    """Whether the plan read the files that the fleet's layout of today names."""
    layout, placement = layout_of(fleet), intent.placement
    named = {
        layout.releases,
        layout.member_path(placement.hub, placement.cluster),
        *(layer.path for layer in layout.labels_paths(placement)),
    }
    return named <= reads.files.keys()


def expected_changes(change: Change) -> Mapping[str, tuple[str, str]]:
    """What the commit of the approved plan changes: path -> (blob before, blob after)."""
    return plan_records.blobs(change)


def _request(checked: Checked, now: datetime) -> CommitRequest:
    """The commit that the plan asks for, in the name of the person who requested it."""
    change, plan = checked.delivery.change, checked.plan
    requester = change.requester
    return CommitRequest(
        edits=tuple(
            TreeEdit(
                edit.path, edit.before_blob, None if edit.after is None else edit.after.encode()
            )
            for edit in plan.edits
        ),
        message=diff.commit_message(
            plan,
            change_id=str(change.uid),
            requester=requester.get_username(),
            approvers=checked.approvers,
            digest=checked.delivery.digest,
            audit_head=checked.audit_head,
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
