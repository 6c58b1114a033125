"""Starts, watches and ends the processes of a hub: those that it started, and no others.

Each run has a folder of its own with a list of what it started. A process is known by its id
*and* its start time, so that an id that went to somebody else's process is never signalled. When
a run was killed, the next one ends what it left behind.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

OWNER = "owner.json"
STARTED = "processes.json"


class NotReady(Exception):
    """A process ended too early, or something awaited did not happen in time."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that cannot be mistaken for another.

    Its id, its start in ticks, and the boot that they belong to.
    """

    pid: int
    started: str
    boot: str

    def is_running(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return self == identify(self.pid) and _state(self.pid) != "Z"

    def to_data(self) -> dict[str, object]:
        """As it is kept in files."""
        return {"pid": self.pid, "started": self.started, "boot": self.boot}


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a running process, None where there is none."""
    fields = _stat(pid)
    if not fields:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ProcessIdentity(pid, fields[19], boot)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat behind the name, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    return next(iter(_stat(pid)), "Z")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different.

    From below those that the kernel gives to outgoing connections: there, a port that was free may
    be taken before its program has started. By chance, so that two runs at once differ.
    """
    sockets: list[socket.socket] = []
    try:
        for port in random.sample(range(10_000, 32_000), 2_000):
            if len(sockets) == count:
                break
            each = socket.socket()
            try:
                each.bind(("127.0.0.1", port))
            except OSError:
                each.close()
                continue
            sockets.append(each)
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass
class Program:
    """One process: how it is started, so that it can be started again, and what runs now."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    folder: Path
    running: subprocess.Popen[bytes] | None = None

    def log_tail(self, characters: int = 3000) -> str:
        """The end of what it printed."""
        with suppress(OSError):
            return self.log.read_text(errors="replace")[-characters:]
        return ""


class Processes:
    """The processes of one run.

    Start from the main thread: they end with the thread that started them.
    """

    def __init__(self, folder: Path) -> None:
        """Claims the folder (made where absent) for this process."""
        self.folder = folder
        self.programs: dict[str, Program] = {}
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        owner = identify(os.getpid())
        assert owner is not None
        (folder / OWNER).write_text(json.dumps(owner.to_data()))

    def start(
        self,
        name: str,
        arguments: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Program:
        """Starts a program in a process group of its own, in ``folder`` or the run's own.

        Its output goes to ``logs/<name>.log``.
        """
        log = self.folder / "logs" / f"{name}.log"
        command = [str(each) for each in arguments]
        program = Program(name, command, dict(environment or {}), log, folder or self.folder)
        self.programs[name] = program
        self._run(program)
        return program

    def _run(self, program: Program) -> None:
        # Should we be killed, the kernel kills what we started; what it started in turn is ended
        # by the next run.
        with_us = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with program.log.open("ab") as log:
            program.running = subprocess.Popen(
                [*with_us, *program.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**_inherited(), **program.environment},
                cwd=program.folder,
                process_group=0,
            )
        self._record()

    def _record(self) -> None:
        """Writes down what runs, in one step, so that a killed run leaves a whole list."""
        found = [identify(each.running.pid) for each in self.programs.values() if each.running]
        text = json.dumps([each.to_data() for each in found if each])
        scratch = self.folder / f"{STARTED}.new"
        scratch.write_text(text)
        scratch.replace(self.folder / STARTED)

    def stop(self, *names: str, grace: float = 10.0) -> None:
        """Ends programs and all that they started: politely, and after the grace period surely."""
        chosen = [self.programs[name] for name in names]
        running = [each.running for each in chosen if each.running]
        for process in running:
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.05, deadline - time.monotonic()))
        for process in running:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        for program in chosen:
            program.running = None
        self._record()

    def kill(self, *names: str) -> None:
        """Ends programs at once, as a crash does; `resume` starts them again."""
        for name in names:
            self._signal(name, signal.SIGKILL)
        self.stop(*names)

    def freeze(self, name: str) -> None:
        """Stops the clock of a program, as when its machine sleeps; `thaw` lets it go on."""
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """A frozen program goes on, and finds the world as it has become."""
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: int) -> None:
        running = self.programs[name].running
        if running is not None:
            _signal_group(running.pid, number)

    def restart(self, name: str) -> None:
        """Ends a program and starts it again as it was."""
        self.stop(name)
        self.resume(name)

    def resume(self, name: str) -> None:
        """Starts a stopped program again as it was."""
        self._run(self.programs[name])

    def stop_all(self) -> None:
        """Ends everything that was started here, the last first."""
        self.stop(*reversed(self.programs), grace=8.0)

    def check_running(self, name: str) -> None:
        """Raises NotReady with the end of its log when a program has ended by itself."""
        program = self.programs[name]
        code = program.running.poll() if program.running else None
        if code is not None:
            raise NotReady(f"{name} ended with code {code}:\n{program.log_tail()}")

    def wait(self, name: str, ready: Callable[[], bool], seconds: float = 120.0) -> None:
        """Waits until ``ready`` answers True.

        Raises NotReady when the program ends, or after ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.check_running(name)
            if time.monotonic() > deadline:
                tail = self.programs[name].log_tail()
                raise NotReady(f"{name} was not ready after {seconds:.0f} s:\n{tail}")
            time.sleep(0.1)

    def memory(self) -> dict[str, int]:
        """MiB of resident memory of each running program (without what it started)."""
        sizes = {}
        for name, program in self.programs.items():
            with suppress(OSError, StopIteration):
                status = Path(
                    f"/proc/{program.running.pid if program.running else 0}/status"
                ).read_text()
                line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
                sizes[name] = int(line.split()[1]) // 1024
        return sizes


def _inherited() -> dict[str, str]:
    """Of our environment only what any program needs.

    No proxies, no credentials, no settings of somebody's shell.
    """
    return {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}


def _signal_group(group: int, number: int) -> None:
    # Only for a child that has not been waited for: until then its id, and so its group's, cannot
    # go to another.
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def end_leftovers(root: Path) -> list[str]:
    """Ends what killed runs below this folder left running, and removes their folders.

    Returns their names.
    """
    ended = []
    for folder in sorted(root.glob("run-*")):
        owner = _read(folder / OWNER)
        if not owner or any(each.is_running() for each in owner):
            continue
        for process in _read(folder / STARTED):
            _end_group(process)
        shutil.rmtree(folder, ignore_errors=True)
        ended.append(folder.name)
    return ended


def _end_group(leader: ProcessIdentity) -> None:
    """Ends a process and those of its group.

    A group whose leader is gone is left alone: its number may be another's.
    """
    if not leader.is_running():
        return
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    for _ in range(100):
        if not leader.is_running():
            return
        time.sleep(0.05)


def _read(file: Path) -> list[ProcessIdentity]:
    try:
        data = json.loads(file.read_text())
    except (OSError, ValueError):
        return []
    return [ProcessIdentity(**each) for each in (data if isinstance(data, list) else [data])]
