"""The overview: is the fleet well?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onboarding.views.pages.changes import ChangeRow
from onboarding.views.pages.common import Count, Stat


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

    `cluster` is the name where there is only one.
    """

    word: str
    count: int
    noun: str
    cause: str
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
    """The fleet by one property."""

    title: str
    rows: tuple[BreakdownRow, ...]


@dataclass(frozen=True, slots=True)
class HubRow:
    """A hub and how fresh our picture of it is: Connected, Unreachable, Stale or Never seen."""

    name: str
    state: str
    seen_at: datetime | None
    clusters: int
    reason: str = ""
    url: str = ""
    argocd_url: str = ""
    version: str = ""
    is_demo: bool = False


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
    recent_changes: tuple[ChangeRow, ...] = ()
    hubs: tuple[HubRow, ...] = ()
    register_url: str = ""
    has_fleet: bool = True
    setup_url: str = ""
    refresh_url: str = ""

    @property
    def total(self) -> int:
        return sum(part.count for part in self.counts)
