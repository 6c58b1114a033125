"""The shipped repository's own ApplicationSets, evaluated by the product: as Helm and our foresight say."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from onboarding.adapters.helm_cli import HelmCli
from onboarding.domain.labels import cluster_labels
from onboarding.domain.layout import TENANTS_LAYOUT, Placement
from onboarding.domain.layout_detection.sets import SetText, application_sets
from onboarding.domain.live_sets import KnownSets
from onboarding.domain.member import DeploymentModel, parse_member
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.planner import Neighbours, Plan, RegisterCluster, plan
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.domain.repository_sets import RepositorySets
from onboarding.services.initializing import TEMPLATE
from tests.fakes import MemorySnapshot
from tests.template.helm import FleetCopy, Helm

HUB = "hub-cluster"
MEMBER = f"fleet/fleet-bootstrap/fleet-members/{HUB}/spoke-1.yaml"
MEMBER_TEXT = """\
tenant: "tenant1"
clusterName: "spoke-1"
environment: "prod"
secretManagerSecretName: "fleet/spoke-1"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
use_fleet_ack: "true"
"""


@pytest.fixture(scope="module")
def snapshot() -> MemorySnapshot:
    files = {
        path.relative_to(TEMPLATE).as_posix(): path.read_bytes()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return MemorySnapshot.of({**files, MEMBER: MEMBER_TEXT.encode()})


@pytest.fixture(scope="module")
def sets(snapshot: MemorySnapshot, helm: Helm) -> RepositorySets:
    engine = HelmCli(str(helm.command), seconds=60)
    return RepositorySets(snapshot, tuple(snapshot.paths()), HUB, engine.render)


def named(sets: RepositorySets, name: str) -> SetText:
    found = application_sets(sets.snapshot, sets.paths)
    return next(one for one in found if one.name == name)


@pytest.mark.parametrize("group", ["addons", "resources", "monitoring", "fleet"])
def test_the_bootstrap_sets_make_the_application_sets_that_helm_renders(
    sets: RepositorySets, shipped: FleetCopy, group: str
) -> None:
    (application,) = sets.applications(named(sets, f"bootstrap-{group}"))
    assert application["metadata"]["name"] == f"bootstrap-{group}-{HUB}"
    rendered = {one["metadata"]["name"]: one for one in sets.objects(application)}
    wanted = shipped.application_sets(group)
    assert rendered.keys() == wanted.keys()
    for name, one in rendered.items():
        assert one["spec"]["generators"] == wanted[name]["spec"]["generators"]


def test_the_registration_gives_the_labels_that_are_foreseen(sets: RepositorySets) -> None:
    registration = named(sets, "fleet-hub-external-secrets")
    (application,) = sets.applications(registration, only=MEMBER)
    assert application["metadata"]["name"] == "fleet-secret-spoke-1"
    (secret,) = sets.objects(application)
    labels = secret["spec"]["target"]["template"]["metadata"]["labels"]
    file = sets.snapshot.read(MEMBER)
    assert file
    foreseen = cluster_labels(parse_member(file), HubName(HUB), sets.snapshot, TENANTS_LAYOUT)
    assert not foreseen.problems
    assert labels == {key: f'{{{{ "{value}" }}}}' for key, value in foreseen.as_dict().items()}


@pytest.fixture(scope="module")
def rendered(sets: RepositorySets) -> tuple[dict[str, Any], ...]:
    """All sets that the hub gets from the shipped repository."""
    found = []
    for group in RELEASE_LABELS:
        (application,) = sets.applications(named(sets, f"bootstrap-{group}"))
        found += [dict(one) for one in sets.objects(application)]
    return tuple(found)


def planned(snapshot: MemorySnapshot, *live: dict[str, Any], release: str = "release1") -> Plan:
    placement = Placement(
        HubName(HUB), ClusterName("new"), TenantName("tenant1"), Environment("dev")
    )
    flags = {
        f"enable_{name}": "true" for name in ("cert_manager", "metrics_server", "cluster_info")
    }
    intent = RegisterCluster(
        placement,
        "fleet/new",
        DeploymentModel.CENTRALIZED,
        pins={"addonsRelease": release, **flags},
    )
    return plan(intent, snapshot, TENANTS_LAYOUT, Neighbours(), known=KnownSets(live))


def differing(found: Plan) -> list[str]:
    return [one.message for one in found.warnings if one.code.startswith("hub_")]


@pytest.mark.parametrize("release", ["default", "release1"])
def test_the_shipped_sets_agree_with_what_is_foreseen_of_versions_and_values_files(
    snapshot: MemorySnapshot, rendered: tuple[dict[str, Any], ...], release: str
) -> None:
    found = planned(snapshot, *rendered, release=release)
    assert found.impact.live_sets == len(rendered)
    assert {"cert-manager-new", "cluster-info-new"} <= {one.name for one in found.impact.appear}
    assert differing(found) == []


def test_a_hub_with_another_version_or_order_of_values_files_is_told_of(
    snapshot: MemorySnapshot, rendered: tuple[dict[str, Any], ...]
) -> None:
    def edited(name: str, before: str, after: str) -> list[dict[str, Any]]:
        found = []
        for one in copy.deepcopy(rendered):
            if one["metadata"]["name"] == name:
                patch = one["spec"]["templatePatch"]
                assert before in patch
                one["spec"]["templatePatch"] = patch.replace(before, after)
            found.append(one)
        return found

    appear = planned(snapshot).impact.appear
    version = next(one.version for one in appear if one.component == "cert-manager")
    (told,) = differing(planned(snapshot, *edited("cert-manager", version, "v0.0.1")))
    assert told.startswith(
        f"The hub's ApplicationSet cert-manager deploys version v0.0.1 where this repository says {version}."
    )
    (told,) = differing(
        planned(
            snapshot, *edited("cluster-info", "/defaults/cluster-info/", "/other/cluster-info/")
        )
    )
    assert "deploys other values files" in told
