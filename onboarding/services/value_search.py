"""Who sets a key, and who overrides it: one question across all values files of a fleet."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from onboarding.domain.component_values import ValuesLayer, lay_catalogue
from onboarding.domain.components import Component, catalogue_from_wrapper
from onboarding.domain.errors import Refused
from onboarding.domain.layering import Branch, Leaf, Origin, lay, leaves, placed_by
from onboarding.domain.layout import FleetLayout, LayerName, LayerScope
from onboarding.domain.releases import RELEASE_LABELS, parse_releases
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.domain.yaml.parsed import located_map
from onboarding.models import Cluster, Fleet
from onboarding.services.layouts import layout_of

MOST_SECONDS = 2.0
"""How long files are read for one question; what was not reached is said."""

_ORDER = (ValuesLayer.CHART, *LayerName, ValuesLayer.CATALOGUE, ValuesLayer.FACTS)


@dataclass(frozen=True, slots=True)
class Setting:
    """One place that sets the key. `channels` are the release channels that it is meant for, if any."""

    leaf: Leaf
    component: str
    scope: LayerScope | None = None
    channels: frozenset[tuple[str, str]] = frozenset()

    @property
    def rank(self) -> int:
        """How high it stands: a higher one wins."""
        layer = self.leaf.origin.layer
        return _ORDER.index(ValuesLayer.CATALOGUE if layer == ValuesLayer.RELEASE else layer)


@dataclass(frozen=True, slots=True)
class Reach:
    """For how many clusters a setting is meant, for how many it decides, and what covers the others."""

    meant: int
    decides: int
    covered_by: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """All settings of a key, by component, the lowest layer first; `files` of `of` were looked at."""

    settings: tuple[Setting, ...]
    files: int
    of: int
    problems: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every file was reached in the time there is."""
        return self.files == self.of


def search(
    *,
    fleet: Fleet,
    query: str,
    snapshot: Snapshot,
    tick: Callable[[], float] = time.monotonic,
) -> Found:
    """Find every place that sets a key: `replicas`, or a path such as `image.tag`.

    The path may stand anywhere in a key; letter case does not matter. Reading stops after
    `MOST_SECONDS`, and a file that cannot be read is named among the problems.
    """
    layout = layout_of(fleet)
    wanted = tuple(part for part in query.casefold().split(".") if part)
    problems: list[str] = []
    found = list(_catalogue(layout, snapshot, wanted, problems)) if wanted else []
    scopes = [
        (path, scope)
        for base in sorted(set(layout.bases.values()))
        for path in snapshot.paths(base)
        if (scope := layout.parse_layer_path(path))
    ]
    until, looked = tick() + MOST_SECONDS, 0
    for path, scope in scopes if wanted else ():
        if tick() > until:
            break
        looked += 1
        file = snapshot.read(path)
        for leaf in _leaves(file, scope.layer, wanted, problems):
            found.append(Setting(leaf, scope.component, scope))
    found.sort(key=lambda one: (one.component, one.leaf.keys, one.rank, one.leaf.origin.path))
    return Found(tuple(found), looked, len(scopes) if wanted else 0, tuple(problems))


def reaches(
    *, clusters: QuerySet[Cluster], settings: Sequence[Setting], shown: Sequence[Setting]
) -> list[Reach]:
    """The reach of each shown setting among these clusters, against all that were found."""
    among = _Clusters(clusters)
    rivals: dict[tuple[str, tuple[str, ...]], list[Setting]] = defaultdict(list)
    for one in settings:
        rivals[one.component, one.leaf.keys].append(one)
    answers = []
    for one in shown:
        meant = among.reached_by(one)
        left, covering = set(meant), []
        for other in rivals[one.component, one.leaf.keys]:
            if other.rank > one.rank and (taken := among.reached_by(other) & meant):
                left -= taken
                covering.append(other.leaf.origin)
        answers.append(Reach(len(meant), len(left), tuple(covering)))
    return answers


