"""Which Applications of a cluster appear, change or disappear, computed from Git.

An Application is called `<component>-<cluster>`; it exists while the cluster's release label
chooses a release of the group and the component's flag is "true". Where a group's catalogue lies
in another repository, the hub's live ApplicationSets tell the rest, marked as not from Git.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from onboarding.domain.component_values import (
    ClusterView,
    cluster_facts,
    component_layers,
    component_values,
)
from onboarding.domain.components import (
    Catalogue,
    Component,
    catalogue_from_wrapper,
    chart_version,
)
from onboarding.domain.errors import Refused
from onboarding.domain.handover import HANDED_GROUPS, is_on
from onboarding.domain.labels import ClusterLabels
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.live_sets import NO_SETS, Foretold, Found, KnownSets, hear
from onboarding.domain.live_sources import Wanted
from onboarding.domain.member import DeploymentModel, FleetMember, deployed_by_cluster
from onboarding.domain.plans import (
    ApplicationForecast,
    DeployedBy,
    Impact,
    PlanWarning,
    canonical_json,
    sha256,
)
from onboarding.domain.releases import RELEASE_LABELS, ReleaseEntry, Releases
from onboarding.domain.snapshot import Snapshot

PLATFORM_PROJECT = "fleet"
"""The Argo CD project of what makes a spoke a fleet member; a tenant's components are in its own."""

UNKNOWN_RELEASE_CHART = "charts/unknown-release"
"""The chart that stands in for a component's where a label names no release: it only refuses."""


