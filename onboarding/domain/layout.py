"""The layout of a fleet repository as data: where member files, releases and values layers live.

Public fleet repositories disagree about their folders, so no path is written anywhere else. Two
layouts are built in; a third one is described by configuration (`FleetLayout.from_data`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from onboarding.domain.errors import Refused
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.path_patterns import (
    PLACEHOLDER,
    SEGMENT,
    bad_layout,
    check_pattern,
    fill,
    layer_pattern,
    path_expression,
    unsafe,
)

_LAYER_PLACEHOLDERS = frozenset({"base", "tenant", "environment", "cluster", "component"})
_MEMBER_PLACEHOLDERS = frozenset({"hub", "cluster"})
LABELS_GROUP = "fleet"


class LayerName(StrEnum):
    """The layers of values, lowest precedence first where a fleet has no other order of its own."""

    SYSTEM = "system"
    ENVIRONMENT_DEFAULTS = "environment defaults"
    CLUSTER_DEFAULTS = "cluster defaults"
    TENANT_DEFAULTS = "tenant defaults"
    TENANT = "tenant"
    ENVIRONMENT = "environment"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its name and its files' pattern (`{base}/defaults/{component}/values.yaml`)."""

    name: LayerName
    pattern: str

    @property
    def narrowed_by(self) -> frozenset[str]:
        """What of a placement decides whether a cluster reads this layer; empty: every cluster does."""
        return frozenset(PLACEHOLDER.findall(self.pattern)) - {"base", "component"}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a spoke cluster stands: its hub, its own name, its tenant and its environment.

    `bases` replaces the base folders of groups for this cluster alone, as pairs of group and
    folder: what its member file says with `addons_repo_basepath` and `resources_repo_basepath`.
    """

    hub: HubName
    cluster: ClusterName
    tenant: TenantName
    environment: Environment
    bases: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LayerScope:
    """What a values file's path says: its layer, its component, and for whom it is ("": for all)."""

    layer: LayerName
    base: str
    component: str
    tenant: str = ""
    environment: str = ""
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class LayerPath:
    """The file of one layer for one placement and component; it need not exist."""

    layer: LayerName
    path: str


