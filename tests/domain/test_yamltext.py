from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from onboarding.domain.errors import Refused
from onboarding.domain.yaml.goyaml import go_text
from onboarding.domain.yaml.yamltext import (
    EditFailed,
    MalformedYaml,
    is_plain_key,
    load,
    load_located,
    new_text,
    remove_value,
    safe_scalar,
    set_value,
)

GOLDEN = Path(__file__).parents[1] / "data/yamltext"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/edits.json"))
# Each row was made by sigs.k8s.io/yaml v1.4.0, the library of Helm 3.18.4, and Go's fmt.
GO_SCALARS = json.loads((GOLDEN / "go-scalars.json").read_text())


def apply(text: str, edits: list[dict[str, Any]]) -> str:
    for edit in edits:
        text = (
            set_value(text, edit["set"], edit["to"])
            if "set" in edit
            else remove_value(text, edit["remove"])
        )
    return text


def golden(case: str) -> tuple[str, str, list[dict[str, Any]]]:
    folder = GOLDEN / case
    before, after = (folder / name for name in ("before.yaml", "after.yaml"))
    edits = json.loads((folder / "edits.json").read_text())
    return before.read_bytes().decode(), after.read_bytes().decode(), edits


def problem_of(text: str | bytes) -> tuple[int, int, str]:
    with pytest.raises(MalformedYaml) as caught:
        load(text, path="fleet/a.yaml")
    problem = caught.value.problem
    assert problem.path == "fleet/a.yaml"
    assert str(caught.value).startswith(f"fleet/a.yaml, line {problem.line}, column ")
    return problem.line, problem.column, problem.message


# Golden files


@pytest.mark.parametrize("case", CASES)
def test_it_edits_as_the_golden_file_shows(case: str) -> None:
    before, after, edits = golden(case)
    assert apply(before, edits) == after


@pytest.mark.parametrize("case", CASES)
def test_it_changes_nothing_when_asked_twice(case: str) -> None:
    _, after, edits = golden(case)
    twice = [edit for edit in edits if "set" in edit or load(after, path="x")]
    assert apply(after, twice) == after


@pytest.mark.parametrize("case", CASES)
def test_it_loses_no_comment_but_those_of_removed_keys(case: str) -> None:
    before, after, edits = golden(case)
    if not any("remove" in edit for edit in edits):
        kept = [line.split("#", 1)[1] for line in before.splitlines() if line.strip()[:1] == "#"]
        assert all(comment in after for comment in kept)


def test_it_has_a_golden_file_for_every_kind_of_file() -> None:
    wanted = {"trailing-comments", "comment-only", "block-scalars", "crlf", "no-final-newline"}
    wanted |= {
        "empty-file",
        "byte-order-mark",
        "flow-maps",
        "deep-new-parents",
        "anchors-untouched",
    }
    assert wanted | {"keys-of-yaml-1-1"} <= set(CASES)


# Edits that are refused


@pytest.mark.parametrize(
    ("text", "keys", "reason"),
    [
        ("a: [1]\n", ["a", "b"], "'a' is not a map but a list"),
        ("a: 1\n", ["a", "b"], "'a' is not a map but a single value"),
        ("- 1\n", ["a"], "the file holds not a map but a list"),
        ("~\n", ["a"], "the file holds no map"),
        ("a: &x {b: 1}\nc: *x\n", ["a", "d"], "something else than was meant"),
        ("a: &x {b: 1}\nc: *x\n", ["c", "d"], "something else than was meant"),
        ("a: |\n  no newline at the end", ["b"], "something else than was meant"),
        ("a:\n  b: 1 # mine\n", ["a"], "the comment '# mine' would be lost"),
    ],
)
def test_it_refuses_a_set_that_would_touch_more(text: str, keys: list[str], reason: str) -> None:
    with pytest.raises(EditFailed, match=reason) as caught:
        set_value(text, keys, "v")
    assert caught.value.refusals[0].code == "edit_failed"
    assert "Nothing was written" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a: &x {b: 1}\nc: *x\n", ["c", "b"]),
        ("a: &x {b: 1, d: 2}\nc: *x\n", ["a", "b"]),
        ("base: &x\n  b: 1\na:\n  <<: *x\n  c: 2\n", ["a", "b"]),
    ],
)
def test_it_refuses_a_removal_that_would_touch_more(text: str, keys: list[str]) -> None:
    with pytest.raises(EditFailed):
        remove_value(text, keys)


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", "a\x00b", "a\u2028b"])
def test_it_writes_nothing_that_would_have_to_be_escaped(value: str) -> None:
    with pytest.raises(EditFailed):
        set_value("a: 1\n", ["a"], value)
    with pytest.raises(EditFailed):
        new_text({"a": value})


