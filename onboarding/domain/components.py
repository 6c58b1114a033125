"""The component catalogue: what can be enabled on a cluster, as the fleet itself says it.

No component is known to this code. The catalogue is read from the values of the wrapper chart at
the version that the cluster's release channel selects; where that chart is not in the repository,
from the label selectors of the ApplicationSets that live on the hub.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import json_merge_patch

from onboarding.domain.errors import Refused
from onboarding.domain.labels import reserved
from onboarding.domain.layout import FleetLayout
from onboarding.domain.releases import ReleaseEntry, Releases, group_asked_for
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.domain.yaml.goyaml import go_text
from onboarding.domain.yaml.parsed import located_map

_FLAG_PREFIX = "enable_"
_MODEL_PREFIX = "enable_remote_"
_GROUP_LABEL = "fleet/group"
_COMPONENT_LABEL = "fleet/component"


@dataclass(frozen=True, slots=True)
class Component:
    """One component that a cluster can have.

    `flag` is the label that enables it by the value "true"; `chart` is a path in the repository or
    a chart's name in `repo_url`; `source` says where all this was read. What is not known is "".
    `values` are those that the catalogue itself fixes, `cluster_values` those that it takes from
    facts of the cluster (leaf -> the fact's name); both win over the values layers, which are read
    from the folders `layers` (none: the component's own name). `wrapper` is the file and `entry` the
    release channel that say so.
    """

    name: str
    group: str
    flag: str
    description: str = ""
    chart: str = ""
    repo_url: str = ""
    version: str = ""
    namespace: str = ""
    source: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    cluster_values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    layers: tuple[str, ...] = ()
    wrapper: SnapshotFile | None = field(default=None, repr=False, compare=False)
    entry: ReleaseEntry | None = field(default=None, repr=False, compare=False)

    @property
    def can_be_pinned(self) -> bool:
        """Whether values may set the flag; `use_remote_argo`, for one, is the member file's."""
        return not reserved(self.flag)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The components on offer, and `origin`, the sentence for the page on where they were read.

    `live` tells whether the hub said it;
    `unread` are the asked groups whose wrapper chart could not be read from the repository.
    """

    components: tuple[Component, ...]
    origin: str
    live: bool
    unread: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def catalogue_from_wrapper(
    releases: Releases, channels: Mapping[str, str], snapshot: Snapshot, layout: FleetLayout
) -> Catalogue | None:
    """The catalogue of the asked groups, each at the release channel that `channels` names for it.

    A channel's own `values` are laid over the wrapper's. None where no asked group can be read: its
    channel is unknown, or its chart comes from a chart repository or has no catalogue. Raises `MalformedYaml` where a
    wrapper's values cannot be read.
    """
    components: list[Component] = []
    sources: list[str] = []
    notes: list[str] = []
    unread: list[str] = []
    for group, channel in channels.items():
        entry = releases.entry(group, channel)
        file = _wrapper_values(entry, snapshot, layout) if entry else None
        values = _catalogue_values(file, entry) if entry and file else None
        if entry is None or file is None or values is None:
            unread.append(group)
            continue
        source = f"{file.path} at {entry.version}"
        sources.append(source)
        found = _read_components(values, group, source, snapshot, notes)
        components += [replace(one, wrapper=file, entry=entry) for one in found]
    if not sources:
        return None
    return Catalogue(
        components=tuple(components),
        origin=f"Read from {_listed(sources)} in the fleet repository.",
        live=False,
        unread=tuple(unread),
        notes=tuple(notes),
    )


def catalogue_from_selectors(
    application_sets: Sequence[Mapping[str, Any]], *, rendered_by: str = ""
) -> Catalogue:
    """The catalogue as far as ApplicationSets show it: the `enable_*` labels they select on.

    They are the hub's, or those that `rendered_by` made of the repository's own charts.

    Every generator is looked into, however deep inside matrix and merge generators. A selector that
    asks for a flag to be absent or false offers nothing.
    """
    found: dict[tuple[str, str], Component] = {}
    where = f"as {rendered_by} renders them from the repository" if rendered_by else "on the hub"
    for application_set in application_sets:
        name, labels = _name_and_labels(application_set)
        for generator in _cluster_generators(_at(application_set, "spec", "generators")):
            selector = _at(generator, "selector")
            for flag in _enabling_flags(selector):
                component = Component(
                    name=labels.get(_COMPONENT_LABEL) or name,
                    group=labels.get(_GROUP_LABEL) or _group_of(selector),
                    flag=flag,
                    namespace=_namespace(application_set, generator),
                    source=f"ApplicationSet {name} {where}",
                )
                found.setdefault((component.name, flag), component)
    components = tuple(
        sorted(found.values(), key=lambda component: (component.group, component.name))
    )
    count = len({component.source for component in components})
    sets = "one ApplicationSet" if count == 1 else f"{count} ApplicationSets"
    origin = (
        f"Read from the selectors of {sets} {where}, which know no descriptions and versions."
        if components
        else "Neither the fleet repository nor an ApplicationSet on the hub names a component."
    )
    return Catalogue(components=components, origin=origin, live=not rendered_by)


# The wrapper chart in the repository


def _wrapper_values(
    entry: ReleaseEntry, snapshot: Snapshot, layout: FleetLayout
) -> SnapshotFile | None:
    if entry.repo_url or entry.chart:
        return None
    return snapshot.read(f"{(entry.path or layout.wrapper).strip('/')}/values.yaml")


def _catalogue_values(file: SnapshotFile, entry: ReleaseEntry) -> Mapping[str, Any] | None:
    """The wrapper's components, with the channel's own values laid over them.

    None where it names none: then it is a chart of another kind, which says in its templates what
    it deploys.
    """
    values = located_map(file).value
    components = values.get("components") if isinstance(values, dict) else None
    if entry.values:  # what was read is shared: only a copy is changed
        base = {"components": copy.deepcopy(components)}
        merged = json_merge_patch.merge(base, copy.deepcopy(dict(entry.values)))
        components = merged.get("components") if isinstance(merged, dict) else None
    return components if isinstance(components, dict) else None


def _read_components(
    components: Mapping[str, Any], group: str, source: str, snapshot: Snapshot, notes: list[str]
) -> Iterator[Component]:
    for name, data in components.items():
        if not isinstance(data, dict) or not _text(data, "group") or not _text(data, "flag"):
            notes.append(
                f"{source}: the component {name!r:.80} has no group or no flag and is left out."
            )
            continue
        if data["group"] != group:
            continue
        found = data.get("source")
        chart = found if isinstance(found, dict) else {}
        path = _text(chart, "path")
        yield Component(
            name=str(name),
            group=_text(data, "group"),
            flag=_text(data, "flag"),
            description=_text(data, "description"),
            chart=path or _text(chart, "chart"),
            repo_url=_text(chart, "repoURL"),
            version=chart_version(snapshot, path) if path else _text(chart, "version"),
            namespace=_text(data, "namespace"),
            source=source,
            values=_without_nulls(_map(data, "values")),
            cluster_values=_map(data, "clusterValues"),
            layers=_texts(data, "layers"),
        )


def chart_version(snapshot: Snapshot, path: str) -> str:
    """The version in a chart's Chart.yaml; "" where it cannot be read, for it is only shown."""
    file = snapshot.read(f"{path.strip('/')}/Chart.yaml")
    try:
        chart = located_map(file).value if file else None
    except Refused:
        return ""
    return _text(chart, "version") if isinstance(chart, dict) else ""


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return go_text(value) if isinstance(value, str | bool | int | float) else ""


def _map(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _without_nulls(value: Any) -> Any:
    """The value without keys that are null, in maps within lists too.

    Kubernetes drops such keys from an ApplicationSet's inline values, so that no chart sees them.
    """
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _listed(sources: Sequence[str]) -> str:
    unique = list(dict.fromkeys(sources))
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} and {unique[-1]}"


# The selectors of live ApplicationSets


def _at(data: Any, *keys: str) -> Any:
    """What is at `keys` in an object of the hub; None where its shape is another."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _name_and_labels(application_set: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    labels = _at(application_set, "metadata", "labels")
    return str(_at(application_set, "metadata", "name") or ""), labels if isinstance(
        labels, Mapping
    ) else {}


def _cluster_generators(generators: Any) -> Iterator[Mapping[str, Any]]:
    for generator in generators if isinstance(generators, list) else ():
        if not isinstance(generator, Mapping):
            continue
        for kind, inner in generator.items():
            if kind == "clusters" and isinstance(inner, Mapping):
                yield inner
            elif kind in ("matrix", "merge"):
                yield from _cluster_generators(_at(inner, "generators"))
        if isinstance(generator.get("selector"), Mapping):
            yield {"selector": generator["selector"]}


def _enabling_flags(selector: Any) -> list[str]:
    """The flags that a selector wants to be "true", or to be there at all."""
    labels, expressions = _at(selector, "matchLabels"), _at(selector, "matchExpressions")
    flags = (
        [str(key) for key, value in labels.items() if value == "true"]
        if isinstance(labels, Mapping)
        else []
    )
    for expression in expressions if isinstance(expressions, list) else ():
        operator, values = _at(expression, "operator"), _at(expression, "values")
        if operator == "Exists" or (operator == "In" and "true" in (values or ())):
            flags.append(str(_at(expression, "key")))
    return [
        flag
        for flag in flags
        if flag.startswith(_FLAG_PREFIX) and not flag.startswith(_MODEL_PREFIX)
    ]


def _group_of(selector: Any) -> str:
    """The group whose release label the selector asks for; "" where it asks for none."""
    labels, expressions = _at(selector, "matchLabels"), _at(selector, "matchExpressions")
    keys = set(labels) if isinstance(labels, Mapping) else set()
    keys |= {
        _at(expression, "key")
        for expression in (expressions if isinstance(expressions, list) else ())
    }
    return group_asked_for(keys)


def _namespace(application_set: Mapping[str, Any], generator: Mapping[str, Any]) -> str:
    for holder in (generator, _at(application_set, "spec")):
        namespace = _at(holder, "template", "spec", "destination", "namespace")
        if isinstance(namespace, str) and namespace and "{{" not in namespace:
            return namespace
    return ""
