"""Intent + snapshot + layout -> plan: exactly what would be written, or every reason why not.

Nothing here knows a hub or a clock: the same intent on the same commit gives the same plan. The
hub's live ApplicationSets may add forecasts, which are marked and stay out of the digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, cast

from onboarding.domain.component_values import view_of
from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.handover import check_handover
from onboarding.domain.hierarchy import resolve
from onboarding.domain.impact import Forecaster, doubted, forecast
from onboarding.domain.intent_rules import (
    check_channels,
    check_fixed,
    check_neighbours,
    check_values,
)
from onboarding.domain.intents import (
    EditCluster,
    Intent,
    LeaveFleet,
    RegisterCluster,
    intent_from_data,
)
from onboarding.domain.labels import (
    NO_LABELS,
    ClusterLabels,
    cluster_labels,
    edit_labels_text,
)
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.leaving import member_after
from onboarding.domain.live_sets import NO_SETS, KnownSets
from onboarding.domain.member import FleetMember, edit_member_text, new_member_text, parse_member
from onboarding.domain.names import SecretName
from onboarding.domain.plan_warnings import warnings_of
from onboarding.domain.plans import (
    ApplicationForecast,
    DeployedBy,
    FileEdit,
    Impact,
    Neighbours,
    Plan,
    PlanWarning,
    ReadSet,
    blob_id,
)
from onboarding.domain.releases import Releases, parse_releases
from onboarding.domain.snapshot import RecordingSnapshot, Snapshot, SnapshotFile

__all__ = [
    "ApplicationForecast",
    "DeployedBy",
    "EditCluster",
    "FileEdit",
    "Impact",
    "Intent",
    "LeaveFleet",
    "Neighbours",
    "Plan",
    "PlanWarning",
    "ReadSet",
    "RegisterCluster",
    "blob_id",
    "intent_from_data",
    "plan",
]

_T = TypeVar("_T")


def plan(
    intent: Intent,
    snapshot: Snapshot,
    layout: FleetLayout,
    neighbours: Neighbours,
    *,
    known: KnownSets = NO_SETS,
) -> Plan:
    """Plan an intent on the repository at one commit; nothing is written.

    `neighbours` says which names and secrets are taken, without the cluster or change that is
    planned. `known` are the ApplicationSets of the hub, or rendered ones, for groups that no
    catalogue describes.

    Returns the plan with its read set. Raises `Refused` with all refusals at once, each with its
    form field: `hub`, `cluster`, `tenant`, `environment`, `secret_name`, `remote_addons`,
    `remote_resources`, the key of an option or label, or "" for the whole.
    """
    if not snapshot.commit:
        raise Refused(
            "The fleet repository is empty: the branch has no commit yet. Write a fleet into it "
            "with init_fleet, or correct the branch.",
            code="empty_repository",
        )
    recorded = RecordingSnapshot(snapshot)
    found = _read(intent, recorded, layout, neighbours)
    edits = _edits(intent, found)
    return _plan_of(intent, recorded, layout, found, edits, known)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the repository has of the cluster before the change, and the member that it shall have.

    `member` is None for a cluster that joins. `placement` is the asked one, with the base folders
    that the asked options choose: there its labels are read and its pins are written.
    """

    member_path: str
    member_file: SnapshotFile | None
    member: FleetMember | None
    wanted: FleetMember
    placement: Placement
    labels_path: str
    labels_file: SnapshotFile | None
    releases: Releases