@dataclass(slots=True)
class Forecaster:
    """Reads what a forecast needs from one snapshot, each thing once.

    `warnings` gathers what was found on the way and should be known; `unread` the groups whose
    catalogue Git could not tell. `settled` are components whose values need not be known, for they
    are the same on both sides; `catalogues` are those that were read so far, which clusters share.
    """

    placement: Placement
    releases: Releases
    snapshot: Snapshot
    layout: FleetLayout
    warnings: list[PlanWarning] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    settled: frozenset[str] = frozenset()
    catalogues: dict[tuple[str, str], Catalogue | None] = field(default_factory=dict)

    def flags(self) -> frozenset[str]:
        """The flags of all catalogues that were read so far."""
        found = (one for one in self.catalogues.values() if one)
        return frozenset(component.flag for one in found for component in one.components)

    def foretold(self, after: Found, labels: Mapping[str, str], *, plainly: bool) -> Foretold:
        """What Git says of the cluster at this side, for the hub's sets to be held against.

        `plainly`: with what each set has to deploy.
        """
        catalogues = [one for one in self.catalogues.values() if one]
        return Foretold(
            cluster=str(self.placement.cluster),
            components={each.name for one in catalogues for each in one.components},
            flags=self.flags(),
            unread=self.unread,
            after={one.component for one in after.values() if one.deployed_by is DeployedBy.HUB},
            wanted={
                one.component: self._wanted(one, labels)
                for one in after.values()
                if plainly and one.deployed_by is DeployedBy.HUB and not one.refused
            },
        )

    def _wanted(self, one: ApplicationForecast, labels: Mapping[str, str]) -> Wanted:
        """What the set of a foretold Application has to say, for clusters with these labels."""
        release = labels.get(RELEASE_LABELS[one.group], "")
        components = self.catalogues.get((one.group, release))
        folders = next(
            (
                each.layers or (each.name,)
                for each in (components.components if components else ())
                if each.name == one.component
            ),
            (one.component,),
        )
        files = (
            layer.pattern.replace("{component}", folder)
            for folder in folders
            for layer in self.layout.layers
        )
        return Wanted(one.version, one.chart, one.repo_url, release, tuple(files))

    def applications(self, view: ClusterView | None) -> tuple[ApplicationForecast, ...]:
        """The Applications that a cluster has by Git, sorted by name; none for no cluster.

        With a label that names no release of its group, an Application is there all the same: it
        reports that, and leaves what is on the cluster as it is.
        """
        if view is None:
            return ()
        deployed = [
            self._forecast(component, entry, view)
            for component, entry in self.offered(view)
            if view.labels.get(component.flag) == "true"
        ]
        refused = [
            self._refusal(component, view)
            for component in self._without_release(view)
            if view.labels.get(component.flag) == "true"
        ]
        return tuple(sorted([*deployed, *refused], key=ApplicationForecast.identity))

    def has_own_argo(self, view: ClusterView | None) -> bool | None:
        """Whether a cluster's own Argo CD is there; None where it is left as it is.

        It comes with the components of the fleet group that the model's label enables. A fleet
        without that group brings it in a way of its own.
        """
        if view is None or view.member.model is DeploymentModel.CENTRALIZED:
            return False
        if not self.releases.types("fleet"):
            return True
        release = view.labels.get(RELEASE_LABELS["fleet"])
        if release is None:
            return False
        entry = self.releases.entry("fleet", release)
        catalogue = self._catalogue("fleet", entry) if entry else None
        if catalogue is None:
            return None
        return any(one.flag == "use_remote_argo" for one in catalogue.components)

    def _without_release(self, view: ClusterView) -> Iterator[Component]:
        """The components of all releases of each group whose label on the cluster names none."""
        for group, label in RELEASE_LABELS.items():
            if label not in view.labels or self.releases.entry(group, view.labels[label]):
                continue
            found: dict[str, Component] = {}
            for entry in self.releases.groups.get(group, ()):
                catalogue = self._catalogue(group, entry)
                if catalogue is None:
                    self.unread[group] = entry.type
                    continue
                found |= {component.name: component for component in catalogue.components}
            yield from found.values()

    def offered(self, view: ClusterView) -> Iterator[tuple[Component, ReleaseEntry]]:
        """Each component of the releases that the cluster's labels choose, switched on or not."""
        for group, label in RELEASE_LABELS.items():
            entry = self.releases.entry(group, view.labels.get(label, ""))
            if entry is None:
                continue
            catalogue = self._catalogue(group, entry)
            if catalogue is None:
                self.unread[group] = entry.type
                continue
            for component in catalogue.components:
                yield component, entry

    def _catalogue(self, group: str, entry: ReleaseEntry) -> Catalogue | None:
        key = (group, entry.type)
        if key not in self.catalogues:
            try:
                found = catalogue_from_wrapper(
                    self.releases, {group: entry.type}, self.snapshot, self.layout
                )
            except Refused as refused:
                self.warnings.append(PlanWarning(str(refused), "catalogue_unreadable"))
                found = None
            notes = found.notes if found else ()
            self.warnings += [PlanWarning(note, "catalogue_note") for note in notes]
            self.catalogues[key] = found
        return self.catalogues[key]

    def _forecast(
        self, component: Component, entry: ReleaseEntry, view: ClusterView
    ) -> ApplicationForecast:
        by = deployed_by(view.member, component.group)
        own = " by the cluster's own Argo CD" if by is DeployedBy.CLUSTER else ""
        release = f"{RELEASE_LABELS[component.group]} is {entry.type}"
        cause = f"Deployed{own} because {component.flag} is true and {release}."
        digest = self._values_digest(component, view)
        return self._application(component, view, cause=cause, digest=digest)

    def _refusal(self, component: Component, view: ClusterView) -> ApplicationForecast:
        label = RELEASE_LABELS[component.group]
        refusing = replace(
            component,
            chart=UNKNOWN_RELEASE_CHART,
            repo_url="",
            version=chart_version(self.snapshot, UNKNOWN_RELEASE_CHART),
        )
        cause = (
            f"It reports that {label} is {view.labels[label]!r}, which is no release, and leaves "
            "what is on the cluster as it is."
        )
        # Whatever the layers say, it renders nothing.
        digest = sha256({"refused": label})
        return replace(self._application(refusing, view, cause=cause, digest=digest), refused=True)

    def _application(
        self, component: Component, view: ClusterView, *, cause: str, digest: str
    ) -> ApplicationForecast:
        cluster = str(self.placement.cluster)
        return ApplicationForecast(
            name=f"{component.name}-{cluster}",
            component=component.name,
            group=component.group,
            version=component.version,
            destination=cluster,
            namespace=component.namespace,
            cause=cause,
            chart=component.chart,
            repo_url=component.repo_url,
            deployed_by=deployed_by(view.member, component.group),
            values_digest=digest,
            project=PLATFORM_PROJECT if component.group == "fleet" else str(view.member.tenant),
        )

    def _values_digest(self, component: Component, view: ClusterView) -> str:
        """The digest of all that the component gets; where that cannot be told, of its files."""
        if component.name in self.settled:
            return ""
        placement = view.member.placement(self.placement.hub)
        try:
            found = component_values(component, view, placement, self.snapshot, self.layout)
        except Refused as refused:
            self._doubt(component, refused)
            return self._files_digest(component, view, placement)
        removed = [".".join(leaf.keys) for leaf in found.resolved.removed]
        return sha256({"values": _plain(found.values()), "removed": sorted(removed)})

    def _files_digest(self, component: Component, view: ClusterView, placement: Placement) -> str:
        """The files as they are still tell one state from another."""
        try:
            paths = component_layers(component, placement, self.layout)
        except Refused:
            paths = ()
        files = [(one.path, view.read(self.snapshot, one.path)) for one in paths]
        return sha256(
            {
                "files": [[path, file.blob] for path, file in files if file],
                "catalogue": _plain(component.values),
                "cluster": _plain(cluster_facts(component.cluster_values, view)),
            }
        )

    def _doubt(self, component: Component, refused: Refused) -> None:
        consequence = f"The Application of {component.name} will fail until that is mended."
        self.warnings.append(PlanWarning(f"{refused} {consequence}", "values_unreadable"))


def _plain(values: object) -> object:
    """The values where JSON has them, else a text that tells them apart."""
    try:
        canonical_json(values)
    except (TypeError, ValueError):
        return repr(values)
    return values


