"""The values hierarchy as it is in the repository: which file sets what at each layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onboarding.domain.errors import Refused
from onboarding.domain.hierarchy import resolve
from onboarding.domain.layout import FleetLayout, Layer, LayerPath
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Cluster, Fleet
from onboarding.services.layouts import layout_of


@dataclass(frozen=True, slots=True)
class ValuesFile:
    """One values file: its path and how many values it sets (0 where it cannot be read)."""

    path: str
    keys: int


@dataclass(frozen=True, slots=True)
class LayerOfTenant:
    """One layer as it concerns a tenant: its files, and a sentence on who inherits from it."""

    title: str
    inherits: str
    files: tuple[ValuesFile, ...]


def layers_of_tenant(*, fleet: Fleet, tenant: str, snapshot: Snapshot) -> tuple[LayerOfTenant, ...]:
    """The layers that reach a tenant's clusters, lowest first, with the files that exist at each.

    A layer that names environments or clusters gathers the files of all of the tenant's.
    """
    layout = layout_of(fleet)
    paths = tuple(
        path for base in sorted(set(layout.bases.values())) for path in snapshot.paths(base)
    )
    clusters = Cluster.objects.filter(fleet=fleet, tenant=tenant)
    everyone = Cluster.objects.filter(fleet=fleet).count()
    return tuple(
        LayerOfTenant(
            title=str(layer.name).capitalize(),
            inherits=_who(layer, tenant, own=clusters.count(), everyone=everyone),
            files=tuple(
                ValuesFile(path, _keys(snapshot, layer, path))
                for path in _files(layout, layer, tenant, paths)
            ),
        )
        for layer in layout.layers
    )


def _files(layout: FleetLayout, layer: Layer, tenant: str, paths: Iterable[str]) -> list[str]:
    """The existing files of one layer for a tenant."""
    scopes = ((path, layout.parse_layer_path(path)) for path in paths)
    return [
        path
        for path, scope in scopes
        if scope and scope.layer is layer.name and scope.tenant in ("", tenant)
    ]


def _keys(snapshot: Snapshot, layer: Layer, path: str) -> int:
    try:
        return len(resolve([(LayerPath(layer.name, path), snapshot.read(path))]).leaves)
    except Refused:
        return 0


def _who(layer: Layer, tenant: str, *, own: int, everyone: int) -> str:
    if "{cluster}" in layer.pattern:
        return "each file for one cluster only"
    if "{environment}" in layer.pattern:
        return f"the clusters of {tenant} in that environment"
    return (
        f"all {own} clusters of {tenant}"
        if "{tenant}" in layer.pattern
        else f"all {everyone} clusters of the fleet"
    )
