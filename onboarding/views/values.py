"""Effective values beyond one cluster: two side by side, and one key across the fleet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.views import access
from onboarding.views.compare_page import compare_page
from onboarding.views.listing import query_of
from onboarding.views.value_search_page import value_search_page


@require_GET
def cluster_compare(request: HttpRequest) -> HttpResponse:
    """A component's values on two clusters (?a=hub/name&b=hub/name), what differs first."""
    fleet = access.configured_fleet_for(request)
    page = compare_page(
        fleet,
        reach=access.reach_of(request.user),
        left=request.GET.get("a", "").strip(),
        right=request.GET.get("b", "").strip(),
        component=request.GET.get("component", ""),
        show_all=bool(request.GET.get("all")),
        repository=lambda: wiring.current_repository(fleet),
    )
    return render(request, "onboarding/values/compare.html", {"page": page})


@require_GET
def value_search(request: HttpRequest) -> HttpResponse:
    """Who sets a key, and who overrides it (?q=replicas)."""
    fleet = access.configured_fleet_for(request)
    query = query_of(request)
    try:
        snapshot = wiring.current_repository(fleet).snapshot()
    except FleetError as error:
        page = value_search_page(request, fleet, query, None, problem=str(error))
    else:
        page = value_search_page(request, fleet, query, snapshot)
    return render(request, "onboarding/values/search.html", {"page": page})
