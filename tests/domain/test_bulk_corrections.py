"""Corrected lines find the rows that they correct: by name, number, secret or their place in the file."""

from __future__ import annotations

import pytest

from onboarding.domain.bulk_corrections import Kept, place
from onboarding.domain.bulk_csv import Line, read


def line(number: int, name: str, secret: str = "", corrects: int | None = None) -> Line:
    values = {"cluster": name, "secret_name": secret or f"fleet/{name}"}
    return Line(number, {key: value for key, value in values.items() if value}, (), corrects)


def row(number: int, name: str, secret: str = "", *, done: bool = False) -> Kept:
    return Kept(number, line(number, name, secret).values, done)


SENT = (row(2, "a", done=True), row(3, "Bad B"), row(4, "c"))


@pytest.mark.parametrize(
    ("lines", "rows", "places", "replaced"),
    [
        # By name; what is done is left out.
        ([line(2, "a"), line(3, "c")], SENT, {"c": 4}, {4}),
        # A wrong name, found by the number that our own file of refused lines has.
        ([line(2, "b", corrects=3)], SENT, {"b": 3}, {3}),
        # ... by the secret that was right.
        ([line(2, "b", "fleet/Bad B")], SENT, {"b": 3}, {3}),
        ([line(2, "b", "FLEET/bad b")], SENT, {"b": 3}, {3}),
        # ... or by its place, where the whole file came again and all else is in its own.
        ([line(2, "a"), line(3, "b"), line(4, "c")], SENT, {"b": 3, "c": 4}, {3, 4}),
        ([line(2, "b"), line(3, "d")], SENT, {"b": None, "d": None}, set()),
        ([line(2, "c"), line(3, "b"), line(4, "a")], SENT, {"c": 4, "b": None}, {4}),
        # A number that is done, or that nobody has, is none.
        ([line(2, "b", corrects=2)], SENT, {"b": None}, set()),
        ([line(2, "b", corrects=99)], SENT, {"b": None}, set()),
        # A name says more than a number; no row is taken twice.
        ([line(2, "c", corrects=3), line(3, "b", corrects=3)], SENT, {"c": 4, "b": 3}, {3, 4}),
        ([line(2, "d", corrects=3), line(3, "e", corrects=3)], SENT, {"d": 3, "e": None}, {3}),
        # Two refused lines of one name go by the one that is right.
        ([line(2, "b")], [row(2, "b"), row(3, "b", "other")], {"b": 2}, {2, 3}),
        # A secret that two lines had says nothing.
        ([line(2, "d", "s")], [row(2, "x", "s"), row(3, "y", "s")], {"d": None}, set()),
        # A line without a name is kept, to say so.
        ([line(2, "", corrects=3)], SENT, {"": 3}, {3}),
        ([], SENT, {}, set()),
    ],
)  # fmt: skip
def test_a_line_takes_the_place_of_what_it_corrects(
    lines: list[Line], rows: list[Kept], places: dict[str, int | None], replaced: set[int]
) -> None:
    found = place(lines, rows)
    assert {one.values.get("cluster", ""): number for one, number in found.lines} == places
    assert found.replaced == replaced


def test_a_large_file_is_placed_at_once() -> None:
    """Nothing in it is done for each pair: ten thousand lines are placed while one looks."""
    rows = [row(n, f"Bad {n}", f"s/{n}") for n in range(2, 10_002)]
    found = place([line(n, f"c-{n}", f"s/{n}") for n in range(2, 10_002)], rows)
    assert all(one.number == number for one, number in found.lines)
    assert len(found.replaced) == 10_000


def test_the_number_is_read_from_its_column() -> None:
    head = "line,hub,cluster,tenant,environment,secret_name,problem"
    text = f"{head}\n7,h,a,t,dev,s,why\nx,h,b,t,dev,s2,\n,h,c,t,dev,s3,\n"
    table = read(text.encode())
    assert [one.corrects for one in table.lines] == [7, None, None]
    assert all("line" not in one.values for one in table.lines)
