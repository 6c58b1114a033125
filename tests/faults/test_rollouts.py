"""Two processes lead one rollout at once, and one is killed in the middle of a wave."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from onboarding.domain.errors import Transient
from onboarding.domain.rollout_waves import parse_waves
from onboarding.models import Delivery, Event, Rollout, RolloutRow, RolloutWave
from onboarding.services import indexing, rollout_steps
from onboarding.services.delivery import deliveries
from tests import repositories
from tests.fakes import FakeQueue
from tests.faults.processes import Site, WallClock, Worker, pause
from tests.services.test_rollouts import ENVIRONMENTS, Waves
from tests.stage import Meddled

# Processes that hold locks against each other are PostgreSQL's: the embedded default has one worker.
pytestmark = pytest.mark.services

EACH = 3
ENDS_WITHIN = 120.0


class Leader(Worker):
    """The beat and a worker in one: leads every rollout on, and writes what was released."""

    def _turn(self, site: Site, repository: Meddled, clock: WallClock, push_seconds: float) -> None:
        with suppress(Transient):  # which the broker's worker tries again, too
            rollout_steps.advance(
                fleet=site.fleet, repository=repository, clock=clock, queue=FakeQueue()
            )
            super()._turn(site, repository, clock, push_seconds)
            indexing.index(fleet=site.fleet, repository=repository, clock=clock)

    def _is_done(self, site: Site) -> bool:
        return not Rollout.objects.filter(ended_at__isnull=True).exists()


def at_call(number: int, act: Callable[[], None]) -> Callable[..., None]:
    """Something that acts when it is called for the so-manieth time."""
    calls = 0

    def called(*_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            act()

    return called


def halfway_through_a_release(repository: Meddled) -> None:
    """Pause in the transaction that releases the second wave, when it is queued and nothing says so yet."""
    real, count = deliveries.enqueue, at_call(2, pause)

    def enqueue(*given: object, **named: object) -> None:
        real(*given, **named)  # type: ignore[arg-type]
        count()

    deliveries.enqueue = enqueue  # type: ignore[assignment]  # in a process that is killed


def in_the_second_wave(repository: Meddled, step: str) -> None:
    """Pause at a step of the writer, once the second wave has been released."""

    def act() -> None:
        setattr(repository, step, act)  # it is asked once, and then forgotten
        if RolloutWave.objects.filter(number=2, released_at__isnull=False).exists():
            pause()

    setattr(repository, step, act)


def between_release_and_commit(repository: Meddled) -> None:
    """Pause when the second wave is queued, before anything of it is pushed."""
    in_the_second_wave(repository, "before_push")


def behind_the_push(repository: Meddled) -> None:
    """Pause when something of the second wave is in Git, before that is written down."""
    in_the_second_wave(repository, "after_push")


@pytest.mark.parametrize(
    "meddle", [halfway_through_a_release, between_release_and_commit, behind_the_push]
)
def test_no_wave_begins_twice_and_no_cluster_is_left_out(
    site: Site, meddle: Callable[[Meddled], None]
) -> None:
    fleet = Waves(site, each=EACH)  # type: ignore[arg-type]
    fleet.look(0)
    rollout = fleet.running(waves=parse_waves("\n".join(ENVIRONMENTS), soak=timedelta()))
    first = Leader(site, meddle, until_done=True)
    second = Leader(site, lambda _: pause(), until_done=True)
    second.wait_until_paused()
    deadline = time.monotonic() + ENDS_WITHIN
    while not first.has_paused():
        assert time.monotonic() < deadline, f"It never came so far. {site.said()}"
        fleet.look(0)
        time.sleep(0.1)
    # Both are at it now: the second meets what the first has half done, and then the first is gone.
    second.wake()
    time.sleep(1.0)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    site.lease_ends()
    while second.poll() is None:
        assert time.monotonic() < deadline, site.said()
        fleet.look(0)
        time.sleep(0.1)

    assert second.poll() == 0, site.said()
    rollout.refresh_from_db()
    assert (rollout.state, rollout.note) == ("done", "Every wave has passed its gate.")
    released = Event.objects.filter(verb="rollout.released").order_by("pk")
    assert [event.detail["wave"] for event in released] == [1, 2, 3, 4]
    assert fleet.moved() == set(fleet.names)
    subjects = repositories.git(site.bare, "log", "--reverse", "--format=%s", f"{fleet.base}..main")
    moved = [subject.split()[2] for subject in subjects.splitlines()]
    assert sorted(moved) == sorted(fleet.names), "each cluster has one commit"
    waves = [name.split("-")[0] for name in moved]
    assert waves == [one for one in ENVIRONMENTS for _ in range(EACH)], "no wave before another"
    assert Delivery.objects.count() == RolloutRow.objects.count() == 4 * EACH
    site.check()