def test_it_refuses_to_edit_a_file_with_a_key_twice() -> None:
    with pytest.raises(MalformedYaml, match="line 3, column 3: the key 'b' is already on line 2"):
        set_value("a:\n  b: 1\n  b: 2\n", ["a", "b"], "3")
    with pytest.raises(MalformedYaml):
        remove_value("a: 1\na: 2\n", ["a"])


def test_it_never_leaves_a_map_without_a_value() -> None:
    # To Helm `labels:` is null, which would delete the labels of all lower layers.
    text = remove_value(
        "externalSecret:\n  labels: # why\n    a: '1'\n", ["externalSecret", "labels", "a"]
    )
    assert load(text, path="x") == {"externalSecret": {"labels": {}}}


# Writing new text


def test_it_writes_every_value_in_double_quotes() -> None:
    text = new_text({"a": "yes", "b": {"on": "1", "c": {}}, "012": ""})
    assert text == 'a: "yes"\nb:\n  "on": "1"\n  c: {}\n"012": ""\n'
    assert yaml.safe_load(text) == load(text, path="x") == {
        "a": "yes", "b": {"on": "1", "c": {}}, "012": ""
    }  # fmt: skip


@pytest.mark.parametrize("row", GO_SCALARS, ids=lambda row: repr(row["yaml"]))
def test_it_quotes_whatever_a_reader_could_take_for_something_else(row: dict[str, Any]) -> None:
    scalar = row["yaml"].removeprefix("k: ").strip()
    if scalar.isprintable() and not set(scalar) & set('"\\') and scalar.isascii():
        text = set_value("# a file\n", [scalar or "k"], scalar)
        assert load(text, path="x") == {scalar or "k": scalar}
        assert yaml.safe_load(text) == {scalar or "k": scalar}


def test_it_leaves_ordinary_keys_bare() -> None:
    assert all(map(is_plain_key, ["addonsRelease", "enable_x", "a.b/c", "use-it"]))
    assert not any(
        map(is_plain_key, ["y", "On", "NULL", "1", "0x1", "-", "a:", "a b", "", "~", "<<"])
    )


# Reading as Go does


@pytest.mark.parametrize("row", GO_SCALARS, ids=lambda row: repr(row["yaml"]))
def test_it_reads_what_go_reads(row: dict[str, Any]) -> None:
    text = row["yaml"]
    stricter = any(mark in text for mark in ("!foo", "!!binary", "!!set", "!!omap", "!!timestamp"))
    if row.get("refused") or stricter or text in ("k: 1\nk: 2\n", "k: 1\n---\nk: 2\n"):
        with pytest.raises(MalformedYaml):
            load(text, path="x")
        return
    found = load(text, path="x") or {}
    assert isinstance(found, dict)
    assert _as_json(found) == _as_json(row["value"])
    if "text" in row:
        assert go_text(found["k"]) == row["text"]


def _as_json(value: Any) -> Any:
    """All numbers as floats, as Go's JSON has them."""
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize(
    "text", ["", "# only comments\n", "---\n", "---\n# more\n", "~\n", "\ufeff"]
)
def test_it_reads_a_file_without_values_as_none(text: str) -> None:
    assert load(text, path="x") is None
    assert load(text.encode(), path="x") is None


# What cannot be read, with its place


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' is already on line 1"),
        ("x:\n  - {p: 1, p: 2}\n", 2, 12, "the key 'p' is already on line 2"),
        ("a: 1\ny: 1\ntrue: 2\n", 3, 1, "the key 'true' is already on line 2"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document begins here"),
        ("a: b: c\n", 1, 5, "mapping values are not allowed"),
        ("a:\n\t- b\n", 2, 1, "cannot start any token"),
        ("a: [1\n", 2, 1, "did not find expected"),
        ("a: *nope\n", 1, 4, "the alias *nope has no anchor"),
        ("a: &x\n  b: *x\n", 2, 6, "stands inside its own anchor"),
        ("a:\n  x: .inf\n", 2, 6, "JSON, which has no such number"),
        ("a: .NaN\n", 1, 4, "JSON, which has no such number"),
        ("~: 1\n", 1, 1, "Helm refuses null as a key"),
        ("? [a]\n: 1\n", 1, 3, "a key must be text"),
        ("a: !custom x\n", 1, 4, "the tag !custom is not understood"),
        ("a: !!python/object:os.system x\n", 1, 4, "is not understood"),
        ("a: 1\nb: x\x07y\n", 2, 5, "control character"),
        ("%YAML 1.2\n---\na: 1\n", 1, 1, "YAML 1.1 only"),
        ("a:\n  <<: 1\n", 2, 7, "<< takes a map"),
    ],
)
def test_it_says_where_and_why_a_file_cannot_be_read(
    text: str, line: int, column: int, message: str
) -> None:
    found = problem_of(text)
    assert message in found[2]
    assert (found[0], found[1]) == (line, column)


