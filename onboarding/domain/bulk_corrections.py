"""Which refused row of a bulk a corrected line takes the place of, also where its name was what was wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onboarding.domain.bulk_csv import Line


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of a bulk as it was sent: its number, what it says by column, and whether it has a change."""

    number: int
    values: Mapping[str, str]
    is_done: bool

    @property
    def name(self) -> str:
        """The cluster's name as it was sent."""
        return self.values.get("cluster", "")


@dataclass(frozen=True, slots=True)
class Corrections:
    """Lines that are taken, each with the number of the row whose place it takes (None: it is new).

    `replaced` are all rows that go: those, and further rows of the same names.
    """

    lines: tuple[tuple[Line, int | None], ...]
    replaced: frozenset[int]


def place(lines: Sequence[Line], kept: Iterable[Kept]) -> Corrections:
    """Where each line belongs; lines of clusters that have a change already are left out.

    A line corrects the row of its cluster's name; else the row that its column `line` numbers; else the
    one with its secret, which no two clusters share; else, where the whole file came again, the one on
    its own line. No row is taken by two lines, and none that has a change.
    """
    rows = list(kept)
    done = {row.name for row in rows if row.is_done and row.name}
    wanted = [line for line in lines if _name(line) not in done]
    free = {row.number: row for row in rows if not row.is_done}
    places: dict[int, int] = {}

    def take(line: Line, number: int | None) -> None:
        if number in free and line.number not in places:
            places[line.number] = number
            del free[number]

    names = {_name(line) for line in wanted} - {""}
    of_name: defaultdict[str, list[int]] = defaultdict(list)
    for row in free.values():
        if row.name in names:
            of_name[row.name].append(row.number)
    for line in wanted:
        take(line, next((one for one in of_name[_name(line)] if one in free), None))
    twins = frozenset(number for same in of_name.values() for number in same if number in free)
    free = {number: row for number, row in free.items() if number not in twins}
    for line in wanted:
        take(line, line.corrects)
    of_secret = _only_ones(free.values())
    for line in wanted:
        take(line, of_secret.get(_secret(line.values)))
    if _is_whole(lines, rows):
        for line in wanted:
            take(line, line.number)
    found = tuple((line, places.get(line.number)) for line in wanted)
    return Corrections(found, twins | frozenset(places.values()))


def _only_ones(rows: Iterable[Kept]) -> dict[str, int]:
    """The number of the row with each secret that one row alone names."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        found[_secret(row.values)].append(row.number)
    return {secret: same[0] for secret, same in found.items() if secret and len(same) == 1}


def _is_whole(lines: Sequence[Line], rows: Sequence[Kept]) -> bool:
    """Whether this is the file that was sent first: every cluster that both have is on the same line."""
    numbers = {row.name: row.number for row in rows if row.name}
    both = [(line.number, numbers[_name(line)]) for line in lines if _name(line) in numbers]
    return bool(both) and len(lines) >= len(rows) and all(here == there for here, there in both)


def _name(line: Line) -> str:
    return line.values.get("cluster", "")


def _secret(values: Mapping[str, str]) -> str:
    return values.get("secret_name", "").casefold()
