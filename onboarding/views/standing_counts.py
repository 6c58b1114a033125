"""Numbers of clusters: counted once, by state and all columns that pages tell of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count as CountOf
from django.db.models import Min, Q

from onboarding.domain.natural import natural_key
from onboarding.domain.progress import ClusterState
from onboarding.models import Fleet
from onboarding.services.observing import pulses
from onboarding.services.observing.kept_counts import Counted, kept_counts
from onboarding.services.rights import Reach
from onboarding.services.shown import STALE_AFTER, StandingRows, too_old
from onboarding.views.pages import Count
from onboarding.views.standing_rows import GROUP_TITLES, list_url, standings

ORDER = {state.value: number for number, state in enumerate(ClusterState)}
COLUMNS = (
    "stage",
    "drifted",
    "credential",
    "tenant",
    "environment",
    "hub_name",
    "model",
    *(f"{group}_release" for group in GROUP_TITLES),
    "asked",
)
"""What clusters are counted by beside their state: all that a page has numbers of."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Clusters of one state that are alike in all counted columns; `since` is of the first of them."""

    state: str
    values: Mapping[str, Any]
    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class StandingCounts:
    """What a page's numbers of clusters are sums of.

    The database counts by one query: most clusters are alike in all columns, and a query for each
    number reads ten thousand rows as often as there are numbers. From `true_until` on one of them is
    too old to be believed, unless it is told anew.
    """

    alike: tuple[Alike, ...]
    true_until: datetime

    @classmethod
    def of(cls, rows: StandingRows, *, now: datetime) -> StandingCounts:
        """Count `rows`, as `standings` gives them at the time of `now`."""
        believed = ~too_old(now) & Q(cluster__isnull=False)
        counted = (
            rows.order_by()
            .annotate(asked=Q(cluster__isnull=True))
            .values_list("shown", *COLUMNS)
            .annotate(CountOf("pk"), Min("since"), told_at=Min("computed_at", filter=believed))
        )
        found, oldest = [], now
        for state, *values, count, since, told_at in counted:
            found.append(Alike(state, dict(zip(COLUMNS, values, strict=True)), count, since))
            oldest = min(oldest, told_at or now)
        return cls(tuple(found), oldest + STALE_AFTER)

    @classmethod
    def of_fleet(cls, reach: Reach, fleet: Fleet | None, now: datetime) -> StandingCounts:
        """All of the fleet's clusters that somebody may see; counted once until one of them moves."""

        def count() -> Counted[StandingCounts]:
            found = cls.of(standings(reach, fleet, now), now=now)
            return Counted(found, found.true_until)

        return kept_counts.of(
            ("clusters", fleet and fleet.pk, reach.key),
            version=fleet and pulses.number_of(fleet),
            now=now,
            count=count,
        )

    def where(self, column: str, value: str) -> StandingCounts:
        """Those of them that have a value in a column."""
        some = tuple(one for one in self.alike if one.values[column] == value)
        return StandingCounts(some, self.true_until)

    @property
    def total(self) -> int:
        """How many clusters there are."""
        return sum(some.count for some in self.alike)

    def numbers(self, column: str = "") -> dict[Any, int]:
        """How many clusters there are of each value of a column; of each state, in their order, without one."""
        found: Counter[Any] = Counter()
        for some in self.alike:
            found[some.values[column] if column else some.state] += some.count
        return dict(found if column else sorted(found.items(), key=lambda pair: ORDER[pair[0]]))

    def by_state(self, **query: str) -> tuple[Count, ...]:
        """How many clusters are in each state, each with the link to exactly those; `query` narrows the link."""
        return tuple(
            Count(ClusterState(state).word, count, list_url(state=state, **query))
            for state, count in self.numbers().items()
        )

    def by(self, column: str) -> dict[str, tuple[Count, ...]]:
        """The same for each value of a column, in the order of the values; what has none is left out."""
        numbers: Counter[tuple[str, str]] = Counter()
        for some in self.alike:
            if value := some.values[column]:
                numbers[value, some.state] += some.count
        found: dict[str, list[Count]] = {}
        for value, state in sorted(
            numbers, key=lambda pair: (natural_key(pair[0]), ORDER[pair[1]])
        ):
            url = list_url(state=state, **{column: value})
            found.setdefault(value, []).append(
                Count(ClusterState(state).word, numbers[value, state], url)
            )
        return {value: tuple(counts) for value, counts in found.items()}