def deployed_by(member: FleetMember, group: str) -> DeployedBy:
    """Whose Argo CD deploys a group: the hub's, or the cluster's own."""
    return DeployedBy.CLUSTER if deployed_by_cluster(member, group) else DeployedBy.HUB


def forecast(
    before: ClusterView | None,
    after: ClusterView,
    forecaster: Forecaster,
    *,
    earlier: Forecaster | None = None,
    known: KnownSets = NO_SETS,
    later: KnownSets | None = None,
    heard_labels: tuple[Mapping[str, str] | None, Mapping[str, str]] | None = None,
) -> Impact:
    """What a change does to a cluster's Applications.

    `before` is None for a cluster that joins; `earlier` is what was forecast from before, where
    that is another commit. An Application that goes from the hub to the
    cluster's own Argo CD disappears there and appears here. `complete` is false where a catalogue
    could not be read from Git. The `known` ApplicationSets tell of what the catalogue does not describe
    and are asked whether they agree with it, without becoming part of the digest; `heard_labels` are
    those that they see before and after, where these are not the foreseen ones. `later` are those
    after a commit; then the known ones are asked whether they agree with what was before it.
    """
    earlier = earlier or forecaster
    had, has = earlier.has_own_argo(before), forecaster.has_own_argo(after)
    old = _made(earlier.applications(before), own=had is not False)
    new = _made(forecaster.applications(after), own=has is True)
    if has is None:
        new |= {key: one for key, one in old.items() if one.deployed_by is DeployedBy.CLUSTER}
    seen = heard_labels or (before.labels if before else None, after.labels)
    heard = hear(
        known,
        *seen,
        forecaster.foretold(new, after.labels, plainly=bool(known.sets)),
        later=later,
        now=earlier.foretold(old, before.labels, plainly=bool(known.sets))
        if later and before
        else None,
    )
    forecaster.warnings += heard.warnings
    old, new = heard.before | old, heard.after | new
    return Impact(
        appear=tuple(one for key, one in new.items() if key not in old),
        change=tuple(
            (old[key], _changed(old[key], one))
            for key, one in new.items()
            if key in old and old[key].substance() != one.substance()
        ),
        disappear=tuple(_leaving(one, before) for key, one in old.items() if key not in new),
        complete=not forecaster.unread,
        note=_note(forecaster.unread, heard.doubtful),
        live_sets=len(known.sets),
        rendered_by=known.rendered_by,
        expected=tuple(
            sorted(one.name for one in new.values() if one.deployed_by is DeployedBy.HUB)
        ),
    )


def _made(found: Sequence[ApplicationForecast], *, own: bool) -> Found:
    """The Applications that somebody makes; those of a cluster's own Argo CD only if it is there."""
    return {
        one.identity(): one for one in found if own or one.deployed_by is not DeployedBy.CLUSTER
    }


def _changed(before: ApplicationForecast, after: ApplicationForecast) -> ApplicationForecast:
    if before.values_digest == after.values_digest:
        return after
    what = "ApplicationSet changes" if after.from_hub else "values change"
    return replace(after, cause=f"{after.cause} Its {what}.")


def _leaving(one: ApplicationForecast, before: ClusterView | None) -> ApplicationForecast:
    """An Application that goes: why, and whether it takes its resources along.

    It leaves them where the hub has been told of a handover, or where only the hub knows of it and
    its ApplicationSet says so.
    """
    if one.from_hub:
        left = "are deleted" if one.deletes_resources else "stay, and nobody minds them"
        said = f"Nothing selects it any more; its resources on the cluster {left}."
        return replace(one, cause=said)
    kept = one.group in HANDED_GROUPS and before is not None and is_on(before.member)
    cause = (
        "It leaves this Argo CD; its resources stay, for its cluster is being handed over."
        if kept
        else "Nothing selects it any more; its resources on the cluster are deleted."
    )
    return replace(one, cause=cause, deletes_resources=not kept)


def doubted(impact: Impact, before: ClusterLabels, after: ClusterLabels) -> Impact:
    """The impact with its doubt: what the chart refuses leaves the cluster secret as it is."""
    if after.problems:
        said = (
            "The fleet-secret chart refuses these labels (see the warnings): nothing follows yet."
        )
    elif before.problems:
        said = (
            "The fleet-secret chart refuses the labels as they are: what the cluster has by now, "
            "only the hub can tell."
        )
    else:
        return impact
    return replace(impact, complete=False, note=f"{said} {impact.note}".strip())


def _note(unread: Mapping[str, str], doubtful: int) -> str:
    extra = f" {doubtful} ApplicationSets cannot be judged by labels alone." if doubtful else ""
    if not unread:
        return extra.strip()
    groups = ", ".join(f"{group} ({release})" for group, release in sorted(unread.items()))
    return (
        f"The components of {groups} are not described in this repository: only the hub can "
        f"confirm which Applications they make.{extra}"
    )
