"""One copy of the branch for each process: of many who look at once, one fetches for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from onboarding import wiring
from onboarding.domain.errors import Transient
from onboarding.models import Fleet


class Remote:
    """A repository whose fetch takes until it is let go."""

    def __init__(self) -> None:
        self.fetches, self.problem = 0, None
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def fetch(self) -> str:
        self.fetches += 1
        self.begun.set()
        assert self.go.wait(30)
        if self.problem:
            raise self.problem
        return "a" * 40


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    found = Remote()
    monkeypatch.setattr(wiring, "repository", lambda fleet: found)
    monkeypatch.setattr(wiring, "_copies", {})
    return found


def look(max_age: float = wiring.PAGE_AGE) -> Any:
    return wiring.current_repository(Fleet(pk=1, name="a"), max_age=max_age)


def all_at_once(remote: Remote, work: Callable[[], Any], count: int = 12) -> list[Any]:
    """So many threads ask while the first one's fetch is under way."""
    remote.go.clear()
    with ThreadPoolExecutor(count) as pool:
        first = pool.submit(work)
        assert remote.begun.wait(30)
        others = [pool.submit(work) for _ in range(count - 1)]
        remote.go.set()
        return [one.exception() or one.result() for one in (first, *others)]


def test_one_fetches_for_all_who_look_at_once(remote: Remote) -> None:
    assert all_at_once(remote, look) == [remote] * 12
    assert remote.fetches == 1


def test_who_wants_it_as_it_is_now_is_not_served_with_a_fetch_that_began_before(
    remote: Remote,
) -> None:
    look(0)
    look(0)
    assert remote.fetches == 2
    look()
    assert remote.fetches == 2


def test_a_remote_that_is_away_is_asked_once_by_all_who_look_at_once(remote: Remote) -> None:
    remote.problem = Transient("The remote is away.")
    assert all_at_once(remote, look) == [remote.problem] * 12
    assert remote.fetches == 1
    remote.problem = None
    assert look(0) is remote


def test_a_fault_of_ours_is_no_fetch(remote: Remote) -> None:
    remote.problem = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        look()
    remote.problem = None
    assert look() is remote
    assert remote.fetches == 2


def test_threads_of_a_process_share_one_copy(
    tmp_path: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REPOSITORIES_FOLDER = tmp_path
    monkeypatch.setattr(wiring, "_mirrors", {})
    fleet = Fleet(pk=1, name="a", repository_url="https://git.example.com/fleet.git", branch="main")
    with ThreadPoolExecutor(8) as pool:
        found = {id(each) for each in pool.map(lambda _: wiring.repository(fleet), range(50))}
    assert len(found) == 1
