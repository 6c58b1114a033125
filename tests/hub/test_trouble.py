"""What goes wrong for real: the page names the cause, the cluster and the next step, and recovers by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.hub.controllers import PARTS
from tests.hub.fleet import REGISTRATION
from tests.hub.harness import Spoke, eventually
from tests.hub.product import ClusterPage, House, manage, only


def says(state: str, *words: str) -> Callable[[ClusterPage], bool]:
    """Whether the page shows this state, and all these words."""
    return lambda page: page.state == state and all(word in page.text for word in words)


def asked_for(house: House, cluster: str, probe: str) -> tuple[Spoke, int]:
    """A cluster for which approval was asked, its credentials in place; it shall get one probe."""
    spoke = house.hub.new_spoke(cluster)
    house.hub.store_credentials(f"fleet/{cluster}", spoke.credentials)
    return spoke, house.product.register(cluster, environment="prod", **only(probe))


def is_a_problem(house: House, *words: str) -> None:
    """The overview lists the problem with these words, for those who look at no single cluster."""

    def listed() -> bool:
        return all(word in house.product.overview() for word in words)

    eventually(listed, f"the overview names {words}", 30, pause=0.5)


@pytest.fixture(scope="module")
def settled(house: House) -> Spoke:
    """A cluster with which all is well, before something happens."""
    spoke, change = asked_for(house, "spoke-settled", "probe-a")
    house.product.approve(change)
    house.healthy(spoke.name)
    return spoke


def test_it_names_a_secret_that_is_missing(house: House) -> None:
    spoke, change = asked_for(house, "spoke-missing", "probe-b")
    house.hub.forget_credentials("fleet/spoke-missing")
    house.product.approve(change)

    house.page(
        spoke.name,
        says(
            "Failed",
            "The credentials' secret does not exist in Secrets Manager.",
            "There is no secret fleet/spoke-missing",
            "Create it",
        ),
    )
    is_a_problem(house, spoke.name, "There is no secret fleet/spoke-missing")

    house.hub.store_credentials("fleet/spoke-missing", spoke.credentials)
    house.healthy(spoke.name)


def test_it_names_a_secret_without_a_server(house: House) -> None:
    spoke, change = asked_for(house, "spoke-serverless", "probe-c")
    secret = "fleet/spoke-serverless"
    house.hub.store_credentials(secret, {"config": json.dumps(spoke.config)})
    house.product.approve(change)

    house.page(
        spoke.name,
        says(
            "Failed",
            "The credentials' secret lacks a key that the registration needs.",
            "Write server and config into it.",
        ),
    )

    house.hub.store_credentials(secret, spoke.credentials)
    house.healthy(spoke.name)


def test_it_names_a_store_that_is_not_ready(house: House, settled: Spoke) -> None:
    absent = {"name": "absent", "key": "absent"}
    keys = {"accessKeyIDSecretRef": absent, "secretAccessKeySecretRef": absent}
    sign_in(house, {"secretRef": keys})
    try:
        spoke, change = asked_for(house, "spoke-storeless", "probe-d")
        house.product.approve(change)
        house.page(
            spoke.name,
            says("Failed", "The hub's SecretStore is not ready", "Look at the SecretStore"),
        )
    finally:
        sign_in(house, None)
    house.healthy(spoke.name)
    house.healthy(settled.name)


def sign_in(house: House, auth: dict[str, object] | None) -> None:
    """How the operator signs in to Secrets Manager; None: as itself."""
    patch = {"spec": {"provider": {"aws": {"auth": auth}}}}
    house.hub.kube.patch("SecretStore", "fleet-credentials", patch)


def test_it_names_a_cluster_that_cannot_be_reached(house: House) -> None:
    spoke, change = asked_for(house, "spoke-away", "probe-e")
    house.hub.forwarder.shut(spoke.port)
    house.product.approve(change)

    house.page(
        spoke.name,
        says(
            "Unreachable",
            "Argo CD cannot reach the cluster.",
            "connection refused",
            "Check that its API server runs",
        ),
        90,
    )
    is_a_problem(house, spoke.name, "Argo CD cannot reach the cluster.")

    house.hub.forwarder.open(spoke.port)
    house.healthy(spoke.name)


def test_it_names_an_argo_cd_that_is_silent(house: House, settled: Spoke) -> None:
    processes = house.hub.processes
    names = [house.hub.argocd.process(part) for part in PARTS]
    processes.stop(*names)
    try:
        house.page(
            settled.name,
            says(
                "Stale",
                "Argo CD has not answered since",
                "does not answer (list clusters)",
                "Look at Argo CD on the hub",
            ),
            90,
        )
        is_a_problem(house, "Argo CD has not answered since")
    finally:
        for name in names:
            processes.resume(name)
    house.healthy(settled.name)


def test_it_names_a_hub_that_is_silent_and_reads_it_anew_afterwards(
    house: House, settled: Spoke
) -> None:
    processes, watcher = house.hub.processes, "product-watcher"
    processes.stop("hub-apiserver")
    try:
        house.page(
            settled.name,
            says("Stale", "The hub has not answered since", "Look at the hub's API server"),
        )
    finally:
        processes.resume("hub-apiserver")
        house.hub.plane.wait()
    house.healthy(settled.name)

    # While the watcher sleeps, the API server restarts and forgets; what it was told to go on from
    # is gone ("410"), and one Application with it.
    processes.freeze(watcher)
    try:
        processes.restart("hub-apiserver")
        house.hub.plane.wait()
        house.hub.kube.delete("Application", f"probe-a-{settled.name}")
        eventually(lambda: made_anew(house, settled), "the Application was made anew")
        house.hub.etcd.forget_history()
    finally:
        processes.thaw(watcher)
    house.healthy(settled.name)


def test_it_converges_after_the_hub_was_killed(house: House, settled: Spoke) -> None:
    processes, killed = house.hub.processes, ("hub-apiserver", "etcd")
    processes.kill(*killed)
    for name in reversed(killed):
        processes.resume(name)
    house.hub.plane.wait()
    house.hub.kube.delete("Application", f"probe-a-{settled.name}")
    eventually(lambda: made_anew(house, settled), "the Application was made anew", 90)

    code = (
        "from onboarding.models import ApplicationStatus as Row; "
        "print(sorted(Row.objects.values_list('name', flat=True)))"
    )

    def is_equal() -> bool:
        there = house.hub.kube.request("GET", house.hub.kube.path("Application"))["items"]
        seen = manage(house.product.environment, "shell", "-v0", "-c", code)
        return seen.strip() == str(sorted(each["metadata"]["name"] for each in there))

    eventually(is_equal, "the product has the hub's Applications, no more and no less", 60)
    house.healthy(settled.name)


def made_anew(house: House, spoke: Spoke) -> bool:
    """Whether the set has replaced an Application that was deleted."""
    found = house.fleet.application(f"probe-a-{spoke.name}")
    return bool(found and "deletionTimestamp" not in found["metadata"])


def test_it_names_the_file_that_stops_all_registrations(house: House) -> None:
    spoke, change = asked_for(house, "spoke-behind", "probe-f")
    broken = house.fleet.member_path("spoke-broken")
    house.fleet.commit({broken: "clusterName: [\n"}, "Break the registration by hand")
    house.fleet.refresh_set()

    def stopped() -> bool:
        found = house.hub.kube.get("ApplicationSet", REGISTRATION) or {}
        conditions = found.get("status", {}).get("conditions") or []
        return any(
            (each["type"], each["status"]) == ("ErrorOccurred", "True") for each in conditions
        )

    eventually(stopped, "the registration has stopped")
    house.product.approve(change)
    house.page(
        spoke.name,
        says(
            "Failed",
            "Another member file breaks the registration of all",
            REGISTRATION,
            "spoke-broken.yaml",
            "Mend or remove that file in Git",
        ),
    )
    house.page("spoke-broken", says("Failed", "spoke-broken.yaml"))

    house.fleet.commit({broken: None}, "Take it away again")
    house.fleet.refresh_set()
    house.healthy(spoke.name)


def test_it_names_a_set_controller_that_does_not_run(house: House) -> None:
    spoke, change = asked_for(house, "spoke-unseen", "probe-i")
    controller = house.hub.argocd.process("applicationsets")
    house.hub.processes.stop(controller)
    try:
        house.product.approve(change)
        page = house.page(spoke.name, lambda page: "may not be running" in page.text, 150)
        assert "Look at argocd-applicationset-controller on the hub." in page.text
        assert "The hub was told of the commit" in page.text
    finally:
        house.hub.processes.resume(controller)
    house.healthy(spoke.name)


def test_it_names_two_clusters_with_one_server(house: House) -> None:
    first, change = asked_for(house, "spoke-first", "probe-g")
    house.product.approve(change)
    house.healthy(first.name)

    second, change = asked_for(house, "spoke-second", "probe-h")
    twin = replace(second, port=first.port)
    house.hub.store_credentials("fleet/spoke-second", twin.credentials)
    house.product.approve(change)

    advice = "Correct the server in one of the credentials' secrets"
    for cluster, other in ((second, first), (first, second)):
        house.page(
            cluster.name,
            says("Failed", f"Another cluster has the same server: {other.name}", advice),
        )

    house.hub.store_credentials("fleet/spoke-second", second.credentials)
    # The operator reads each secret once an hour; whoever mends one asks it to look now.
    now = "force-sync"
    house.hub.kube.annotate("ExternalSecret", "cluster-spoke-second", now, "1")
    house.healthy(second.name)
    house.healthy(first.name)
