"""The local store with what is being built in it: objects stay in memory until all of a batch are kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pygit2

from onboarding.adapters.git.folders import Folder
from onboarding.adapters.git.kept import Kept
from onboarding.adapters.git.packs import Packed, write_pack

# Commits that continue each other share most folders.
_folders_kept: Kept[bytes, Folder] = Kept(12)


class Store:
    """What a repository has, and what was built on it since; ids are the twenty bytes."""

    def __init__(self, repository: pygit2.Repository) -> None:
        self.repository = repository
        self.size = 0
        """How many bytes were built and are not kept yet."""
        self._built: dict[bytes, Packed] = {}

    def __contains__(self, oid: bytes) -> bool:
        return oid in self._built or pygit2.Oid(raw=oid) in self.repository

    def read(self, oid: bytes) -> bytes:
        """An object's bytes; raises `KeyError` or `pygit2.GitError` where it is not there, or damaged."""
        built = self._built.get(oid)
        return built.raw if built else self.repository[pygit2.Oid(raw=oid)].read_raw()

    def write(self, kind: str, raw: bytes, *, like: bytes = b"") -> bytes:
        """Hold an object, which resembles another one, until it is kept; return its id."""
        oid = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(raw)), usedforsecurity=False)
        oid.update(raw)
        if (name := oid.digest()) not in self._built:
            self._built[name] = Packed(name, kind, raw, like if like in self._built else b"")
            self.size += len(raw)
        return name

    def folder(self, oid: bytes) -> Folder:
        """What is in a folder ("": there is none)."""
        if not oid:
            return Folder()
        known = _folders_kept.get(oid)
        return known or _folders_kept.keep(oid, Folder.read(self.read(oid)))

    def write_folder(self, folder: Folder, *, before: bytes) -> bytes:
        """Hold a folder that was made of another one; return its id, or b"" where it is empty."""
        if not folder.entries:
            return b""
        oid = self.write("tree", b"".join(folder.entries), like=before)
        _folders_kept.keep(oid, folder)
        return oid

    def keep(self) -> None:
        """Write what was built to the disk, as one pack; raises `OSError`."""
        if self._built:
            write_pack(Path(self.repository.path) / "objects" / "pack", list(self._built.values()))
        self._built.clear()
        self.size = 0
