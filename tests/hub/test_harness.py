"""The harness itself: what a killed run leaves behind is ended by the next one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

from tests.hub.harness import Hub, runs_root
from tests.hub.processes import STARTED, ProcessIdentity

HOME = Path(__file__).resolve().parents[2]
SECONDS = 180


def start() -> tuple[subprocess.Popen[str], Path]:
    """A hub in a process of its own, and the folder of its run once all of it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.hub.harness"],
        cwd=HOME,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said, late = "", threading.Timer(SECONDS, process.kill)
    late.start()
    for line in process.stdout:
        said += line
        if line.startswith("logs: "):
            break
    late.cancel()
    assert "logs: " in said, f"the hub did not start: {said}"
    return process, Path(said.partition("logs: ")[2].strip()).parent


def programs(folder: Path) -> list[ProcessIdentity]:
    """The processes that a run has started."""
    return [ProcessIdentity(**each) for each in json.loads((folder / STARTED).read_text())]


def test_it_ends_what_a_killed_run_left_and_touches_no_other(hub: Hub) -> None:
    """Twice at once, killed, and once more: each has its own ports, folder and processes."""
    ours = programs(hub.folder)
    killed, left = start()
    try:
        theirs = programs(left)
        assert len(theirs) > 8
        assert all(each.is_running() for each in theirs)
    finally:
        killed.kill()
        killed.wait()
    assert left.is_dir()

    after, folder = start()
    try:
        assert not left.exists()
        assert not any(each.is_running() for each in theirs)
        assert all(each.is_running() for each in ours)
        last = programs(folder)
    finally:
        after.terminate()
        ended = after.wait(60)
    assert ended == 0
    assert not any(each.is_running() for each in last)
    assert [each for each in runs_root().glob("run-*") if each in (left, folder)] == []
    assert hub.kube.is_ready()
