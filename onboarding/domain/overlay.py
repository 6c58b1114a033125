"""A snapshot with some files otherwise than they are: what if."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onboarding.domain.snapshot import Snapshot, SnapshotFile


class OverlaidSnapshot:
    """The repository as it would be with these files; None takes a file away."""

    def __init__(self, below: Snapshot, files: Mapping[str, SnapshotFile | None]) -> None:
        self._below = below
        self._files = dict(files)

    @property
    def commit(self) -> str:
        """The commit below; what lies over it is in none."""
        return self._below.commit

    def read(self, path: str) -> SnapshotFile | None:
        """The file at `path` as it would be."""
        return self._files[path] if path in self._files else self._below.read(path)

    def paths(self, prefix: str = "") -> Iterable[str]:
        """All files' paths below the folder `prefix`, sorted."""
        found = set(self._below.paths(prefix)) - self._files.keys()
        found |= {
            path
            for path, file in self._files.items()
            if file and (not prefix or path.startswith(f"{prefix}/"))
        }
        return sorted(found)
