"""The Applications of a fleet as a page: what is wrong first, facets, search, pages, all in the URL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.natural import natural_key
from onboarding.domain.sync import VerdictState
from onboarding.models import ApplicationStatus, Fleet, SavedFilter
from onboarding.services import scope
from onboarding.services.rights import Reach
from onboarding.views import access, exports, freshness, listing
from onboarding.views.application_rows import (
    HUB_SILENT,
    application_url,
    in_order,
    shown_state,
    silent,
    version_of,
)
from onboarding.views.pages import (
    ApplicationListPage,
    Exports,
    Facet,
    HubRow,
    ListedApplication,
    Option,
)
from onboarding.views.pages import Count as StateCount
from onboarding.views.saved_filters import saved_part

FACETS = (
    ("state", "State"),
    ("sync", "Sync"),
    ("health", "Health"),
    ("component", "Component"),
    ("hub", "Hub"),
)
COLUMNS = (
    ("State", "state"),
    ("Application", "name"),
    ("Cluster", "cluster"),
    ("Sync", ""),
    ("Health", ""),
    ("Version", ""),
    ("Seen", "seen"),
)
SORTS = {"name": "name", "cluster": "cluster_name", "seen": "seen_at"}
_UNKNOWN = "Unknown"
_MOST_OPTIONS = 40
Rows = QuerySet[Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What the URL's filter leaves. `combinations` counts every combination of the facets' values
    among what search and cluster leave: all numbers of the page follow from it."""

    rows: Rows
    chosen: Mapping[str, Sequence[str]]
    combinations: Mapping[tuple[str, ...], int]
    quiet: Collection[int]

    def of_state(self, state: str) -> Rows:
        """The rows that are shown in one state."""
        return self.rows.filter(_is_shown(state, self.quiet))

    def counts(self, name: str, *, but: str = "") -> Counter[str]:
        """How many rows each value of a facet has, with the choices of all facets but one."""
        place = [facet for facet, _ in FACETS].index(name)
        found: Counter[str] = Counter()
        for values, count in self.combinations.items():
            if self._fits(values, but):
                found[values[place]] += count
        return found

    def _fits(self, values: tuple[str, ...], but: str) -> bool:
        return all(
            name == but or not self.chosen.get(name) or value in self.chosen[name]
            for (name, _), value in zip(FACETS, values, strict=True)
        )


def application_list_page(
    request: HttpRequest, fleet: Fleet | None, *, now: datetime
) -> ApplicationListPage:
    """The page for the filters, sort and page number that the URL names."""
    hubs = freshness.hub_rows(access.reach_of(request.user), fleet, now)
    found = filtered(request, hubs, now)
    counts = found.counts("state")
    sort = request.GET.get("sort", "state")
    total = sum(counts.values())
    page = Paginator(range(total), listing.PAGE_SIZE).get_page(request.GET.get("page"))
    start = max(0, page.start_index() - 1)
    rows = _slice(found, counts, sort, start, start + listing.PAGE_SIZE)
    quiet = silent(hubs, now)
    in_git = _clusters_in_git(access.reach_of(request.user), rows)
    return ApplicationListPage(
        rows=tuple(
            _row(
                row,
                fleet,
                is_silent=row.hub.name in quiet,
                in_git=(row.hub.name, row.cluster_name) in in_git,
            )
            for row in rows
        ),
        listing=listing.listing(
            request,
            columns=COLUMNS,
            pages=listing.pagination(page),
            facets=_facets(found, several_hubs=len(hubs) > 1),
            sort=sort,
        ),
        as_of=freshness.oldest(hubs),
        counts=tuple(
            StateCount(VerdictState(state).word, counts[state], _url(request, state=state))
            for state in in_order(counts)
        ),
        hubs=hubs,
        exports=Exports(
            exports.with_query(reverse("application-csv"), dict(request.GET.lists())),
            exports.with_query(reverse("application-json"), dict(request.GET.lists())),
        ),
        saved=saved_part(request, SavedFilter.List.APPLICATIONS.value),
        narrowed=listing.narrowed(request, {"cluster": "on cluster"}),
        has_fleet=fleet is not None,
        is_empty=not found.combinations and not listing.query_of(request),
        setup_url=access.setup_url_for(request),
        refresh_url=request.get_full_path(),
    )


def filtered(request: HttpRequest, hubs: Sequence[HubRow], now: datetime) -> Found:
    """The rows that the URL leaves, and all counts, by one query that groups in the database."""
    silent_ones = silent(hubs, now)
    quiet = frozenset(hub.pk for hub in hubs if hub.name in silent_ones)
    names = {hub.pk: hub.name for hub in hubs}
    rows: Rows = scope.applications(access.reach_of(request.user)).filter(hub__in=list(names))
    if cluster := request.GET.get("cluster", "").replace(listing.NUL, ""):
        rows = rows.filter(cluster_name=cluster)
    for word in listing.query_of(request).split()[:5]:
        rows = rows.filter(Q(name__icontains=word) | Q(cluster_name__icontains=word))
    chosen = listing.choices(request, [name for name, _ in FACETS])
    combinations = _combinations(rows, names, quiet)
    for name, values in chosen.items():
        if values and name == "state":
            rows = rows.filter(reduce(or_, (_is_shown(state, quiet) for state in values)))
        elif values:
            rows = rows.filter(**{f"{name}__in": _asked(name, values, names)})
    return Found(rows, chosen, combinations, quiet)


def _asked(name: str, values: Sequence[str], names: Mapping[int, str]) -> Sequence[str | int]:
    """What a chosen facet value is in the rows: "Unknown" is also what is not said, a hub its key."""
    if name == "hub":
        return [pk for pk, hub in names.items() if hub in values]
    return [*values, ""] if name != "component" and _UNKNOWN in values else values