class _Clusters:
    """Clusters of a fleet, for asking which of them a setting reaches."""

    def __init__(self, clusters: QuerySet[Cluster]) -> None:
        columns = [f"{group}_release" for group in RELEASE_LABELS]
        rows = clusters.filter(problem="").values_list(
            "pk", "tenant", "environment", "name", *columns
        )
        self._by: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._all: set[int] = set()
        for pk, tenant, environment, name, *releases in rows:
            self._all.add(pk)
            for kind, value in (("tenant", tenant), ("environment", environment), ("name", name)):
                self._by[kind, value].add(pk)
            for group, release in zip(RELEASE_LABELS, releases, strict=True):
                self._by[group, release].add(pk)

    def reached_by(self, setting: Setting) -> set[int]:
        if setting.scope is None:
            return set().union(*(self._by[channel] for channel in setting.channels))
        found = self._all
        for kind, value in (
            ("tenant", setting.scope.tenant),
            ("environment", setting.scope.environment),
            ("name", setting.scope.cluster),
        ):
            found = found & self._by[kind, value] if value else found
        return set(found)


def _leaves(
    file: SnapshotFile | None,
    layer: LayerName | ValuesLayer,
    wanted: tuple[str, ...],
    problems: list[str],
) -> Iterator[Leaf]:
    """The leaves of one file that the key names; most files are passed over without parsing."""
    if file is None or wanted[-1].encode() not in file.content.lower():
        return
    try:
        located = located_map(file)
    except Refused as refused:
        problems.append(str(refused))
        return
    branch = Branch()
    if located.value is not None:
        lay(branch, located.at(()), placed_by(located, layer))
    yield from (leaf for leaf in leaves(branch) if _named(leaf, wanted))


def _named(leaf: Leaf, wanted: tuple[str, ...]) -> bool:
    """Whether the wanted path stands somewhere in the leaf's keys, whole parts only.

    An empty map decides nothing: whatever else sets keys below it merges with it.
    """
    folded = () if leaf.value == {} else tuple(key.casefold() for key in leaf.keys)
    ends = range(len(folded) - len(wanted) + 1)
    return any(folded[start : start + len(wanted)] == wanted for start in ends)


def _catalogue(
    layout: FleetLayout, snapshot: Snapshot, wanted: tuple[str, ...], problems: list[str]
) -> Iterator[Setting]:
    """What the release channels' catalogues fix, and what the charts in the repository have by default."""
    file = snapshot.read(layout.releases)
    try:
        releases = parse_releases(file, path=layout.releases)
    except Refused as refused:
        problems.append(str(refused))
        return
    channels: dict[tuple[str, Origin, tuple[str, ...]], set[tuple[str, str]]] = defaultdict(set)
    told: dict[tuple[str, Origin, tuple[str, ...]], Leaf] = {}
    for group, entries in releases.groups.items():
        for entry in entries:
            try:
                found = catalogue_from_wrapper(releases, {group: entry.type}, snapshot, layout)
            except Refused as refused:
                problems.append(str(refused))
                continue
            for component in found.components if found else ():
                for leaf in _fixed(component, snapshot, wanted, problems):
                    key = (component.name, leaf.origin, leaf.keys)
                    channels[key].add((group, entry.type))
                    told[key] = leaf
    for key, leaf in told.items():
        yield Setting(leaf, key[0], channels=frozenset(channels[key]))


def _fixed(
    component: Component, snapshot: Snapshot, wanted: tuple[str, ...], problems: list[str]
) -> Iterator[Leaf]:
    if component.chart and not component.repo_url:
        chart = snapshot.read(f"{component.chart.strip('/')}/values.yaml")
        yield from _leaves(chart, ValuesLayer.CHART, wanted, problems)
    branch = Branch()
    lay_catalogue(branch, component, component.cluster_values)
    yield from (leaf for leaf in leaves(branch) if _named(leaf, wanted))
