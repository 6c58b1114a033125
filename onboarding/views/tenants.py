"""Tenants: who is in the fleet, and which file sets what for them."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import Right
from onboarding.views import access
from onboarding.views.partials import page_or_part
from onboarding.views.tenant_page import tenant_list_page, tenant_page


@require_GET
def tenant_list(request: HttpRequest) -> HttpResponse:
    """All tenants with their environments and clusters."""
    access.user_with(request, Right.VIEW)
    fleet = access.fleet_for(request)
    page = tenant_list_page(
        access.reach_of(request.user),
        fleet,
        now=wiring.clock().now(),
        repository=wiring.current_repository,
    )
    return page_or_part(
        request,
        "onboarding/tenants/list.html",
        "onboarding/tenants/_list_part.html",
        {"page": page},
    )


@require_GET
def tenant_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One tenant: its layers of values from the lowest to its clusters."""
    access.user_with(request, Right.VIEW)
    fleet = access.configured_fleet_for(request)
    page = tenant_page(
        request, fleet, name, now=wiring.clock().now(), repository=wiring.current_repository
    )
    if page is None:
        raise Http404("There is no such tenant.")
    return render(request, "onboarding/tenants/detail.html", {"page": page})
