"""Counts that are kept: true as long as they are, and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from onboarding.services.observing.kept_counts import Counted, KeptCounts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _kept(settings: Any) -> None:
    settings.COUNTS_KEPT_SECONDS = 30


class Counting:
    """Counts how often it is asked to count."""

    def __init__(self, until: datetime = NOW + MINUTE) -> None:
        self._numbers: Iterator[int] = count(1)
        self._until = until
        self.kept = KeptCounts(most=2)

    def at(self, now: datetime, *, key: str = "clusters", version: int = 1) -> int:
        """What is told at a time: 1 the first time it is counted, 2 the second time."""
        return self.kept.of(
            key, version=version, now=now, count=lambda: Counted(next(self._numbers), self._until)
        )


def test_it_counts_once_while_nothing_moves() -> None:
    counting = Counting()
    assert [counting.at(NOW), counting.at(NOW), counting.at(NOW + MINUTE / 3)] == [1, 1, 1]


def test_it_counts_again_where_something_moved() -> None:
    counting = Counting()
    assert [counting.at(NOW), counting.at(NOW, version=2), counting.at(NOW, version=2)] == [1, 2, 2]


def test_it_counts_again_from_when_on_the_answer_may_be_another() -> None:
    until = NOW + timedelta(seconds=10)
    counting = Counting(until)
    assert counting.at(until - timedelta(microseconds=1)) == 1
    assert counting.at(until) == 2


def test_it_keeps_nothing_for_longer_than_the_setting_says() -> None:
    counting = Counting(NOW + 60 * MINUTE)
    assert [counting.at(NOW), counting.at(NOW + MINUTE / 2)] == [1, 2]


def test_a_clock_that_goes_back_makes_it_count_again() -> None:
    counting = Counting()
    assert [counting.at(NOW), counting.at(NOW - MINUTE)] == [1, 2]


def test_it_tells_apart_what_is_counted_and_forgets_what_was_counted_longest_ago() -> None:
    counting = Counting()
    found = [counting.at(NOW, key=key) for key in ("a", "b", "a", "c", "b", "a")]
    assert found == [1, 2, 1, 3, 2, 4]


def test_what_moves_while_it_counts_is_counted_by_the_next() -> None:
    kept, version = KeptCounts(most=2), [1]

    def moves_meanwhile() -> Counted[str]:
        version[0] = 2
        return Counted("of either", NOW + MINUTE)

    kept.of("a", version=version[0], now=NOW, count=moves_meanwhile)
    anew = kept.of("a", version=version[0], now=NOW, count=lambda: Counted("new", NOW + MINUTE))
    assert anew == "new"


def test_nothing_is_kept_of_a_count_that_failed() -> None:
    kept = KeptCounts(most=2)

    def fails() -> Counted[int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kept.of("a", version=1, now=NOW, count=fails)
    assert kept.of("a", version=1, now=NOW, count=lambda: Counted(7, NOW + MINUTE)) == 7
