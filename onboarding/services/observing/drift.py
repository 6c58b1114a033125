"""Drift of one cluster: Git, the live cluster secret and its Applications held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onboarding.domain import drift
from onboarding.domain.component_values import component_layers, view_of
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.impact import Forecaster
from onboarding.domain.labels import cluster_labels
from onboarding.domain.member import parse_member
from onboarding.domain.names import HubName
from onboarding.domain.plans import DeployedBy
from onboarding.domain.releases import RELEASE_LABELS, parse_releases
from onboarding.domain.secret_labels import from_secret
from onboarding.domain.snapshot import Snapshot
from onboarding.models import ApplicationStatus, Cluster, ClusterStatus, Hub
from onboarding.ports import FleetRepository
from onboarding.services.layouts import layout_of
from onboarding.services.observing.observation_rows import REGISTRATION

_FROM_ROOT = "$values/"


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs now. `is_registered`: the hub was seen to know the cluster.

    `unread` says of which parts Git could not tell, `commit` what Git was read at.
    """

    differences: tuple[drift.Difference, ...]
    is_registered: bool
    commit: str = ""
    unread: str = ""


def drift_of(*, cluster: Cluster, repository: FleetRepository, snapshot: Snapshot) -> Drift:
    """Hold a cluster's three sides against each other, with Git as the snapshot has it.

    Raises `Refused` where the member file is gone or something cannot be read, and what the
    repository raises.
    """
    hub = Hub.objects.filter(name=cluster.hub_name).first()
    live = ClusterStatus.objects.filter(hub=hub, name=cluster.name).first() if hub else None
    if live is None:
        return Drift((), is_registered=False, commit=snapshot.commit)
    intended, unread = _intended(cluster, snapshot)
    registration = ApplicationStatus.objects.filter(
        hub=hub, name=f"{REGISTRATION}{cluster.name}"
    ).first()
    read, commit = _as_read(cluster, repository, registration, snapshot.commit)
    rows = ApplicationStatus.objects.filter(hub=hub, cluster_name=cluster.name)
    seen = drift.OnHub(
        labels=live.labels,
        applications={
            row.name: _carried(row) for row in rows if not row.name.startswith(REGISTRATION)
        },
        names=frozenset({live.name, live.server}),
        read=read,
        commit=commit,
        problem=_problem(registration),
        from_secret=any(True for _ in from_secret(snapshot)),
    )
    return Drift(
        drift.differences(intended, seen),
        is_registered=True,
        commit=snapshot.commit,
        unread=unread,
    )


def _intended(cluster: Cluster, snapshot: Snapshot) -> tuple[drift.Intended, str]:
    """What Git wants, and of which groups another repository has to tell."""
    layout = layout_of(cluster.fleet)
    file = snapshot.read(cluster.path)
    if file is None:
        raise Refused(f"{cluster.path} is not in the repository any more.", code="gone")
    member, hub = parse_member(file), HubName(cluster.hub_name)
    labels = cluster_labels(member, hub, snapshot, layout)
    view, placement = view_of(member, labels), member.placement(hub)
    forecaster = Forecaster(
        placement,
        parse_releases(snapshot.read(layout.releases), path=layout.releases),
        snapshot,
        layout,
    )
    components = {one.name: one for one, _ in forecaster.offered(view)}
    wanted = {}
    for one in forecaster.applications(view):
        if one.deployed_by is not DeployedBy.HUB:
            continue
        component = components.get(one.component)
        files = component_layers(component, placement, layout) if component else ()
        wanted[one.name] = drift.Carried(
            version=one.version if one.repo_url else "",
            channel=view.labels.get(RELEASE_LABELS.get(one.group, ""), ""),
            group=one.group,
            files=tuple(layer.path for layer in files) if component else None,
            destination=cluster.name,
        )
    unread = ", ".join(f"{group} ({channel})" for group, channel in forecaster.unread.items())
    return drift.Intended(labels.as_dict(), wanted, complete=not unread), unread


def _as_read(
    cluster: Cluster,
    repository: FleetRepository,
    registration: ApplicationStatus | None,
    tip: str,
) -> tuple[Mapping[str, str] | None, str]:
    """The labels by the commit that the hub last compared, where that is another one than the tip."""
    commit = registration.revision if registration else ""
    if not commit or commit == tip:
        return None, ""
    try:
        snapshot = repository.snapshot(commit)
        file = snapshot.read(cluster.path)
        if file is None:
            return {}, commit
        member = parse_member(file)
        found = cluster_labels(
            member, HubName(cluster.hub_name), snapshot, layout_of(cluster.fleet)
        )
    except FleetError:
        return None, ""  # a commit of another repository, or one that could not be read then either
    return found.as_dict(), commit


def _problem(registration: ApplicationStatus | None) -> str:
    if registration is None:
        return "the hub has no registration Application for it."
    return "" if registration.sync == "Synced" else registration.reason


def _carried(row: ApplicationStatus) -> drift.Carried:
    files = [str(one) for one in row.facts.get("value_files", ())]
    comparable = bool(files) and all(one.startswith(_FROM_ROOT) for one in files)
    return drift.Carried(
        version=row.version if not row.facts.get("path") else "",
        channel=str(row.facts.get("release", "")),
        group=str(row.facts.get("group", "")),
        files=tuple(one.removeprefix(_FROM_ROOT) for one in files) if comparable else None,
        destination=str(row.facts.get("destination", "")),
        maker=row.application_set,
    )
