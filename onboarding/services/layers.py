"""The values hierarchy of a tenant as it is in the repository: which file sets what at each layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

from django.db.models import Q

from onboarding.domain.errors import Refused
from onboarding.domain.layout import FleetLayout, LayerName, LayerScope
from onboarding.domain.lint.rules import VALUES_NOBODY
from onboarding.domain.snapshot import Snapshot
from onboarding.domain.yaml.parsed import located_map
from onboarding.models import Fleet, LintFinding
from onboarding.services.layouts import layout_of

MOST_KEYS = 100
"""How many keys of one file are shown."""

MOST_DEAD = 200
"""How many dead files of one tenant are marked."""

Keys = tuple[str, ...]
_Name = TypeVar("_Name", bound=str)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that a file sets: what it covers in lower layers, and the files that cover it in higher ones.

    `covers` is the nearest lower file that says something else or the same, with its value and line.
    """

    keys: Keys
    value: object
    line: int
    covers: tuple[ValuesFile, object, int] | None = None
    covered_by: tuple[ValuesFile, ...] = ()


@dataclass(frozen=True, slots=True)
class ValuesFile:
    """One values file with what it sets; `problem` says why it could not be read, `dead` why nobody reads it."""

    path: str
    scope: LayerScope
    leaves: Mapping[Keys, tuple[object, int]] = field(default_factory=dict, hash=False)
    problem: str = ""
    dead: str = ""

    def at(self, keys: Keys) -> tuple[object, int] | None:
        """What the file says at a key: the value there, or of the whole that stands above it.

        An empty map says nothing, for maps are merged.
        """
        for end in range(len(keys), 0, -1):
            found = self.leaves.get(keys[:end])
            if found and not isinstance(found[0], dict):
                return found
        return None


@dataclass(frozen=True, slots=True)
class TenantLayers:
    """The files that reach a tenant's clusters, lowest layer first; those of clusters by the cluster's name.

    `own_files` counts the clusters that have a file of a component of their own, shown or not; `stray`
    are paths in the tenant's folders that nobody reads at all, each with the reason.
    """

    shared: Mapping[LayerName, tuple[ValuesFile, ...]]
    environments: Mapping[str, tuple[ValuesFile, ...]]
    clusters: Mapping[str, tuple[ValuesFile, ...]]
    own_files: Mapping[str, int]
    stray: tuple[tuple[str, str], ...] = ()

    def settings(self, file: ValuesFile, environment: str = "") -> Iterator[Setting]:
        """What a file sets, each with what it covers and what covers it; at most `MOST_KEYS`.

        `environment` is that of the cluster, where the file is a cluster's.
        """
        lower = [one for one in self._chain(file, environment) if _rank(one) < _rank(file)]
        higher = [one for one in self._all(file) if _rank(one) > _rank(file)]
        if file.scope.environment:
            higher = [
                one for one in higher if one.scope.environment in ("", file.scope.environment)
            ]
        for keys, (value, line) in list(file.leaves.items())[:MOST_KEYS]:
            covered = [(one, *found) for one in reversed(lower) if (found := one.at(keys))]
            covering = tuple(one for one in higher if one.at(keys))
            yield Setting(keys, value, line, covered[0] if covered else None, covering)

    def only(self, environments: Set[str]) -> TenantLayers:
        """The same for who may see these environments alone: what else the tenant has is not told."""
        return replace(
            self,
            environments={
                name: files for name, files in self.environments.items() if name in environments
            },
            own_files={},
            stray=(),
        )

    def _chain(self, file: ValuesFile, environment: str) -> list[ValuesFile]:
        wanted = file.scope.environment or environment
        of_environment = self.environments.get(wanted, ()) if wanted else ()
        return [one for one in (*self._shared(), *of_environment) if _same(one, file)]

    def _all(self, file: ValuesFile) -> list[ValuesFile]:
        found = (*self._shared(), *_flat(self.environments), *_flat(self.clusters))
        return [one for one in found if _same(one, file)]

    def _shared(self) -> Iterator[ValuesFile]:
        for files in self.shared.values():
            yield from files