@dataclass(frozen=True, slots=True)
class FleetLayout:
    """Every path of a fleet repository, made from names that were parsed before.

    `members` has {hub} and {cluster}; each layer's pattern has {component} and may have {base},
    {tenant}, {environment} and {cluster}; `bases` gives {base} for each group of components.
    Layers stand lowest first, as Argo CD's `valueFiles` lists them.
    """

    name: str
    title: str
    layers: tuple[Layer, ...]
    bases: Mapping[str, str] = field(hash=False)
    members: str = "fleet/fleet-bootstrap/fleet-members/{hub}/{cluster}.yaml"
    releases: str = "fleet/bootstrap/versions/applicationSets.yaml"
    wrapper: str = "charts/application-sets"
    labels_component: str = "fleet/fleet-secret"
    _member_pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _layer_patterns: tuple[tuple[LayerName, re.Pattern[str]], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        _check_layout(self)
        object.__setattr__(self, "bases", MappingProxyType(dict(self.bases)))
        object.__setattr__(self, "_member_pattern", path_expression(self.members))
        patterns = tuple(
            (layer.name, layer_pattern(layer.pattern, self.bases.values())) for layer in self.layers
        )
        object.__setattr__(self, "_layer_patterns", patterns)

    def member_path(self, hub: HubName, cluster: ClusterName) -> str:
        """The path of one spoke's fleet-member file."""
        return fill(self.members, {"hub": HubName(hub), "cluster": ClusterName(cluster)})

    def members_folder(self, hub: HubName) -> str:
        """The folder below which one hub's fleet members are (no trailing slash)."""
        return fill(self._folder_before("cluster"), {"hub": HubName(hub)})

    def members_root(self) -> str:
        """The folder below which the members of all hubs are; "" for the whole repository."""
        return self._folder_before("hub")

    def parse_member_path(self, path: str) -> tuple[HubName, ClusterName] | None:
        """The hub and cluster that a path belongs to; None where it is no fleet member's path."""
        found = self._member_pattern.fullmatch(path)
        if not found:
            return None
        try:
            return HubName(found["hub"]), ClusterName(found["cluster"])
        except Refused:
            return None

    def layer_paths(
        self, placement: Placement, component: str, *, group: str = "addons"
    ) -> tuple[LayerPath, ...]:
        """The values files of a component for one placement, lowest layer first.

        `component` is a folder below the layer (slashes allowed). Refuses a group without a base
        folder and a path that would leave the layer's own folder.
        """
        found = dict(placement.bases).get(group) or self.bases.get(group)
        if found is None:
            raise Refused(
                f"The layout {self.name} has no base folder for the group {group!r:.40}.",
                code="unknown_group",
            )
        if "{" in found or "}" in found:  # a member file may say anything
            raise unsafe(found)
        values = {
            "base": found,
            "component": component,
            "tenant": TenantName(placement.tenant),
            "environment": Environment(placement.environment),
            "cluster": ClusterName(placement.cluster),
        }
        return tuple(
            LayerPath(layer.name, fill(layer.pattern.replace("{base}", found), values))
            for layer in self.layers
        )

    def parse_layer_path(self, path: str) -> LayerScope | None:
        """What a values file's path says of it; None where no cluster of this layout would read it."""
        for name, pattern in self._layer_patterns:
            if found := pattern.fullmatch(path):
                return LayerScope(name, **found.groupdict())
        return None

    def labels_paths(self, placement: Placement) -> tuple[LayerPath, ...]:
        """The files that decide a cluster secret's labels for one placement, lowest layer first."""
        return self.layer_paths(placement, self.labels_component, group=LABELS_GROUP)

    def cluster_labels_path(self, placement: Placement) -> str:
        """The one labels file that belongs to this cluster alone: where its pins are written."""
        return self.labels_paths(placement)[-1].path

    def cluster_folders(self, placement: Placement) -> tuple[str, ...]:
        """The folders that are one cluster's alone, one for each base folder of its groups."""
        names = dict(self.bases) | dict(placement.bases)
        found = [
            self.layer_paths(placement, "_", group=group)[number].path
            for group in names
            for number, layer in enumerate(self.layers)
            if layer.name is LayerName.CLUSTER
        ]
        cut = f"/{placement.cluster}/"
        return tuple(
            dict.fromkeys(
                path.rpartition(cut)[0] + cut.rstrip("/") for path in found if cut in path
            )
        )

    def to_data(self) -> dict[str, Any]:
        """The layout as plain data, as `from_data` reads it."""
        return {
            "name": self.name,
            "title": self.title,
            "members": self.members,
            "releases": self.releases,
            "wrapper": self.wrapper,
            "labels_component": self.labels_component,
            "layers": [
                {"name": layer.name.value, "pattern": layer.pattern} for layer in self.layers
            ],
            "bases": dict(self.bases),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> FleetLayout:
        """Read a layout from configuration: `name`, `layers` and `bases`, the rest optional.

        Refuses unknown keys, unknown placeholders, paths that leave the repository and a layout
        whose highest layer does not belong to one cluster alone.
        """
        name = str(data.get("name", ""))
        known = {
            "name",
            "title",
            "members",
            "releases",
            "wrapper",
            "labels_component",
            "layers",
            "bases",
        }
        if unknown := sorted(set(data) - known):
            raise bad_layout(name, f"it has the unknown key {unknown[0]!r:.40}.")
        layers, bases = data.get("layers"), data.get("bases")
        if not isinstance(layers, list) or not isinstance(bases, Mapping):
            raise bad_layout(name, "it needs a list of layers and a map of bases.")
        optional = {
            key: data[key]
            for key in ("members", "releases", "wrapper", "labels_component")
            if key in data
        }
        if any(not isinstance(value, str) for value in (*optional.values(), *bases.values())):
            raise bad_layout(name, "its paths must be text.")
        return cls(
            name=name,
            title=str(data.get("title") or name),
            layers=tuple(_layer(name, item) for item in layers),
            bases=dict(bases),
            **optional,
        )

    def _folder_before(self, placeholder: str) -> str:
        """The folders of the members pattern that come before the one with `placeholder`."""
        return posixpath.dirname(self.members.partition(f"{{{placeholder}}}")[0])


def _check_order(layout: FleetLayout) -> None:
    """Refuse a layer that reaches more clusters than one before it, which it would overrule.

    Which of two layers stands first that reach different clusters (an environment of all tenants, a
    tenant) is the fleet's own choice.
    """
    below: list[frozenset[str]] = []
    for layer in layout.layers:
        narrowed = layer.narrowed_by
        if any(narrowed < other for other in below):
            raise bad_layout(
                layout.name,
                f"its layers do not stand lowest first: {layer.name} reaches more clusters than a "
                "layer before it.",
            )
        below.append(narrowed)


def _layer(layout: str, item: object) -> Layer:
    names = ", ".join(layer.value for layer in LayerName)
    if not isinstance(item, Mapping) or set(item) != {"name", "pattern"}:
        raise bad_layout(layout, "each layer is a map with name and pattern.")
    if item["name"] not in [layer.value for layer in LayerName]:
        raise bad_layout(
            layout, f"the layer {item['name']!r:.40} is unknown; the layers are {names}."
        )
    return Layer(LayerName(item["name"]), str(item["pattern"]))


def _check_layout(layout: FleetLayout) -> None:
    name = layout.name
    if not SEGMENT.fullmatch(name):
        raise bad_layout(name, "its name may hold letters, digits and . _ + - only.")
    if check_pattern(name, layout.members, _MEMBER_PLACEHOLDERS) != _MEMBER_PLACEHOLDERS:
        raise bad_layout(name, "its members pattern needs {hub} and {cluster}.")
    if "{hub}" in layout.members.partition("{cluster}")[2].partition("/")[2]:
        raise bad_layout(name, "its members pattern has {hub} below {cluster}.")
    for path in (layout.releases, layout.wrapper, layout.labels_component, *layout.bases.values()):
        check_pattern(name, path, frozenset())
    if LABELS_GROUP not in layout.bases:
        raise bad_layout(
            name,
            f"its bases lack the group {LABELS_GROUP}, whose folder holds the clusters' labels.",
        )
    if not layout.layers or len({layer.name for layer in layout.layers}) != len(layout.layers):
        raise bad_layout(name, "it needs at least one layer, and each layer only once.")
    for layer in layout.layers:
        if "component" not in check_pattern(name, layer.pattern, _LAYER_PLACEHOLDERS):
            raise bad_layout(name, f"the pattern of layer {layer.name} needs {{component}}.")
    _check_order(layout)
    if layout.layers[-1].name != LayerName.CLUSTER or "{cluster}" not in layout.layers[-1].pattern:
        raise bad_layout(
            name, "its highest layer must be the cluster's, with {cluster} in its pattern."
        )


_BASES = {
    "addons": "addons",
    "fleet": "addons",
    "resources": "resources",
    "monitoring": "monitoring",
}

TENANTS_LAYOUT = FleetLayout(
    name="tenants",
    title="Tenants, each with environments and clusters",
    layers=(
        Layer(LayerName.SYSTEM, "{base}/defaults/{component}/values.yaml"),
        Layer(LayerName.TENANT_DEFAULTS, "{base}/tenants/defaults/{component}/values.yaml"),
        Layer(LayerName.TENANT, "{base}/tenants/{tenant}/defaults/{component}/values.yaml"),
        Layer(
            LayerName.ENVIRONMENT,
            "{base}/tenants/{tenant}/environments/{environment}/{component}/values.yaml",
        ),
        Layer(
            LayerName.CLUSTER, "{base}/tenants/{tenant}/clusters/{cluster}/{component}/values.yaml"
        ),
    ),
    bases=_BASES,
)

_ENVIRONMENT_FOLDER = "{base}/tenants/{tenant}/environments/{environment}"
ENVIRONMENTS_LAYOUT = FleetLayout(
    name="environments",
    title="Tenants, with clusters inside their environment",
    layers=(
        Layer(LayerName.SYSTEM, "{base}/defaults/{component}/values.yaml"),
        Layer(LayerName.TENANT, "{base}/tenants/{tenant}/defaults/{component}/values.yaml"),
        Layer(LayerName.ENVIRONMENT, _ENVIRONMENT_FOLDER + "/defaults/{component}/values.yaml"),
        Layer(
            LayerName.CLUSTER, _ENVIRONMENT_FOLDER + "/clusters/{cluster}/{component}/values.yaml"
        ),
    ),
    bases=_BASES,
)

LAYOUTS: Mapping[str, FleetLayout] = MappingProxyType(
    {layout.name: layout for layout in (TENANTS_LAYOUT, ENVIRONMENTS_LAYOUT)}
)
"""The built-in layouts by name."""
