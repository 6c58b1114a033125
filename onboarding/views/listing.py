"""What every list page does with its URL: filter by facets, sort, page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest

from onboarding.domain.natural import natural_key
from onboarding.views.pages import Column, Facet, Listing, Narrowed, Option, Pagination

PAGE_SIZE = 50
LONGEST_QUERY = 200
_MOST_VALUES = 100
NUL = "\0"  # PostgreSQL takes no text with it
Row = TypeVar("Row", bound=Model)


def choices(request: HttpRequest, names: Sequence[str]) -> dict[str, list[str]]:
    """The facet values that the URL names: parameter -> values."""
    return {
        name: [value for value in request.GET.getlist(name) if value and NUL not in value][:20]
        for name in names
    }


def query_of(request: HttpRequest) -> str:
    """The text searched for, bounded."""
    return request.GET.get("q", "").replace(NUL, "").strip()[:LONGEST_QUERY]


def narrowed(request: HttpRequest, names: Mapping[str, str]) -> tuple[Narrowed, ...]:
    """Filters of the URL that are no facet, each with the address that it is not in.

    `names` maps a parameter to its words; words that end in a full stop stand alone, others go
    before the value.
    """
    found = []
    for name, words in names.items():
        if value := request.GET.get(name, "").replace(NUL, "")[:LONGEST_QUERY]:
            query = request.GET.copy()
            for gone in (name, "page"):
                query.pop(gone, None)
            url = f"{request.path}?{query.urlencode()}" if query else request.path
            said = words if words.endswith(".") else f"{words} {value}"
            found.append(Narrowed(said.removesuffix("."), name, value, url))
    return tuple(found)


def paginate(
    request: HttpRequest, rows: QuerySet[Row], *, size: int = PAGE_SIZE, total: int | None = None
) -> tuple[Pagination, list[Row]]:
    """One page of the rows (?page=, from 1; out of range is the last one).

    `total` is their number, where the caller has counted them anyway.
    """
    paginator = Paginator(rows, size)
    if total is not None:
        vars(paginator)["count"] = total  # a cached property, which is not computed then
    page = paginator.get_page(request.GET.get("page"))
    # Of what is passed over on the way to a late page, only keys are read.
    first = max(0, page.start_index() - 1)
    keys = list(rows.values_list("pk", flat=True)[first : page.end_index()])
    found = {row.pk: row for row in rows.filter(pk__in=keys).order_by()}
    return pagination(page), [found[key] for key in keys if key in found]


def pagination(page: Page[Any]) -> Pagination:
    """Which rows of how many a page has, and the page numbers to offer."""
    window = tuple(
        number if isinstance(number, int) else None
        for number in page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    )
    return Pagination(
        number=page.number,
        count=page.paginator.num_pages,
        first=page.start_index(),
        last=page.end_index(),
        total=page.paginator.count,
        window=window,
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows counted for facets: by column and value among those that the choices for the other columns
    leave, and how many all choices leave (`total`)."""

    by_column: Mapping[str, Counter[Any]]
    total: int


def facets(
    counts: Counts,
    chosen: Mapping[str, Sequence[str]],
    names: Sequence[tuple[str, str]],
    *,
    words: Callable[[str, str], str] = lambda name, value: value,
    states: Sequence[str] = ("state",),
    orders: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[Facet, ...]:
    """One facet for each column, with the number of rows of each value among the rows that the other facets leave.

    Values stand in the order in which people count, but for the columns of `orders`, which lists their values.
    """
    found = []
    for name, label in names:
        counted = sorted(counts.by_column[name].items(), key=lambda row: natural_key(row[0] or ""))
        counted = counted[:_MOST_VALUES]
        order = orders.get(name)
        options = tuple(
            Option(
                label=words(name, value),
                value=value,
                count=count,
                is_chosen=value in chosen.get(name, ()),
            )
            for value, count in (
                sorted(counted, key=lambda row: order.index(row[0]) if row[0] else -1)
                if order
                else counted
            )
            if value
        )
        if options:
            found.append(Facet(name=name, label=label, options=options, shows_state=name in states))
    return tuple(found)


def counted(
    rows: QuerySet[Any], chosen: Mapping[str, Sequence[str]], names: Sequence[tuple[str, str]]
) -> Counts:
    """How many rows each value of each facet has among those that the choices for the others leave.

    Rows are counted once, by all columns together: many are alike in all of them, and a query for
    each column reads ten thousand rows as often as there are columns.
    """
    columns = [name for name, _ in names]
    beside = {name: values for name, values in chosen.items() if values and name not in columns}
    for name, values in beside.items():
        rows = rows.filter(**{f"{name}__in": values})
    alike = rows.order_by().values_list(*columns).annotate(Count("pk")).order_by()
    return summed(((values, count) for *values, count in alike), chosen, columns)


def summed(
    alike: Iterable[tuple[Sequence[Any], int]],
    chosen: Mapping[str, Sequence[str]],
    columns: Sequence[str],
) -> Counts:
    """The same from rows that are counted already: the values of the columns, and how many have them."""
    wanted = [frozenset(chosen.get(name, ())) for name in columns]
    counts: dict[str, Counter[Any]] = {name: Counter() for name in columns}
    total = 0
    for values, count in alike:
        refused = [
            number
            for number, value in enumerate(values)
            if wanted[number] and value not in wanted[number]
        ]
        for number, value in enumerate(values):
            if not refused or refused == [number]:
                counts[columns[number]][value] += count
        total += 0 if refused else count
    return Counts(counts, total)


def listing(
    request: HttpRequest,
    *,
    columns: Sequence[tuple[str, str]],
    pages: Pagination,
    facets: tuple[Facet, ...],
    sort: str,
    numbers: Sequence[str] = (),
) -> Listing:
    """The list's frame: column heads that know how they are sorted, facets, pages."""
    return Listing(
        columns=tuple(
            _column(label, key, sort, is_number=label in numbers) for label, key in columns
        ),
        pages=pages,
        facets=facets,
        query=query_of(request),
        sort=sort,
    )


def _column(label: str, key: str, sort: str, *, is_number: bool) -> Column:
    if key and sort == key:
        return Column(label, sort=f"-{key}", direction="ascending", is_number=is_number)
    if key and sort == f"-{key}":
        return Column(label, sort=key, direction="descending", is_number=is_number)
    return Column(label, sort=key, is_number=is_number)
