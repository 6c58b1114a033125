"""Reading a CSV of clusters: one row each, whatever a spreadsheet made of it. Every problem names its line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from onboarding.domain.errors import Refused

PLACE = ("hub", "cluster", "tenant", "environment", "secret_name")
PROBLEM = "problem"
"""A column that our own file of refused lines has; it asks for nothing."""
NUMBER = "line"
"""Another one: the number of the row that a line corrects, which finds it also where its name was wrong."""
OPTIONAL = ("server", "model", "remote_addons", "remote_resources")
MOST_BYTES = 10_000_000
MOST_CLUSTERS = 2_500
"""As many as are asked for at once; one approval of all is one transaction (`./fleet bench bulk CLUSTERS`)."""
_MOST_COLUMNS = 120
_LONGEST_CELL = 1_000
_DELIMITERS = (",", ";", "\t")
_COLUMN = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_./]{0,198}[A-Za-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_NUMBER = re.compile(r"[0-9]{1,9}")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0", ""})


@dataclass(frozen=True, slots=True)
class Line:
    """One cluster: its line in the file (the head is line 1), what it says by column, and what is wrong.

    Values are texts without spaces around them; an empty one is not there. `problems` are pairs of a
    column ("" for the line as a whole) and a sentence. `corrects` is the row of a bulk that it is for,
    where the file says one.
    """

    number: int
    values: Mapping[str, str]
    problems: tuple[tuple[str, str], ...] = ()
    corrects: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """What was read: the columns as the file names them, and the lines that are not blank."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...] = field(default_factory=tuple)


def read(data: bytes, *, options: Sequence[str] = (), needed: Sequence[str] = PLACE) -> Table:
    """Read a file; a line with a mistake is kept with it, so that nothing else is lost.

    `options` are the names of rare member keys; every other column that is none of ours is a label's.
    Raises `Refused` in words where the file as a whole cannot be used: its encoding, its size, its
    head, or quotes that never end.
    """
    text = _decoded(data)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=_delimiter(text),
        skipinitialspace=True,
        strict=True,
    )
    try:
        head = next((cells for cells in reader if any(cell.strip() for cell in cells)), None)
        if head is None:
            raise _refused("The file is empty.")
        columns = _columns(head, needed)
        found = _lines(reader, columns, options)
        lines = tuple(islice(found, MOST_CLUSTERS))
        more = sum(1 for _ in found)
    except csv.Error as error:
        raise _refused(
            f"Line {reader.line_num} cannot be read as CSV ({error}). Look at its quotes."
        ) from error
    if not lines:
        raise _refused("There is no cluster below the head.")
    if more:
        raise _refused(
            f"The file has {len(lines) + more:,} clusters; at most {MOST_CLUSTERS:,} are taken at once. "
            "Split it: nothing of it was taken."
        )
    return Table(columns, _with_twins(lines))


def _refused(said: str) -> Refused:
    return Refused(said, field="file", code="invalid_csv")


def _decoded(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise _refused(f"The file has more than {MOST_BYTES // 1_000_000} MB.")
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if is_utf16 else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _refused(
            "The file is not UTF-8. In a spreadsheet, save it as “CSV UTF-8”."
        ) from error
    if "\0" in text:
        raise _refused("The file has NUL bytes: it is no text.")
    return text


def _delimiter(text: str) -> str:
    """The delimiter that the first line with words has most of; a comma where it has none."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=first.count)


def _columns(head: Sequence[str], needed: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in head)
    # A spreadsheet leaves empty columns at the right.
    while columns and not columns[-1]:
        columns = columns[:-1]
    if len(columns) > _MOST_COLUMNS:
        raise _refused(f"The head has more than {_MOST_COLUMNS} columns.")
    twice = sorted({one for one in columns if columns.count(one) > 1})
    if twice:
        raise _refused(f"Column {twice[0] or 'without a name'} is there twice.")
    odd = [one for one in columns if not _COLUMN.fullmatch(one)]
    if odd:
        raise _refused(f"The head has a column {odd[0][:80]!r}, which is no name of a column.")
    missing = [name for name in needed if name not in columns]
    if missing:
        raise _refused(
            f"The head lacks {', '.join(missing)}. It needs {', '.join(needed)}; others are optional."
        )
    return columns


def _lines(
    reader: Iterator[list[str]], columns: Sequence[str], options: Sequence[str]
) -> Iterator[Line]:
    for cells in reader:
        number = reader.line_num  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in cells):
            continue
        found = [cell.strip() for cell in cells]
        problems: list[tuple[str, str]] = []
        if any(found[len(columns) :]):
            problems.append(("", f"It has {len(found)} cells, and the head {len(columns)}."))
        values: dict[str, str] = {}
        corrects = None
        for name, cell in zip(columns, found, strict=False):
            if not cell or name == PROBLEM:
                continue
            if name == NUMBER:
                corrects = int(cell) if _NUMBER.fullmatch(cell) else None
                continue
            if len(cell) > _LONGEST_CELL:
                problems.append((name, f"It is longer than {_LONGEST_CELL} characters."))
                cell = cell[:_LONGEST_CELL]
            if _CONTROL.search(cell):
                problems.append((name, "It has line breaks or control characters."))
                cell = _CONTROL.sub(" ", cell)
            if name in ("remote_addons", "remote_resources"):
                if cell.lower() not in _TRUE | _FALSE:
                    problems.append((name, "Write true or false."))
                cell = "true" if cell.lower() in _TRUE else "false"
            values[name] = cell
        yield Line(number, values, tuple(problems), corrects)


def _with_twins(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines that take a name, a secret or a server of another line say of which."""
    found = []
    seen: dict[tuple[str, str], int] = {}
    for line in lines:
        problems = list(line.problems)
        for name in ("cluster", "secret_name", "server"):
            value = line.values.get(name, "").casefold()
            if not value:
                continue
            first = seen.setdefault((name, value), line.number)
            if first != line.number:
                problems.append((name, f"Line {first} has it already."))
        found.append(replace(line, problems=tuple(problems)))
    return tuple(found)
