"""Values laid over each other as Helm does it, each knowing where it comes from and what it covers."""

from __future__ import annotations

from typing import Any

import pytest

from onboarding.domain.layering import Branch, Origin, coalesce, lay, leaves, placed_by
from onboarding.domain.yaml.yamlread import load_located


def laid(*files: tuple[str, str]) -> Branch:
    """Files, the lowest first, laid over each other; each layer is named by its file."""
    branch = Branch()
    for path, text in files:
        located = load_located(text.encode(), path=path)
        lay(branch, located.at(()) or {}, placed_by(located, path))
    return branch


def told(branch: Branch) -> dict[str, tuple[Any, str, list[tuple[Any, str]]]]:
    """Dotted key -> value, origin, and what it shadows."""
    return {
        ".".join(leaf.keys): (
            leaf.value,
            str(leaf.origin),
            [(value, str(origin)) for value, origin in leaf.shadowed],
        )
        for leaf in leaves(branch)
    }


def test_the_highest_layer_wins_and_says_what_it_covers_the_nearest_first() -> None:
    found = laid(("low", "a: 1\n"), ("middle", "b: 0\na: 2\n"), ("high", "a: 3\n"))
    assert told(found) == {
        "a": (3, "high:1", [(2, "middle:2"), (1, "low:1")]),
        "b": (0, "middle:1", []),
    }


def test_maps_merge_and_everything_else_replaces() -> None:
    found = laid(
        ("low", "map: {a: 1, b: 2}\nlist: [1, 2]\n"), ("high", "map:\n  b: 3\nlist: [4]\n")
    )
    assert told(found) == {
        "map.a": (1, "low:1", []),
        "map.b": (3, "high:2", [(2, "low:1")]),
        "list": ([4], "high:3", [([1, 2], "low:2")]),
    }


def test_a_null_is_a_value_among_values_files() -> None:
    assert told(laid(("low", "a: 1\n"), ("high", "a: null\n"))) == {
        "a": (None, "high:1", [(1, "low:1")])
    }


def test_a_scalar_over_a_map_covers_all_its_leaves_and_the_other_way_round() -> None:
    scalar = laid(("low", "a: {x: 1, w: 2}\n"), ("high", "a: 3\n"))
    assert told(scalar) == {"a": (3, "high:1", [(1, "low:1"), (2, "low:1")])}
    mapped = laid(("low", "a: 3\n"), ("high", "a: {x: 1}\n"))
    assert told(mapped) == {"a.x": (1, "high:1", [(3, "low:1")])}


def test_an_empty_map_is_a_leaf_until_something_is_in_it() -> None:
    assert told(laid(("low", "a: {}\n"))) == {"a": ({}, "low:1", [])}
    assert told(laid(("low", "a: {}\n"), ("high", "a: {x: 1}\n"))) == {"a.x": (1, "high:1", [])}


@pytest.mark.parametrize(
    ("own", "expected", "taken"),
    [
        ("b: 1\n", {"a": 1, "b": 1}, []),
        ("a: 2\n", {"a": 2}, []),
        ("a: null\n", {}, ["a"]),
        ("c: null\n", {"a": 1, "c": None}, []),
        ("a: {x: 1}\n", {"a.x": 1}, []),
    ],
)
def test_a_null_takes_away_only_what_the_chart_has(
    own: str, expected: dict[str, Any], taken: list[str]
) -> None:
    branch = laid(("own", own))
    removed = list(coalesce(branch, laid(("chart", "a: 1\n"))))
    assert {key: value for key, (value, _, _) in told(branch).items()} == expected
    assert [".".join(one.keys) for one in removed] == taken
    assert [one.shadowed for one in removed] == [((1, Origin("chart", "chart", 1)),)] * len(taken)


def test_it_goes_down_into_maps_that_both_have() -> None:
    branch = laid(("own", "a: {x: 2, w: null}\n"))
    removed = list(coalesce(branch, laid(("chart", "a: {x: 1, w: 1, z: 1}\nb: {}\n"))))
    assert told(branch) == {
        "a.x": (2, "own:1", [(1, "chart:1")]),
        "a.z": (1, "chart:1", []),
        "b": ({}, "chart:2", []),
    }
    assert [".".join(one.keys) for one in removed] == ["a.w"]


def test_an_origin_from_no_line_is_its_path_alone() -> None:
    assert str(Origin("catalogue", "charts/application-sets", 0)) == "charts/application-sets"
