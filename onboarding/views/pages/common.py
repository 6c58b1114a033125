"""What several pages share, and the frame around all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead somewhere."""

    label: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab of a page. `count` None shows no number; `word` is a state for a dot, or ""."""

    key: str
    label: str
    url: str
    count: int | None = None
    word: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """How many are in a state: one part of a stacked bar and of its legend."""

    word: str
    count: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: a layer in words, and the line of the file that sets it."""

    layer: str
    path: str = ""
    line: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column head. `sort` is the value of ?sort= that a click asks for ("" = cannot be sorted).

    `also` is a second head in the same cell, where a column shows two properties.
    """

    label: str
    sort: str = ""
    direction: Literal["", "ascending", "descending"] = ""
    is_number: bool = False
    also: Column | None = None

    @property
    def sorted_as(self) -> str:
        """How the rows are sorted by this column, if they are: for screen readers."""
        return self.direction or (self.also.direction if self.also else "")


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a facet with how many rows it would leave."""

    label: str
    value: str
    count: int
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Facet:
    """One filter: `name` is the query parameter, `shows_state` puts a dot before each label."""

    name: str
    label: str
    options: tuple[Option, ...]
    shows_state: bool = False


@dataclass(frozen=True, slots=True)
class Pagination:
    """Which rows of how many. `window` holds the page numbers to offer; None stands for a gap."""

    number: int
    count: int
    first: int
    last: int
    total: int
    window: tuple[int | None, ...] = ()

    @property
    def previous(self) -> int:
        return self.number - 1

    @property
    def following(self) -> int:
        return self.number + 1


@dataclass(frozen=True, slots=True)
class SavedChip:
    """One filter that a person keeps, as a link; `is_current`: the list is shown with it now."""

    name: str
    url: str
    remove_url: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class SavedFilters:
    """A person's filters of one list, and how to keep the `query` that is shown."""

    of: str
    query: str
    chips: tuple[SavedChip, ...]
    save_url: str


@dataclass(frozen=True, slots=True)
class Exports:
    """Where the rows of a list, filtered as shown, are found as files."""

    csv_url: str
    json_url: str


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A filter that is no facet: what it says, and the address without it."""

    words: str
    name: str
    value: str
    without_url: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What every list page has beside its rows: how it was filtered and sorted, and its pages."""

    columns: tuple[Column, ...]
    pages: Pagination
    facets: tuple[Facet, ...] = ()
    query: str = ""
    sort: str = ""

    @property
    def chosen(self) -> int:
        """How many filters are set."""
        return sum(option.is_chosen for facet in self.facets for option in facet.options)

    @property
    def is_filtered(self) -> bool:
        return bool(self.query or self.chosen)


@dataclass(frozen=True, slots=True)
class FleetChoice:
    """One fleet in the switch of the top bar."""

    label: str
    url: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame around every page knows; a context processor provides it as `frame`.

    `stops` says of each fleet whose deliveries are stopped why.
    """

    fleet_name: str = ""
    fleets: tuple[FleetChoice, ...] = ()
    inbox_count: int = 0
    search_query: str = ""
    role: str = ""
    may_administer: bool = False
    sees_fleet: bool = True
    sees_all: bool = True
    is_demo: bool = False
    stops: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class HubRow:
    """A hub and how fresh our picture of it is: Connected, Degraded, Unreachable, Stale or Never seen."""

    name: str
    state: str
    seen_at: datetime | None
    clusters: int
    reason: str = ""
    url: str = ""
    argocd_url: str = ""
    version: str = ""
    is_demo: bool = False
    pk: int = 0


@dataclass(frozen=True, slots=True)
class Stat:
    """A number that is a link; `since` is the time of the oldest thing that it counts."""

    label: str
    value: int | str
    url: str = ""
    word: str = ""
    note: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A commit or an event in the life of a cluster or change."""

    title: str
    at: datetime | None
    who: str = ""
    url: str = ""
    icon: str = "git-commit-horizontal"
    detail: str = ""
    commit: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value; `why` says why it cannot be changed, or where it comes from."""

    label: str
    value: str
    why: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that goes along with a form."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class OutcomeNote:
    """What the hub did with a delivered plan: state is one of waiting, agrees, differs, superseded.

    A plan of many clusters says how many of them have it, and which lack it with why.
    """

    state: str
    since: datetime
    differences: tuple[str, ...] = ()
    url: str = ""
    clusters: int = 0
    agreeing: int = 0
    lacking: tuple[tuple[Link, str], ...] = ()
