"""Workers and beats as production runs them: Celery's own processes on PostgreSQL and Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


WRONG_CLOCK = """
import django, pathlib, sys
from datetime import UTC, datetime, timedelta
from celery.__main__ import main
django.setup()
from onboarding import wiring
wrong = pathlib.Path(sys.argv.pop(1))
def now(self):
    return datetime.now(UTC) + timedelta(seconds=float(wrong.read_text()))
wiring.SystemClock.now = now
main()
"""
"""Celery's own worker, whose clock is wrong by what a file says at that moment."""


class Installation:
    """Processes of the product on this process's database and a Redis, ended together."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        self._broker = broker
        self._wrong = folder / "clock-is-wrong-by"
        self._wrong.write_text("0")

    def worker(self, *, processes: int = 2) -> subprocess.Popen[bytes]:
        """Start a prefork worker with so many children."""
        name = f"worker-{len(self.processes)}"
        options = ("--pool=prefork", f"--concurrency={processes}", f"--hostname={name}@test")
        work = ("--app=fleetui.celery", "worker", *options, "--loglevel=INFO")
        return self._start(name, "-c", WRONG_CLOCK, str(self._wrong), *work)

    def set_clocks(self, seconds: float) -> None:
        """Let the clock of every worker jump, to be wrong by so much from now on."""
        draft = self._wrong.with_suffix(".new")
        draft.write_text(str(seconds))
        draft.replace(self._wrong)

    def web(self, port: int) -> subprocess.Popen[bytes]:
        """Start a process that serves the pages on this port."""
        name = f"web-{len(self.processes)}"
        serve = ("fleetui.asgi:application", "--host=127.0.0.1", f"--port={port}")
        # Static files are not collected here, which is asked for without DEBUG.
        return self._start(name, "-m", "uvicorn", *serve, "--no-access-log", DEBUG="1")

    def beat(self) -> subprocess.Popen[bytes]:
        """Start a scheduler; a second one is a fault that must do no harm."""
        name = f"beat-{len(self.processes)}"
        schedule = self._folder / f"{name}.schedule"
        return self._celery(name, "beat", "--pidfile=", f"--schedule={schedule}")

    def script(self, text: str) -> subprocess.Popen[bytes]:
        """Start a Python process of the product that runs a text."""
        return self._start(f"script-{len(self.processes)}", "-c", text)

    def end(self) -> None:
        """Kill every process with its children."""
        for process in self.processes:
            kill(process)

    def said(self) -> str:
        """The last words of each process."""
        logs = sorted(self._folder.glob("*.process.log"))
        return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in logs)

    def _celery(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self._start(name, "-m", "celery", "--app=fleetui.celery", *arguments)

    def _start(self, name: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.process.log").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, **self._environment(name), **more},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def _environment(self, name: str) -> dict[str, str]:
        server = connection.settings_dict
        where = f"{server['USER']}@{server['HOST']}:{server['PORT']}/{server['NAME']}"
        return {
            "DJANGO_SETTINGS_MODULE": "fleetui.settings",
            "FLEETUI_EMBEDDED": "1",  # a remote that is a folder of this machine
            "FLEETUI_DATA": str(self._folder / name),
            "DATABASE_URL": f"postgres://{where}",
            "REDIS_URL": self._broker,
            "ALLOWED_HOSTS": "127.0.0.1",
            "SECRET_KEY": settings.SECRET_KEY,  # who signed in at one process is known to all
        }


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children at once, as a lost machine does."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that a worker has forked."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in found.split()]


def children_of(name: str) -> list[int]:
    """The processes of that name that this one has started, by whichever thread, and not ended."""
    tasks = Path("/proc/self/task").glob("*/children")
    found = [pid for task in tasks for pid in task.read_text().split()]
    return [int(pid) for pid in found if name in Path(f"/proc/{pid}/comm").read_text()]


def wait_until(what: Callable[[], object], *, seconds: float, otherwise: Callable[[], str]) -> None:
    """Wait for something to become true; the failure says `otherwise`."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)
