"""Packs: many objects in one file and its index, as gitformat-pack(5) has them.

An object that resembles one before it is written as what differs. git's own writing of a pack has to
find that out by trial, for each push anew; whoever made one from the other knows it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from onboarding.adapters.git.alike import alike

KINDS = {"commit": 1, "tree": 2, "blob": 3}
_DIFFERING = 7  # an object as its base's id and what differs
# git drops what builds on more than fifty others when it sends it.
_DEEPEST = 50
_LEVEL = 1
_LONGEST_COPY = 0xFFFF
_LONGEST_INSERT = 0x7F


@dataclass(frozen=True, slots=True)
class Packed:
    """One object to pack: its id, kind and bytes, and the id of one before it that resembles it."""

    oid: bytes
    kind: str
    raw: bytes
    like: bytes = b""


def write_pack(folder: Path, objects: Sequence[Packed]) -> None:
    """Write the objects into a pack of the folder `objects/pack`; raises `OSError`.

    The index comes last: a pack without one is not there for anybody.
    """
    body = bytearray(b"PACK" + _number(2) + _number(len(objects)))
    depths: dict[bytes, int] = {}
    raws: dict[bytes, bytes] = {}
    found: list[tuple[bytes, int, int]] = []
    for each in objects:
        depth = depths.get(each.like, _DEEPEST) + 1
        differing = difference(raws[each.like], each.raw) if depth <= _DEEPEST else None
        if differing is None:
            depth, entry = 0, _head(KINDS[each.kind], len(each.raw)) + _deflated(each.raw)
        else:
            entry = _head(_DIFFERING, len(differing)) + each.like + _deflated(differing)
        depths[each.oid], raws[each.oid] = depth, each.raw
        found.append((each.oid, zlib.crc32(entry), len(body)))
        body += entry
    checksum = hashlib.sha1(body, usedforsecurity=False).digest()
    folder.mkdir(parents=True, exist_ok=True)
    name = f"pack-{checksum.hex()}"
    _place(folder / f"{name}.pack", bytes(body) + checksum)
    _place(folder / f"{name}.idx", _index(sorted(found), checksum))


def difference(base: bytes, raw: bytes) -> bytes | None:
    """The bytes that make `raw` of `base`: how both begin, what is between, how both end.

    None where that would be no smaller than half of it.
    """
    begin, end = alike(base, raw)
    between = raw[begin : len(raw) - end]
    if len(between) * 2 > len(raw):
        return None
    return b"".join(
        (
            _length(len(base)),
            _length(len(raw)),
            *_copies(0, begin),
            *_inserts(between),
            *_copies(len(base) - end, end),
        )
    )


def _copies(start: int, length: int) -> list[bytes]:
    """Instructions to copy so many bytes of the base from a place on."""
    copies = []
    while length:
        part = min(length, _LONGEST_COPY)
        given = [*start.to_bytes(4, "little"), *part.to_bytes(2, "little")]
        bits = sum(1 << place for place, byte in enumerate(given) if byte)
        copies.append(bytes([0x80 | bits, *(byte for byte in given if byte)]))
        start, length = start + part, length - part
    return copies


def _inserts(text: bytes) -> list[bytes]:
    """Instructions to insert a text."""
    parts = [text[at : at + _LONGEST_INSERT] for at in range(0, len(text), _LONGEST_INSERT)]
    return [bytes([len(part)]) + part for part in parts]


def _length(number: int) -> bytes:
    """A length in seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(out)


def _head(kind: int, size: int) -> bytes:
    """Kind and size before an object: four bits of the size, then seven a byte."""
    first = kind << 4 | size & 0x0F
    return bytes([0x80 | first]) + _length(size >> 4) if size >> 4 else bytes([first])


def _index(found: Sequence[tuple[bytes, int, int]], checksum: bytes) -> bytes:
    """The index, version 2, of (id, checksum, place), which are sorted."""
    counts = [0] * 256
    for oid, _, _ in found:
        counts[oid[0]] += 1
    total = 0
    fan = bytearray()
    for count in counts:
        total += count
        fan += _number(total)
    body = b"".join(
        (
            b"\xfftOc",
            _number(2),
            fan,
            *(oid for oid, _, _ in found),
            *(_number(crc) for _, crc, _ in found),
            *(_number(place) for _, _, place in found),
            checksum,
        )
    )
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _place(path: Path, content: bytes) -> None:
    """Write a file that is there wholly or not at all."""
    draft = path.with_name(f"tmp_{uuid4().hex}")
    try:
        draft.write_bytes(content)
        draft.chmod(0o444)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _deflated(raw: bytes) -> bytes:
    return zlib.compress(raw, _LEVEL)


def _number(number: int) -> bytes:
    return number.to_bytes(4, "big")
