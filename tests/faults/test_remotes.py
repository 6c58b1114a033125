"""A remote that hangs, lies, locks up or runs full: waiting is shown, and nothing is written twice."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import repositories
from tests.faults.people import Human
from tests.faults.processes import Site, Worker
from tests.stage import COMMITTED, QUEUED, Meddled, delivery_of, state_of


def test_it_lands_beside_a_person_who_pushes_without_an_end(site: Site) -> None:
    asked = [site.approved(f"spoke-{number}") for number in range(4)]
    with Human(site.bare, site.folder / "clone", every=0.2) as human:
        worker = Worker(site, until_done=True)
        assert worker.wait(120) == 0, "a person who pushes must not starve the writer"

    assert [state_of(change) for change in asked] == [COMMITTED] * 4
    assert len(site.commits()) == 4 + len(human.commits)
    site.check(human=human.files, human_commits=tuple(human.commits))


def test_it_waits_for_a_lock_that_was_left_in_the_remote(site: Site) -> None:
    change = site.approved("spoke-a")
    lock = site.bare / "refs" / "heads" / "main.lock"
    lock.touch()
    site.work()
    assert state_of(change) == QUEUED
    assert "main.lock" in delivery_of(change).reason
    assert site.attempts(change) == ["refused"], "no storm on a remote that cannot answer otherwise"
    lock.unlink()
    site.all_is_due()
    site.work()

    assert state_of(change) == COMMITTED
    assert delivery_of(change).reason == ""
    site.check()


def test_it_ends_a_push_that_hangs_and_asks_the_remote(site: Site) -> None:
    change = site.approved("spoke-a")
    repositories.install_hook(site.bare, "pre-receive", "sleep 30")
    begun = time.monotonic()
    assert Worker(site, push_seconds=4.0).wait() == 0
    assert time.monotonic() - begun < 29
    assert state_of(change) == QUEUED
    assert "stopped after" in delivery_of(change).reason
    repositories.remove_hook(site.bare, "pre-receive")
    site.all_is_due()
    site.work()

    assert state_of(change) == COMMITTED
    assert len(site.commits()) == 1
    site.check()


def test_it_does_not_believe_a_remote_that_takes_back_what_it_accepted(site: Site) -> None:
    change = site.approved("spoke-a")
    repositories.install_hook(
        site.bare, "post-receive", "while read old new ref; do git update-ref $ref $old; done"
    )
    site.work()
    assert state_of(change) == QUEUED, "the push said yes, the branch says no"
    repositories.remove_hook(site.bare, "post-receive")
    site.all_is_due()
    site.work()

    assert state_of(change) == COMMITTED
    site.check()


def test_it_does_not_push_again_what_the_remote_took_and_denied(site: Site) -> None:
    change = site.approved("spoke-a")

    def deny(repository: Meddled) -> None:
        push = repository.real.push

        def and_lie(base: str, tip: str, **limits: float) -> str:
            push(base, tip, **limits)  # type: ignore[arg-type]
            return "The push was refused: protected branch"

        repository.real.push = and_lie  # type: ignore[method-assign]

    assert Worker(site, deny).wait() == 0

    assert state_of(change) == COMMITTED
    assert len(site.commits()) == 1
    site.check()


# The worker's own disk


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own that holds no repository; skips where none may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root with the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_it_waits_visibly_for_a_full_disk(site: Site) -> None:
    change = site.approved("spoke-a")
    with small_disk(site.folder / "small"):
        assert Worker(site, mirror="small").wait() == 0, site.said()
    assert state_of(change) == QUEUED
    assert "local copy" in delivery_of(change).reason
    assert site.files() == set()
    site.all_is_due()
    site.work()

    assert state_of(change) == COMMITTED
    site.check()


def test_it_makes_a_damaged_mirror_anew(site: Site) -> None:
    first = site.approved("spoke-a")
    Worker(site, mirror="mirror").wait()
    assert state_of(first) == COMMITTED
    packs = sorted((site.folder / "mirror" / "repository.git" / "objects").rglob("*"))
    for file in packs:
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(file.read_bytes()[:20])
    second = site.approved("spoke-b")
    assert Worker(site, mirror="mirror").wait() == 0
    if state_of(second) != COMMITTED:
        site.all_is_due()
        assert Worker(site, mirror="mirror").wait() == 0

    assert state_of(second) == COMMITTED
    assert len(site.commits()) == 2
    site.check()