def test_it_counts_columns_in_characters() -> None:
    assert problem_of("ä: 1\nüü: x\x07\n")[:2] == (2, 6)
    assert problem_of("ä: {ö: 1, ö: 2}\n")[:2] == (1, 11)
    assert problem_of("ä: x\n".encode() + b"b: \xff\n")[:2] == (2, 4)


def test_it_refuses_other_encodings() -> None:
    assert "not UTF-8" in problem_of("a: ä\n".encode("latin-1"))[2]
    assert "UTF-16" in problem_of("a: 1\n".encode("utf-16"))[2]


def test_it_limits_size() -> None:
    big = "# " + "x" * 1024 * 1024 + "\n"
    assert "1,048,579 bytes" in problem_of(big)[2]
    assert load(big, path="x", max_bytes=2_000_000) is None


def test_it_limits_depth() -> None:
    assert load("[" * 50 + "]" * 50, path="x") is not None
    line, column, message = problem_of("[" * 51 + "]" * 51)
    assert (line, column) == (1, 51)
    assert "deeper than 50" in message
    deep = "".join(" " * level + "a:\n" for level in range(52)) + " " * 52 + "b: 1\n"
    assert problem_of(deep)[0] == 51


def test_it_limits_what_aliases_stand_for() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    line, _, message = problem_of(bomb)
    assert "aliases up to here stand for more than 10,000" in message
    assert line <= 5
    with pytest.raises(MalformedYaml):
        set_value(bomb, ["b"], "1")


# Places


def test_it_knows_the_line_of_every_leaf() -> None:
    located = load_located(
        "# one\na:\n  b: 1\n  c: {d: 2,\n    e: 3}\n\n  f: [1,\n   2]\ng: {}\nh:\n", path="x"
    )
    assert [tuple(leaf) for leaf in located.leaves()] == [
        (("a", "b"), 1, 3),
        (("a", "c", "d"), 2, 4),
        (("a", "c", "e"), 3, 5),
        (("a", "f"), [1, 2], 7),
        (("g",), {}, 9),
        (("h",), None, 10),
    ]
    mark = located.mark(["a", "c", "e"])
    assert mark is not None
    assert (mark.line, mark.column, mark.last_line, mark.in_flow) == (5, 5, 5, True)
    assert located.mark(["a", "x"]) is None
    assert located.mark(["a", "b", "c"]) is None


def test_it_knows_the_line_of_merged_keys_where_they_are_written() -> None:
    located = load_located("base: &b\n  x: 1\n  z: 2\none:\n  <<: *b\n  z: 3\n", path="x")
    lines = {leaf.keys: leaf.line for leaf in located.leaves()}
    assert lines["one", "x"] == 2
    assert lines["one", "z"] == 6


# Scalars that may be written


@pytest.mark.parametrize(
    "value",
    [
        "release1",
        "",
        "fleet/spoke-a",
        "arn:aws:secretsmanager:eu-west-1:1:secret:a+b=c@d",
        "a, b; c",
    ],
)
def test_it_lets_plain_text_pass(value: str) -> None:
    assert safe_scalar(value, "note") == value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("{{ .config }}", "template"),
        ("a {{", "template"),
        ("}}", "template"),
        ("{", "template"),
        ('say "hi"', "unsafe_value"),
        ("it's", "unsafe_value"),
        ("`id`", "unsafe_value"),
        ("back\\slash", "unsafe_value"),
        ("two\nlines", "unsafe_value"),
        ("carriage\rreturn", "unsafe_value"),
        ("tab\t", "unsafe_value"),
        ("bell\x07", "unsafe_value"),
        ("nul\x00", "unsafe_value"),
        ("next\x85line", "unsafe_value"),
        ("separator\u2028", "unsafe_value"),
        ("\u202eright-to-left", "unsafe_value"),
        ("\u2066isolate\u2069", "unsafe_value"),
        ("zero\u200bwidth", "unsafe_value"),
        ("bom\ufeff", "unsafe_value"),
        ("ümlaut", "unsafe_value"),
        (" leading", "unsafe_value"),
        ("trailing ", "unsafe_value"),
        ("x" * 1025, "too_long"),
    ],
)
def test_it_refuses_text_that_could_mean_something_else(value: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        safe_scalar(value, "note")
    (refusal,) = caught.value.refusals
    assert (refusal.field, refusal.code) == ("note", code)
