"""The path model run backwards: which clusters read a values file, or why none does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from onboarding.domain.layout import FleetLayout, LayerScope, Placement
from onboarding.domain.path_patterns import layer_pattern


class Dead(StrEnum):
    """Why no cluster reads a values file."""

    NO_LAYER = "no layer has this path"
    FILE_NAME = "the file has another name than the one that is read"
    COMPONENT = "no release channel has this component"
    OTHER_BASE = "the component belongs to another base folder"
    CLUSTER = "no fleet member has this name"
    OTHER_PLACE = "the cluster belongs to another tenant or environment"
    TENANT = "no cluster has this tenant"
    ENVIRONMENT = "no cluster of the tenant has this environment"


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is known of one values file: its place in the layers, and why it is dead (None: it is read).

    `meant` is what would be read instead, where that can be told: a path, or a cluster's place.
    """

    path: str
    place: LayerScope | None
    dead: Dead | None = None
    meant: str = ""


class Lookups:
    """The lookup paths of a fleet, asked from the file's side.

    `placements` are the fleet's members; `folders` maps a base folder to the component folders that
    are looked up below it, or to None where that is not known (then any component may be read).
    """

    def __init__(
        self,
        layout: FleetLayout,
        placements: Iterable[Placement],
        folders: Mapping[str, frozenset[str] | None],
    ) -> None:
        self._folders = folders
        self._patterns = [
            (layer.name, layer_pattern(layer.pattern, folders)) for layer in layout.layers
        ]
        self._names = {layer.pattern.rpartition("/")[2] for layer in layout.layers}
        self._environments: dict[str, set[str]] = defaultdict(set)
        self._clusters: dict[str, list[Placement]] = defaultdict(list)
        for placement in placements:
            self._environments[placement.tenant].add(placement.environment)
            self._clusters[placement.cluster].append(placement)

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that have a cluster."""
        return frozenset(self._environments)

    def environments(self, tenant: str) -> frozenset[str]:
        """The environments in which a tenant has a cluster; of all tenants for ""."""
        if tenant:
            return frozenset(self._environments.get(tenant, ()))
        return frozenset(one for found in self._environments.values() for one in found)

    def look(self, path: str) -> Lookup:
        """Who reads the file at `path`: its place, or the reason why nobody does."""
        found = [self._judge(path, place) for place in self._places(path)]
        if not found:
            return self._misnamed(path)
        return min(found, key=lambda one: 0 if one.dead is None else _ORDER.index(one.dead))

    def _places(self, path: str) -> list[LayerScope]:
        return [
            LayerScope(name, **found.groupdict())
            for name, pattern in self._patterns
            if (found := pattern.fullmatch(path))
        ]

    def _judge(self, path: str, place: LayerScope) -> Lookup:
        dead, meant = self._component_problem(path, place)
        if dead is None:
            dead, meant = self._cluster_problem(place)
        return Lookup(path, place, dead, meant)

    def _component_problem(self, path: str, place: LayerScope) -> tuple[Dead | None, str]:
        known = self._folders[place.base]
        if known is None or place.component in known:
            return None, ""
        for base, folders in self._folders.items():
            if folders is not None and place.component in folders:
                return Dead.OTHER_BASE, base + path.removeprefix(place.base)
        return Dead.COMPONENT, ""

    def _cluster_problem(self, place: LayerScope) -> tuple[Dead | None, str]:
        """Why no cluster has this place; nothing is said while the fleet has no cluster at all."""
        if not self._clusters:
            return None, ""
        if place.cluster:
            here = self._clusters.get(place.cluster, [])
            if not here:
                return Dead.CLUSTER, ""
            if not any(_stands(one, place) for one in here):
                return Dead.OTHER_PLACE, f"{here[0].tenant}/{here[0].environment}"
        elif place.tenant and place.tenant not in self._environments:
            return Dead.TENANT, ""
        elif place.environment and place.environment not in self.environments(place.tenant):
            return Dead.ENVIRONMENT, ""
        return None, ""

    def _misnamed(self, path: str) -> Lookup:
        folder = path.rpartition("/")[0]
        for name in sorted(self._names):
            found = [self._judge(path, place) for place in self._places(f"{folder}/{name}")]
            if any(one.dead not in (Dead.COMPONENT, Dead.OTHER_BASE) for one in found):
                return Lookup(path, None, Dead.FILE_NAME, f"{folder}/{name}")
        return Lookup(path, None, Dead.NO_LAYER)


# From the reason that explains least to the one that says most about a file that several layers could mean.
_ORDER = (
    Dead.OTHER_PLACE,
    Dead.CLUSTER,
    Dead.ENVIRONMENT,
    Dead.TENANT,
    Dead.OTHER_BASE,
    Dead.COMPONENT,
    Dead.FILE_NAME,
    Dead.NO_LAYER,
)


def _stands(placement: Placement, place: LayerScope) -> bool:
    return (not place.tenant or placement.tenant == place.tenant) and (
        not place.environment or placement.environment == place.environment
    )
