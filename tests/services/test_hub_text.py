"""What a hub says is stored without tokens, control characters or surprising size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from onboarding.domain.applications import moment
from onboarding.services.observing.hub_text import as_list, as_map, clean, text


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Synced", "Synced"),
        ("", ""),
        (None, ""),
        (7, ""),
        (["Synced"], ""),
        ("short\x00", "short\N{REPLACEMENT CHARACTER}"),
        ("two\nlines\tand more", "two\nlines\tand more"),
        (
            "a \x1b[31mred\x1b[0m word",
            "a \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}[0m word",
        ),
        ("half \ud800 a pair", "half \N{REPLACEMENT CHARACTER} a pair"),
        ("header Authorization: Bearer abc.def", "header Authorization: ***"),
        ("token k8s-aws-v1.aHR0cHM6Ly9 expired", "token *** expired"),
        ("got eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOi.c2ln", "got ***"),
        ("cannot clone https://user:pw@git/fleet", "cannot clone https://***git/fleet"),
        ("dial ?password=hunter2 failed", "dial ?password=*** failed"),
        ("dial ?TOKEN=hunter2 failed", "dial ?TOKEN=*** failed"),
        ("BEARER abc.def", "***"),
        ("K8S-AWS-v1.aHR0cHM6Ly9", "***"),
        ("got EYJhbGciOiJSUzI1NiJ9", "got ***"),
        ("\N{KELVIN SIGN}8s-aws-v1.aHR0cHM6Ly9", "***"),
        ("see https://charts.example.com/a", "see https://charts.example.com/a"),
    ],
)
def test_it_keeps_what_may_be_shown(said: object, kept: str) -> None:
    assert text(said) == kept


def test_it_cuts_what_is_too_long() -> None:
    assert text("x" * 5000) == "x" * 2000
    assert text("x" * 30, 12) == "x" * 12


def test_it_cuts_no_token_in_half() -> None:
    """A token that the limit would cut is recognised before it is cut."""
    assert text("failed with Bearer abcdefghijkl", 25) == "failed with ***"


def test_it_cleans_every_string_at_any_depth() -> None:
    said = {"a\x00": ["Bearer abcdefghij", {"b": "ok"}], "n": 1, "t": True, "none": None}
    assert clean(said) == {
        "a\N{REPLACEMENT CHARACTER}": ["***", {"b": "ok"}],
        "n": 1,
        "t": True,
        "none": None,
    }


def test_it_refuses_what_is_nested_too_deeply() -> None:
    deep: object = "x"
    for _ in range(41):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        clean(deep)
    assert clean(deep[0]) == deep[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("2026-03-02T09:00:00Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02T09:00:00+02:00", datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-03-02T09:00:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1772442000, None),
    ],
)
def test_it_believes_only_times_with_a_zone(said: object, found: datetime | None) -> None:
    assert moment(said) == found


def test_it_takes_nothing_for_a_map_or_list_that_is_none() -> None:
    assert (as_map({"a": 1}), as_map(["a"]), as_map(None)) == ({"a": 1}, {}, {})
    assert (as_list(["a"]), as_list({"a": 1}), as_list("a")) == (["a"], (), ())
