"""A rollout on a real hub whose second wave breaks a spoke: it stops there, names it, and goes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.hub.account import end_sync
from tests.hub.harness import Spoke, eventually
from tests.hub.kube import MERGE, KubeApi, KubeError, Manifest
from tests.hub.product import House, only
from tests.hub.test_offboarding import files, identities
from tests.hub.test_rollout import CLUSTER_INFO, ask, channel, joined, press, says

AGENT = "charts/cluster-info/templates/agent.yaml"
SHIPPED_WITH_RELEASE1 = """\
{{ if .Values.showRelease }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: registry.example/agent:1}]}
{{ end }}
"""
"""What the newer catalogue alone delivers."""
WITHOUT_CLUSTER_INFO = only("probe-a") | {
    "pin_enable_monitoring_settings": "true",
    "pin_enable_probe_a": "false",
}


@dataclass(frozen=True)
class Waves:
    """Three clusters on the default channel, one a wave, and one that no wave names; the APIs of the first two."""

    house: House
    first: Spoke
    second: Spoke
    third: Spoke
    bystander: Spoke
    on_first: KubeApi
    on_second: KubeApi

    @property
    def moved(self) -> tuple[Spoke, Spoke, Spoke]:
        """The clusters that the waves name."""
        return self.first, self.second, self.third

    @property
    def channels(self) -> list[str]:
        """The channels of the clusters that the waves name."""
        return [channel(self.house, one.name) for one in self.moved]

    def ask(self) -> str:
        """The rollout, approved; its address."""
        return ask(self.house, "\n".join(one.name for one in self.moved))

    def commits(self) -> int:
        """How many commits the repository has."""
        self.house.fleet.git("fetch", "--quiet", "origin")
        return int(self.house.fleet.git("rev-list", "--count", "origin/main"))

    def delivered(self) -> dict[str, object]:
        """All that must be as before when it is taken back: what was made anew has another UID."""
        everyone = (*self.moved, self.bystander)
        return {
            "files": files(self.house),
            "applications": [identities(self.house, one.name) for one in everyone],
            "objects": [
                config(kube)["metadata"]["uid"] for kube in (self.on_first, self.on_second)
            ],
            "content": [config(kube)["data"] for kube in (self.on_first, self.on_second)],
        }


def config(kube: KubeApi) -> Manifest:
    """What the component delivers on every channel."""
    found = kube.get("ConfigMap", "cluster-info", "cluster-info")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def waves(house: House) -> Iterator[Waves]:
    first = joined(house, house.hub.separate_spoke("spoke-wave-a"), CLUSTER_INFO)
    second = joined(house, house.hub.new_spoke("spoke-wave-b"), CLUSTER_INFO)
    third = joined(house, house.hub.new_spoke("spoke-wave-c"), WITHOUT_CLUSTER_INFO)
    bystander = joined(house, house.hub.new_spoke("spoke-bystander"), only("probe-d"))
    with house.hub.spoke_apis() as (on_second, on_first):
        yield Waves(house, first, second, third, bystander, on_first, on_second)


def run_agent(kube: KubeApi, *, starts: bool) -> None:
    """What Kubernetes' Deployment controller says once its Pods run, or do not come up in time."""
    agent: Manifest = eventually(
        lambda: kube.get("Deployment", "agent", "cluster-info"), "the agent is delivered", 120
    )
    reason = "NewReplicaSetAvailable" if starts else "ProgressDeadlineExceeded"
    condition = {"type": "Progressing", "status": str(starts), "reason": reason}
    status = {
        "observedGeneration": agent["metadata"]["generation"],
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": int(starts),
        "availableReplicas": int(starts),
        "unavailableReplicas": int(not starts),
        "conditions": [{**condition, "message": "The agent starts." if starts else "It crashes."}],
    }
    path = kube.path("Deployment", "agent", "cluster-info")
    kube.request("PATCH", f"{path}/status", {"status": status}, MERGE)