def tenant_layers(
    *, fleet: Fleet, tenant: str, clusters: Sequence[str], snapshot: Snapshot
) -> TenantLayers:
    """The layers that reach a tenant's clusters, with the files of `clusters` alone among those of clusters.

    Only what is shown is read, so that a tenant of thousands costs no more than one of ten.
    """
    layout = layout_of(fleet)
    paths = list(_paths(layout, tenant, snapshot))
    shown = set(clusters)
    own: dict[str, int] = defaultdict(int)
    wanted: list[tuple[str, LayerScope]] = []
    for path, scope in paths:
        if scope.cluster:
            own[f"{scope.base}/{scope.component}"] += 1
        if not scope.cluster or scope.cluster in shown:
            wanted.append((path, scope))
    dead = _dead(fleet, layout, tenant, [path for path, _ in wanted])
    files = [_read(snapshot, path, scope, dead.pop(path, "")) for path, scope in wanted]
    known = {path for path, _ in paths}
    return TenantLayers(
        shared=_by((one for one in files if not _narrow(one)), lambda one: one.scope.layer),
        environments=_by(
            (one for one in files if one.scope.environment and not one.scope.cluster),
            lambda one: one.scope.environment,
        ),
        clusters=_by((one for one in files if one.scope.cluster), lambda one: one.scope.cluster),
        own_files=own,
        stray=tuple(sorted((path, why) for path, why in dead.items() if path not in known)),
    )


def tenants_with_files(*, fleet: Fleet, snapshot: Snapshot) -> frozenset[str]:
    """The tenants that have a folder of values, with a cluster or without."""
    layout = layout_of(fleet)
    bases = sorted(set(layout.bases.values()))
    return frozenset().union(*(_tenants(layout, tuple(snapshot.paths(base))) for base in bases))


@lru_cache(maxsize=16)
def _tenants(layout: FleetLayout, paths: tuple[str, ...]) -> frozenset[str]:
    """The tenants that some paths name; the same paths, of which there are ten thousand, are read once."""
    scopes = map(layout.parse_layer_path, paths)
    return frozenset(scope.tenant for scope in scopes if scope and scope.tenant)


def _paths(
    layout: FleetLayout, tenant: str, snapshot: Snapshot
) -> Iterator[tuple[str, LayerScope]]:
    """Every file of a layer that could reach the tenant, found by the layers' own paths."""
    starts = tuple(
        layer.pattern.replace("{base}", base).replace("{tenant}", tenant).partition("{")[0]
        for layer in layout.layers
        for base in sorted(set(layout.bases.values()))
    )
    for base in sorted(set(layout.bases.values())):
        for path in snapshot.paths(base):
            if not path.startswith(starts):
                continue
            scope = layout.parse_layer_path(path)
            if scope and scope.tenant in ("", tenant):
                yield path, scope


def _read(snapshot: Snapshot, path: str, scope: LayerScope, dead: str) -> ValuesFile:
    file = snapshot.read(path)
    try:
        located = located_map(file) if file else None
    except Refused as refused:
        return ValuesFile(path, scope, problem=str(refused), dead=dead)
    leaves = {leaf.keys: (leaf.value, leaf.line) for leaf in located.leaves()} if located else {}
    return ValuesFile(path, scope, leaves, dead=dead)


def _dead(fleet: Fleet, layout: FleetLayout, tenant: str, paths: Sequence[str]) -> dict[str, str]:
    """Path -> why nobody reads it, as the last lint report says: of these paths, and in the tenant's folders."""
    inside = Q(path__in=paths)
    for base in sorted(set(layout.bases.values())):
        for layer in layout.layers:
            before, found, _ = layer.pattern.replace("{base}", base).partition("{tenant}")
            if found and "{" not in before:
                inside |= Q(path__startswith=f"{before}{tenant}/")
    rows = LintFinding.objects.filter(
        inside, report__fleet=fleet, rule__startswith="values-"
    ).exclude(rule=VALUES_NOBODY.id)
    return dict(rows.values_list("path", "title")[:MOST_DEAD])


def _narrow(file: ValuesFile) -> bool:
    return bool(file.scope.environment or file.scope.cluster)


def _rank(file: ValuesFile) -> int:
    return list(LayerName).index(file.scope.layer)


def _same(one: ValuesFile, other: ValuesFile) -> bool:
    """Whether two files are values of one component."""
    return (one.scope.base, one.scope.component) == (other.scope.base, other.scope.component)


def _by(
    files: Iterable[ValuesFile], name: Callable[[ValuesFile], _Name]
) -> dict[_Name, tuple[ValuesFile, ...]]:
    found: dict[_Name, list[ValuesFile]] = defaultdict(list)
    for file in files:
        found[name(file)].append(file)
    return {key: tuple(listed) for key, listed in found.items()}


def _flat(grouped: Mapping[str, tuple[ValuesFile, ...]]) -> Iterator[ValuesFile]:
    for files in grouped.values():
        yield from files
