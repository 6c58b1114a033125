"""A folder as Git keeps it: its entries in Git's own order, put in and taken out one by one.

A folder of thousands of members is written anew for every commit; to sort all of it each time would
take ten times as long.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from onboarding.adapters.git.alike import alike

FOLDER = b"40000"
FILE = b"100644"
LINK = b"120000"

# One entry: kind in octal, blank, name, zero byte, id (20 bytes).
_ENTRY = re.compile(rb"[0-7]+ [^\0]+\0.{20}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder: kind, name, id."""

    kind: bytes
    name: bytes
    oid: bytes

    @classmethod
    def read(cls, raw: bytes) -> Entry:
        """An entry of its bytes in a tree object."""
        kind, _, rest = raw.partition(b" ")
        return cls(kind, rest[:-21], rest[-20:])

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder; git of old wrote its kind with a zero before it."""
        return self.kind.lstrip(b"0") == FOLDER

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file: no link, no submodule."""
        return self.kind.startswith(b"100")


@dataclass(slots=True)
class Folder:
    """The entries of a tree object, each as its bytes there, beside what Git sorts them by."""

    entries: list[bytes] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)

    @classmethod
    def read(cls, raw: bytes) -> Folder:
        """A folder of its object's bytes; raises `ValueError` where these are no tree."""
        entries = _ENTRY.findall(raw)
        if sum(map(len, entries)) != len(raw):
            raise ValueError("These are not the bytes of a tree.")
        keyed = sorted((_key(Entry.read(entry)), entry) for entry in entries)
        return cls([entry for _, entry in keyed], [key for key, _ in keyed])

    def copy(self) -> Folder:
        """The same, to be changed."""
        return Folder(self.entries.copy(), self.keys.copy())

    def find(self, name: bytes) -> Entry | None:
        """What has this name, file or folder; None where nothing has."""
        for key in (name, name + b"/"):
            at = bisect_left(self.keys, key)
            if at < len(self.keys) and self.keys[at] == key:
                return Entry.read(self.entries[at])
        return None

    def put(self, entry: Entry) -> None:
        """Let an entry be there, instead of what has its name."""
        self.drop(entry.name)
        at = bisect_left(self.keys, key := _key(entry))
        self.keys.insert(at, key)
        self.entries.insert(at, b"%s %s\0%s" % (entry.kind, entry.name, entry.oid))

    def drop(self, name: bytes) -> None:
        """Let nothing have this name."""
        for key in (name, name + b"/"):
            at = bisect_left(self.keys, key)
            if at < len(self.keys) and self.keys[at] == key:
                del self.keys[at], self.entries[at]

    def against(self, other: Folder) -> tuple[set[bytes], set[bytes]]:
        """The entries, as bytes, of this folder alone and of the other one alone."""
        begin, end = alike(self.entries, other.entries)
        mine = set(self.entries[begin : len(self.entries) - end])
        theirs = set(other.entries[begin : len(other.entries) - end])
        return mine - theirs, theirs - mine


def _key(entry: Entry) -> bytes:
    """What Git sorts by: the name, and a folder as if its name ended with a slash."""
    return entry.name + b"/" if entry.is_folder else entry.name
