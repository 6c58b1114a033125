"""The quick reading of plain maps is the parser's: same values, same places, and no fault overlooked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from onboarding.domain.yaml import yamlread
from onboarding.domain.yaml.located import Located, Mark
from onboarding.domain.yaml.plainyaml import read_plain_map
from onboarding.services.initializing import TEMPLATE

MEMBER = """\
# Written by a person.
tenant: "team-a"   # who pays
clusterName: spoke-a
environment: "dev"

use_remote_argo: "false"
"""
LABELS = """\
externalSecret:
  # The channels.
  labels:
    addonsRelease: "default"
    enable_x: "true"
  annotations:
      note: "one # line"
replicas: 012
"""
KEYS = st.sampled_from(["a", "b", "key", "a.b/c-d", "yes", "n", "null", "on", "_x", "K", "<<", "1"])
VALUES = st.sampled_from(
    [
        "", ' "text"', ' ""', " yes", " 012", " 1e3", " 0x1F", " 1_000", " null", " ~", " 5 6",
        ' "a" "b"', " a: b", ' "a\\nb"', " 'q'", " {a: 1}", " [a]", " &x a", " *x", " |", " - a",
        ' "#"', " a#b", " -5", " .5", " 9007199254740993", " 2024-01-01", " 12:30", ' "x', ":",
    ]
)  # fmt: skip
ENDS = st.sampled_from(
    ["", "", "", " ", "  # why", "#", " #", "\t", "\r", "\u00e9", "\x07", "\x85"]
)
LINES = st.one_of(
    st.builds(
        lambda indent, key, value, end: f"{' ' * indent}{key}:{value}{end}",
        st.integers(0, 4), KEYS, VALUES, ENDS,
    ),
    st.builds(
        lambda indent, key: f"{' ' * (2 * indent)}{key}:", st.integers(0, 3), KEYS
    ),
    st.sampled_from(["", "  ", "# a", "   # b", "- a", "  - b: c", "---", "...", "%YAML 1.1", "a", "\t"]),
)  # fmt: skip
NAMES = st.text("abcdefgh./-9", min_size=1, max_size=3).map("k".__add__)
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        st.sampled_from(['"text"', '""', "yes", "012", "1e3", "word", '"a"  # b', "1", "null"]),
        lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def written(tree: dict[str, Any], step: int, indent: int = 0) -> Iterator[str]:
    """A tree as the lines of a document."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield f"{' ' * indent}{key}:"
            yield from written(value, step, indent + step)
        else:
            yield f"{' ' * indent}{key}: {value}"


def with_lines(tree: dict[str, Any], step: int, odd: list[tuple[int, str]]) -> str:
    """The tree's document, with odd lines at odd places."""
    lines = list(written(tree, step))
    for at, line in odd:
        lines.insert(at, line)
    return "\n".join(lines)


TEXTS = st.builds(
    with_lines,
    TREES,
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 8), LINES), max_size=2),
)


def with_parser(text: str) -> Located:
    """The document as the parser reads it."""
    with mock.patch.object(yamlread, "read_plain_map", return_value=None):
        return yamlread.load_located(text, path="f.yaml")


def places(located: Located, node: object, above: tuple[str, ...] = ()) -> Iterator[object]:
    """Every key with its type, its place, and its value where that is no map; in the file's order."""
    if isinstance(node, dict):
        for key, value in node.items():
            leaf = None if isinstance(value, dict) else (type(value), value)
            yield above, key, located.mark_in(node, key), leaf
            yield from places(located, value, (*above, key))


@settings(max_examples=300)
@given(TEXTS)
@example(MEMBER)
@example(LABELS)
def test_what_it_reads_is_what_the_parser_reads(text: str) -> None:
    marks: dict[int, dict[str, Mark]] = {}
    found = read_plain_map(text, marks)
    if found is None:
        return
    slow = with_parser(text)
    event("read")
    quick = Located("f.yaml", found, marks)
    assert list(places(quick, found)) == list(places(slow, slow.value))
    assert read_plain_map(text, None) == found


@pytest.mark.parametrize("text", [MEMBER, LABELS])
def test_it_reads_the_files_that_a_fleet_is_made_of(text: str) -> None:
    assert read_plain_map(text, None)


def test_it_reads_most_labels_files_of_the_shipped_fleet() -> None:
    files = [path.read_text() for path in TEMPLATE.rglob("fleet-secret/values.yaml")]
    assert sum(read_plain_map(text, None) is not None for text in files) >= len(files) / 2 > 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only words\n",
        "a: 1\na: 2\n",
        "a:\n  b: 1\na:\n  c: 1\n",
        "a:\n",
        "a: 1\n  b: 2\n",
        "  a: 1\nb: 2\n",
        "a:\n    b: 1\n  c: 2\n",
        "yes: 1\n",
        'a: "b\\n"\n',
        "a: b\n---\nc: d\n",
        "\ufeffa: 1\n",
        "a: 1\r\n",
        "a:\tb\n",
        "".join(f"{' ' * depth}k:\n" for depth in range(30)) + " " * 30 + "k: 1\n",
    ],
)
def test_it_leaves_the_rest_to_the_parser(text: str) -> None:
    assert read_plain_map(text, None) is None
