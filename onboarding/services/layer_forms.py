"""What can be edited of the shared layers of a tenant: which layers and components, and what a file sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from onboarding.domain.components import Component, catalogue_from_wrapper
from onboarding.domain.errors import Refused
from onboarding.domain.intents import EditLayer
from onboarding.domain.labels import LABELS_KEYS
from onboarding.domain.layer_rules import scope_of
from onboarding.domain.layout import LABELS_GROUP, FleetLayout, Layer, LayerScope, Placement
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.releases import RELEASE_LABELS, parse_releases
from onboarding.domain.snapshot import Snapshot
from onboarding.domain.yaml.parsed import located_map
from onboarding.models import Fleet
from onboarding.services.layouts import layout_of

MOST_ROWS = 100
"""How many keys of one file the form shows."""

LABELS = "labels"
"""The choice of the labels of clusters instead of a component's values."""

_ANY = "any"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a list: its key in the form, and its words."""

    key: str
    title: str


@dataclass(frozen=True, slots=True)
class SetKey:
    """One key that a file sets, with its value as JSON; `keys` is the whole way to it."""

    keys: tuple[str, ...]
    value: str | bool | int
    was: str


@dataclass(frozen=True, slots=True)
class LayerForm:
    """A file of a shared layer as a form shows it; `others` counts keys that only Git can edit."""

    path: str
    scope: LayerScope
    is_labels: bool
    exists: bool
    keys: tuple[SetKey, ...] = ()
    others: int = 0
    known: tuple[str, ...] = ()


def layer_choices(
    *,
    fleet: Fleet,
    environments: Iterable[str],
    may: Callable[[bool, str], bool] = lambda of_tenant, environment: True,
) -> tuple[Choice, ...]:
    """The layers that more than one cluster can share, lowest first; one for each environment.

    `may` says whether one is offered: whether it is of one tenant, and its environment ("" of all).
    """
    found = []
    for layer in _shared(layout_of(fleet)):
        name, of_tenant = layer.name.value, "{tenant}" in layer.pattern
        if "{environment}" not in layer.pattern:
            found += [Choice(name, name)] if may(of_tenant, "") else []
            continue
        found += [
            Choice(f"{name}:{one}", f"{name} {one}")
            for one in sorted(environments)
            if may(of_tenant, one)
        ]
    return tuple(found)


def component_choices(*, fleet: Fleet, snapshot: Snapshot) -> tuple[Choice, ...]:
    """The labels of clusters, and each component that a release of the repository describes."""
    found = {LABELS: Choice(LABELS, "Labels of clusters")}
    for group, folder, name in _components(layout_of(fleet), snapshot):
        key = f"{group}/{folder}"
        found.setdefault(key, Choice(key, f"{name} ({group})"))
    return tuple(found.values())


def path_of(*, fleet: Fleet, tenant: str, layer: str, component: str) -> str:
    """The file of a chosen layer and component; raises `Refused` for what is no choice."""
    layout = layout_of(fleet)
    name, _, environment = layer.partition(":")
    group, _, folder = component.partition("/")
    if component == LABELS:
        group, folder = LABELS_GROUP, layout.labels_component
    placement = Placement(
        HubName(_ANY),
        ClusterName(_ANY),
        TenantName(tenant or _ANY),
        Environment(environment or _ANY),
    )
    for each, path in zip(
        layout.layers, layout.layer_paths(placement, folder, group=group), strict=True
    ):
        if each.name.value == name and each in _shared(layout):
            return path.path
    raise Refused("Choose a layer of the list.", field="layer", code="no_layer")


def layer_form(*, fleet: Fleet, path: str, snapshot: Snapshot) -> LayerForm:
    """What a layer's file sets, as far as a form can edit it.

    Raises `Refused` where it is no shared layer, and where it cannot be read: then it is mended in
    Git first.
    """
    layout = layout_of(fleet)
    scope = scope_of(EditLayer(path, ()), layout)
    is_labels = scope.component == layout.labels_component
    file = snapshot.read(path)
    found: list[SetKey] = []
    others = 0
    located = located_map(file) if file else None
    for leaf in located.leaves() if located and located.value is not None else ():
        value = leaf.value
        is_own = not is_labels or (isinstance(value, str) and leaf.keys[:-1] == LABELS_KEYS)
        if is_own and isinstance(value, str | bool | int) and len(found) < MOST_ROWS:
            found.append(SetKey(leaf.keys, value, json.dumps(value)))
        else:
            others += 1
    known = tuple(_flags(layout, snapshot)) if is_labels else ()
    return LayerForm(path, scope, is_labels, file is not None, tuple(found), others, known)


def _shared(layout: FleetLayout) -> tuple[Layer, ...]:
    return tuple(one for one in layout.layers if "{cluster}" not in one.pattern)


def _components(layout: FleetLayout, snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
    """The group, folder and name of each component."""
    for component in _catalogued(layout, snapshot).values():
        for folder in component.layers or (component.name,):
            if component.group in layout.bases:
                yield component.group, folder, component.name


def _flags(layout: FleetLayout, snapshot: Snapshot) -> list[str]:
    """The labels that mean something to the fleet: release channels and components' flags."""
    flags = {one.flag for one in _catalogued(layout, snapshot).values()}
    return [*RELEASE_LABELS.values(), *sorted(flags)]


def _catalogued(layout: FleetLayout, snapshot: Snapshot) -> Mapping[tuple[str, str], Component]:
    found: dict[tuple[str, str], Component] = {}
    with suppress(Refused):
        releases = parse_releases(snapshot.read(layout.releases), path=layout.releases)
        for group, entries in releases.groups.items():
            for entry in entries:
                with suppress(Refused):
                    catalogue = catalogue_from_wrapper(
                        releases, {group: entry.type}, snapshot, layout
                    )
                    for one in catalogue.components if catalogue else ():
                        found.setdefault((one.group, one.name), one)
    return dict(sorted(found.items()))
