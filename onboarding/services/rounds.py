"""Rounds: many rows of one kind, one after another, for which what they have in common is read once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from onboarding.domain.snapshot import RememberingSnapshot, Snapshot
from onboarding.ports import FleetRepository

Answer = TypeVar("Answer")

_memory: ContextVar[dict[Hashable, Any] | None] = ContextVar("memory of the round", default=None)


@contextmanager
def begun() -> Iterator[None]:
    """A round of this thread. What `once` reads in it is as old as the round: so it lasts for seconds.

    Only for what is asked for: a decision on it reads everything anew.
    """
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def is_running() -> bool:
    """Whether this is done in a round."""
    return _memory.get() is not None


def once(key: Hashable, read: Callable[[], Answer]) -> Answer:
    """What `read` tells, asked once in a round for each key; outside of a round it is always asked."""
    memory = _memory.get()
    if memory is None:
        return read()
    if key not in memory:
        memory[key] = read()
    return cast(Answer, memory[key])


class SameTip:
    """A repository in a round: its tip stays where it is, and each file of it is read once."""

    def __init__(self, repository: FleetRepository) -> None:
        self._repository = repository
        self._snapshots: dict[str, Snapshot] = {}

    def snapshot(self, commit: str | None = None) -> Snapshot:
        """The tree at `commit`, or at the tip that the first question found."""
        asked = commit or ""
        if asked not in self._snapshots:
            found = RememberingSnapshot(self._repository.snapshot(commit))
            self._snapshots[asked] = self._snapshots.setdefault(found.commit, found)
        return self._snapshots[asked]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)


def repository(key: Hashable, read: Callable[[], FleetRepository]) -> FleetRepository:
    """The repository that `read` brings: in a round one with the same tip for all, else as it is."""
    if not is_running():
        return read()
    return once(("repository", key), lambda: cast(FleetRepository, SameTip(read())))
