"""A fleet repository made of plain text, for tests of the domain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from textwrap import dedent

from onboarding.domain.snapshot import SnapshotFile


def file(path: str, text: str) -> SnapshotFile:
    """A file as Git stores it; the text is dedented."""
    content = dedent(text).encode()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return SnapshotFile(path, blob, content)


class TextSnapshot:
    """A repository at one commit, from a map of paths to texts."""

    commit = "c" * 40

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._files = {path: file(path, text) for path, text in texts.items()}

    def read(self, path: str) -> SnapshotFile | None:
        return self._files.get(path)

    def paths(self, prefix: str = "") -> Iterable[str]:
        return sorted(path for path in self._files if not prefix or path.startswith(f"{prefix}/"))
