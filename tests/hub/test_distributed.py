"""A spoke that manages itself: the hub delivers all that it needs for that, and it does the rest.

The hub's Argo CD really delivers to the spoke's API server. Only the kubelet is ours: it starts
there what was delivered, with the delivered rights and settings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hub import charts
from tests.hub.account import Account
from tests.hub.cleaning import spoke_namespaces
from tests.hub.fleet import Fleet, config_data, describe_set, is_synced
from tests.hub.harness import Spoke, eventually
from tests.hub.kube import KubeApi, Manifest
from tests.hub.kubelet import Kubelet, kubelet
from tests.hub.processes import NotReady
from tests.hub.product import product_beside

VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
OPERATOR_VALUES = "addons/defaults/external-secrets/values.yaml"
# What the hub brings to make a spoke manage itself, and what that spoke then deploys by itself.
BROUGHT = ("argo-cd", "external-secrets", "spoke-bootstrap", "spoke-secret")
OWN = ("cluster-info", "namespace-baseline", "quota-defaults")
REMOTE = {
    "use_remote_argo": "true",
    "enable_remote_addons": "true",
    "enable_remote_resources": "true",
}
# What is entered in the form for the same, with a secret for the repository.
FORM = {
    "model": "distributed",
    "remote_addons": "on",
    "remote_resources": "on",
    "githubSecret": "true",
    "githubSecretName": "fleet/git",
}
HUBS_OF_DISTRIBUTED = {*BROUGHT, "fleet-secret", "monitoring-settings"}
# One object of each component that changes hands, and one of monitoring, which never does.
OBJECTS = (
    ("Namespace", "cluster-info", ""),
    ("ConfigMap", "cluster-info", "cluster-info"),
    ("Namespace", "tenant1-apps", ""),
    ("ResourceQuota", "quota-defaults", "shared-tools"),
    ("ConfigMap", "monitoring-settings", "monitoring"),
)


@dataclass(frozen=True)
class World:
    """A fleet whose charts can be reached, one spoke, and what stands in for its kubelet."""

    fleet: Fleet
    spoke: Spoke
    kubelet: Kubelet

    @property
    def on_hub(self) -> KubeApi:
        return self.fleet.hub.kube

    @property
    def on_spoke(self) -> KubeApi:
        return self.fleet.hub.spoke_kube

    def own_application(self, component: str) -> Manifest | None:
        """An Application of the spoke's own Argo CD; None also while it has no such kind."""
        return self.on_spoke.get("Application", f"{component}-{self.spoke.name}")

    def wait_brought(self) -> None:
        """Wait until all that makes the spoke manage itself is there and runs.

        Argo CD puts no mark of its own on definitions of kinds, so it notices one that became ready
        only when it looks again: it is told to.
        """
        for component in BROUGHT:
            name = f"{component}-{self.spoke.name}"
            for _ in range(20):
                try:
                    self.fleet.wait_synced(name, seconds=12)
                    break
                except NotReady:
                    if self.fleet.application(name):
                        self.fleet.refresh(name)
            self.fleet.wait_synced(name)

    def wait_own(self, component: str, seconds: float = 120) -> Manifest:
        def check() -> Manifest | None:
            found = self.own_application(component)
            return found if found and is_synced(found) else None

        try:
            done: Manifest = eventually(check, f"the spoke's own {component} is Synced", seconds)
        except Exception as error:
            error.add_note(self.describe(component))
            raise
        return done

    def describe(self, component: str) -> str:
        found = self.own_application(component) or {}
        sets = [describe_set(each) for each in self.on_spoke.list("ApplicationSet")]
        logs = [f"{each}:\n{self.kubelet.log(each)}" for each in self.kubelet.running()]
        return "\n".join([str(found.get("status", "no Application")), *sets, *logs])[:12000]

    def hub_components(self) -> set[str]:
        """The components that the hub's Argo CD has for the spoke."""
        end = f"-{self.spoke.name}"
        return {name.removesuffix(end) for name in self.fleet.applications(self.spoke.name)}

    def own_components(self) -> set[str]:
        """The components that the spoke's own Argo CD has."""
        found = self.on_spoke.list("Application", labels={"fleet/cluster": self.spoke.name})
        return {each["metadata"]["labels"]["fleet/component"] for each in found}

    def all_wait(self, argocd: KubeApi) -> bool:
        """An Argo CD has the three Applications, and neither syncs them nor owns their objects."""
        found = [argocd.get("Application", f"{each}-{self.spoke.name}") for each in OWN]
        return all(each and not _syncs_by_itself(each) for each in found)

    def all_sync(self, argocd: KubeApi) -> bool:
        """An Argo CD has the three Applications, syncs them by itself, and all is as it shall be."""
        found = [argocd.get("Application", f"{each}-{self.spoke.name}") for each in OWN]
        return all(each and _syncs_by_itself(each) and _is_right(each) for each in found)

    def change_member(self, message: str, *without: str, **keys: str) -> None:
        """Commits the member file with other values, and the hub looks at once."""
        path = self.fleet.member_path(self.spoke.name)
        lines = (line.partition(": ") for line in (self.fleet.work / path).read_text().splitlines())
        values = {key: value.strip('"') for key, _, value in lines} | keys
        text = "".join(f'{k}: "{v}"\n' for k, v in values.items() if k not in without)
        self.fleet.commit({path: text}, message)
        self.fleet.refresh_set()

    def uids(self) -> dict[str, str]:
        """The identity of the deployed objects; an object that was made anew has another."""
        found = {}
        for kind, name, namespace in OBJECTS:
            manifest = self.on_spoke.get(kind, name, namespace)
            assert manifest is not None, f"{kind} {name} is gone"
            found[f"{kind}/{name}"] = manifest["metadata"]["uid"]
        return found


