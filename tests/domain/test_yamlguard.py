"""An edited text is proved before it is written: it says what was meant, and no other line moved."""

from __future__ import annotations

import pytest

from onboarding.domain.yaml.yamlguard import Body, EditFailed, same

TEXT = "# top\na: 1 # one\nb:\n  c: 2\n"


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ({"a": 1, "b": [1]}, {"b": [1], "a": 1}, True),
        (None, {}, True),
        (True, 1, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": 1.0}, {"a": 1}, False),
        ([1, 2], [1], False),
        ({"a": None}, {}, False),
        ({"a": [{"b": True}]}, {"a": [{"b": 1}]}, False),
    ],
)
def test_it_takes_only_the_same_for_the_same(left: object, right: object, equal: bool) -> None:
    assert same(left, right) is equal


def test_it_lets_the_one_line_through_that_was_meant() -> None:
    edited = TEXT.replace("c: 2", "c: 3")
    assert Body(TEXT).finish(edited, ("b", "c"), {"a": 1, "b": {"c": 3}}) == edited


def test_it_gives_a_file_its_own_line_ends_and_its_mark_back() -> None:
    body = Body("\ufeff" + TEXT.replace("\n", "\r\n"))
    assert body.text == TEXT
    edited = TEXT + "d: 4\n"
    found = body.finish(edited, ("d",), {"a": 1, "b": {"c": 2}, "d": 4})
    assert found == "\ufeff" + edited.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("edited", "keys", "meant", "says"),
    [
        ("a: [\n", ("a",), {"a": []}, "could not be read again"),
        (TEXT, ("b", "c"), {"a": 1, "b": {"c": 3}}, "something else than was meant"),
        (
            TEXT.replace("c: 2", "c: 3").replace("a: 1", "a:  1"),
            ("b", "c"),
            {"a": 1, "b": {"c": 3}},
            "other lines would change",
        ),
        (
            TEXT.replace("# top\n", "").replace("c: 2", "c: 3"),
            ("b", "c"),
            {"a": 1, "b": {"c": 3}},
            "other lines would change",
        ),
        ("# top\na: 2\nb:\n  c: 2\n", ("a",), {"a": 2, "b": {"c": 2}}, "the comment '# one'"),
    ],
)
def test_it_refuses_what_was_not_meant(
    edited: str, keys: tuple[str, ...], meant: object, says: str
) -> None:
    with pytest.raises(EditFailed, match="Nothing was written") as refused:
        Body(TEXT).finish(edited, keys, meant)
    assert says in str(refused.value)
    assert ".".join(keys) in str(refused.value)


def test_it_lets_a_comment_go_with_the_key_that_is_removed_and_no_other() -> None:
    meant = {"b": {"c": 2}}
    gone = "# top\nb:\n  c: 2\n"
    assert Body(TEXT).finish(gone, ("a",), meant, removing=True) == gone
    with pytest.raises(EditFailed):
        Body(TEXT).finish("b:\n  c: 2\n", ("a",), meant, removing=True)


@pytest.mark.parametrize(
    ("text", "has"), [("", False), ("---\n# only words\n\n", False), ("a: 1\n", True)]
)
def test_it_knows_a_file_without_content(text: str, has: bool) -> None:
    assert Body(text).has_content() is has
