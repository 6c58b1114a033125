"""An offboarding that is cut off at every step: workers, clock and watcher are killed, and it goes on.

At each step they are killed (`kill -9`) three times: when its change is approved and not in Git, when its
commit has just come to Git, and while the hub has not followed it. Each commit is made once, in its
order and on its evidence; nothing is orphaned, made anew or touched that is another's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from tests.hub import charts
from tests.hub.account import Account
from tests.hub.harness import Hub, eventually
from tests.hub.interrupting import (
    CLOCK,
    WATCHER,
    WORKER,
    Sightings,
    Way,
    evidence_withheld,
    looks_again,
    settles,
    watched,
)
from tests.hub.kubelet import Kubelet, kubelet
from tests.hub.product import House, product_on_a_fresh_fleet
from tests.hub.test_distributed import BROUGHT, FORM, OBJECTS, OWN, World, take_charts_from
from tests.hub.test_offboarding import (
    ask_to_leave,
    files,
    identities,
    joined,
    page,
    says,
    traces,
)

HAND_BACK = ["keep", "hand_back", "centralize", "mark", "remove"]
KEEP = ["keep", "mark", "remove"]


@dataclass(frozen=True)
class Place:
    """The product beside a hub whose spoke has a kubelet, and a cluster that nothing of it is about."""

    house: House
    kubelet: Kubelet
    bystander: str


@pytest.fixture(scope="module")
def place(hub: Hub, account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("product")
    with (
        product_on_a_fresh_fleet(hub, account, folder) as house,
        charts.served() as url,
        kubelet(hub) as running,
    ):
        take_charts_from(house.fleet, url)
        joined(house, "spoke-bystander", "probe-a")
        yield Place(house, running, "spoke-bystander")


def walk(place: Place, way: Way, expected: list[str], paused_at: str = "") -> None:
    """The whole way, cut off three times at each step; ends when the last step has its evidence."""
    for number, step in enumerate(expected):
        cut_off_step(place, way, expected, number, pauses=step == paused_at)


def cut_off_step(place: Place, way: Way, expected: list[str], number: int, *, pauses: bool) -> None:
    """One step, from its approval to its evidence."""
    step, before = expected[number], way.tip()
    arrived = way.approve() if number == 0 else None
    way.cut_off(lambda: way.is_asked(number), f"{step} begins", WORKER, CLOCK)
    way.falls.append(f"{step}: {'before' if way.tip() == before else 'after'} the push")
    assert arrived is None or arrived.wait(30)
    check_evidence(way, expected, number)
    with evidence_withheld(place.house):
        cut_off_in_git(way, number, before)
        cut_off_waiting(way, number)
        if pauses:
            pause(way)
    if pauses:
        stays_paused(way, number)
    eventually(lambda: way.is_done(number), f"{step} has its evidence", 300, pause=0.05)


def cut_off_in_git(way: Way, number: int, before: str) -> None:
    """They are killed as soon as the branch has moved."""
    way.start(WORKER, CLOCK)
    way.cut_off(lambda: way.tip() != before, f"commit {number} is in Git", WORKER, CLOCK)
    change = way.change if number == 0 else way.steps()[number].change
    assert change is not None
    way.falls.append(f"in Git, and known as {way.state_of(change)}")
    way.start(WORKER, CLOCK)


def cut_off_waiting(way: Way, number: int) -> None:
    """They are killed while the hub has not followed: silence is no evidence, whoever asks anew."""
    eventually(lambda: way.waits(number), f"step {number} waits for its evidence", 120, pause=0.1)
    marks = way.steps()[number].step == "mark"
    names = (WORKER, CLOCK, *([WATCHER] if marks else []))
    tip = way.tip()
    way.house.hub.processes.kill(*names)
    assert not way.is_done(number)
    way.start(*names)
    looks_again(way, number)
    assert not way.is_done(number)
    assert way.tip() == tip


def pause(way: Way) -> None:
    """Somebody pauses it, and everything is killed right after."""
    path = f"/clusters/{way.house.fleet.name}/{way.cluster}/offboard/"
    reason = {"reason": "Not before the weekend."}
    person = way.house.product.person("requester")
    person.send(path, reason, having="reason", action=f"{path}pause/")
    way.house.hub.processes.kill(WORKER, CLOCK)
    way.start(WORKER, CLOCK)


def stays_paused(way: Way, number: int) -> None:
    """The hub follows, and no commit is made of it until somebody resumes."""
    house, left = way.house, {f"fleet-secret-{way.cluster}"}
    tip = way.tip()
    eventually(lambda: house.fleet.applications(way.cluster) == left, "the hub has followed", 120)
    settles(15)
    assert way.tip() == tip
    assert not way.is_done(number)
    path = f"/clusters/{house.fleet.name}/{way.cluster}/offboard/"
    assert "Not before the weekend." in page(house, way.cluster)
    house.product.person("requester").send(path, {}, having="reason", action=f"{path}resume/")


def check_evidence(way: Way, expected: list[str], number: int) -> None:
    """At the moment that a step begins, what it depends on is so on the hub itself."""
    fleet = way.house.fleet
    steps = way.steps()
    assert all(each.done for each in steps[:number])
    if number == 0:
        return
    assert [each.step for each in steps] == expected
    if expected[number] == "remove":
        assert fleet.applications(way.cluster) == {f"fleet-secret-{way.cluster}"}
    if expected[number] == "mark" and "centralize" in expected:
        names = {f"{each}-{way.cluster}" for each in BROUGHT}
        assert not names & fleet.applications(way.cluster)


def check_commits(way: Way, base: str, expected: list[str]) -> None:
    """One commit for each step, in their order; the member file alone, and at last the cluster's files."""
    house = way.house
    house.fleet.git("fetch", "--quiet", "origin")
    commits = house.fleet.git("rev-list", "--reverse", f"{base}..origin/main").splitlines()
    assert len(commits) == len(expected)
    trailer = "%(trailers:key=Change-Id,valueonly)"
    uids = {house.fleet.git("show", "-s", f"--format={trailer}", each) for each in commits}
    assert len(uids) == len(commits)
    steps = way.steps()
    assert [each.step for each in steps] == expected
    assert [way.times_written(each.change or 0) for each in steps] == [1] * len(steps)
    for earlier, later in pairwise(steps):
        assert earlier.done <= later.begun
    member = house.fleet.member_path(way.cluster)
    for commit in commits[:-1]:
        assert house.fleet.git("show", "--format=", "--name-status", commit) == f"M\t{member}"
    gone = house.fleet.git("show", "--format=", "--name-status", commits[-1]).splitlines()
    assert f"D\t{member}" in gone
    assert all(line.startswith("D\t") and way.cluster in line for line in gone)


