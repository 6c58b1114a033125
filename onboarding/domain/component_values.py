"""The values that one component gets on one cluster, each with its origin: all that Helm lays together.

From the lowest: the chart's own `values.yaml`, the values layers, what the catalogue fixes, what it
takes from facts of the cluster. The last two are one file to Helm (`valuesObject` of the Application).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from onboarding.domain.components import Component
from onboarding.domain.hierarchy import Resolved, lay_files
from onboarding.domain.labels import GITHUB_ANNOTATION, HUB_REGION, ClusterLabels
from onboarding.domain.layering import (
    Branch,
    Origin,
    Placing,
    Shadowed,
    coalesce,
    lay,
    leaves,
    placed_by,
)
from onboarding.domain.layout import FleetLayout, LayerPath, Placement
from onboarding.domain.member import FleetMember
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.domain.yaml.located import Located
from onboarding.domain.yaml.parsed import located_map

NO_EDITS: Mapping[str, SnapshotFile] = MappingProxyType({})


class ValuesLayer(StrEnum):
    """The layers that are not files of the hierarchy."""

    CHART = "chart"
    CATALOGUE = "catalogue"
    RELEASE = "release channel"
    FACTS = "cluster facts"


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A cluster at one side of a change: its member document, its labels and annotations.

    `edited` are the files (by path) that are otherwise there than in the repository.
    """

    member: FleetMember
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    edited: Mapping[str, SnapshotFile] = field(default_factory=dict)

    def read(self, snapshot: Snapshot, path: str) -> SnapshotFile | None:
        """A file as this side of the change has it."""
        return self.edited.get(path) or snapshot.read(path)


def view_of(
    member: FleetMember, labels: ClusterLabels, edited: Mapping[str, SnapshotFile] = NO_EDITS
) -> ClusterView:
    """A cluster with the labels and annotations that were predicted for it."""
    return ClusterView(
        member=member,
        labels=labels.as_dict(),
        annotations={one.key: one.value for one in labels.annotations},
        edited=edited,
    )


@dataclass(frozen=True, slots=True)
class ComponentValues:
    """The effective values of a component on a cluster.

    `resolved.leaves` are what the chart's templates see (with the nulls that Helm leaves there),
    `resolved.removed` the nulls that took something away. `files` is every values file that is
    looked for, lowest first, and whether it is there. `chart_known` is false where the chart's own
    defaults are not in this repository, and then its nulls count as removed; `note` says so.
    """

    resolved: Resolved
    files: tuple[tuple[LayerPath, bool], ...]
    chart_known: bool
    note: str = ""

    def values(self) -> dict[str, Any]:
        """The values as plain maps."""
        return self.resolved.values()


def component_layers(
    component: Component, placement: Placement, layout: FleetLayout
) -> tuple[LayerPath, ...]:
    """The values files of a component for one placement, lowest first; raises as `layer_paths`."""
    return tuple(
        path
        for folder in component.layers or (component.name,)
        for path in layout.layer_paths(placement, folder, group=component.group)
    )


def component_values(
    component: Component,
    view: ClusterView,
    placement: Placement,
    snapshot: Snapshot,
    layout: FleetLayout,
) -> ComponentValues:
    """Resolve all that a component gets on a cluster.

    Raises `MalformedYaml` with file and line where Helm would fail on a file, and `Refused` where
    the layout has no folder for the component's group.
    """
    files = [
        (layer, view.read(snapshot, layer.path))
        for layer in component_layers(component, placement, layout)
    ]
    branch = lay_files(files)
    lay_catalogue(branch, component, cluster_facts(component.cluster_values, view))
    chart, note = _chart(component, snapshot)
    removed = tuple(coalesce(branch, chart)) if chart else ()
    found = tuple(leaves(branch))
    if chart is None:
        removed = tuple(leaf for leaf in found if leaf.value is None)
        found = tuple(leaf for leaf in found if leaf.value is not None)
    return ComponentValues(
        resolved=Resolved(found, removed),
        files=tuple((layer, file is not None) for layer, file in files),
        chart_known=chart is not None,
        note=note,
    )


