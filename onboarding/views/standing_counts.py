"""Numbers of clusters: counted once for a page, by state and all columns that it tells of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count as CountOf
from django.db.models import Min

from onboarding.domain.progress import ClusterState
from onboarding.services.shown import StandingRows
from onboarding.views.pages import Count
from onboarding.views.standing_rows import list_url

ORDER = {state.value: number for number, state in enumerate(ClusterState)}


@dataclass(frozen=True, slots=True)
class Alike:
    """Clusters of one state that are alike in all counted columns; `since` is of the first of them."""

    state: str
    values: Mapping[str, Any]
    count: int
    since: datetime | None


class StandingCounts:
    """What a page's numbers of clusters are sums of.

    The database counts by one query: most clusters are alike in all columns, and a query for each
    number reads ten thousand rows as often as there are numbers.
    """

    def __init__(self, rows: StandingRows, *columns: str) -> None:
        """Count `rows`, as `standings` gives them, by `shown` and by these columns."""
        counted = rows.order_by().values_list("shown", *columns)
        self.alike = tuple(
            Alike(state, dict(zip(columns, values, strict=True)), count, since)
            for state, *values, count, since in counted.annotate(CountOf("pk"), Min("since"))
        )

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
        for value, state in sorted(numbers, key=lambda pair: (pair[0], ORDER[pair[1]])):
            url = list_url(state=state, **{column: value})
            found.setdefault(value, []).append(
                Count(ClusterState(state).word, numbers[value, state], url)
            )
        return {value: tuple(counts) for value, counts in found.items()}