@contextmanager
def release_refused(kube: KubeApi) -> Iterator[None]:
    """The spoke's own policy lets no ConfigMap in that tells the release channel."""
    name = "no-release"
    rules = [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps"],
        }
    ]
    kube.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": rules},
                "validations": [
                    {
                        "expression": "!has(object.data) || !('release' in object.data)",
                        "message": "No release channels here.",
                    }
                ],
            },
        }
    )
    kube.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }
    )
    try:
        eventually(lambda: _is_refused(kube), "the policy holds", 60)
        yield
    finally:
        kube.delete("ValidatingAdmissionPolicyBinding", name)
        kube.delete("ValidatingAdmissionPolicy", name)


def _is_refused(kube: KubeApi) -> bool:
    attempt = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"release": "release1"}}
    path = kube.path("ConfigMap", "", "default")
    try:
        kube.request("POST", f"{path}?dryRun=All", attempt)
    except KubeError as error:
        return "No release channels here." in str(error)
    return False


def stops(waves: Waves, path: str, *words: str) -> None:
    """It is paused with these words, and does nothing more by itself, however long it is left."""
    says(waves.house, path, "Paused", *words, seconds=240)
    commits = waves.commits()
    for wait in (0, 20):
        time.sleep(wait)
        says(waves.house, path, "Paused", *words, seconds=5)
        assert waves.channels == ["release1", "release1", "default"]
        assert waves.commits() == commits


def goes_back(waves: Waves, path: str, measured: list[str]) -> None:
    """Taken back by one click: a commit for each that was moved, and none for who was not."""
    pressed, commits = time.monotonic(), waves.commits()
    press(waves.house, path, f"{path}revert/")
    says(waves.house, path, "Reverted", "Every cluster is back in Git.", seconds=300)
    eventually(lambda: waves.channels == ["default"] * 3, "the channels are back", 120)
    measured.append(
        f"rollout, from the click until all are back: {time.monotonic() - pressed:.1f} s"
    )
    assert waves.commits() == commits + 2


def is_as_before(waves: Waves, before: dict[str, object]) -> None:
    """All are well, and nothing was lost, made anew, or left over."""
    for one in (*waves.moved, waves.bystander):
        waves.house.healthy(one.name, 180)
    assert waves.delivered() == before


def test_it_stops_at_the_spoke_that_degrades_and_goes_back(
    waves: Waves, measured: list[str]
) -> None:
    """What release1 delivers runs on one spoke, and does not come up on the next."""
    house = waves.house
    house.fleet.commit({AGENT: SHIPPED_WITH_RELEASE1}, "Deliver an agent with the add-ons")
    before = waves.delivered()
    path = waves.ask()
    run_agent(waves.on_first, starts=True)
    run_agent(waves.on_second, starts=False)

    stops(waves, path, f"{waves.second.name}: Degraded.")
    page = house.page(waves.second.name, lambda page: page.state == "Degraded", 5)
    assert f"cluster-info-{waves.second.name}" in page.text
    assert "Synced; Degraded" in page.text
    house.healthy(waves.first.name, 5)

    goes_back(waves, path, measured)
    is_as_before(waves, before)
    for kube in (waves.on_first, waves.on_second):
        assert kube.get("Deployment", "agent", "cluster-info") is None
    house.fleet.commit({AGENT: None}, "Deliver no agent any more")


def test_it_stops_at_the_spoke_whose_sync_fails_and_goes_back(
    waves: Waves, measured: list[str]
) -> None:
    """The next spoke refuses what release1 delivers; Argo CD tries for ever and calls that Running."""
    house, name = waves.house, f"cluster-info-{waves.second.name}"
    before = waves.delivered()
    held_up = "Argo CD goes on trying what the Application said before"

    def phase() -> str:
        return str((house.fleet.application(name) or {})["status"]["operationState"]["phase"])

    with release_refused(waves.on_second):
        path = waves.ask()
        stops(waves, path, f"{waves.second.name}: Failed.")
        page = house.page(waves.second.name, lambda page: page.state == "Failed", 5)
        assert "The sync failed, and again in" in page.text
        assert held_up not in page.text
        assert phase() == "Running"
        house.healthy(waves.first.name, 5)

        goes_back(waves, path, measured)
        # Argo CD itself does not let go of release1 there; the page says so, and what to do.
        page = house.page(
            waves.second.name, lambda page: page.state == "Failed" and held_up in page.text
        )
        assert "Terminate in Argo CD" in page.text
        assert phase() == "Running"
        end_sync(house.hub, name)
        is_as_before(waves, before)
