"""The processes of the demo: what they are, when they are ready, and how they start and stop.

All of them listen on loopback only, on ports that were free a moment ago; a process that lost the
race for its port ends, and with it the demo, which says so.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import honcho.manager
import redis
from celery import Celery
from honcho.manager import Manager
from kombu.exceptions import OperationalError

LOOPBACK = "127.0.0.1"
# After the first process has ended, how long the others may take before they are killed.
honcho.manager.KILL_WAIT = 2
START_SECONDS = 120.0
SHOWN_LINES = 15


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo's servers listen."""

    web: int
    broker: int
    secrets: int
    hub: int

    @property
    def web_url(self) -> str:
        """The address of the pages."""
        return f"http://{LOOPBACK}:{self.web}"

    @property
    def broker_url(self) -> str:
        """The address of the broker."""
        return f"redis://{LOOPBACK}:{self.broker}/0"

    @property
    def secrets_url(self) -> str:
        """The address of the embedded Secrets Manager."""
        return f"http://{LOOPBACK}:{self.secrets}"

    @property
    def hub_url(self) -> str:
        """The address of the demo hub: its Kubernetes API and its Argo CD API."""
        return f"http://{LOOPBACK}:{self.hub}"

    @classmethod
    def choose(cls, *, wanted_web: int) -> Ports:
        """Take free ports; for the pages the wanted one, or the next that is free."""
        others = free_ports(3)
        return cls(next_free_port(wanted_web), *others)


@dataclass(frozen=True, slots=True)
class DemoProcess:
    """One process: the arguments of Python that start it, and how to see that it is ready."""

    name: str
    arguments: Sequence[str]
    is_ready: Callable[[], bool] = field(default=lambda: True)


def demo_processes(
    *, ports: Ports, repository: Path, hub: str, region: str, faults: Mapping[str, str]
) -> list[DemoProcess]:
    """All processes of the demo, in the order in which they are named to the user.

    `repository` is the fleet's bare repository, `hub` the name of its demo hub, `region` the one in
    which the hub looks for secrets, `faults` how which of its clusters shall end.
    """
    return [
        DemoProcess(
            "secrets",
            ("-m", "moto.server", "-H", LOOPBACK, "-p", str(ports.secrets)),
            lambda: _answers(f"{ports.secrets_url}/moto-api/"),
        ),
        DemoProcess(
            "hub",
            (
                *("-m", "onboarding.demo.hub", "--port", str(ports.hub), "--hub", hub),
                *("--repository", str(repository), "--namespace", "argocd"),
                *("--aws-endpoint", ports.secrets_url, "--region", region),
                *(f"--fault={name}={how}" for name, how in faults.items()),
            ),
            lambda: _answers(f"{ports.hub_url}/version"),
        ),
        *product_processes(ports=ports),
    ]


def product_processes(*, ports: Ports) -> list[DemoProcess]:
    """The product itself: what runs beside a hub and a Secrets Manager that are there already."""
    celery = ("-m", "celery", "-A", "fleetui.celery")
    return [
        DemoProcess(
            "broker",
            ("-m", "onboarding.demo.broker", "--port", str(ports.broker)),
            lambda: _pings(ports.broker_url),
        ),
        DemoProcess(
            "web",
            (
                *("-m", "uvicorn", "fleetui.asgi:application", "--host", LOOPBACK),
                *("--port", str(ports.web), "--no-access-log"),
                *("--timeout-graceful-shutdown", "1"),
            ),
            lambda: _answers(f"{ports.web_url}/readyz"),
        ),
        DemoProcess(
            "worker",
            (*celery, "worker", "--pool", "threads", "--concurrency", "4"),
            lambda: _works(ports.broker_url),
        ),
        DemoProcess("beat", (*celery, "beat")),
        DemoProcess("watcher", ("manage.py", "watch_hubs")),
    ]


