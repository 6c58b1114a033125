"""A document that knows where each of its keys stands: the line that a person opens."""

from __future__ import annotations

from onboarding.domain.yaml.located import Located, LocatedLeaf
from onboarding.domain.yaml.yamlread import load_located

TEXT = """\
# The fleet's labels
externalSecret:
  labels:
    team: one
    # of the team
    empty: {}
  annotations: {note: "x", "other": z}
items:
  - name: first
last: null
"""
LINES = len(TEXT.split("\n"))


def read(text: str = TEXT) -> Located:
    return load_located(text.encode(), path="values.yaml")


def test_it_names_line_and_column_of_a_key() -> None:
    found = read()
    mark = found.mark(("externalSecret", "labels", "team"))
    assert mark is not None
    assert (mark.line, mark.column, mark.key_end, mark.in_flow) == (4, 5, 9, False)
    flow = found.mark(("externalSecret", "annotations", "other"))
    assert flow is not None
    assert (flow.line, flow.in_flow) == (7, True)


def test_it_has_no_place_for_what_is_not_there() -> None:
    found = read()
    assert found.mark(("externalSecret", "nothing")) is None
    assert found.mark(("last", "deeper")) is None
    assert found.mark(()) is None
    assert read("").mark(("a",)) is None


def test_it_finds_a_key_inside_a_list() -> None:
    found = read()
    mark = found.mark_in(found.at(("items",))[0], "name")
    assert mark is not None
    assert (mark.line, mark.column) == (9, 5)
    assert found.mark_in({"name": "first"}, "name") is None, "another map is not this document's"


def test_it_lists_every_leaf_in_the_files_order() -> None:
    assert list(read().leaves()) == [
        LocatedLeaf(("externalSecret", "labels", "team"), "one", 4),
        LocatedLeaf(("externalSecret", "labels", "empty"), {}, 6),
        LocatedLeaf(("externalSecret", "annotations", "note"), "x", 7),
        LocatedLeaf(("externalSecret", "annotations", "other"), "z", 7),
        LocatedLeaf(("items",), [{"name": "first"}], 8),
        LocatedLeaf(("last",), None, 10),
    ]
    assert list(read("- a list\n").leaves()) == []


def test_it_knows_the_lines_that_belong_to_a_key() -> None:
    found = read()
    assert found.span(("externalSecret", "labels", "team"), of=LINES) == range(3, 5)
    assert found.span(("externalSecret", "labels"), of=LINES) == range(2, 6)
    # Keys of one line share it.
    assert found.span(("externalSecret", "annotations", "note"), of=LINES) == range(6, 7)
    assert found.span(("last",), of=LINES) == range(9, LINES)


def test_a_key_that_is_not_there_belongs_to_what_holds_it() -> None:
    found = read()
    above = found.span(("externalSecret", "labels"), of=LINES)
    assert found.span(("externalSecret", "labels", "new"), of=LINES) == above
    assert found.span(("new",), of=LINES) == range(LINES)