def _read(
    intent: Intent, snapshot: Snapshot, layout: FleetLayout, neighbours: Neighbours
) -> _Found:
    """Read what is needed and refuse with everything that stands against the intent."""
    refusals: list[Refusal] = []
    path = layout.member_path(intent.placement.hub, intent.placement.cluster)
    file = snapshot.read(path)
    member = _attempt(refusals, lambda: _member(intent, path, file))
    wanted = _wanted(intent, member, path)
    refusals += check_values(intent, wanted)
    releases = _attempt(refusals, lambda: _releases(snapshot, layout))
    if releases:
        refusals += check_channels(intent, releases)
    if member:
        refusals += [*check_fixed(intent, member), *check_handover(member, wanted)]
    refusals += _without_repeats(refusals, [*check_neighbours(intent, neighbours, member)])
    placement = wanted.placement(intent.placement.hub)
    labels_file = _attempt(refusals, lambda: _labels_file(placement, snapshot, layout, refusals))
    if refusals or releases is None:
        raise Refused.of(refusals)
    labels_path = layout.cluster_labels_path(placement)
    return _Found(path, file, member, wanted, placement, labels_path, labels_file, releases)


def _labels_file(
    placement: Placement, snapshot: Snapshot, layout: FleetLayout, refusals: list[Refusal]
) -> SnapshotFile | None:
    """The cluster's own labels file; a layer that is no YAML is refused, each with its place.

    The hub could not render the cluster's secret from it, and nobody could say what it will carry.
    """
    file = None
    for layer in layout.labels_paths(placement):
        file = snapshot.read(layer.path)
        _attempt(refusals, partial(resolve, [(layer, file)]))
    return file


def _attempt(refusals: list[Refusal], step: Callable[[], _T]) -> _T | None:
    """The step's result, or None with its refusals kept beside the others."""
    try:
        return step()
    except Refused as refused:
        refusals.extend(refused.refusals)
        return None


def _without_repeats(known: Sequence[Refusal], more: Sequence[Refusal]) -> list[Refusal]:
    """What was not said yet: a taken name shows in its own file and among the neighbours."""
    said = {(one.field, one.code) for one in known}
    return [one for one in more if (one.field, one.code) not in said]


def _releases(snapshot: Snapshot, layout: FleetLayout) -> Releases:
    file = snapshot.read(layout.releases)
    if file is None:
        raise Refused(
            f"The repository has no {layout.releases}, so no release can be chosen: it is empty or "
            "no fleet repository. Write a fleet into it with init_fleet, or correct its layout.",
            code="no_versions_file",
        )
    return parse_releases(file, path=layout.releases)


def _member(intent: Intent, path: str, file: SnapshotFile | None) -> FleetMember | None:
    placement = intent.placement
    if isinstance(intent, RegisterCluster):
        if file is not None:
            raise Refused(
                f"The name {placement.cluster} is taken: {path} exists already. Edit that cluster, "
                "or choose another name.",
                field="cluster",
                code="duplicate",
            )
        return None
    if file is None:
        raise Refused(
            f"No cluster {placement.cluster} is registered on hub {placement.hub}: {path} does not "
            "exist. Name and hub are fixed after registration, because that path and the cluster's "
            "secret are bound to them.",
            field="cluster",
            code="not_registered",
        )
    return parse_member(file)


def _edits(intent: Intent, found: _Found) -> tuple[FileEdit, ...]:
    """The files that change, with nothing in them changed but what the intent asks for."""
    refusals: list[Refusal] = []
    member_before = _text(found.member_file)
    member_after = _attempt(refusals, lambda: _member_text(found, member_before))
    labels_before = _text(found.labels_file)
    labels_after = _attempt(refusals, lambda: edit_labels_text(labels_before, intent.pins))
    if refusals:
        raise Refused.of(refusals)
    edits = tuple(
        _edit(path, before, after)
        for path, before, after in (
            (found.member_path, member_before, member_after),
            (found.labels_path, labels_before, labels_after),
        )
        if after is not None and after != before
    )
    if not edits:
        raise Refused(
            "Nothing would change: the cluster is already as asked. Change something, or leave it.",
            code="nothing_to_change",
        )
    return edits


def _text(file: SnapshotFile | None) -> str | None:
    return None if file is None else file.content.decode("utf-8")