def environment(*, ports: Ports, data_folder: Path) -> dict[str, str]:
    """What the demo's processes are told; nothing of the developer's AWS identity reaches them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "FLEETUI_EMBEDDED": "1",
        "FLEETUI_DATA": str(data_folder),
        "REDIS_URL": ports.broker_url,
        "PYTHONUNBUFFERED": "1",
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


# --- Ports ------------------------------------------------------------------------------------


def next_free_port(wanted: int, *, tries: int = 100) -> int:
    """The wanted port of the loopback address, or the next one that nobody listens on."""
    for port in range(wanted, wanted + tries):
        if _is_free(port):
            return port
    raise OSError(f"No port from {wanted} to {wanted + tries - 1} is free.")


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback address that nobody listens on."""
    listeners = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def _is_free(port: int) -> bool:
    # Asked first: a server on all addresses does not everywhere keep us from binding to this one.
    with socket.socket() as caller:
        caller.settimeout(1)
        if caller.connect_ex((LOOPBACK, port)) == 0:
            return False
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


# --- Readiness --------------------------------------------------------------------------------


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own http address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _pings(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _works(url: str) -> bool:
    try:
        with Celery("demo", broker=url, set_as_current=False) as app:
            return bool(app.control.ping(timeout=1))
    except (OSError, OperationalError, redis.RedisError):
        return False


# --- Running ----------------------------------------------------------------------------------


class Line(Protocol):
    """What honcho passes on: one line that a process wrote, or one of honcho's own."""

    name: str
    data: Any


class LogFiles:
    """Takes honcho's lines: each process has a file of its own, the screen stays calm."""

    def __init__(self, folder: Path) -> None:
        """Open the folder of logs; those of the last run are written over."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.width = 0  # honcho aligns names by it
        self._opened: set[str] = set()

    def path(self, name: str) -> Path:
        """The log of one process."""
        return self.folder / f"{name}.log"

    def write(self, line: Line) -> None:
        """Add a line to its process's log."""
        text = line.data.decode("utf-8", "replace") if isinstance(line.data, bytes) else line.data
        with self.path(line.name).open("a" if line.name in self._opened else "w") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")
        self._opened.add(line.name)

    def last_lines(self, name: str) -> str:
        """The end of one process's log."""
        try:
            lines = self.path(name).read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(f"    {line}" for line in lines[-SHOWN_LINES:])


class DemoManager(Manager):  # type: ignore[misc]  # honcho has no types
    """honcho's manager, which also knows who ended by itself, and may be stopped while starting.

    `meanwhile` runs in a thread of its own once the processes are started, and not before: honcho
    forks, and a fork must not meet a second thread.
    """

    def __init__(self, logs: LogFiles, *, meanwhile: Callable[[], None]) -> None:
        """Prepare to run processes that write to these logs."""
        super().__init__(printer=logs)
        self.logs = logs
        self._meanwhile = threading.Thread(target=meanwhile, name="meanwhile", daemon=True)
        self.died: list[str] = []
        self.stopping = threading.Event()

    def add(self, process: DemoProcess, *, env: Mapping[str, str], folder: Path) -> None:
        """Add one process; it runs Python, in this folder, without a shell in between."""
        command = shlex.join([sys.executable, *process.arguments])
        self.add_process(process.name, f"exec {command}", env=dict(env), cwd=str(folder))

    def _start(self) -> None:
        super()._start()
        self._meanwhile.start()

    def terminate(self) -> None:
        """End all processes; where some are still starting, as soon as they have started."""
        if not self.stopping.is_set():
            self.stopping.set()
            self.died = [name for name, facts in self._processes.items() if "returncode" in facts]
        if self._all_started():
            super().terminate()
        else:
            again = threading.Timer(0.1, self.terminate)
            again.daemon = True
            again.start()


def wait_until_ready(
    processes: Sequence[DemoProcess],
    *,
    stopping: threading.Event,
    seconds: float = START_SECONDS,
) -> list[str]:
    """Wait for all of them; return the names of those that are not ready in time.

    Nobody is late once the demo is stopping: then the answer is empty, too.
    """
    waiting = list(processes)
    deadline = time.monotonic() + seconds
    while waiting and not stopping.is_set() and time.monotonic() < deadline:
        waiting = [process for process in waiting if not process.is_ready()]
        if waiting:
            stopping.wait(0.1)
    return [] if stopping.is_set() else [process.name for process in waiting]