@pytest.fixture
def world(fleet: Fleet) -> Iterator[World]:
    """The fleet takes the two public charts from loopback; all else is as it is shipped."""
    with charts.served() as url, kubelet(fleet.hub) as running:
        take_charts_from(fleet, url)
        yield World(fleet, fleet.hub.new_spoke("spoke-own"), running)


def take_charts_from(fleet: Fleet, url: str) -> None:
    """What makes a spoke manage itself comes from this address instead of the public ones."""
    operator = "webhook:\n  create: false\ncertController:\n  create: false\n"
    files: dict[str, str | None] = {
        VERSIONS: charts.use((fleet.work / VERSIONS).read_text(), url),
        OPERATOR_VALUES: (fleet.work / OPERATOR_VALUES).read_text() + operator,
    }
    fleet.commit(files, "Take the charts from this machine")
    fleet.refresh(f"bootstrap-fleet-{fleet.name}")


def test_it_makes_a_spoke_manage_itself(
    world: World, account: Account, tmp_path: Path, measured: list[str]
) -> None:
    """From the browser form, which asks for the distributed model, to Healthy on its page."""
    fleet, spoke = world.fleet, world.spoke
    git = {"username": "fleet", "password": "token"}
    fleet.hub.store_credentials("fleet/git", git)
    fleet.hub.store_credentials(f"fleet/{spoke.name}", spoke.credentials)
    with product_beside(fleet.hub, tmp_path) as product:
        product.configure(fleet, account)
        change = product.register(spoke.name, environment="prod", **FORM)
        started = time.monotonic()
        product.approve(change)
        _manages_itself(world, started, measured)
        product.wait_for(fleet.name, spoke.name, lambda page: page.state == "Healthy")


def _manages_itself(world: World, started: float, measured: list[str]) -> None:
    fleet, spoke = world.fleet, world.spoke
    world.wait_brought()
    fleet.wait_synced(f"monitoring-settings-{spoke.name}")
    delivered = time.monotonic() - started
    for component in OWN:
        world.wait_own(component)
    own = time.monotonic() - started
    measured.append(f"a spoke manages itself: its Argo CD {delivered:.1f} s, all by it {own:.1f} s")

    # The hub leaves the two groups alone, and keeps monitoring.
    assert world.hub_components() == HUBS_OF_DISTRIBUTED
    assert world.own_components() == set(OWN)
    _check_delivered(world)
    data = config_data(world.on_spoke.get("ConfigMap", "cluster-info", "cluster-info"))
    assert (data["cluster"], data["catalogueVersion"]) == (spoke.name, "0.3.1")
    assert config_data(world.on_spoke.get("ConfigMap", "monitoring-settings", "monitoring"))


