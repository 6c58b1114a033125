"""What the product foresees of a change, beside what the hub then does.

The plan is the product's own: made by its planner from the repository at the commit that the hub
has, and delivered file by file as it says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from onboarding.adapters.git.process import GitRemote
from onboarding.adapters.git.repository import GitRepository
from onboarding.adapters.git.snapshot import GitSnapshot
from onboarding.domain.component_values import ClusterView
from onboarding.domain.hierarchy import resolve
from onboarding.domain.impact import Forecaster
from onboarding.domain.labels import predict_labels
from onboarding.domain.layout import TENANTS_LAYOUT, Placement
from onboarding.domain.live_sets import KnownSets
from onboarding.domain.member import DeploymentModel, parse_member
from onboarding.domain.names import ClusterName, Environment, HubName, SecretName, TenantName
from onboarding.domain.planner import EditCluster, Neighbours, Plan, plan
from onboarding.domain.plans import ApplicationForecast
from onboarding.domain.releases import parse_releases
from tests.hub.fleet import BRANCH, Fleet
from tests.hub.harness import eventually
from tests.hub.kube import Manifest

MOST_SECONDS = 15.0


def snapshot(fleet: Fleet) -> GitSnapshot:
    """The repository as the product reads it, at its tip."""
    remote = GitRemote(url=str(fleet.bare), branch=BRANCH, allow_local=True)
    repository = GitRepository(folder=fleet.folder / "mirror.git", remote=remote)
    return repository.snapshot(repository.fetch())


def placed(fleet: Fleet, cluster: str, tenant: str, environment: str) -> Placement:
    """Where a cluster stands, in the product's own types."""
    return Placement(
        HubName(fleet.name), ClusterName(cluster), TenantName(tenant), Environment(environment)
    )


def plan_edit(
    fleet: Fleet,
    place: Placement,
    pins: Mapping[str, str | None] | None = None,
    options: Mapping[str, str] | None = None,
) -> Plan:
    """The product's plan of an edit of a centralized cluster, on the commit that the hub has.

    It is held against the hub's own ApplicationSets, which must agree with it in what they select and
    in the versions and values files that they plainly deploy.
    """
    intent = EditCluster(
        placement=place,
        secret_name=SecretName(f"fleet/{place.cluster}"),
        model=DeploymentModel.CENTRALIZED,
        pins=pins or {},
        options=options or {},
    )
    known = KnownSets(tuple(fleet.hub.kube.list("ApplicationSet")))
    found = plan(intent, snapshot(fleet), TENANTS_LAYOUT, Neighbours(), known=known)
    assert found.impact.live_sets > len(found.impact.expected)
    assert [one.message for one in found.warnings if one.code.startswith("hub_")] == []
    return found


def foreseen(fleet: Fleet, place: Placement) -> dict[str, ApplicationForecast]:
    """All Applications that the product says a cluster has, by the repository's tip."""
    read = snapshot(fleet)
    layout = TENANTS_LAYOUT
    file = read.read(layout.member_path(place.hub, place.cluster))
    assert file is not None, f"{place.cluster} is no member"
    member = parse_member(file)
    layers = [(layer, read.read(layer.path)) for layer in layout.labels_paths(place)]
    labels = predict_labels(member, place, resolve(layers)).as_dict()
    releases = parse_releases(read.read(layout.releases), path=layout.releases)
    forecaster = Forecaster(place, releases, read, layout)
    found = forecaster.applications(ClusterView(member, labels))
    assert not forecaster.unread, forecaster.warnings
    return {one.name: one for one in found}


def on_hub(fleet: Fleet, cluster: str) -> dict[str, Manifest]:
    """The Applications of a cluster's components, by name; its registration is not one."""
    found = fleet.hub.kube.list("Application", labels={"fleet/cluster": cluster})
    by_name = {each["metadata"]["name"]: each for each in found}
    by_name.pop(f"fleet-secret-{cluster}", None)
    return by_name


@dataclass(frozen=True)
class Difference:
    """Which Applications appear, change and disappear, by name."""

    appear: frozenset[str]
    change: frozenset[str]
    disappear: frozenset[str]


def difference_of(before: Mapping[str, Manifest], after: Mapping[str, Manifest]) -> Difference:
    """What the hub did: an Application is the same one while it has its uid."""
    kept = {
        name
        for name in before.keys() & after.keys()
        if before[name]["metadata"]["uid"] == after[name]["metadata"]["uid"]
    }
    return Difference(
        appear=frozenset(after.keys() - kept),
        change=frozenset(name for name in kept if before[name]["spec"] != after[name]["spec"]),
        disappear=frozenset(before.keys() - kept),
    )


def difference_in(found: Plan) -> Difference:
    """What the plan says that the hub will do."""
    return Difference(
        appear=frozenset(one.name for one in found.impact.appear),
        change=frozenset(one.name for _, one in found.impact.change),
        disappear=frozenset(one.name for one in found.impact.disappear),
    )


def deliver(fleet: Fleet, found: Plan) -> str:
    """Commit the plan's files as it has them, and tell the hub to look as the product does."""
    commit = fleet.commit({edit.path: edit.after for edit in found.edits}, "Deliver a plan")
    cluster = found.intent.placement.cluster
    if any(TENANTS_LAYOUT.parse_member_path(edit.path) for edit in found.edits):
        fleet.refresh_set()
    else:
        fleet.refresh(f"fleet-secret-{cluster}")
    return commit


def settled(fleet: Fleet, cluster: str, wanted: set[str]) -> dict[str, Manifest]:
    """Wait until a cluster has exactly these Applications, all of them Synced and Healthy."""
    eventually(lambda: set(on_hub(fleet, cluster)) == wanted, f"{cluster} has {sorted(wanted)}", 90)
    for name in sorted(wanted):
        fleet.wait_synced(name)
    return on_hub(fleet, cluster)


def in_time(measured: list[str], what: str, started: float) -> None:
    """Note how long a change took to reach Synced, and hold it against the promise.

    The promise is for a machine of one's own: where others use its processors too, they are given
    their share.
    """
    took = time.monotonic() - started
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    measured.append(f"{what} to Synced: {took:.1f} s (load per processor {busy:.1f})")
    assert took < MOST_SECONDS * busy, f"{what} took {took:.1f} s to Synced"
