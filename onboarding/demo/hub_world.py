"""What the fleet repository asks of one hub at one commit: members, labels, Applications, sets.

The demo hub reads the repository with the product's own domain. It can therefore show what the
product predicts, and never prove it.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import json_merge_patch
import yaml

from onboarding.demo.hub_sets import application_set, component_set
from onboarding.domain.component_values import ClusterView, cluster_facts, component_layers
from onboarding.domain.components import Catalogue, Component, catalogue_from_wrapper
from onboarding.domain.errors import Refused
from onboarding.domain.handover import HANDED_GROUPS, is_on
from onboarding.domain.hierarchy import resolve
from onboarding.domain.impact import UNKNOWN_RELEASE_CHART
from onboarding.domain.labels import SKIP_RECONCILE, is_paused, predict_labels
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.leaving import MARK_KEY
from onboarding.domain.member import FleetMember, parse_member
from onboarding.domain.names import HubName
from onboarding.domain.releases import RELEASE_LABELS, Releases, parse_releases
from onboarding.domain.snapshot import Snapshot, SnapshotFile

REGISTRATION = "fleet-hub-external-secrets"
_SET_FOLDERS = ("fleet/bootstrap", "fleet/fleet-bootstrap")
_DOCUMENT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class WantedApplication:
    """One Application that a hub's ApplicationSets generate.

    `value_files` and `values` are what its chart is rendered with, the latter over the former.
    `inputs` changes whenever something that the Application renders from changes; `destination` is
    the cluster that it is deployed to (the hub, for a registration); `behaviour` is how it shall
    end ("" is healthy); `problem` is an error of rendering. `cascades`: its objects go with it, which
    a handover keeps from happening. `paused`: Argo CD leaves it alone. `deleting` is when its deletion
    began, in seconds since 1970 (0: nobody deletes it).
    """

    name: str
    component: str
    group: str
    application_set: str
    cluster: str
    destination: str
    tenant: str
    environment: str
    namespace: str
    release: str
    repo_url: str
    path: str
    chart: str
    revision: str
    value_files: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    inputs: str = ""
    behaviour: str = ""
    problem: str = ""
    cascades: bool = True
    paused: bool = False
    deleting: float = 0.0


@dataclass(frozen=True, slots=True)
class WantedMember:
    """One fleet member: its registration, the labels of its cluster secret and what follows.

    Of one that is `leaving`, `applications` are those that it had before.
    """

    cluster: str
    tenant: str
    environment: str
    secret_name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    registration: WantedApplication
    applications: tuple[WantedApplication, ...]
    leaving: bool


@dataclass(frozen=True, slots=True)
class World:
    """All that the repository asks of one hub; `problems` are members that cannot be read."""

    commit: str
    members: tuple[WantedMember, ...]
    sets: tuple[Mapping[str, Any], ...]
    hub_applications: tuple[WantedApplication, ...]
    registration: str
    problems: tuple[str, ...]


NOTHING = World("", (), (), (), REGISTRATION, ())
"""Before the first commit."""


class WorldReader:
    """Reads one hub's part of a repository."""

    def __init__(self, *, hub: HubName, layout: FleetLayout, url: str, branch: str) -> None:
        """`url` and `branch` are what the Applications shall name as their source."""
        self._hub = hub
        self._layout = layout
        self._url = url
        self._branch = branch

    def read(self, snapshot: Snapshot) -> World:
        """The world at a commit; a member that cannot be read is a problem and hides no other."""
        reading = _Reading(self._hub, self._layout, self._url, self._branch, snapshot)
        sets = reading.repository_sets()
        registration = next(
            (str(found["metadata"]["name"]) for folder, found in sets if folder == _SET_FOLDERS[1]),
            REGISTRATION,
        )
        members, problems = reading.members(registration)
        own = [found for _, found in sets]
        if not any(found["metadata"]["name"] == registration for found in own):
            own.append(application_set(registration, "fleet", "fleet-secret", []))
        return World(
            commit=snapshot.commit,
            members=members,
            sets=(*own, *reading.component_sets()),
            hub_applications=tuple(
                reading.bootstrap(folder, found)
                for folder, found in sets
                if folder == _SET_FOLDERS[0]
            ),
            registration=registration,
            problems=problems,
        )


