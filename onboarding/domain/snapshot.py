"""The fleet's repository at one commit, as the domain sees it: paths and texts, no Git."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One file at one commit: its path, Git blob id (hex SHA) and bytes as they are stored."""

    path: str
    blob: str
    content: bytes


class Snapshot(Protocol):
    """The repository at one commit; reading it twice gives the same answer for ever."""

    @property
    def commit(self) -> str:
        """The commit's full hex SHA; empty for a repository without any commit."""
        ...

    def read(self, path: str) -> SnapshotFile | None:
        """The file at `path`, or None where there is none (a folder, link or submodule is none)."""
        ...

    def paths(self, prefix: str = "") -> Iterable[str]:
        """All files' paths below the folder `prefix` (no final slash; "" for all), sorted."""
        ...


class RecordingSnapshot:
    """A snapshot that remembers what was asked of it: the read set of a plan.

    The read set is what decides whether a plan still holds when the branch moves: every path read
    or found absent with its blob id, and every folder listed with what it listed.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._files: dict[str, str] = {}
        self._folders: dict[str, tuple[str, ...]] = {}

    @property
    def commit(self) -> str:
        return self._snapshot.commit

    def read(self, path: str) -> SnapshotFile | None:
        found = self._snapshot.read(path)
        self._files[path] = found.blob if found else ""
        return found

    def paths(self, prefix: str = "") -> Iterable[str]:
        listed = tuple(self._snapshot.paths(prefix))
        self._folders[prefix] = listed
        return listed

    @property
    def files_read(self) -> Mapping[str, str]:
        """Path -> blob id, or "" where the file was absent; sorted by path."""
        return dict(sorted(self._files.items()))

    @property
    def folders_listed(self) -> Mapping[str, tuple[str, ...]]:
        """Folder -> the paths found below it."""
        return dict(sorted(self._folders.items()))


class RememberingSnapshot:
    """A snapshot that reads each file once: for many plans on one commit, which share most of them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._files: dict[str, SnapshotFile | None] = {}

    @property
    def commit(self) -> str:
        return self._snapshot.commit

    def read(self, path: str) -> SnapshotFile | None:
        if path not in self._files:
            self._files[path] = self._snapshot.read(path)
        return self._files[path]

    def paths(self, prefix: str = "") -> Iterable[str]:
        return self._snapshot.paths(prefix)
