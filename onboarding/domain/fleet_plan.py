"""What a commit of the fleet repository would do: to every cluster that it moves, and to no other.

A shared layer, the versions file or a chart reaches many clusters at once. Both sides are computed
as a change's plan is; only where nothing that decides a component's values has moved, they are not
computed at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import takewhile

from onboarding.domain.component_values import (
    ClusterView,
    cluster_facts,
    component_layers,
    view_of,
)
from onboarding.domain.components import Catalogue, Component, catalogue_from_wrapper
from onboarding.domain.errors import Refused
from onboarding.domain.impact import Forecaster, doubted, forecast
from onboarding.domain.labels import (
    CHART_PATH,
    NO_LABELS,
    ClusterLabels,
    cluster_labels,
    label_changes,
)
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.live_sets import NO_SETS, KnownSets
from onboarding.domain.member import FleetMember, parse_member
from onboarding.domain.plans import DeployedBy, Impact, PlanWarning
from onboarding.domain.readers import Readers
from onboarding.domain.releases import parse_releases
from onboarding.domain.snapshot import RememberingSnapshot, Snapshot

SetsOf = Callable[[str], tuple[KnownSets, KnownSets]]
"""A hub's name -> the ApplicationSets to hold the commit against, as they are and as they will be."""

_WORDS = (".md", ".txt", "LICENSE", ".gitignore")


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What becomes of one cluster. `problem` says why it cannot be told; `leaves`: its member file goes."""

    hub: str
    cluster: str
    path: str
    labels_before: ClusterLabels = NO_LABELS
    labels_after: ClusterLabels = NO_LABELS
    impact: Impact = field(default_factory=Impact)
    problem: str = ""
    leaves: bool = False

    @property
    def labels(self) -> tuple[tuple[str, str | None, str | None], ...]:
        """The labels that differ: key, value before and after; None where it is not there."""
        return label_changes(self.labels_before, self.labels_after)

    @property
    def moves(self) -> bool:
        """Whether anything becomes different."""
        found = self.impact
        told = found.appear or found.change or found.disappear
        annotations = [
            [(each.key, each.value) for each in side.annotations]
            for side in (self.labels_before, self.labels_after)
        ]
        differ = annotations[0] != annotations[1]
        return bool(told or self.labels or self.problem or self.leaves or differ)


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What a commit does to a fleet.

    `files` are all that differ, `unforeseen` those among them of which only the hub can tell what
    follows; `looked_at` counts the clusters that could be concerned, of `clusters` that there are,
    `still` are those of them that do not move, and `left_out` counts those for which there was no
    time. `held` are the sets of each hub that it was held against: the number, and the engine that
    rendered them ("": as the hub was last seen).
    """

    base: str
    commit: str
    files: tuple[str, ...]
    unforeseen: tuple[str, ...]
    clusters: int
    looked_at: int
    moved: tuple[ClusterPlan, ...]
    warnings: tuple[PlanWarning, ...] = ()
    left_out: int = 0
    held: tuple[tuple[str, int, str], ...] = ()
    still: tuple[ClusterPlan, ...] = ()

    @property
    def disappearing(self) -> int:
        """How many Applications go away, all told."""
        return sum(len(one.impact.disappear) for one in self.moved)

    @property
    def destructive(self) -> bool:
        """Whether something that runs would go away."""
        return self.disappearing > 0


def plan_fleet(
    before: Snapshot,
    after: Snapshot,
    files: Collection[str],
    layout: FleetLayout,
    *,
    go_on: Callable[[], bool] = lambda: True,
    sets_of: SetsOf = lambda hub: (NO_SETS, NO_SETS),
) -> FleetPlan:
    """Compare a fleet at two commits that differ in `files`; what moves, the worst first.

    It is asked with `go_on` before each cluster whether there is time for it. What was not looked at
    is in `left_out`. The sets of each cluster's hub tell of what no catalogue describes, and are asked
    whether they agree with what the repository says without the commit.

    Raises `MalformedYaml` where a versions file cannot be read.
    """
    sides = _Side(before, layout), _Side(after, layout)
    paths = sorted({*_members(before, layout), *_members(after, layout)})
    hubs = {str(place[0]) for path in paths if (place := layout.parse_member_path(path))}
    sets = {hub: sets_of(hub) for hub in sorted(hubs)}
    scope = _Scope(files, sides, layout, sets)
    found = [
        _cluster_plan(path, sides, scope, layout) for path in takewhile(lambda _: go_on(), paths)
    ]
    looked_at = [one for one in found if one]
    moved = sorted(
        (one for one in looked_at if one.moves),
        key=lambda one: (-len(one.impact.disappear), not one.leaves, one.hub, one.cluster),
    )
    warnings = (*sides[0].warnings, *sides[1].warnings)
    return FleetPlan(
        base=before.commit,
        commit=after.commit,
        files=tuple(sorted(files)),
        unforeseen=scope.unforeseen,
        clusters=len(paths),
        left_out=len(paths) - len(found),
        looked_at=len(looked_at),
        moved=tuple(moved),
        still=tuple(one for one in looked_at if not one.moves),
        warnings=tuple(dict.fromkeys(warnings)),
        held=tuple(
            (hub, len(now.sets), now.rendered_by) for hub, (now, _) in sets.items() if now.are_told
        ),
    )


