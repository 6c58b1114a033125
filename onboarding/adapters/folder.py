"""A fleet repository as a plain folder: what a CI job of the repository has before it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from onboarding.domain.errors import Refused
from onboarding.domain.plans import blob_id
from onboarding.domain.snapshot import SnapshotFile

_LARGEST = 5 * 1024 * 1024
_SKIPPED = frozenset({".git"})


class FolderSnapshot:
    """The files below a folder as they are on disk; links and huge files are none.

    Only what was found below the folder is ever read, whatever path is asked for.
    """

    def __init__(self, folder: Path) -> None:
        """Refuses what is no folder."""
        if not folder.is_dir():
            raise Refused(f"{folder} is not a folder.", code="no_folder")
        self._folder = folder
        self._files = dict(sorted(_files(folder)))

    @property
    def commit(self) -> str:
        """The commit that is checked out, or "" where Git does not know the folder."""
        asked = ["git", "-C", str(self._folder), "rev-parse", "--verify", "--quiet", "HEAD"]
        try:
            done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    def read(self, path: str) -> SnapshotFile | None:
        """The file at `path`; None where there is none, or it went away meanwhile."""
        found = self._files.get(path)
        try:
            content = found.read_bytes() if found else None
        except OSError:
            return None
        return None if content is None else SnapshotFile(path, blob_id(content), content)

    def paths(self, prefix: str = "") -> Sequence[str]:
        """All files' paths below the folder `prefix`, sorted."""
        below = f"{prefix}/" if prefix else ""
        return [path for path in self._files if path.startswith(below)]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        for name in names:
            path = Path(where) / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
                continue
            relative = path.relative_to(folder).as_posix()
            if relative.isprintable():
                yield relative, path
