"""A quick reading of the commonest files of a fleet: block maps of plain and quoted words, nothing else.

Member files and labels files are such files by the ten thousand. What is not plainly one of them is
left to the parser; what is read here is what the parser makes of it (`tests/domain/test_plainyaml.py`).
"""

from __future__ import annotations

import re
from typing import Any

from onboarding.domain.yaml.goyaml import read_key, read_plain
from onboarding.domain.yaml.located import Mark

_PRINTABLE = re.compile(r"[\n -~]*")
_LINE = re.compile(
    r"( *)"
    r"(?:([A-Za-z_][A-Za-z0-9_./-]{0,99}):"
    r'(?: +(?:"([^"\\\n]*)"|([A-Za-z0-9][A-Za-z0-9_./-]*)))?'
    r"(?: +#.*| *)"
    r"|#.*)?"
)
_DEEPEST = 20

_Marks = dict[int, dict[str, Mark]]


class _Open:
    """A map that is being read: the column of its keys, and its place in the map around it."""

    __slots__ = ("around", "indent", "key", "line", "marks", "values")

    def __init__(self, indent: int, around: _Open | None, key: str, line: int) -> None:
        self.indent, self.around, self.key, self.line = indent, around, key, line
        self.values: dict[str, Any] = {}
        self.marks: dict[str, Mark] = {}

    def close(self, last_line: int, marks: _Marks) -> _Open:
        """Note where the map ended, and go on in the one around it; the outermost stays open."""
        marks[id(self.values)] = self.marks
        if self.around is None:
            return self
        self.around.note(self.key, self.line, last_line)
        return self.around

    def note(self, key: str, line: int, last_line: int) -> None:
        """Note where a key stands and where its value ends."""
        column = self.indent + 1
        self.marks[key] = Mark(line, column, column + len(key), last_line)


def read_plain_map(text: str, marks: _Marks | None) -> dict[str, Any] | None:
    """The map that a text holds, and in `marks` the place of every key; None for the parser to read it.

    Left to the parser is all that could be wrong, too, so that faults are told in one way.
    """
    if not _PRINTABLE.fullmatch(text):
        return None
    root = here = _Open(0, None, "", 0)
    opened, opened_at, last_line, depth = "", 0, 0, 1
    found: _Marks = {}
    for number, line in enumerate(text.split("\n"), start=1):
        matched = _LINE.fullmatch(line)
        if matched is None:
            return None
        spaces, key, quoted, plain = matched.groups()
        if key is None:
            continue
        indent = len(spaces)
        if opened:
            if indent <= here.indent or depth == _DEEPEST:
                return None
            inner = _Open(indent, here, opened, opened_at)
            here.values[opened] = inner.values
            here, opened, depth = inner, "", depth + 1
        while indent < here.indent:
            here, depth = here.close(last_line, found), depth - 1
        if indent != here.indent or key in here.values or read_key(key) != key:
            return None
        if quoted is None and plain is None:
            opened, opened_at = key, number
            continue
        here.values[key] = read_plain(plain) if quoted is None else quoted
        last_line = number
        here.note(key, number, number)
    if opened or not root.values:
        return None
    while here is not root:
        here = here.close(last_line, found)
    root.close(last_line, found)
    if marks is not None:
        marks |= found
    return root.values
