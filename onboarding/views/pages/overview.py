"""The overview: is the fleet well?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from onboarding.views.pages.changes import ChangeRow
from onboarding.views.pages.common import Count, HubRow, Stat


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many clusters stand at one stage of their onboarding."""

    title: str
    count: int
    oldest: datetime | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits: what, for whom or what, since when."""

    title: str
    url: str
    waits_for: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause and who suffers from it: "17 clusters: AccessDenied on the secret".

    `cluster` is the name where there is only one; `example` says that the words differ a little.
    """

    word: str
    count: int
    noun: str
    cause: str
    example: str = ""
    advice: str = ""
    cluster: str = ""
    url: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class BreakdownRow:
    """One tenant, environment, channel or model with its clusters by state."""

    label: str
    url: str
    counts: tuple[Count, ...]

    @property
    def total(self) -> int:
        return sum(part.count for part in self.counts)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The fleet by one property; `more` values are not drawn."""

    title: str
    rows: tuple[BreakdownRow, ...]
    more: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """The states that occur in it, in the order of their first appearance: heads of its table."""
        return tuple(dict.fromkeys(part.word for row in self.rows for part in row.counts))

    @property
    def table(self) -> tuple[tuple[BreakdownRow, tuple[int, ...]], ...]:
        """The same as numbers: each row with its count of every state."""
        return tuple(
            (
                row,
                tuple(
                    sum(part.count for part in row.counts if part.word == word)
                    for word in self.words
                ),
            )
            for row in self.rows
        )


@dataclass(frozen=True, slots=True)
class DurationRow:
    """One stage of an onboarding: its usual and its longest duration, and of how many.

    `share` is the usual duration in hundredths of the longest usual one: how long its bar is.
    """

    title: str
    usual: timedelta
    longest: timedelta
    count: int
    share: int


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """Is the fleet well? `state` and `sentence` answer in one line."""

    state: str
    sentence: str
    as_of: datetime | None
    counts: tuple[Count, ...]
    stats: tuple[Stat, ...] = ()
    stages: tuple[StageCount, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    problems: tuple[Problem, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    durations: tuple[DurationRow, ...] = ()
    recent_changes: tuple[ChangeRow, ...] = ()
    hubs: tuple[HubRow, ...] = ()
    register_url: str = ""
    has_fleet: bool = True
    setup_url: str = ""
    refresh_url: str = ""

    @property
    def total(self) -> int:
        return sum(part.count for part in self.counts)
