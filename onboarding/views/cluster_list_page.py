"""The clusters of the fleet as a page: facets with counts, search, sort, pages, all in the URL."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.credential_clock import CredentialState
from onboarding.domain.lifecycle import Right
from onboarding.domain.progress import ClusterState, Stage
from onboarding.models import Fleet, SavedFilter
from onboarding.services import scope
from onboarding.services.rights import Reach
from onboarding.services.shown import StandingRows
from onboarding.views import access, exports, freshness, listing
from onboarding.views.pages import ClusterListPage, Exports, Facet
from onboarding.views.saved_filters import saved_part
from onboarding.views.standing_counts import StandingCounts
from onboarding.views.standing_rows import GROUP_TITLES, bearing, row_of, standings

FACETS = (
    ("shown", "State"),
    ("stage", "Next step"),
    ("drifted", "Drift"),
    ("credential", "Credentials"),
    ("tenant", "Tenant"),
    ("environment", "Environment"),
    ("hub_name", "Hub"),
    ("model", "Model"),
    *((f"{group}_release", f"{title} channel") for group, title in GROUP_TITLES.items()),
)
# In the URL the facets are called as people call them.
PARAMETERS = {"state": "shown", "hub": "hub_name", "drift": "drifted", "credentials": "credential"}
_PROBLEMS_NAMED = 3
# A row is three kilobytes: so many, and the facets of a large fleet, are a page of less than a hundred.
_ON_A_PAGE = 30
SORTS = {
    "state": "state",
    "cluster": "name",
    "tenant": "tenant",
    "environment": "environment",
    "hub": "hub_name",
    "applications": "applications",
    "seen": "seen_at",
}
COLUMNS = (
    ("State", "state"),
    ("Cluster", "cluster"),
    ("Tenant", "tenant"),
    ("Environment", "environment"),
    ("Hub", "hub"),
    ("Model", ""),
    ("Channels", ""),
    ("Applications", "applications"),
    ("Last seen", "seen"),
    ("Change", ""),
)


def cluster_list_page(
    request: HttpRequest, fleet: Fleet | None, *, now: datetime
) -> ClusterListPage:
    """The page for the filters, sort and page number that the URL names."""
    reach = access.reach_of(request.user)
    everyone = standings(reach, fleet, now)
    rows, chosen = filtered(request, everyone)
    sort = request.GET.get("sort", "cluster")
    ordered = rows.order_by(*_order(sort)).select_related("change")
    counts = _counted(request, reach, fleet, now, chosen)
    pages, found = listing.paginate(request, ordered, size=_ON_A_PAGE, total=counts.total)
    may_ask = Right.REQUEST in access.rights_of(request.user)
    hubs = freshness.hub_rows(reach, fleet, now)
    return ClusterListPage(
        rows=tuple(row_of(standing, now) for standing in found),
        listing=listing.listing(
            request,
            columns=COLUMNS,
            pages=pages,
            facets=_facets(counts, chosen),
            sort=sort,
            numbers=("Applications",),
        ),
        as_of=freshness.oldest(hubs),
        hubs=hubs,
        exports=Exports(
            exports.with_query(reverse("cluster-csv"), dict(request.GET.lists())),
            exports.with_query(reverse("cluster-json"), dict(request.GET.lists())),
        ),
        saved=saved_part(request, SavedFilter.List.CLUSTERS.value),
        narrowed=listing.narrowed(request, {"cause": "the same cause."}),
        is_fleet_empty=not pages.total and not everyone.exists(),
        register_url=reverse("cluster-register") if fleet and may_ask else "",
        register_denied="" if may_ask else "Your account may not request changes.",
        refresh_url=request.get_full_path(),
        problems=_problems(reach, fleet) if fleet else (),
        has_fleet=fleet is not None,
        setup_url=access.setup_url_for(request),
    )


def _counted(
    request: HttpRequest,
    reach: Reach,
    fleet: Fleet | None,
    now: datetime,
    chosen: dict[str, list[str]],
) -> listing.Counts:
    """The numbers beside the facets; what is searched for is counted among what it leaves."""
    query = listing.query_of(request)
    if query or request.GET.get("cause"):
        rows = _searched(_of_cause(request, standings(reach, fleet, now)), query)
        counts = StandingCounts.of(rows, now=now)
    else:
        counts = StandingCounts.of_fleet(reach, fleet, now)
    columns = [column for column, _ in FACETS if column != "shown"]
    alike = (
        ((one.state, *(one.values[column] for column in columns)), one.count)
        for one in counts.alike
    )
    return listing.summed(alike, chosen, ["shown", *columns])


def filtered(request: HttpRequest, rows: StandingRows) -> tuple[StandingRows, dict[str, list[str]]]:
    """The rows that the URL's search and facets leave, and what was chosen: column -> values."""
    names = [_parameter(column) for column, _ in FACETS]
    chosen = {
        PARAMETERS.get(name, name): values
        for name, values in listing.choices(request, names).items()
    }
    found = _searched(_of_cause(request, rows), listing.query_of(request))
    for column, values in chosen.items():
        if values:
            found = found.filter(**{f"{column}__in": values})
    return found, chosen


def _of_cause(request: HttpRequest, rows: StandingRows) -> StandingRows:
    """The rows of one cause (?cause=, as the overview's problems link to it); "none" is no known one."""
    cause = request.GET.get("cause", "").replace(listing.NUL, "")[:16]
    return rows.filter(why="" if cause == "none" else cause) if cause else rows


def _searched(rows: StandingRows, query: str) -> StandingRows:
    for word in query.split()[:5]:
        rows = rows.filter(bearing(word, "name", "tenant", "environment", "hub_name"))
    return rows


def _parameter(column: str) -> str:
    return next((name for name, target in PARAMETERS.items() if target == column), column)


def _facets(counts: listing.Counts, chosen: dict[str, list[str]]) -> tuple[Facet, ...]:
    found = listing.facets(
        counts,
        chosen,
        FACETS,
        words=_words,
        states=("shown",),
        orders={
            "stage": [stage.value for stage in Stage],
            "credential": [state.value for state in CredentialState],
        },
    )
    return tuple(
        Facet(
            name=_parameter(facet.name),
            label=facet.label,
            options=facet.options,
            shows_state=facet.shows_state,
        )
        for facet in found
    )


def _words(column: str, value: str) -> str:
    """A facet's value as people say it."""
    if column == "shown":
        return ClusterState(value).word
    if column == "credential":
        return CredentialState(value).word
    if column == "drifted":
        return "Labels differ from Git"
    return Stage(value).words if column == "stage" else value


def _order(sort: str) -> tuple[str, ...]:
    descending = sort.startswith("-")
    column = SORTS.get(sort.removeprefix("-"), "name")
    return (f"-{column}" if descending else column, "name", "pk")


def _problems(reach: Reach, fleet: Fleet) -> tuple[str, ...]:
    """What keeps this list from being the whole truth."""
    found = []
    if fleet.index_problem:
        found.append(
            f"The repository cannot be read, so this list may be old. {fleet.index_problem}"
        )
    broken = scope.clusters(reach).filter(fleet=fleet, problem__gt="").order_by("path")
    named = list(broken.values_list("problem", flat=True)[: _PROBLEMS_NAMED + 1])
    found += named[:_PROBLEMS_NAMED]
    if len(named) > _PROBLEMS_NAMED:
        more = broken.count() - _PROBLEMS_NAMED
        found.append(
            f"{more} more member {'file' if more == 1 else 'files'} cannot be read; see Lint."
        )
    return tuple(found)