def _member_text(found: _Found, before: str | None) -> str:
    if found.member is None or before is None:
        return new_member_text(found.wanted)
    return edit_member_text(before, found.member, found.wanted)


def _wanted(intent: Intent, member: FleetMember | None, path: str) -> FleetMember:
    """The member document as the intent wants it; what it does not speak of stays as it is."""
    placement = intent.placement
    # Whether it really is one is checked with the other values, so that all refusals come at once.
    secret_name = cast(SecretName, intent.secret_name)
    if member is not None and isinstance(intent, LeaveFleet) and intent.step:
        return member_after(member, intent.step, keep=intent.keep)
    if member is not None:
        return replace(
            member,
            secret_name=secret_name,
            model=intent.model,
            remote_addons=intent.remote_addons,
            remote_resources=intent.remote_resources,
            options=dict(intent.options),
        )
    return FleetMember(
        tenant=placement.tenant,
        cluster=placement.cluster,
        environment=placement.environment,
        secret_name=secret_name,
        model=intent.model,
        remote_resources=intent.remote_resources,
        remote_addons=intent.remote_addons,
        options=dict(intent.options),
        path=path,
    )


def _edit(path: str, before: str | None, after: str) -> FileEdit:
    before_blob = "" if before is None else blob_id(before.encode())
    return FileEdit(path, before_blob, blob_id(after.encode()), before, after)


def _plan_of(
    intent: Intent,
    recorded: RecordingSnapshot,
    layout: FleetLayout,
    found: _Found,
    edits: tuple[FileEdit, ...],
    known: KnownSets,
) -> Plan:
    hub = intent.placement.hub
    before = (
        NO_LABELS if found.member is None else cluster_labels(found.member, hub, recorded, layout)
    )
    edited = _edited(edits)
    # Read again from what is written, so that every label names its line there.
    written = edited.get(found.member_path)
    wanted = parse_member(written) if written else found.wanted
    after = cluster_labels(wanted, hub, recorded, layout, edited)
    forecaster = Forecaster(found.placement, found.releases, recorded, layout)
    impact = forecast(
        # What a refused cluster secret carries cannot be told from Git: it is as it once was.
        None if found.member is None or before.problems else view_of(found.member, before),
        view_of(found.wanted, after, edited),
        forecaster,
        known=known,
        heard_labels=_heard_labels(known, found, edited, (before, after)),
    )
    joins = found.member is None
    warnings = warnings_of(
        intent,
        found.wanted,
        member_path=found.member_path,
        leftover=found.labels_path if joins and found.labels_file is not None else "",
        releases=found.releases,
        after=after,
        forecaster=forecaster,
        known=known,
    )
    return Plan(
        commit=recorded.commit,
        intent=intent,
        edits=edits,
        labels_before=before,
        labels_after=after,
        impact=doubted(impact, before, after),
        warnings=tuple(dict.fromkeys([*warnings, *forecaster.warnings])),
        reads=ReadSet(recorded.files_read, recorded.folders_listed),
    )


def _heard_labels(
    known: KnownSets,
    found: _Found,
    edited: Mapping[str, SnapshotFile],
    foreseen: tuple[ClusterLabels, ClusterLabels],
) -> tuple[Mapping[str, str] | None, Mapping[str, str]] | None:
    """The labels that ApplicationSets see before and after, where the repository's own chart makes them."""
    if known.labels is None:
        return None
    before = known.labels(found.member_path, {}) if found.member else None
    after = known.labels(found.member_path, edited)
    was = before or (foreseen[0].as_dict() if found.member else None)
    return was, after or foreseen[1].as_dict()


def _edited(edits: Sequence[FileEdit]) -> dict[str, SnapshotFile]:
    """The files that an edit writes, as they will be."""
    return {
        one.path: SnapshotFile(one.path, one.after_blob, one.after.encode())
        for one in edits
        if one.after is not None
    }
