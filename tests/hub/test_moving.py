"""A cluster moves from one real hub to another: never on both, never without evidence, and nothing on it is touched."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.hub.account import give_account
from tests.hub.browsing import text_of
from tests.hub.cleaning import clean
from tests.hub.fleet import Fleet, bootstrap
from tests.hub.harness import eventually, second_hub
from tests.hub.kube import KubeApi
from tests.hub.looking import Looking
from tests.hub.product import House
from tests.hub.test_offboarding import CONFIRM, deployed, files, identities, joined, traces

OTHER = "hub-two"
_CHANGE = re.compile(r"/changes/(\d+)/")


@pytest.fixture(scope="module")
def other(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A second hub of the same fleet: bootstrapped from the same repository, and known to the product."""
    with second_hub(house.hub, OTHER) as hub:
        fleet = Fleet(hub, OTHER, house.fleet.folder)
        try:
            bootstrap(fleet)
            house.product.add_hub(fleet, give_account(hub, tmp_path_factory.mktemp("account")))
            yield fleet
        finally:
            clean(hub)


@dataclass
class Witness(Looking):
    """Looks at both hubs and the spoke over and over, and keeps what must never be seen."""

    hubs: tuple[KubeApi, KubeApi]
    spoke: KubeApi
    cluster: str
    probe: str
    looks: int = 0
    on_both: int = 0
    objects: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__("witness", every=0.2)

    def __hash__(self) -> int:
        return id(self)

    def _look(self) -> None:
        labels = {"fleet/cluster": self.cluster}
        on = [bool(kube.list("Application", labels=labels)) for kube in self.hubs]
        self.on_both += all(on)
        for kind, name in (("ConfigMap", "cluster-info"), ("Namespace", self.probe)):
            found = self.spoke.get(kind, name, self.probe) or {"metadata": {"uid": "gone"}}
            self.objects.add(f"{kind} {found['metadata']['uid']}")
        self.looks += 1


def says(house: House, cluster: str, *words: str, seconds: float = 180) -> str:
    """Waits until the page of the move says all these words; the page."""
    last = [""]

    def said() -> bool:
        last[0] = house.product.person("requester").get(f"/clusters/hub/{cluster}/move/")
        return all(word in text_of(last[0]) for word in words)

    try:
        eventually(said, f"the move of {cluster} says {words}", seconds, pause=0.5)
    except Exception as error:
        error.add_note(text_of(last[0]))
        raise
    return last[0]


def test_it_moves_a_cluster_and_nothing_on_it_is_touched(
    house: House, other: Fleet, measured: list[str]
) -> None:
    spoke = joined(house, "spoke-moves", "probe-a")
    joined(house, "spoke-bystander", "probe-b")
    others, there = identities(house, "spoke-bystander"), deployed(house, "probe-b")
    runs, before = deployed(house, "probe-a"), files(house)
    assert runs is not None
    old, new = house.fleet.member_path(spoke.name), other.member_path(spoke.name)
    witness = Witness((house.hub.kube, other.hub.kube), house.hub.spoke_kube, spoke.name, "probe-a")
    witness.start()
    try:
        started = time.monotonic()
        path = f"/clusters/hub/{spoke.name}/move/?to={OTHER}"
        answer = house.product.person("requester").send(path, {CONFIRM: spoke.name}, having=CONFIRM)
        asked = _CHANGE.search(answer.url)
        assert asked, text_of(answer.text)
        house.product.approve(int(asked[1]))
        page = says(house, spoke.name, f"Nothing of it is left on {house.fleet.name}.", "Submitted")

        # In between it is on no hub: the page says so by what was seen, and so it is.
        measured.append(
            f"move, from approval to gone from the old hub: {time.monotonic() - started:.1f} s"
        )
        assert traces(house, spoke.name) == []
        assert other.applications(spoke.name) == set()
        assert other.cluster_secret(spoke.name) is None
        assert not {old, new} & files(house).keys()
        assert deployed(house, "probe-a") == runs

        (join,) = {int(one) for one in _CHANGE.findall(page)} - {int(asked[1])}
        started = time.monotonic()
        house.product.approve(join)
        house.product.wait_for(OTHER, spoke.name, lambda one: one.state == "Healthy", 180)
        measured.append(
            f"move, from approval to Healthy on the new hub: {time.monotonic() - started:.1f} s"
        )
        says(house, spoke.name, f"{spoke.name} is Healthy on {OTHER}.")
    finally:
        witness.stop()

    assert witness.looks > 20
    assert witness.on_both == 0, "two hubs had its Applications at once"
    assert len(witness.objects) == 2, f"an object was made anew: {witness.objects}"
    after = files(house)
    assert after.keys() == before.keys() - {old} | {new}
    assert {name: blob for name, blob in after.items() if name != new} == {
        name: blob for name, blob in before.items() if name != old
    }
    assert traces(house, spoke.name) == []
    assert f"probe-a-{spoke.name}" in other.applications(spoke.name)
    left = deployed(house, "probe-a")
    assert left is not None
    assert (left["metadata"]["uid"], left["data"]) == (runs["metadata"]["uid"], runs["data"])
    assert identities(house, "spoke-bystander") == others
    assert deployed(house, "probe-b") == there

    # The new hub looks after it now.
    house.hub.spoke_kube.delete("ConfigMap", "cluster-info", "probe-a")
    eventually(lambda: deployed(house, "probe-a"), "the new hub heals it", 60)