def _members(snapshot: Snapshot, layout: FleetLayout) -> Iterator[str]:
    return (
        path for path in snapshot.paths(layout.members_root()) if layout.parse_member_path(path)
    )


class _Side:
    """The fleet at one of the two commits; catalogues are read once for all clusters."""

    def __init__(self, snapshot: Snapshot, layout: FleetLayout) -> None:
        self.snapshot: Snapshot = RememberingSnapshot(snapshot)
        self.layout = layout
        self.warnings: list[PlanWarning] = []
        self._releases = parse_releases(snapshot.read(layout.releases), path=layout.releases)
        self._catalogues: dict[tuple[str, str], Catalogue | None] = {}

    def forecaster(self, placement: Placement, settled: frozenset[str] = frozenset()) -> Forecaster:
        """Forecasts one cluster; what was read for others is not read again."""
        return Forecaster(
            placement,
            self._releases,
            self.snapshot,
            self.layout,
            warnings=self.warnings,
            settled=settled,
            catalogues=self._catalogues,
        )

    def components(self) -> Iterator[Component]:
        """The components of all releases of all groups."""
        for group, entries in self._releases.groups.items():
            for entry in entries:
                with suppress(Refused):
                    found = catalogue_from_wrapper(
                        self._releases, {group: entry.type}, self.snapshot, self.layout
                    )
                    yield from found.components if found else ()

    def cluster(self, path: str) -> _There | None:
        """The cluster of a member file; None where there is none. Raises `Refused` where it cannot be read."""
        file, place = self.snapshot.read(path), self.layout.parse_member_path(path)
        if file is None or place is None:
            return None
        member = parse_member(file)
        return _There(member, member.placement(place[0]))


@dataclass(frozen=True, slots=True)
class _There:
    """A cluster as one side has it."""

    member: FleetMember
    placement: Placement


class _Scope:
    """Which clusters and components the differing files could concern."""

    def __init__(
        self,
        files: Collection[str],
        sides: Sequence[_Side],
        layout: FleetLayout,
        sets: Mapping[str, tuple[KnownSets, KnownSets]],
    ) -> None:
        self.files = frozenset(files)
        self.sets = sets
        self._layout = layout
        offered = [one for side in sides for one in side.components()]
        folders = {one.chart.strip("/") for one in offered if one.chart and not one.repo_url}
        self.charts = {
            folder for folder in folders if any(path.startswith(f"{folder}/") for path in files)
        }
        self._catalogues = {one.wrapper.path for one in offered if one.wrapper}
        self.is_everywhere = bool(
            self.charts
            or self.files & {*self._catalogues, layout.releases}
            or any(now.sets != later.sets for now, later in sets.values())
        )
        self.unforeseen = tuple(sorted(path for path in files if not self._is_foreseen(path)))
        self._readers: dict[str, Readers] = {}

    def is_read_by(self, placement: Placement) -> bool:
        """Whether a cluster reads one of the files as a values layer, for whatever component."""
        bases = {*self._layout.bases.values(), *(base for _, base in placement.bases)}
        return any(
            self._below(base).has(
                tenant=placement.tenant,
                environment=placement.environment,
                cluster=placement.cluster,
            )
            for base in bases
        )

    def moves_labels(self, path: str, placement: Placement) -> bool:
        """Whether one of the files decides the labels of the cluster of a member file."""
        return path in self.files or any(
            layer.path in self.files for layer in self._layout.labels_paths(placement)
        )

    def decides(self, component: Component, placement: Placement) -> bool:
        """Whether one of the files is the component's chart's, or one of its values layers for a cluster."""
        return component.chart.strip("/") in self.charts or any(
            layer.path in self.files
            for layer in component_layers(component, placement, self._layout)
        )

    def _below(self, base: str) -> Readers:
        if base not in self._readers:
            self._readers[base] = Readers(self._layout, self.files, base=base, component=None)
        return self._readers[base]

    def _is_foreseen(self, path: str) -> bool:
        layout = self._layout
        return bool(
            path in self._catalogues
            or path == layout.releases
            or path.endswith(_WORDS)
            or layout.parse_member_path(path)
            or layout.parse_layer_path(path)
            or any(path.startswith(f"{chart}/") for chart in self.charts - {CHART_PATH})
        )