def _check_delivered(world: World) -> None:
    """Everything that makes a spoke manage itself is on its API server, and runs."""
    on_spoke, spoke = world.on_spoke, world.spoke
    assert {"argocd", "external-secrets"} <= spoke_namespaces(on_spoke)
    for kind, name, namespace in (
        ("CustomResourceDefinition", "applicationsets.argoproj.io", ""),
        ("CustomResourceDefinition", "externalsecrets.external-secrets.io", ""),
        ("ConfigMap", "argocd-cm", "argocd"),
        ("ConfigMap", "argocd-cmd-params-cm", "argocd"),
        ("ClusterRole", "argocd-application-controller", ""),
        ("ClusterRoleBinding", "argocd-application-controller", ""),
        ("Role", "argocd-server", "argocd"),
        ("SecretStore", "fleet-credentials", "argocd"),
        ("AppProject", "tenant1", "argocd"),
    ):
        assert on_spoke.get(kind, name, namespace), f"{kind} {name} was not delivered"
    workloads = [
        *on_spoke.list("Deployment", namespace=""),
        *on_spoke.list("StatefulSet", namespace=""),
    ]
    assert {each["metadata"]["name"] for each in workloads} == {
        "argocd-application-controller",
        "argocd-applicationset-controller",
        "argocd-redis",
        "argocd-repo-server",
        "argocd-server",
        "external-secrets",
    }
    assert len(world.kubelet.running()) == len(workloads)
    sets = {each["metadata"]["name"] for each in on_spoke.list("ApplicationSet")}
    assert sets >= {"bootstrap-addons", "bootstrap-resources", *OWN}
    # Its own cluster secret: the labels of the hub's, and no credentials.
    secret = on_spoke.get("Secret", f"cluster-{spoke.name}")
    ours = world.fleet.cluster_secret(spoke.name)
    assert secret is not None
    assert ours is not None
    labels = {
        key: value
        for key, value in ours["metadata"]["labels"].items()
        if "external-secrets.io/" not in key
    }
    assert secret["metadata"]["labels"].items() >= labels.items()
    assert str(spoke.config["bearerToken"]) not in str(secret)
    # Its operator fetched the credentials of the repository by itself.
    repository = eventually(
        lambda: on_spoke.get("Secret", "fleet-repository"), "the repository's secret is there"
    )
    assert repository["metadata"]["labels"]["argocd.argoproj.io/secret-type"] == "repository"


def test_it_hands_over_and_back_without_losing_or_doubling_anything(world: World) -> None:
    fleet, spoke = world.fleet, world.spoke
    fleet.register(spoke, "tenant1", "prod")
    for component in (*OWN, "monitoring-settings"):
        fleet.wait_synced(f"{component}-{spoke.name}")
    before = world.uids()

    world.change_member("Begin the handover", handover="true")
    eventually(lambda: world.all_wait(world.on_hub), "the hub's Applications wait")
    world.change_member("Let the spoke manage itself", **REMOTE)
    world.wait_brought()
    eventually(lambda: world.all_wait(world.on_spoke), "the spoke has them, and they wait", 120)
    eventually(lambda: world.hub_components() == HUBS_OF_DISTRIBUTED, "the hub has let go")
    assert world.uids() == before
    world.change_member("End the handover", "handover")
    eventually(lambda: world.all_sync(world.on_spoke), "the spoke's Applications sync", 90)
    assert world.uids() == before
    assert world.hub_components() == HUBS_OF_DISTRIBUTED

    world.change_member("Begin to hand back", handover="true")
    eventually(lambda: world.all_wait(world.on_spoke), "the spoke's Applications wait", 90)
    world.change_member("Hand back", enable_remote_addons="false", enable_remote_resources="false")
    eventually(lambda: not world.own_components(), "the spoke has let go", 90)
    eventually(lambda: world.all_wait(world.on_hub), "the hub has them, and they wait", 90)
    assert world.uids() == before
    world.change_member("Take its own Argo CD away", "handover", use_remote_argo="false")
    eventually(lambda: world.all_sync(world.on_hub), "the hub's Applications sync", 90)
    eventually(
        lambda: world.hub_components() == {*OWN, "fleet-secret", "monitoring-settings"},
        "the hub deploys all again and nothing else",
        90,
    )
    eventually(lambda: not world.kubelet.running(), "the spoke's own Argo CD has ended", 60)
    assert world.uids() == before


def _is_right(application: Manifest) -> bool:
    """Synced and Healthy; there need not have been an operation where everything was there already."""
    status = application.get("status", {})
    return (status.get("sync", {}).get("status"), status.get("health", {}).get("status")) == (
        "Synced",
        "Healthy",
    )


def _syncs_by_itself(application: Manifest) -> bool:
    """Whether an Application syncs by itself, and so takes its objects along when it goes."""
    automated = "automated" in application["spec"].get("syncPolicy", {})
    takes_along = bool(application["metadata"].get("finalizers"))
    assert automated == takes_along, application["metadata"]["name"]
    return automated
