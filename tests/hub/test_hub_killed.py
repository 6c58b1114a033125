"""A hub whose API server dies in the midst of a registration: never falsely green, and all is well again by itself."""

from __future__ import annotations

import time

import pytest

from tests.hub.fleet import Fleet
from tests.hub.harness import Spoke, eventually
from tests.hub.product import House
from tests.hub.test_hub_hangs import GREEN_AT_MOST, SAID
from tests.hub.test_hub_restored import controllers, rows_equal, serves_again
from tests.hub.test_offboarding import files, identities, joined, traces
from tests.hub.test_trouble import asked_for

AWAY = 150.0
"""How long the API server is away, in seconds: long enough for every rest between two tries to be the longest."""
SOON = 30.0
"""Within how many seconds of its return the page of a cluster with which all was well is green again."""


@pytest.fixture(scope="module")
def settled(house: House) -> Spoke:
    """A cluster with which all is well, before something happens."""
    return joined(house, "spoke-settled", "probe-a")


def commits(fleet: Fleet) -> list[str]:
    """The commits of the branch, the newest first."""
    return fleet.git("--git-dir", str(fleet.bare), "rev-list", "main").splitlines()


def start_what_ended(house: House) -> None:
    """What a kubelet does: a controller that ended for want of an API server is started again."""
    for name in controllers(house):
        running = house.hub.processes.programs[name].running
        if running is not None and running.poll() is not None:
            house.hub.processes.resume(name)


def test_it_registers_once_where_the_hub_is_killed_in_between(
    house: House, settled: Spoke, measured: list[str]
) -> None:
    """After the commit, and before Argo CD and the External Secrets Operator have done their part."""
    spoke, change = asked_for(house, "spoke-new", "probe-b")
    before, written, others = files(house), commits(house.fleet), identities(house, settled.name)
    house.product.approve(change)
    eventually(lambda: commits(house.fleet) != written, "the commit is in Git", 60, pause=0.005)
    house.hub.processes.kill("hub-apiserver")
    killed, last_green, states = time.monotonic(), 0.0, []
    while (since := time.monotonic() - killed) < AWAY:
        old, new = (house.product.cluster("hub", each.name) for each in (settled, spoke))
        assert new.state != "Healthy", (since, new)
        if new.state not in states:
            states.append(new.state)
        if old.state == "Healthy":
            last_green = since
        elif since > GREEN_AT_MOST:
            assert old.state == "Stale", (since, old)
            assert any(word in old.sentence for word in SAID), (since, old)
            assert any(word in new.text for word in SAID), (since, new)
        time.sleep(1)
    assert last_green < GREEN_AT_MOST

    house.hub.processes.resume("hub-apiserver")
    house.hub.plane.wait()
    back = time.monotonic()
    serves_again(house)
    start_what_ended(house)
    house.healthy(settled.name)
    green = time.monotonic() - back
    way = house.healthy(spoke.name, 240).text
    measured.append(
        f"API server killed for {AWAY:.0f} s: last green after {last_green:.0f} s, green again "
        f"{green:.1f} s after its return; the registration was {states} and is Healthy "
        f"{time.monotonic() - back:.1f} s after it: {way[way.index('Committed to Git') :][:400]}"
    )
    assert green < SOON

    assert len(commits(house.fleet)) == len(written) + 1
    path = house.fleet.member_path(spoke.name)
    labels = house.fleet.labels_path(spoke.name, "tenant1")
    assert files(house).keys() - before.keys() == {path, labels}
    registration = f"fleet-secret-{spoke.name}"
    assert set(traces(house, spoke.name)) == {
        registration, f"probe-b-{spoke.name}", "the ExternalSecret", "the cluster secret"
    }  # fmt: skip
    named = [each["metadata"]["name"] for each in house.hub.kube.list("ExternalSecret")]
    assert [each for each in named if spoke.name in each] == [f"cluster-{spoke.name}"]
    assert identities(house, settled.name) == others
    eventually(lambda: rows_equal(house), "the product has what the hub has", 60)