def check_left(
    place: Place, way: Way, sightings: Sightings, before: dict[str, str], others: dict[str, str]
) -> None:
    """Nothing is left of the cluster, nothing was made anew, and the rest is as it was."""
    house = place.house
    assert traces(house, way.cluster) == []
    assert sightings.made_anew() == []
    kept = {path: blob for path, blob in before.items() if way.cluster not in path}
    assert files(house) == kept
    assert identities(house, place.bystander) == others
    house.healthy(place.bystander)


def test_it_keeps_what_runs_through_every_interruption(place: Place, measured: list[str]) -> None:
    """Paused besides: a pause outlives a restart, and holds where the evidence has come."""
    house, cluster = place.house, "spoke-kept"
    joined(house, cluster, "probe-c")
    runs = [("Namespace", "probe-c", ""), ("ConfigMap", "cluster-info", "probe-c")]
    before, others = files(house), identities(house, place.bystander)
    way = Way(house, cluster, ask_to_leave(house, cluster, "keep"))
    base, started = way.tip(), time.monotonic()
    with watched(house, cluster, runs) as sightings:
        walk(place, way, KEEP, paused_at="mark")
        says(house, cluster, "Gone", f"so they stay on the spoke: probe-c-{cluster}")
        settles(10)
    tell(measured, way, started)
    check_commits(way, base, KEEP)
    check_left(place, way, sightings, before, others)
    for kind, name, namespace in runs:
        found = house.hub.spoke_kube.get(kind, name, namespace)
        assert found is not None
        assert {found["metadata"]["uid"]} == sightings.uids[f"{kind} {namespace}/{name}"]


def test_it_takes_a_distributed_spoke_away_through_every_interruption(
    place: Place, measured: list[str]
) -> None:
    house, cluster = place.house, "spoke-own"
    spoke = house.hub.new_spoke(cluster)
    house.hub.store_credentials("fleet/git", {"username": "fleet", "password": "token"})
    house.hub.store_credentials(f"fleet/{cluster}", spoke.credentials)
    house.product.approve(house.product.register(cluster, environment="prod", **FORM))
    world = World(house.fleet, spoke, place.kubelet)
    world.wait_brought()
    for component in OWN:
        world.wait_own(component)
    house.healthy(cluster, 240)

    before, others = files(house), identities(house, place.bystander)
    way = Way(house, cluster, ask_to_leave(house, cluster, "remove"))
    base, started = way.tip(), time.monotonic()
    with watched(house, cluster, OBJECTS) as sightings:
        walk(place, way, HAND_BACK)
        says(house, cluster, "Gone", "With their objects on the spoke")
        settles(10)
    tell(measured, way, started)
    check_commits(way, base, HAND_BACK)
    check_left(place, way, sightings, before, others)
    for kind, name, namespace in OBJECTS:
        if kind != "Namespace":
            assert world.on_spoke.get(kind, name, namespace) is None
    assert [each for each in OWN if world.own_application(each)] == []
    eventually(lambda: not place.kubelet.running(), "the spoke's own Argo CD has ended", 60)


def tell(measured: list[str], way: Way, started: float) -> None:
    """Where each kill fell, and how long it took."""
    measured.append(f"{way.cluster} left in {time.monotonic() - started:.0f} s; killed:")
    measured.extend(f"   {each}" for each in way.falls)
    assert page(way.house, way.cluster).count("Gone")
