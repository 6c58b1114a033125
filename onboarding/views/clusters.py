"""Clusters: the list, and the page of one cluster."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import Right
from onboarding.views import access
from onboarding.views.cluster_list_page import cluster_list_page
from onboarding.views.cluster_page import cluster_page
from onboarding.views.partials import page_or_part


@require_GET
def cluster_list(request: HttpRequest) -> HttpResponse:
    """Every cluster with its state, filtered, sorted and paged by the URL."""
    access.user_with(request, Right.VIEW)
    page = cluster_list_page(request, access.fleet_for(request), now=wiring.clock().now())
    return page_or_part(
        request,
        "onboarding/clusters/list.html",
        "onboarding/clusters/_list_part.html",
        {"page": page},
    )


@require_GET
def cluster_detail(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """One cluster: its way to Healthy, Applications, labels, values, history, files."""
    cluster = access.cluster_for(request, hub, name)
    page = cluster_page(
        cluster,
        user=access.user_with(request, Right.VIEW),
        tab=request.GET.get("tab", "applications"),
        component=request.GET.get("component", ""),
        clock=wiring.clock(),
        repository=lambda: wiring.current_repository(cluster.fleet),
    )
    return page_or_part(
        request,
        "onboarding/clusters/detail.html",
        "onboarding/clusters/_detail_part.html",
        {"page": page},
    )
