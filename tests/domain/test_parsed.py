"""Values files are read once for all clusters that share them, and each says its own path."""

from __future__ import annotations

from typing import Any

import pytest

from onboarding.domain.snapshot import SnapshotFile
from onboarding.domain.yaml import parsed
from onboarding.domain.yaml.yamlread import MalformedYaml

TEXT = "a:\n  b: 1\n"


@pytest.fixture(autouse=True)
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were really parsed; nothing is kept from other tests."""
    asked: list[str] = []
    load = parsed.load_located

    def counted(content: bytes, *, path: str) -> Any:
        asked.append(path)
        return load(content, path=path)

    monkeypatch.setattr(parsed, "load_located", counted)
    monkeypatch.setattr(parsed, "_kept", parsed._Kept())
    return asked


def file(path: str, text: str = TEXT) -> SnapshotFile:
    return SnapshotFile(path, "blob", text.encode())


def test_it_parses_equal_files_once_and_names_each(reads: list[str]) -> None:
    found = [parsed.located_map(file(path)) for path in ("one.yaml", "two.yaml", "one.yaml")]
    assert [one.path for one in found] == ["one.yaml", "two.yaml", "one.yaml"]
    assert [mark.line for one in found if (mark := one.mark(("a", "b")))] == [2, 2, 2]
    assert reads == ["one.yaml"]


def test_it_parses_another_content_of_one_path(reads: list[str]) -> None:
    parsed.located(file("one.yaml"))
    assert parsed.located(file("one.yaml", "a: 2\n")).value == {"a": 2}
    assert reads == ["one.yaml", "one.yaml"]


def test_it_forgets_what_was_used_least_when_it_holds_too_much(
    reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsed, "KEPT_BYTES", 2 * len(TEXT))
    used, old, new = (
        file("used", "a: 10000\n"),
        file("old", "b: 10000\n"),
        file("new", "c: 10000\n"),
    )
    for one in (used, old, used, new, used):
        parsed.located(one)
    assert reads == ["used", "old", "new"]
    parsed.located(old)
    assert reads == ["used", "old", "new", "old"]


def test_it_keeps_nothing_that_is_larger_than_all_it_may_keep(
    reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsed, "KEPT_BYTES", len(TEXT) - 1)
    for _ in range(2):
        assert parsed.located(file("large")).value == {"a": {"b": 1}}
    assert reads == ["large", "large"]


@pytest.mark.parametrize("text", ["- a list\n", "only text\n", "3\n"])
def test_it_refuses_values_that_are_no_map(text: str) -> None:
    assert parsed.located(file("values.yaml", text)).value is not None
    with pytest.raises(
        MalformedYaml, match=r"values\.yaml, line 1, column 1: a values file must hold"
    ):
        parsed.located_map(file("values.yaml", text))


@pytest.mark.parametrize("text", ["", "# a comment\n", "null\n"])
def test_it_takes_an_empty_file_for_no_values(text: str) -> None:
    assert parsed.located_map(file("values.yaml", text)).value is None


def test_it_names_the_place_of_a_mistake_every_time_it_is_asked(reads: list[str]) -> None:
    for path in ("one.yaml", "two.yaml"):
        with pytest.raises(MalformedYaml, match=f"{path}, line 2, column 4"):
            parsed.located(file(path, "a: b\n  c: [\n"))
    assert reads == ["one.yaml", "two.yaml"]
