"""A cluster's way out of the fleet, cut off at every step: what is killed when, and what was seen meanwhile."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from tests.hub.harness import eventually
from tests.hub.looking import Looking
from tests.hub.product import House

WORKER, CLOCK, WATCHER = "product-worker", "product-beat", "product-watcher"
_STEPS = """
    SELECT step.step, step.change_id, step.begun_at, step.checked_at, step.done_at
    FROM onboarding_offboardingstep step
    JOIN onboarding_offboarding run ON run.id = step.offboarding_id
    WHERE run.cluster_name = ? ORDER BY step.number
"""
_DELIVERY = "SELECT state FROM onboarding_delivery WHERE change_id = ?"
_WRITTEN = """
    SELECT count(*) FROM onboarding_deliveryattempt attempt
    JOIN onboarding_delivery delivery ON delivery.id = attempt.delivery_id
    WHERE delivery.change_id = ? AND attempt.outcome = 'committed'
"""


@dataclass(frozen=True)
class Step:
    """One step as the product keeps it: times as text, which order by themselves; "" where there is none."""

    step: str
    change: int | None
    begun: str
    checked: str
    done: str


@dataclass
class Way:
    """The offboarding of one cluster whose processes are killed; `falls` tells where each kill fell.

    Reads the product's database itself, some hundred times a second: no page shows a moment that short.
    """

    house: House
    cluster: str
    change: int
    falls: list[str] = field(default_factory=list)

    def steps(self) -> list[Step]:
        """The steps that were written down so far."""
        return [
            Step(row[0], row[1], *(str(each or "") for each in row[2:]))
            for row in self._read(_STEPS, self.cluster)
        ]

    def is_asked(self, number: int) -> bool:
        """Whether a step begins: its change is approved and in the queue."""
        if number == 0:
            return bool(self._read(_DELIVERY, self.change))
        steps = self.steps()
        return len(steps) > number and steps[number].change is not None

    def waits(self, number: int) -> bool:
        """Whether a step is in Git, and the hub was looked at for its evidence."""
        steps = self.steps()
        return len(steps) > number and bool(steps[number].begun and steps[number].checked)

    def is_done(self, number: int) -> bool:
        """Whether the evidence of a step was seen."""
        return bool(self.steps()[number].done)

    def state_of(self, change: int) -> str:
        """What became of a change in Git, as far as the product knows."""
        return next((str(row[0]) for row in self._read(_DELIVERY, change)), "")

    def times_written(self, change: int) -> int:
        """How often the product found that it had brought a change to Git."""
        return int(self._read(_WRITTEN, change)[0][0])

    def tip(self) -> str:
        """The commit of the branch."""
        return self.house.fleet.git("--git-dir", str(self.house.fleet.bare), "rev-parse", "main")

    def cut_off(
        self, when: Callable[[], bool], what: str, *names: str, seconds: float = 300
    ) -> None:
        """Kills processes the moment that something is so; they stay away."""
        eventually(when, f"{self.cluster}: {what}", seconds, pause=0.002)
        self.house.hub.processes.kill(*names)

    def start(self, *names: str) -> None:
        """Starts what was killed."""
        for name in names:
            self.house.hub.processes.resume(name)

    def approve(self) -> threading.Event:
        """Somebody approves; the event is set when their page has come."""
        arrived, thread = threading.Event(), ThreadPoolExecutor(1)
        done = thread.submit(self.house.product.approve, self.change)
        done.add_done_callback(lambda _: arrived.set())
        thread.shutdown(wait=False)
        return arrived

    def _read(self, question: str, value: object) -> list[tuple[object, ...]]:
        file = self.house.product.folder / "fleetui.sqlite3"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return database.execute(question, (value,)).fetchall()


class Sightings(Looking):
    """Looks without an end at what hub and spoke have of a cluster; `uids` are all that each object had.

    An object that was made anew has a second one.
    """

    def __init__(self, house: House, cluster: str, objects: Sequence[tuple[str, str, str]]) -> None:
        """`objects` are those on the spoke: kind, name, namespace."""
        super().__init__("sightings", every=0.3)
        self.uids: dict[str, set[str]] = defaultdict(set)
        self._cluster = cluster
        self._objects = objects
        self._hub = house.hub.plane.api()
        self._spoke = house.hub.spoke_plane.api()

    def stop(self) -> None:
        """No look is under way any more, and both are left."""
        super().stop()
        self._hub.close()
        self._spoke.close()

    def made_anew(self) -> list[str]:
        """The objects of which another one was there than before."""
        return sorted(name for name, uids in self.uids.items() if len(uids) > 1)

    def _look(self) -> None:
        found = self._hub.list("Application", labels={"fleet/cluster": self._cluster})
        for each in found:
            self.uids[each["metadata"]["name"]].add(each["metadata"]["uid"])
        for kind in ("ExternalSecret", "Secret"):
            if one := self._hub.get(kind, f"cluster-{self._cluster}"):
                self.uids[kind].add(one["metadata"]["uid"])
        for kind, name, namespace in self._objects:
            if one := self._spoke.get(kind, name, namespace):
                self.uids[f"{kind} {namespace}/{name}"].add(one["metadata"]["uid"])


@contextmanager
def watched(
    house: House, cluster: str, objects: Sequence[tuple[str, str, str]]
) -> Iterator[Sightings]:
    """All that is seen of a cluster while its way goes on."""
    sightings = Sightings(house, cluster, objects)
    sightings.start()
    try:
        yield sightings
    finally:
        sightings.stop()


@contextmanager
def evidence_withheld(house: House) -> Iterator[None]:
    """The hub follows nothing meanwhile: its application controller sleeps."""
    controller = house.hub.argocd.process("controller")
    house.hub.processes.freeze(controller)
    try:
        yield
    finally:
        house.hub.processes.thaw(controller)


def looks_again(way: Way, number: int) -> None:
    """Waits until the product has looked for the evidence of a step once more than now."""
    last = way.steps()[number].checked
    eventually(lambda: way.steps()[number].checked > last, "it looks again", 120, pause=0.1)


def settles(seconds: float) -> None:
    """Time in which the clock rings twice and what must not happen would happen."""
    time.sleep(seconds)