def _combinations(
    rows: Rows, names: Mapping[int, str], quiet: Collection[int]
) -> Mapping[tuple[str, ...], int]:
    """How many rows there are of each combination of the facets' values."""
    columns = ("verdict", "sync", "health", "component", "hub_id")
    found: Counter[tuple[str, ...]] = Counter()
    for verdict, sync, health, component, hub, count in (
        rows.order_by().values_list(*columns).annotate(Count("pk"))
    ):
        state = "stale" if hub in quiet else verdict or "unknown"
        found[state, sync or _UNKNOWN, health or _UNKNOWN, component, names[hub]] += count
    return found


def _is_shown(state: str, quiet: Collection[int]) -> Q:
    """The rows that are shown in a state: those so judged, but all of a silent hub are stale."""
    judged = Q(verdict__in=["unknown", ""]) if state == "unknown" else Q(verdict=state)
    if not quiet:
        return judged
    of_silent = Q(hub__in=list(quiet))
    return judged | of_silent if state == "stale" else judged & ~of_silent


def ordered(found: Found) -> Iterator[Any]:
    """All rows that the filter leaves, what is wrong first; read from the database in parts.

    One query, which no row leaves or enters while it is read: one for each state would lose or double
    what moves from one to another meanwhile.
    """
    places = [
        When(_is_shown(state, found.quiet), then=Value(place))
        for place, state in enumerate(in_order([state.value for state in VerdictState]))
    ]
    rows = found.rows.order_by(Case(*places, output_field=IntegerField()), "name", "pk")
    yield from rows.select_related("hub").iterator(chunk_size=exports.ROWS_AT_ONCE)


def _slice(
    found: Found, counts: Mapping[str, int], sort: str, start: int, end: int
) -> list[ApplicationStatus]:
    """The rows of one page. By state, each state is asked for by itself: an index has their order,
    where sorting a hundred thousand rows by urgency would be done for each page."""
    column = SORTS.get(sort.removeprefix("-"))
    if column is not None:
        order = f"-{column}" if sort.startswith("-") else column
        keys = list(
            found.rows.order_by(order, "name", "pk").values_list("pk", flat=True)[start:end]
        )
        return _rows(keys)
    page: list[int] = []
    before = 0
    states = in_order(counts)
    for state in reversed(states) if sort == "-state" else states:
        first, last = max(0, start - before), min(counts[state], end - before)
        if first < last:
            in_order_of_name = found.of_state(state).order_by("name", "pk")
            page += in_order_of_name.values_list("pk", flat=True)[first:last]
        before += counts[state]
    return _rows(page)


def _rows(keys: Sequence[int]) -> list[ApplicationStatus]:
    """Rows by their keys, in that order: what is skipped on the way to a late page is never read."""
    found = ApplicationStatus.objects.filter(pk__in=keys).select_related("hub").in_bulk()
    return [found[key] for key in keys if key in found]


def _clusters_in_git(reach: Reach, rows: Sequence[ApplicationStatus]) -> frozenset[tuple[str, str]]:
    """Which of the rows' clusters have a page, by hub and name: the hub may know others, too."""
    hubs, names = {row.hub.name for row in rows}, {row.cluster_name for row in rows}
    found = scope.clusters(reach).filter(hub_name__in=hubs, name__in=names)
    return frozenset(found.values_list("hub_name", "name"))


def _row(
    row: ApplicationStatus, fleet: Fleet | None, *, is_silent: bool, in_git: bool
) -> ListedApplication:
    return ListedApplication(
        name=row.name,
        component=row.component,
        sync=row.sync or _UNKNOWN,
        health=row.health or _UNKNOWN,
        state=shown_state(row, is_silent=is_silent).word,
        version=version_of(row, fleet) if fleet else row.version,
        message=_message(row, is_silent=is_silent),
        seen_at=row.seen_at,
        argocd_url=application_url(row.hub, row.name),
        cluster=row.cluster_name,
        cluster_url=reverse("cluster-detail", args=[row.hub.name, row.cluster_name])
        if in_git
        else "",
        hub=row.hub.name,
    )


def _message(row: ApplicationStatus, *, is_silent: bool) -> str:
    """What a reader has to know beside the state; nothing where all is well."""
    if is_silent:
        return HUB_SILENT
    return "" if row.verdict == VerdictState.HEALTHY.value else row.reason


def _facets(found: Found, *, several_hubs: bool) -> tuple[Facet, ...]:
    names = FACETS if several_hubs else FACETS[:-1]
    return tuple(
        Facet(name, label, options, shows_state=name == "state")
        for name, label in names
        if (options := _options(found, name))
    )


def _options(found: Found, name: str) -> tuple[Option, ...]:
    counts, chosen = found.counts(name, but=name), found.chosen.get(name, ())
    word: Callable[[str], str] = (lambda it: VerdictState(it).word) if name == "state" else str
    values = in_order(counts) if name == "state" else sorted(counts, key=natural_key)
    if name == "component" and len(values) > _MOST_OPTIONS:
        common = {value for value, _ in counts.most_common(_MOST_OPTIONS)}
        values = [value for value in values if value in common or value in chosen]
    return tuple(
        Option(word(value), value, counts[value], is_chosen=value in chosen)
        for value in values
        if value
    )


def _url(request: HttpRequest, **changes: str) -> str:
    query = {
        key: values
        for key, values in request.GET.lists()
        if key not in ("page", *changes) and key != "fleet"
    }
    return f"{reverse('application-list')}?{urlencode({**query, **changes}, doseq=True)}"
