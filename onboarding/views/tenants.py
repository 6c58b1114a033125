"""Tenants: who is in the fleet, and which file sets what for them."""

from __future__ import annotations

from collections import defaultdict

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import Right
from onboarding.models import Fleet
from onboarding.services import layers
from onboarding.views import access
from onboarding.views.pages import LayerFile, LayerNode, Link, TenantListPage, TenantPage, TenantRow
from onboarding.views.standing_rows import counts_by, row_of, standings


@require_GET
def tenant_list(request: HttpRequest) -> HttpResponse:
    """All tenants with their environments and clusters."""
    access.user_with(request, Right.VIEW)
    fleet = access.fleet_for(request)
    rows_of_fleet = standings(fleet, wiring.clock().now()).exclude(tenant="")
    environments: dict[str, set[str]] = defaultdict(set)
    pairs = rows_of_fleet.order_by().values_list("tenant", "environment").distinct()
    for tenant, environment in pairs:
        environments[tenant].add(environment)
    rows = tuple(
        TenantRow(
            name=tenant,
            url=reverse("tenant-detail", args=[tenant]),
            environments=tuple(sorted(environments[tenant])),
            clusters=sum(part.count for part in counts),
            counts=counts,
        )
        for tenant, counts in counts_by(rows_of_fleet, "tenant").items()
    )
    page = TenantListPage(rows=rows, as_of=fleet.indexed_at if fleet else None)
    return render(request, "onboarding/tenants/list.html", {"page": page})


@require_GET
def tenant_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One tenant: its layers of values from the lowest to its clusters."""
    access.user_with(request, Right.VIEW)
    fleet = access.configured_fleet_for(request)
    now = wiring.clock().now()
    rows = standings(fleet, now).filter(tenant=name).select_related("change")
    nodes = _nodes(fleet, name)
    if not rows.exists() and not nodes:
        raise Http404("There is no such tenant.")
    page = TenantPage(
        name=name,
        layers=nodes,
        clusters=tuple(row_of(standing, now) for standing in rows[:200]),
        crumbs=(Link("Tenants", reverse("tenant-list")),),
        as_of=fleet.indexed_at,
    )
    return render(request, "onboarding/tenants/detail.html", {"page": page})


def _nodes(fleet: Fleet, tenant: str) -> tuple[LayerNode, ...]:
    try:
        found = layers.layers_of_tenant(
            fleet=fleet, tenant=tenant, snapshot=wiring.current_repository(fleet).snapshot()
        )
    except FleetError:
        return ()
    return tuple(
        LayerNode(
            title=layer.title,
            inherits=layer.inherits,
            files=tuple(LayerFile(path=file.path, keys=file.keys) for file in layer.files),
        )
        for layer in found
    )
