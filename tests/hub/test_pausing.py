"""A pause by the product's pages on a real hub: Argo CD leaves that one cluster alone, and it ends by itself."""

from __future__ import annotations

import time

import pytest

from tests.hub.harness import eventually
from tests.hub.product import ClusterPage, House, manage
from tests.hub.test_offboarding import deployed, files, joined

LINE = 'paused: "true"'
REASON = "The database is being moved."
AT_REST = 10.0
"""Seconds without a comparison after which none that was queued before a pause is left to be made."""
LEFT_ALONE = 20.0
"""Seconds in which Argo CD heals several times over what it looks after."""


def tampered(house: House, probe: str) -> None:
    """Somebody deletes on the spoke what a component put there."""
    house.hub.spoke_kube.delete("ConfigMap", "cluster-info", probe)


def healed(house: House, probe: str, seconds: float) -> None:
    """Waits until it is there again."""
    eventually(lambda: deployed(house, probe), f"the ConfigMap of {probe} is back", seconds)


def compared_at(house: House, application: str) -> str:
    """When Argo CD last compared an Application with Git."""
    found = house.fleet.application(application) or {}
    return str(found.get("status", {}).get("reconciledAt", ""))


def said_of(house: House, application: str) -> str:
    """The last that the application controller logged of an Application, for messages of failed tests."""
    controller = house.hub.processes.programs[house.hub.argocd.process("controller")]
    lines = controller.log_tail(400_000).splitlines()
    return "\n".join([line for line in lines if application in line][-60:])


def member(house: House, cluster: str) -> str:
    """The member file as the branch has it."""
    house.fleet.git("fetch", "--quiet", "origin")
    return house.fleet.git("show", f"origin/main:{house.fleet.member_path(cluster)}")


def comes_to_rest(house: House, application: str) -> None:
    """Waits until Argo CD has ended what it had begun before.

    It asks whether a cluster is left alone when it queues a comparison, not when it makes it: one that
    was queued before a pause, as a self-heal that it puts off, is still made. Source:
    `processAppRefreshQueueItem` of Argo CD 3.2.
    """
    seen = [("", 0.0)]

    def rests() -> bool:
        now, last = time.monotonic(), compared_at(house, application)
        if last != seen[0][0]:
            seen[0] = (last, now)
        return now - seen[0][1] > AT_REST

    eventually(rests, f"Argo CD compares {application} no more", 120, pause=0.5)


def annotation(house: House, cluster: str) -> str | None:
    """What the live cluster secret says of being left alone."""
    secret = house.fleet.cluster_secret(cluster) or {"metadata": {}}
    found: dict[str, str] = secret["metadata"].get("annotations", {})
    return found.get("argocd.argoproj.io/skip-reconcile")


def is_paused(page: ClusterPage) -> bool:
    """Whether the page says that, and why, and nothing green."""
    words = ("Argo CD leaves it alone", REASON)
    return page.state == "Paused" and all(word in page.text for word in words)


@pytest.fixture(scope="module")
def bystander(house: House) -> str:
    """A cluster that is not paused."""
    joined(house, "spoke-bystander", "probe-b")
    return "spoke-bystander"


def test_it_leaves_one_cluster_alone_and_ends_by_itself(
    house: House, bystander: str, measured: list[str]
) -> None:
    spoke = joined(house, "spoke-paused", "probe-a")
    application = f"probe-a-{spoke.name}"
    tampered(house, "probe-a")
    healed(house, "probe-a", 60)
    before = files(house)

    requester, path = house.product.person("requester"), f"/clusters/hub/{spoke.name}/pause/"
    answer = requester.send(path, {"hours": "1", "reason": REASON}, having="reason")
    started = time.monotonic()
    house.product.approve(int(answer.url.rstrip("/").rpartition("/")[2]))
    eventually(lambda: annotation(house, spoke.name) == "true", "the cluster secret says so")
    house.page(spoke.name, is_paused)
    measured.append(f"pause, from approval to the page: {time.monotonic() - started:.1f} s")
    assert LINE in member(house, spoke.name).splitlines()

    comes_to_rest(house, application)

    # Whatever happens to it: nothing is healed, compared or synced, also when it is asked for.
    last = compared_at(house, application)
    tampered(house, "probe-a")
    tampered(house, "probe-b")
    house.fleet.refresh(application)
    healed(house, "probe-b", 60)
    time.sleep(LEFT_ALONE)
    assert deployed(house, "probe-a") is None, said_of(house, application)
    assert compared_at(house, application) == last
    assert house.product.cluster("hub", spoke.name).state == "Paused"

    # The shortest pause is an hour: its end is brought forward, and nobody does anything more.
    code = (
        "from datetime import timedelta; from django.utils.timezone import now; "
        "from onboarding.models import ClusterPause; "
        "ClusterPause.objects.filter(ended_at=None).update(until=now() + timedelta(seconds=5))"
    )
    manage(house.product.environment, "shell", "-v0", "-c", code)
    started = time.monotonic()
    eventually(lambda: annotation(house, spoke.name) is None, "the pause has ended", 90)
    measured.append(f"pause, from its end to the hub: {time.monotonic() - started:.1f} s")
    assert files(house) == before
    healed(house, "probe-a", 240)
    house.healthy(spoke.name)
    assert house.product.cluster("hub", bystander).state == "Healthy"