class _Reading:
    """One reading of one snapshot, with what members share read once."""

    def __init__(
        self, hub: HubName, layout: FleetLayout, url: str, branch: str, snapshot: Snapshot
    ) -> None:
        self._hub = hub
        self._layout = layout
        self._url = url
        self._branch = branch
        self._snapshot = snapshot
        self._files: dict[str, SnapshotFile | None] = {}
        self._releases = self._read_releases()
        self._catalogues: dict[tuple[str, str], tuple[Component, ...]] = {}

    def members(self, registration: str) -> tuple[tuple[WantedMember, ...], tuple[str, ...]]:
        found: list[WantedMember] = []
        problems: list[str] = []
        for path in self._snapshot.paths(self._layout.members_folder(self._hub)):
            if self._layout.parse_member_path(path) is None:
                continue
            file = self._read(path)
            try:
                if file is not None:
                    found.append(self._member(parse_member(file), file, registration))
            except Refused as refused:
                problems.append(f"{path}: {refused}")
        return tuple(found), tuple(problems)

    def repository_sets(self) -> list[tuple[str, dict[str, Any]]]:
        """The ApplicationSets that stand in the repository itself, with their folder."""
        found: list[tuple[str, dict[str, Any]]] = []
        for folder in _SET_FOLDERS:
            for path in self._snapshot.paths(folder):
                if path.count("/") != folder.count("/") + 1 or not path.endswith((".yaml", ".yml")):
                    continue
                found.extend((folder, document) for document in self._application_sets(path))
        return found

    def component_sets(self) -> list[dict[str, Any]]:
        """One ApplicationSet for each component that a release channel has."""
        found: list[dict[str, Any]] = []
        for group, entries in self._releases.groups.items():
            channels = {entry.type: self._catalogue(group, entry.type) for entry in entries}
            components = {one.name: one for some in channels.values() for one in some}
            for name, component in components.items():
                without = [
                    kind
                    for kind, some in channels.items()
                    if name not in {one.name for one in some}
                ]
                found.append(component_set(component, without))
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    def bootstrap(self, folder: str, found: Mapping[str, Any]) -> WantedApplication:
        """The hub's own Application of one bootstrap ApplicationSet."""
        name = str(found["metadata"]["name"])
        return WantedApplication(
            name=f"{name}-{self._hub}",
            component="bootstrap",
            group=name.removeprefix("bootstrap-"),
            application_set=name,
            cluster=self._hub,
            destination=self._hub,
            tenant="fleet",
            environment="",
            namespace="argocd",
            release="",
            repo_url=self._url,
            path="charts/release-channels",
            chart="",
            revision=self._branch,
            inputs=self._digest([folder + "/" + name, self._layout.releases]),
        )

    def _member(self, member: FleetMember, file: SnapshotFile, registration: str) -> WantedMember:
        placement = member.placement(self._hub)
        paths = self._layout.labels_paths(placement)
        resolved = resolve([(path, self._read(path.path)) for path in paths])
        predicted = predict_labels(member, placement, resolved)
        labels = predicted.as_dict()
        annotations = {label.key: label.value for label in predicted.annotations}
        leaving = str(member.extra.get(MARK_KEY, "")) == "true"
        staying = replace(member, extra={**member.extra, MARK_KEY: "false"}) if leaving else member
        had = predict_labels(staying, placement, resolved).as_dict() if leaving else labels
        base = WantedApplication(
            name=f"fleet-secret-{member.cluster}",
            component="fleet-secret",
            group="fleet",
            application_set=registration,
            cluster=member.cluster,
            destination=self._hub,
            tenant=member.tenant,
            environment=member.environment,
            namespace="argocd",
            release="",
            repo_url=self._url,
            path="charts/fleet-secret",
            chart="",
            revision=self._branch,
            value_files=tuple(path.path for path in paths),
            inputs=self._digest([file.path, *(path.path for path in paths)]),
            problem="; ".join(predicted.problems),
            paused=is_paused(annotations.get(SKIP_RECONCILE)),
        )
        # Only its Applications are paused: what registers it is the hub's own.
        view = ClusterView(staying, had, annotations)
        return WantedMember(
            cluster=member.cluster,
            tenant=member.tenant,
            environment=member.environment,
            secret_name=member.secret_name,
            labels=labels,
            annotations=annotations,
            registration=replace(base, paused=False),
            applications=tuple(self._components(base, placement, view)),
            leaving=leaving,
        )

    def _components(
        self, base: WantedApplication, placement: Placement, view: ClusterView
    ) -> Iterator[WantedApplication]:
        labels = view.labels
        for group, label in RELEASE_LABELS.items():
            channel = labels.get(label)
            if channel is None or labels.get(f"enable_remote_{group}") == "true":
                continue
            known = self._releases.entry(group, channel) is not None
            types = [channel] if known else self._releases.types(group)
            seen: set[str] = set()
            for component in (each for kind in types for each in self._catalogue(group, kind)):
                if component.name not in seen and labels.get(component.flag) == "true":
                    seen.add(component.name)
                    named = self._named(replace(base, release=channel), component)
                    yield (
                        self._component(named, placement, component, view)
                        if known
                        else self._refusing(named, component.group)
                    )

    def _component(
        self,
        named: WantedApplication,
        placement: Placement,
        component: Component,
        view: ClusterView,
    ) -> WantedApplication:
        layers = component_layers(component, placement, self._layout)
        outside = bool(component.repo_url)
        values = self._inline_values(component, view)
        source = f"{component.repo_url} {component.chart} {component.version} {values}"
        wanted = replace(
            named,
            repo_url=component.repo_url or self._url,
            path="" if outside else component.chart,
            chart=component.chart if outside else "",
            revision=component.version if outside else self._branch,
            value_files=tuple(path.path for path in layers),
            values=values,
            cascades=component.group not in HANDED_GROUPS or not is_on(view.member),
            inputs=self._digest([path.path for path in layers])
            + hashlib.sha256(source.encode()).hexdigest()[:8],
        )
        present = [(path, file) for path in layers if (file := self._read(path.path))]
        if any(b"demo:" in file.content for _, file in present):
            wanted = replace(wanted, behaviour=self._behaviour(present))
        return wanted

    def _refusing(self, named: WantedApplication, group: str) -> WantedApplication:
        """The Application of a cluster whose label names no release: it is there, and says so."""
        label = RELEASE_LABELS[group]
        return replace(
            named,
            path=UNKNOWN_RELEASE_CHART,
            value_files=(),
            values={
                "label": label,
                "release": named.release,
                "cluster": named.cluster,
                "known": list(self._releases.types(group)),
            },
            inputs=named.release,
            problem=f"cluster {named.cluster} asks for the unknown {label} {named.release!r}",
        )

    def _named(self, base: WantedApplication, component: Component) -> WantedApplication:
        return replace(
            base,
            name=f"{component.name}-{base.cluster}",
            component=component.name,
            group=component.group,
            application_set=component.name,
            destination=base.cluster,
            namespace=component.namespace or component.name,
            problem="",
        )

    def _inline_values(self, component: Component, view: ClusterView) -> dict[str, Any]:
        """The values that the ApplicationSet itself hands over, which win over every file."""
        facts = cluster_facts(component.cluster_values, view)
        merged: dict[str, Any] = json_merge_patch.merge(
            copy.deepcopy(dict(component.values)), self._hub_facts(facts)
        )
        return merged

    def _hub_facts(self, facts: Any) -> Any:
        """The facts with those that only a hub knows."""
        if isinstance(facts, Mapping):
            return {key: self._hub_facts(value) for key, value in facts.items()}
        known = {"repository.url": self._url, "repository.revision": self._branch}
        return known.get(facts, facts)

    def _behaviour(self, layers: Any) -> str:
        try:
            leaf = resolve(layers).get(("demo",))
        except Refused:
            return ""
        return str(leaf.value) if leaf is not None else ""

    def _catalogue(self, group: str, kind: str) -> tuple[Component, ...]:
        key = (group, kind)
        if key not in self._catalogues:
            try:
                found: Catalogue | None = catalogue_from_wrapper(
                    self._releases, {group: kind}, self._snapshot, self._layout
                )
            except Refused:
                found = None
            components = found.components if found else ()
            self._catalogues[key] = tuple(each for each in components if each.group == group)
        return self._catalogues[key]

    def _read_releases(self) -> Releases:
        path = self._layout.releases
        try:
            return parse_releases(self._read(path), path=path)
        except Refused:
            return parse_releases(None, path=path)

    def _application_sets(self, path: str) -> Iterator[dict[str, Any]]:
        file = self._read(path)
        if file is None or len(file.content) > _DOCUMENT_BYTES:
            return
        try:
            documents = list(yaml.load_all(file.content, Loader=yaml.CSafeLoader))
        except yaml.YAMLError:
            return
        for document in documents:
            if isinstance(document, dict) and document.get("kind") == "ApplicationSet":
                metadata = document.get("metadata")
                if isinstance(metadata, dict) and isinstance(metadata.get("name"), str):
                    yield document

    def _read(self, path: str) -> SnapshotFile | None:
        if path not in self._files:
            self._files[path] = self._snapshot.read(path)
        return self._files[path]

    def _digest(self, paths: list[str]) -> str:
        blobs = [file.blob if (file := self._read(path)) else "" for path in paths]
        return hashlib.sha256("\n".join(blobs).encode()).hexdigest()[:16]
