"""A Git server over https that hangs or lies: what became of a push is read, within limits of time."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from onboarding.adapters.git import GitRemote
from tests.faults.installation import ROOT, children_of, wait_until
from tests.faults.processes import PUSH_SECONDS, Site
from tests.git_server import new_certificate
from tests.stage import COMMITTED, QUEUED, delivery_of, state_of

TOKEN = "canary-5Rt/secret"
SHORT = 4.0
"""What a push may take that hangs; others get the time that a busy machine needs."""


@pytest.fixture
def served(site: Site) -> Iterator[Site]:
    """The site's remote behind a server that is a process of its own."""
    certificate, token = new_certificate(site.folder), site.folder / "token"
    token.write_text(TOKEN + "\n")
    command = [sys.executable, "-m", "tests.git_server", site.folder, certificate, TOKEN]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        address = site.folder / "address"
        wait_until(address.exists, seconds=60, otherwise=lambda: "the server does not start")
        site.remote = GitRemote(
            url=f"{address.read_text()}/{site.bare.name}",
            branch="main",
            username="robot",
            credential_file=token,
            ca_file=certificate,
        )
        site.repository = site.new_repository("mirror-https")
        yield site
        server.kill()


def behave(site: Site, how: str) -> None:
    (site.folder / "behaviour").write_text(how)


@pytest.mark.parametrize(
    ("behaviour", "arrived", "words"),
    [
        pytest.param("swallow", False, "The branch is as it was.", id="says-yes-keeps-nothing"),
        pytest.param("deny", True, "", id="keeps-it-says-500"),
        pytest.param("hang", False, "The push was stopped after", id="hangs-after-receiving"),
        pytest.param("garbage", False, "The push failed.", id="answers-garbage"),
        pytest.param("unauthorized-once", None, "", id="401-then-fine"),
    ],
)
def test_it_reads_what_became_of_a_push(
    served: Site, behaviour: str, arrived: bool | None, words: str
) -> None:
    change = served.approved("spoke-a")
    threads, begun = threading.active_count(), time.monotonic()
    behave(served, behaviour)
    served.deliver(push_seconds=SHORT if behaviour == "hang" else PUSH_SECONDS)

    assert time.monotonic() - begun < 45, "the server would let us wait longer"
    assert threading.active_count() == threads, "no thread is left"
    assert children_of("git") == [], "no process is left"
    if arrived is not None:
        assert state_of(change) == (COMMITTED if arrived else QUEUED)
        assert words in delivery_of(change).reason
    served.check()
    behave(served, "")
    served.all_is_due()
    served.deliver()

    assert state_of(change) == COMMITTED
    assert len(served.commits()) == 1
    assert TOKEN not in "".join(attempt.reason for attempt in delivery_of(change).attempts.all())
    served.check()


def test_it_follows_nobody_to_another_host(served: Site) -> None:
    change = served.approved("spoke-a")
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.2)
        (served.folder / "elsewhere").write_text(f"https://127.0.0.1:{other.getsockname()[1]}")
        behave(served, "redirect")
        served.deliver()
        with pytest.raises(TimeoutError):
            other.accept()  # nobody came, with the credential or without

    assert state_of(change) == QUEUED
    assert served.files() == set()
    behave(served, "")
    served.all_is_due()
    served.deliver()
    assert state_of(change) == COMMITTED
    served.check()