def _cluster_plan(
    path: str, sides: tuple[_Side, _Side], scope: _Scope, layout: FleetLayout
) -> ClusterPlan | None:
    """What becomes of the cluster of a member file; None where no file concerns it."""
    hub, name = layout.parse_member_path(path) or ("", path)
    plan = ClusterPlan(hub, name, path)
    try:
        was = sides[0].cluster(path)
        there = was, sides[1].cluster(path) if path in scope.files else was
    except Refused as refused:
        return replace(plan, problem=str(refused)) if path in scope.files else None
    placements = {one.placement for one in there if one}
    if not (scope.is_everywhere or path in scope.files or any(map(scope.is_read_by, placements))):
        return None
    try:
        return _compared(plan, there, sides, scope)
    except Refused as refused:
        return replace(plan, problem=str(refused))


def _compared(
    empty: ClusterPlan,
    there: tuple[_There | None, _There | None],
    sides: tuple[_Side, _Side],
    scope: _Scope,
) -> ClusterPlan:
    was, will = there
    before = _labels(was, sides[0]) if was else NO_LABELS
    if will is None:
        return replace(empty, labels_before=before, leaves=True)
    moves = will is not was or scope.moves_labels(empty.path, will.placement)
    after = _labels(will, sides[1]) if moves else before
    views = (
        view_of(was.member, before) if was and not before.problems else None,
        view_of(will.member, after),
    )
    settled = _settled(views, there, sides, scope) if was else frozenset()
    old, new = (
        side.forecaster((one or will).placement, settled)
        for one, side in zip(there, sides, strict=True)
    )
    known, later = scope.sets.get(empty.hub, (NO_SETS, NO_SETS))
    is_held = known.are_told or later.are_told
    impact = forecast(
        views[0], views[1], new, earlier=old, known=known, later=later if is_held else None
    )
    if scope.charts:
        impact = _with_charts(impact, new, views[1], scope)
    return replace(
        empty,
        labels_before=before,
        labels_after=after,
        impact=doubted(impact, before, after),
    )


def _labels(there: _There, side: _Side) -> ClusterLabels:
    return cluster_labels(there.member, there.placement.hub, side.snapshot, side.layout)


def _settled(
    views: tuple[ClusterView | None, ClusterView],
    there: tuple[_There | None, _There | None],
    sides: tuple[_Side, _Side],
    scope: _Scope,
) -> frozenset[str]:
    """The components whose values are the same on both sides, for nothing that decides them differs."""
    inputs = [
        {
            component.name: (
                component,
                one.placement,
                cluster_facts(component.cluster_values, view),
            )
            for component, _ in side.forecaster(one.placement).offered(view)
            if view.labels.get(component.flag) == "true"
        }
        for view, one, side in zip(views, there, sides, strict=True)
        if view and one
    ]
    if len(inputs) < len(views):
        return frozenset()
    return frozenset(
        name
        for name, found in inputs[0].items()
        if inputs[1].get(name) == found and not scope.decides(found[0], found[1])
    )


def _with_charts(
    impact: Impact, forecaster: Forecaster, view: ClusterView, scope: _Scope
) -> Impact:
    """The impact with those Applications whose chart has other files, though nothing else changed."""
    told = {one.identity() for one in impact.appear} | {one.identity() for _, one in impact.change}
    more = tuple(
        (one, replace(one, cause=f"{one.cause} The files of its chart change."))
        for one in forecaster.applications(view)
        if one.chart.strip("/") in scope.charts
        and not one.repo_url
        and one.identity() not in told
        and (one.deployed_by is DeployedBy.CLUSTER or one.name in impact.expected)
    )
    return replace(impact, change=(*impact.change, *more))
