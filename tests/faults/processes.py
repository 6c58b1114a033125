"""Workers as processes of their own, which can be killed, paused and watched."""

from __future__ import annotations

import logging
import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import connections

from onboarding.models import Change, Delivery, DeliveryAttempt, Fleet, WriterLease
from onboarding.ports import Forge
from onboarding.services.delivery import deliveries
from tests.fakes import FakeClock, FakeQueue
from tests.faults import invariants
from tests.stage import Meddled, Stage

PUSH_SECONDS = 15.0


class WallClock(FakeClock):
    """The time of day, wrong by so many seconds; nobody moves it."""

    def __init__(self, wrong: float = 0.0) -> None:
        super().__init__()
        self.wrong = timedelta(seconds=wrong)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.wrong

    def advance(self, seconds: float) -> None:
        """The time of day advances by itself."""


class Worker:
    """One run of the writer in a process of its own, with a mirror of its own.

    `meddle` runs in that process before the work: it may set what happens at which step. A process
    that ends by itself has exit code 0; an error is kept beside the mirrors and makes it 1.
    `until_done` lets it be woken again and again until nothing is open.
    """

    def __init__(
        self,
        site: Site,
        meddle: Callable[[Meddled], None] = lambda _: None,
        *,
        wrong_clock: float = 0.0,
        push_seconds: float = PUSH_SECONDS,
        mirror: str = "",
        until_done: bool = False,
    ) -> None:
        self._site = site
        self._name = f"worker-{len(site.processes)}"
        connections.close_all()  # a connection belongs to one process
        self._ended: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            repository = site.new_repository(mirror or self._name)
            self._work(site, meddle, repository, WallClock(wrong_clock), push_seconds, until_done)
        site.processes.append(self)

    def wait(self, seconds: float = 60.0) -> int:
        """Wait for its end; returns the exit code, or minus the signal that ended it."""
        deadline = time.monotonic() + seconds
        while (code := self.poll()) is None:
            assert time.monotonic() < deadline, f"{self._name} does not end"
            time.sleep(0.01)
        return code

    def wait_until_paused(self) -> None:
        """Wait until it has stopped itself."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"{self._name} ended instead of pausing"

    def has_paused(self) -> bool:
        """Whether it has stopped itself by now; asked until it has, and not again."""
        found, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
        if found and not os.WIFSTOPPED(status):
            self._ended = os.waitstatus_to_exitcode(status)
            said = f"{self._name} ended with {self._ended} instead of pausing. {self._site.said()}"
            raise AssertionError(said)
        return bool(found)

    def wake(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self._ended is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self._ended = os.waitstatus_to_exitcode(status) if found else None
        return self._ended

    def end(self) -> None:
        """Kill it, if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def _work(
        self,
        site: Site,
        meddle: Callable[[Meddled], None],
        repository: Meddled,
        clock: WallClock,
        push_seconds: float,
        until_done: bool,
    ) -> None:
        code = 1
        try:
            logging.disable(logging.CRITICAL)
            meddle(repository)
            while True:
                self._turn(site, repository, clock, push_seconds)
                if not until_done or self._is_done(site):
                    break
                time.sleep(0.1)  # as a sweep would wake it again
            code = 0
        except BaseException:
            (site.folder / f"{self._name}.log").write_text(traceback.format_exc())
        finally:
            os._exit(code)  # nothing of pytest's may run here

    def _turn(self, site: Site, repository: Meddled, clock: WallClock, push_seconds: float) -> None:
        """What it does each time that it is woken."""
        deliveries.deliver(
            fleet_id=site.fleet.pk,
            repository=repository,
            clock=clock,
            queue=FakeQueue(),
            worker=self._name,
            push_seconds=push_seconds,
            forge=site.forge,
        )

    def _is_done(self, site: Site) -> bool:
        """Whether nothing is left for it."""
        return not site.open_deliveries()


class Site(Stage):
    """A stage in real time whose workers are processes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, WallClock())
        self.forge: Callable[[Fleet], Forge] | None = None
        self.processes: list[Worker] = []

    def end(self) -> None:
        """End every worker that still runs."""
        for process in self.processes:
            process.end()

    def work(self, **options: float) -> None:
        """Let one worker do what is due, to its end."""
        code = Worker(self, **options).wait()  # type: ignore[arg-type]
        assert code == 0, self.said()

    def said(self) -> str:
        """What workers that failed wrote about it."""
        return "\n".join(log.read_text() for log in self.folder.glob("worker-*.log"))

    def lease_ends(self) -> None:
        """What the passing of time does, at once."""
        WriterLease.objects.update(until=datetime(2020, 1, 1, tzinfo=UTC))

    def all_is_due(self) -> None:
        """Let nothing wait any longer."""
        Delivery.objects.filter(state="queued").update(due_at=self.clock.now())

    def open_deliveries(self) -> int:
        """How many deliveries are not settled."""
        return Delivery.objects.filter(state__in=("queued", "pushing")).count()

    def attempts(self, change: Change) -> list[str]:
        """How each attempt of a change ended."""
        return list(
            DeliveryAttempt.objects.filter(delivery__change=change).values_list(
                "outcome", flat=True
            )
        )

    def check(self, **human: object) -> None:
        """Assert every invariant."""
        invariants.check(self.bare, **human)  # type: ignore[arg-type]


def at(step: str, act: Callable[[], None]) -> Callable[[Meddled], None]:
    """Let a worker act at one step of its work."""
    return lambda repository: setattr(repository, step, act)


def die() -> None:
    """What SIGKILL does to the process that calls this."""
    os.kill(os.getpid(), signal.SIGKILL)


def pause() -> None:
    """What SIGSTOP does: nothing of this process runs until somebody wakes it."""
    os.kill(os.getpid(), signal.SIGSTOP)
