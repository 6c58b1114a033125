"""The plan of a cluster that leaves: every commit of its way, planned one on the other.

An approval covers the whole way. Each later commit is planned again when its turn comes; what it
comes to (`Plan.substance`) has to be what was approved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from onboarding.domain import planner
from onboarding.domain.errors import Refused
from onboarding.domain.intents import LeaveFleet
from onboarding.domain.labels import CHART_PATH, NO_LABELS, cluster_labels
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.leaving import MARK_KEY, LeaveStep, is_marked, steps_for
from onboarding.domain.live_sets import NO_SETS, KnownSets
from onboarding.domain.member import FleetMember, parse_member
from onboarding.domain.overlay import OverlaidSnapshot
from onboarding.domain.plans import (
    FileEdit,
    Impact,
    Neighbours,
    Plan,
    PlannedStep,
    ReadSet,
)
from onboarding.domain.snapshot import RecordingSnapshot, Snapshot, SnapshotFile


def plan(
    intent: LeaveFleet,
    snapshot: Snapshot,
    layout: FleetLayout,
    neighbours: Neighbours,
    *,
    known: KnownSets = NO_SETS,
) -> Plan:
    """Plan the whole way of a cluster out of the fleet, or the one step that the intent names.

    The whole way's plan is that of its first commit, with all steps in `way`. Raises `Refused` as
    `planner.plan`; where the repository's charts do not know the mark; and for the removal of a
    member file that does not say that its cluster is leaving.
    """
    if intent.step is None:
        return _whole(intent, snapshot, layout, neighbours, known)
    if intent.step is LeaveStep.REMOVE:
        return _removal(intent, snapshot, layout)
    return planner.plan(intent, snapshot, layout, neighbours, known=known)


def removes_member(found: Plan, layout: FleetLayout) -> bool:
    """Whether the plan's own commit takes the member file away."""
    placement = found.of_cluster.placement
    path = layout.member_path(placement.hub, placement.cluster)
    return any(edit.path == path and edit.after is None for edit in found.edits)


def member_of(
    placement: Placement, snapshot: Snapshot, layout: FleetLayout
) -> tuple[SnapshotFile, FleetMember]:
    """The member file of a cluster, and what it says; `Refused` where it is not there or not sound."""
    path = layout.member_path(placement.hub, placement.cluster)
    file = snapshot.read(path)
    if file is None:
        raise Refused(
            f"{path} is not in the repository: {placement.cluster} is no member of the fleet.",
            field="cluster",
            code="not_registered",
        )
    return file, parse_member(file)


def _whole(
    intent: LeaveFleet,
    snapshot: Snapshot,
    layout: FleetLayout,
    neighbours: Neighbours,
    known: KnownSets,
) -> Plan:
    base = RecordingSnapshot(snapshot)
    _, member = member_of(intent.placement, base, layout)
    _refuse_unless_known(base)
    files: dict[str, SnapshotFile | None] = {}
    way: list[PlannedStep] = []
    for step in steps_for(member, keep=intent.keep):
        there = OverlaidSnapshot(base, files)
        made = plan(replace(intent, step=step), there, layout, neighbours, known=known)
        files |= {edit.path: _written(edit) for edit in made.edits}
        way.append(PlannedStep(step, made))
    warnings = (warning for one in way for warning in one.plan.warnings)
    return replace(
        way[0].plan,
        intent=intent,
        way=tuple(way),
        warnings=tuple(dict.fromkeys(warnings)),
        reads=ReadSet(base.files_read, base.folders_listed),
    )


def _written(edit: FileEdit) -> SnapshotFile | None:
    if edit.after is None:
        return None
    return SnapshotFile(edit.path, edit.after_blob, edit.after.encode())


def _refuse_unless_known(snapshot: Snapshot) -> None:
    """A chart that does not know the mark would leave the Applications where they are, for ever."""
    for path in snapshot.paths(CHART_PATH):
        file = snapshot.read(path)
        if file and MARK_KEY.encode() in file.content:
            return
    raise Refused(
        f"Nothing in {CHART_PATH} of this repository reads {MARK_KEY}, so the hub would not take the "
        "cluster's Applications away in order. Take the shipped chart over (init_fleet writes it), "
        "or switch the flags off in an edit and remove the member file by hand when the hub has no "
        "Application of the cluster left.",
        code="no_offboarding",
    )


def _removal(intent: LeaveFleet, snapshot: Snapshot, layout: FleetLayout) -> Plan:
    """The member file and the cluster's own values files go; nothing else of the repository.

    Of a cluster that moves to another hub the values files stay: their paths name no hub.
    """
    recorded = RecordingSnapshot(snapshot)
    file, member = member_of(intent.placement, recorded, layout)
    if not is_marked(member):
        raise Refused(
            f'{file.path} does not say {MARK_KEY}: "true", so the cluster still has its channels '
            "and flags. Without its member file nobody would own what runs on it. Let it leave in "
            "order: the mark first, its files when its Applications are gone.",
            code="not_marked",
        )
    placement = member.placement(intent.placement.hub)
    paths = () if intent.to_hub else _own_files(placement, recorded, layout)
    own = [recorded.read(path) for path in paths]
    return Plan(
        commit=recorded.commit,
        intent=intent,
        edits=tuple(_gone(one) for one in (file, *own) if one is not None),
        labels_before=cluster_labels(member, intent.placement.hub, recorded, layout),
        labels_after=NO_LABELS,
        impact=Impact(),
        reads=ReadSet(recorded.files_read, recorded.folders_listed),
    )


def _own_files(placement: Placement, snapshot: Snapshot, layout: FleetLayout) -> Iterator[str]:
    """The files below the folders that are this cluster's alone, in each group's base folder."""
    folders = layout.cluster_folders(placement)
    yield from sorted({path for folder in folders for path in snapshot.paths(folder)})


def _gone(file: SnapshotFile) -> FileEdit:
    return FileEdit(file.path, file.blob, "", file.content.decode("utf-8", "replace"), None)
