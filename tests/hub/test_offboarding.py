"""Clusters leave a real hub by the product's pages: nothing orphaned, kept what was to stay, nothing else touched."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hub.browsing import text_of
from tests.hub.harness import Spoke, eventually
from tests.hub.product import House, only

CONFIRM = "confirm"


def joined(house: House, cluster: str, probe: str) -> Spoke:
    """A healthy cluster with one component, in a namespace of its own."""
    spoke = house.hub.new_spoke(cluster)
    house.hub.store_credentials(f"fleet/{cluster}", spoke.credentials)
    house.product.approve(house.product.register(cluster, environment="prod", **only(probe)))
    house.healthy(cluster)
    assert deployed(house, probe) is not None
    return spoke


def deployed(house: House, probe: str) -> dict[str, Any] | None:
    """What the component put on the spoke."""
    found: dict[str, Any] | None = house.hub.spoke_kube.get("ConfigMap", "cluster-info", probe)
    return found


def traces(house: House, cluster: str) -> list[str]:
    """What the hub has of a cluster."""
    external = house.hub.kube.get("ExternalSecret", f"cluster-{cluster}")
    return [
        *sorted(house.fleet.applications(cluster)),
        *(["the ExternalSecret"] if external else []),
        *(["the cluster secret"] if house.fleet.cluster_secret(cluster) else []),
    ]


def page(house: House, cluster: str, who: str = "requester") -> str:
    """The words of the page on which a cluster leaves."""
    return text_of(
        house.product.person(who).get(f"/clusters/{house.fleet.name}/{cluster}/offboard/")
    )


def says(house: House, cluster: str, *words: str, seconds: float = 120) -> None:
    """Waits until that page says all these words."""
    last = [""]

    def said() -> bool:
        last[0] = page(house, cluster)
        return all(word in last[0] for word in words)

    try:
        eventually(said, f"the page on which {cluster} leaves says {words}", seconds, pause=0.5)
    except Exception as error:
        error.add_note(last[0])
        raise


def ask_to_leave(house: House, cluster: str, workloads: str) -> int:
    """Asked for by one person with the name typed; returns the change's number."""
    requester = house.product.person("requester")
    path = f"/clusters/{house.fleet.name}/{cluster}/offboard/?workloads={workloads}"
    answer = requester.send(path, {CONFIRM: cluster}, having=CONFIRM)
    assert "/changes/" in answer.url, text_of(answer.text)
    return int(answer.url.rstrip("/").rpartition("/")[2])


def leave(house: House, cluster: str, workloads: str) -> None:
    """Asked for by one person, and approved by another one, once."""
    house.product.approve(ask_to_leave(house, cluster, workloads))


def files(house: House) -> dict[str, str]:
    """Every file of the repository with its blob."""
    house.fleet.git("fetch", "--quiet", "origin")
    listed = house.fleet.git("ls-tree", "-r", "origin/main").splitlines()
    return {path: entry.split()[2] for entry, _, path in (line.partition("\t") for line in listed)}


@pytest.fixture(scope="module")
def bystander(house: House) -> str:
    """A cluster that has nothing to do with it."""
    joined(house, "spoke-bystander", "probe-a")
    return "spoke-bystander"


def identities(house: House, cluster: str) -> dict[str, str]:
    """Each Application of a cluster with its UID: one that was made anew has another."""
    names = house.fleet.applications(cluster)
    return {name: (house.fleet.application(name) or {})["metadata"]["uid"] for name in names}


def test_it_leaves_nothing_behind(house: House, bystander: str) -> None:
    joined(house, "spoke-leaves", "probe-b")
    before, others, there = files(house), identities(house, bystander), deployed(house, "probe-a")
    leave(house, "spoke-leaves", "remove")
    says(house, "spoke-leaves", "Gone", "With their objects on the spoke: probe-b-spoke-leaves")

    assert traces(house, "spoke-leaves") == []
    assert deployed(house, "probe-b") is None
    after = files(house)
    gone = before.keys() - after.keys()
    assert house.fleet.member_path("spoke-leaves") in gone
    assert house.fleet.labels_path("spoke-leaves", "tenant1") in gone
    assert all("spoke-leaves" in path for path in gone)
    assert after == {path: blob for path, blob in before.items() if path not in gone}
    assert identities(house, bystander) == others
    assert deployed(house, "probe-a") == there


def test_it_keeps_what_runs_when_that_was_asked(house: House, bystander: str) -> None:
    joined(house, "spoke-stays", "probe-c")
    runs, others = deployed(house, "probe-c"), identities(house, bystander)
    assert runs is not None
    leave(house, "spoke-stays", "keep")
    says(house, "spoke-stays", "Gone", "so they stay on the spoke: probe-c-spoke-stays")

    assert traces(house, "spoke-stays") == []
    left = deployed(house, "probe-c")
    assert left is not None
    assert left["metadata"]["uid"] == runs["metadata"]["uid"]
    assert left["data"] == runs["data"]
    assert identities(house, bystander) == others


def test_it_waits_for_a_finalizer_and_goes_on_without_it(house: House, bystander: str) -> None:
    joined(house, "spoke-stuck", "probe-d")
    kube = house.hub.spoke_kube
    held = {"metadata": {"finalizers": ["example.com/held-on-purpose"]}}
    kube.patch("ConfigMap", "cluster-info", held, "probe-d")
    leave(house, "spoke-stuck", "remove")
    says(house, "spoke-stuck", "Argo CD is taking away what probe-d-spoke-stuck deployed.")

    # However long it takes, the member file stays and so does the cluster secret.
    assert house.fleet.member_path("spoke-stuck") in files(house)
    assert house.fleet.cluster_secret("spoke-stuck") is not None
    kube.patch("ConfigMap", "cluster-info", {"metadata": {"finalizers": None}}, "probe-d")
    says(house, "spoke-stuck", "Gone")
    assert traces(house, "spoke-stuck") == []
    assert deployed(house, "probe-d") is None


def test_it_lets_a_spoke_go_that_is_gone_for_good(house: House, bystander: str) -> None:
    spoke = joined(house, "spoke-lost", "probe-e")
    house.hub.forwarder.shut(spoke.port)
    leave(house, spoke.name, "remove")
    says(
        house, spoke.name, "Argo CD cannot reach spoke-lost", "give it up on this page", seconds=180
    )
    assert house.fleet.member_path(spoke.name) in files(house)

    approver = house.product.person("approver")
    typed = {CONFIRM: spoke.name, "reason": "Its account was closed."}
    approver.send(f"/clusters/{house.fleet.name}/{spoke.name}/offboard/", typed, having=CONFIRM)
    says(house, spoke.name, "Gone", "gave the spoke up: Its account was closed.", seconds=180)
    assert traces(house, spoke.name) == []
    assert len(identities(house, bystander)) == 2
