"""The repository at one commit, read from the object store: no checkout, no link followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Lock
from typing import TypeVar

import pygit2
from pygit2.enums import FileMode

from onboarding.adapters.git.kept import Kept
from onboarding.domain.errors import Transient
from onboarding.domain.snapshot import SnapshotFile

Answer = TypeVar("Answer")

_REGULAR = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


# Listings of whole folders, by the tree's id, its folder and the largest file: path -> blob, sorted.
_listings: Kept[tuple[str, str, int], dict[str, pygit2.Oid]] = Kept(64)


class GitSnapshot:
    """One commit of the fleet repository; what is read of it never changes.

    Links, submodules, files above `largest` bytes and names that are not UTF-8 are not files.
    `heal` makes the local copy anew after it was found damaged, and opens it; it must hold the
    commit again.
    """

    def __init__(
        self,
        repository: pygit2.Repository,
        commit: str,
        *,
        largest: int,
        heal: Callable[[str], pygit2.Repository],
    ) -> None:
        self._repository = repository
        self._commit = commit
        self._largest = largest
        self._heal = heal
        self._lock = Lock()
        self._tree = _tree_of(repository, commit)
        self._listed: dict[str, pygit2.Oid] = {}

    @property
    def commit(self) -> str:
        """The commit's full hex SHA; empty for a repository without any commit."""
        return self._commit

    def read(self, path: str) -> SnapshotFile | None:
        """The file at `path`, or None (a folder, link, submodule or huge file is none)."""
        return self._sound(lambda: self._read(path))

    def paths(self, prefix: str = "") -> Sequence[str]:
        """All files' paths below the folder `prefix`, sorted; the whole tree for ""."""
        return self._sound(lambda: self._paths(prefix))

    def _read(self, path: str) -> SnapshotFile | None:
        listed = self._listed.get(path)
        if listed is not None:
            return SnapshotFile(
                path=path, blob=str(listed), content=_blob(self._repository, listed)
            )
        found = self._entry(path)
        if not isinstance(found, pygit2.Blob) or found.filemode not in _REGULAR:
            return None
        if _size(self._repository, found) > self._largest:
            return None
        return SnapshotFile(
            path=path, blob=str(found.id), content=_blob(self._repository, found.id)
        )

    def _paths(self, prefix: str) -> Sequence[str]:
        folder = self._entry(prefix) if prefix else self._tree
        if not isinstance(folder, pygit2.Tree):
            return ()
        found = _listed(self._repository, folder, prefix, self._largest)
        self._listed |= found
        return tuple(found)

    def _entry(self, path: str) -> pygit2.Object | None:
        """What stands at `path`; each part is one plain name, looked up in the folder before it."""
        if self._tree is None or path.startswith("/") or "\0" in path:
            return None
        found: pygit2.Object = self._tree
        with suppress(KeyError):
            return self._tree[path]
        # Absent and unreadable look the same above; step by step they do not.
        for part in path.split("/"):
            if not part or not isinstance(found, pygit2.Tree) or part not in found:
                return None
            found = found[part]
        return found

    def _sound(self, read: Callable[[], Answer]) -> Answer:
        """Read; where the local copy turns out damaged, have it made anew and read once more."""
        try:
            with self._lock:
                return read()
        except (pygit2.GitError, KeyError, ValueError):
            self._repository = self._heal(self._commit)
        try:
            with self._lock:
                self._tree = _tree_of(self._repository, self._commit)
                return read()
        except (pygit2.GitError, KeyError, ValueError) as error:
            raise Transient(
                f"Commit {self._commit[:10]} cannot be read from the local copy. It is tried again."
            ) from error


def _listed(
    repository: pygit2.Repository, tree: pygit2.Tree, prefix: str, largest: int
) -> dict[str, pygit2.Oid]:
    """Path -> blob of all files of a folder, which stands at `prefix`, in the order of the paths."""
    key = (str(tree.id), prefix, largest)
    known = _listings.get(key)
    if known is None:
        below = f"{prefix}/" if prefix else ""
        known = _listings.keep(key, dict(sorted(_files_below(repository, tree, below, largest))))
    return known


def _tree_of(repository: pygit2.Repository, commit: str) -> pygit2.Tree | None:
    return repository[commit].peel(pygit2.Tree) if commit else None


def _blob(repository: pygit2.Repository, oid: pygit2.Oid) -> bytes:
    return repository[oid].peel(pygit2.Blob).data


def _size(repository: pygit2.Repository, found: pygit2.Object) -> int:
    """The size of a blob, without reading it."""
    return repository.odb.read_header(found.id)[1]


def _files_below(
    repository: pygit2.Repository, tree: pygit2.Tree, prefix: str, largest: int
) -> Iterator[tuple[str, pygit2.Oid]]:
    """Path and blob of all files below a tree; a name that is not UTF-8 is passed over."""
    for entry in tree:
        try:
            name = (entry.raw_name or b"").decode("utf-8")
        except UnicodeDecodeError:
            continue
        if isinstance(entry, pygit2.Tree):
            yield from _files_below(repository, entry, f"{prefix}{name}/", largest)
        elif entry.filemode in _REGULAR and _size(repository, entry) <= largest:
            yield prefix + name, entry.id
