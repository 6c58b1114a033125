"""A YAML document with the place of every key: what provenance and line-exact edits are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Mark(NamedTuple):
    """Where a key stands; lines and columns count from 1.

    `key_end` is the column after the key, `last_line` the last line of its value, and `in_flow`
    tells that it stands inside braces.
    """

    line: int
    column: int
    key_end: int = 0
    last_line: int = 0
    in_flow: bool = False


class LocatedLeaf(NamedTuple):
    """One leaf of a document: its keys, its value and the line of its key."""

    keys: tuple[str, ...]
    value: object
    line: int


@dataclass(frozen=True, slots=True)
class Located:
    """A document with the place of every key."""

    path: str
    value: object
    _marks: Mapping[int, Mapping[str, Mark]]

    def mark(self, keys: Sequence[str]) -> Mark | None:
        """Where the key at the end of `keys` stands; None where there is no such key."""
        node, found = self.value, None
        for key in keys:
            if not isinstance(node, dict) or key not in node:
                return None
            found = self._marks.get(id(node), {}).get(key)
            node = node[key]
        return found

    def at(self, keys: Sequence[str]) -> Any:
        """The value at `keys`, which must exist."""
        node: Any = self.value
        for key in keys:
            node = node[key]
        return node

    def mark_in(self, node: object, key: str) -> Mark | None:
        """Where a key of one map of this document stands, also of a map inside a list."""
        return self._marks.get(id(node), {}).get(key)

    def span(self, keys: Sequence[str], *, of: int) -> range:
        """The lines (from 0) of the deepest part of `keys` that exists, of a text with `of` lines.

        They end before the next key that is not inside; comments that follow belong to the span.
        """
        held = tuple(keys)
        while held and self.mark(held) is None:
            held = held[:-1]
        found = self.mark(held)
        if found is None:
            return range(of)
        later = (
            mark.line for other, mark in self._keys(self.value, ()) if other[: len(held)] != held
        )
        return range(
            found.line - 1, min((line - 1 for line in later if line > found.line), default=of)
        )

    def _keys(self, node: object, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mark]]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield (*above, key), self._marks[id(node)][key]
                yield from self._keys(value, (*above, key))

    def leaves(self) -> Iterator[LocatedLeaf]:
        """Every leaf in the file's order: scalars, nulls, whole lists and empty maps."""
        if isinstance(self.value, dict):
            yield from self._leaves(self.value, ())

    def _leaves(self, node: dict[str, object], above: tuple[str, ...]) -> Iterator[LocatedLeaf]:
        marks = self._marks.get(id(node), {})
        for key, value in node.items():
            if isinstance(value, dict) and value:
                yield from self._leaves(value, (*above, key))
            else:
                yield LocatedLeaf((*above, key), value, marks[key].line)
