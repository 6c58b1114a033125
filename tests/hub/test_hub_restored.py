"""A real hub that is restored from a backup: the product believes it, and not what it remembers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hub.controllers import PARTS
from tests.hub.harness import Spoke, eventually
from tests.hub.product import House, manage
from tests.hub.test_offboarding import identities, joined


@pytest.fixture(scope="module")
def settled(house: House) -> Spoke:
    """A cluster with which all is well, before something happens."""
    return joined(house, "spoke-settled", "probe-a")


def controllers(house: House) -> list[str]:
    """Everything that works on the hub's API server, in the order of its start."""
    argocd = [house.hub.argocd.process(part) for part in PARTS]
    return ["hub-controllers", *argocd, house.hub.operator.name]


def rows_equal(house: House) -> bool:
    """Whether the product has the hub's Applications, no more and no less, each as it is now."""
    code = (
        "from onboarding.models import ApplicationStatus as Row; "
        "print(sorted(Row.objects.values_list('uid', 'name', 'sync')))"
    )
    items = house.hub.kube.request("GET", house.hub.kube.path("Application"))["items"]
    there = sorted(
        (
            each["metadata"]["uid"],
            each["metadata"]["name"],
            each.get("status", {}).get("sync", {}).get("status", ""),
        )
        for each in items
    )
    return manage(house.product.environment, "shell", "-v0", "-c", code).strip() == str(there)


def serves_again(house: House) -> None:
    """Waits for an API server that has just started: at first it answers "storage is (re)initializing"."""

    def served() -> bool:
        for kind in ("Application", "ApplicationSet", "ExternalSecret", "Secret"):
            house.hub.kube.list(kind)
        return True

    eventually(served, "the hub serves all kinds")


@contextmanager
def restored(house: House, backup: Path) -> Iterator[None]:
    """The hub is another that it was before: with its API and Argo CD's API, and no controller yet."""
    processes, names = house.hub.processes, controllers(house)
    serving = {house.hub.argocd.process(part) for part in ("redis", "repo-server", "server")}
    processes.stop(*reversed(names), "hub-apiserver")
    house.hub.etcd.restore(backup)
    processes.resume("hub-apiserver")
    house.hub.plane.wait()
    for name in names:
        if name in serving:
            processes.resume(name)
    try:
        yield
    finally:
        for name in names:
            if name not in serving:
                processes.resume(name)


def test_it_believes_a_restored_hub_and_not_what_it_remembers(
    house: House, settled: Spoke, measured: list[str], tmp_path: Path
) -> None:
    """The backup is from before a cluster joined: the hub counts backwards, and has never heard of it."""
    backup = tmp_path / "backup"
    house.hub.etcd.back_up(backup)
    revision = house.hub.etcd.revision()
    house.healthy(settled.name)
    fresh = joined(house, "spoke-fresh", "probe-b")
    assert house.hub.etcd.revision() > revision
    others = identities(house, settled.name)

    # While the watcher sleeps, so that no broken connection tells it that the hub was away.
    house.hub.processes.freeze("product-watcher")
    with restored(house, backup):
        serves_again(house)
        assert house.fleet.applications(fresh.name) == set()
        assert house.fleet.cluster_secret(fresh.name) is None
        house.hub.processes.thaw("product-watcher")
        seen_false = last_green(house, fresh.name, 60)
        measured.append(
            f"restored hub: a lost cluster was called Healthy for {seen_false:.1f} s more"
        )
        assert seen_false < 30, house.product.cluster(house.fleet.name, fresh.name)
        eventually(lambda: rows_equal(house), "the product has what the hub has", 30)
        page = house.product.cluster(house.fleet.name, fresh.name)
        assert page.state != "Healthy"
        measured.append(
            f"restored hub: of the lost cluster the page says {page.state}: {page.sentence}"
        )

    # Git has it still, so the hub registers it again; nobody does anything.
    eventually(lambda: house.fleet.cluster_secret(fresh.name), "it is registered again", 240)
    house.healthy(fresh.name, 240)
    house.healthy(settled.name)
    assert identities(house, settled.name) == others
    eventually(lambda: rows_equal(house), "the product has what the hub has", 60)


def last_green(house: House, cluster: str, seconds: float) -> float:
    """After how many of these seconds its page last said Healthy; 0.0 where it never did."""
    started = time.monotonic()
    last = 0.0
    while (since := time.monotonic() - started) < seconds:
        if house.product.cluster(house.fleet.name, cluster).state == "Healthy":
            last = since
        time.sleep(0.5)
    return last