def lay_catalogue(branch: Branch, component: Component, facts: object) -> None:
    """Lay over the branch what the catalogue fixes, and the facts of the cluster that it names."""
    lay(branch, component.values, _placed_in_catalogue(component, "values"))
    if isinstance(facts, Mapping):
        lay(branch, facts, _placed_in_catalogue(component, "clusterValues"))


def cluster_facts(wanted: object, view: ClusterView) -> object:
    """Values from facts of the cluster: each leaf that names a fact becomes that fact.

    The names are those of the catalogue's `clusterValues`. A label or annotation that the cluster
    has not is empty text, as in the ApplicationSet's template; what only the hub knows stays a
    name: the repository's address and revision, and its region, which goes with githubSecret.
    """
    if isinstance(wanted, Mapping):
        return {key: cluster_facts(value, view) for key, value in wanted.items()}
    kind, _, key = str(wanted).partition(".")
    known = {
        "name": view.member.cluster,
        "tenant": view.member.tenant,
        "environment": view.member.environment,
    }
    if wanted == f"annotations.{HUB_REGION}" and GITHUB_ANNOTATION in view.annotations:
        return wanted
    if kind in ("labels", "annotations") and key:
        return (view.labels if kind == "labels" else view.annotations).get(key, "")
    return str(known.get(kind, wanted))


def _placed_in_catalogue(component: Component, part: str) -> Placing:
    """The origins of what the catalogue says: its wrapper's file, or the release channel's entry."""
    above = ("components", component.name, part)
    wrapper = located_map(component.wrapper) if component.wrapper else None
    entry = component.entry
    layer = ValuesLayer.FACTS if part == "clusterValues" else ValuesLayer.CATALOGUE

    def place(values: Mapping[str, object], keys: tuple[str, ...]) -> tuple[Origin, Shadowed]:
        path = (*above, *keys)
        found = _origin(wrapper, wrapper.value if wrapper else None, path, layer)
        channel = _origin(entry.located, entry.values, path, ValuesLayer.RELEASE) if entry else None
        if channel is None:
            return (found[0] if found else Origin(layer, component.source, 0)), ()
        covered = found is not None and part == "values" and not isinstance(found[1], Mapping)
        return channel[0], ((found[1], found[0]),) if covered and found else ()

    return place


def _origin(
    located: Located | None, root: object, path: tuple[str, ...], layer: ValuesLayer
) -> tuple[Origin, object] | None:
    """Where a key of the catalogue stands in a file, and its value there; None where it does not."""
    node = root
    for key in path[:-1]:
        node = node.get(key) if isinstance(node, Mapping) else None
    if located is None or not isinstance(node, Mapping) or path[-1] not in node:
        return None
    mark = located.mark_in(node, path[-1])
    return Origin(layer, located.path, mark.line if mark else 0), node[path[-1]]


def _chart(component: Component, snapshot: Snapshot) -> tuple[Branch | None, str]:
    """The chart's own values, and what has to be said of them; None where they are elsewhere."""
    folder = component.chart.strip("/")
    if component.repo_url or not folder:
        where = component.repo_url or "a place that this repository does not name"
        return None, f"The chart's own defaults are not in this repository: it comes from {where}."
    chart = snapshot.read(f"{folder}/Chart.yaml")
    if chart is None:
        return None, f"The chart's own defaults are not known: {folder} holds no Chart.yaml."
    branch = Branch()
    file = snapshot.read(f"{folder}/values.yaml")
    if file and (located := located_map(file)).value is not None:
        lay(branch, located.at(()), placed_by(located, ValuesLayer.CHART))
    parsed = located_map(chart).value
    subcharts = parsed.get("dependencies") if isinstance(parsed, dict) else None
    return branch, (
        "The defaults of this chart's subcharts are not shown here, though they count too."
        if subcharts
        else ""
    )
