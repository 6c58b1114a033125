"""The demo hub's memory: objects with resource versions, and the log that watches read.

It keeps the rules of the Kubernetes API that clients rely on: versions only grow, also over a
restart; a watch sees every change after its version or is told that the version is too old.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_LOG_LENGTH = 10_000


class TooOld(Exception):
    """The asked resource version is no longer in the log."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log: what happened to one object, at which version."""

    version: int
    kind: str
    type: str
    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, the name to go on after ("" at the end) and the list's version."""

    items: tuple[Mapping[str, Any], ...]
    last: str
    version: int
    remaining: int


class ObjectStore:
    """All objects of the hub, by kind and name. Safe for many threads."""

    def __init__(self, *, first_version: int, log_length: int = _LOG_LENGTH) -> None:
        """`first_version` must be above every version of an earlier run (milliseconds of time)."""
        self._objects: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._version = first_version
        self._forgotten = first_version
        self._log: deque[Change] = deque()
        self._log_length = log_length
        self._changed = threading.Condition()
        self._closed = False

    def get(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """One object, or None."""
        with self._changed:
            return self._objects.get(kind, {}).get(name)

    def names(self, kind: str) -> frozenset[str]:
        """The names of all objects of a kind."""
        with self._changed:
            return frozenset(self._objects.get(kind, {}))

    def put(self, kind: str, item: Mapping[str, Any]) -> bool:
        """Create or replace an object; nothing happens where it is equal but for its version."""
        name = item["metadata"]["name"]
        with self._changed:
            old = self._objects.setdefault(kind, {}).get(name)
            if old is not None and _without_version(old) == _without_version(item):
                return False
            self._version += 1
            metadata = {**item["metadata"], "resourceVersion": str(self._version)}
            stored = {**item, "metadata": metadata}
            self._objects[kind][name] = stored
            self._append(kind, "ADDED" if old is None else "MODIFIED", stored)
            return True

    def delete(self, kind: str, name: str) -> None:
        """Remove an object, if it is there."""
        with self._changed:
            old = self._objects.get(kind, {}).pop(name, None)
            if old is None:
                return
            self._version += 1
            metadata = {**old["metadata"], "resourceVersion": str(self._version)}
            self._append(kind, "DELETED", {**old, "metadata": metadata})

    def page(self, kind: str, *, limit: int, after: str = "", version: int | None = None) -> Page:
        """Objects by name, at most `limit` (0 = all), after the name `after`.

        `version` is the first page's; the list keeps it, so that a watch from it misses nothing.
        Raises `TooOld` where that version has left the log.
        """
        with self._changed:
            if version is not None and version < self._forgotten:
                raise TooOld
            found = self._objects.get(kind, {})
            names = sorted(name for name in found if name > after)
            taken = names[:limit] if limit else names
            rest = len(names) - len(taken)
            return Page(
                items=tuple(found[name] for name in taken),
                last=taken[-1] if rest else "",
                version=self._version if version is None else version,
                remaining=rest,
            )

    def changes_after(self, kind: str, version: int, *, wait: float) -> tuple[list[Change], int]:
        """What happened to a kind after `version`, and the version that this answer covers.

        Waits at most `wait` seconds for something to happen; raises `TooOld`.
        """
        with self._changed:
            if not self._closed and self._version <= version:
                self._changed.wait(wait)
            if version < self._forgotten:
                raise TooOld
            found = [each for each in self._log if each.version > version and each.kind == kind]
            return found, max(self._version, version)

    @property
    def closed(self) -> bool:
        """Whether watches should end."""
        return self._closed

    def close(self) -> None:
        """Wake every watch so that it ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def retain(self, kind: str, names: Iterable[str]) -> None:
        """Remove every object of a kind whose name is not among `names`."""
        for name in self.names(kind) - frozenset(names):
            self.delete(kind, name)

    def _append(self, kind: str, event: str, item: Mapping[str, Any]) -> None:
        self._log.append(Change(self._version, kind, event, item))
        if len(self._log) > self._log_length:
            self._forgotten = self._log.popleft().version
        self._changed.notify_all()


def _without_version(item: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = {key: value for key, value in item["metadata"].items() if key != "resourceVersion"}
    return {**item, "metadata": metadata}
