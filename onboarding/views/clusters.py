"""Clusters: the list, and the page of one cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import Right
from onboarding.views import access, exports, freshness
from onboarding.views.cluster_list_page import cluster_list_page, filtered
from onboarding.views.cluster_page import cluster_page
from onboarding.views.partials import page_or_part
from onboarding.views.standing_rows import CHANNEL_COLUMNS, row_of, standings

COLUMNS = (
    "hub",
    "cluster",
    "state",
    "reason",
    "tenant",
    "environment",
    "model",
    *CHANNEL_COLUMNS.values(),
    "pinned",
    "applications",
    "synced",
    "healthy",
    "drifted_labels",
    "credentials",
    "next_step",
    "since",
    "seen_at",
    "open_change",
)


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
def cluster_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The clusters that the URL's filter leaves, as CSV."""
    access.user_with(request, Right.VIEW)
    return exports.as_csv(request, "clusters", COLUMNS, _rows(request))


@require_GET
def cluster_json(request: HttpRequest) -> StreamingHttpResponse:
    """The same as JSON."""
    access.user_with(request, Right.VIEW)
    fleet, now = access.fleet_for(request), wiring.clock().now()
    as_of = freshness.oldest(freshness.hub_rows(access.reach_of(request.user), fleet, now))
    return exports.as_json(request, "clusters", COLUMNS, _rows(request), as_of=as_of)


def _rows(request: HttpRequest) -> Iterator[dict[str, Any]]:
    now = wiring.clock().now()
    found, _ = filtered(
        request, standings(access.reach_of(request.user), access.fleet_for(request), now)
    )
    rows = found.order_by("name", "pk").iterator(chunk_size=exports.ROWS_AT_ONCE)
    return (_exported(row, now) for row in rows)


def _exported(row: Any, now: datetime) -> dict[str, Any]:
    shown = row_of(row, now, reads_change=False)
    return {
        "hub": row.hub_name,
        "cluster": row.name,
        "state": shown.state,
        "reason": shown.reason,
        "tenant": row.tenant,
        "environment": row.environment,
        "model": row.model,
        **{column: getattr(row, column) for column in CHANNEL_COLUMNS.values()},
        "pinned": " ".join(row.overrides),
        "applications": row.applications,
        "synced": row.synced,
        "healthy": row.healthy,
        "drifted_labels": row.drift,
        "credentials": row.credential,
        "next_step": row.stage,
        "since": row.since,
        "seen_at": shown.seen_at,
        "open_change": row.change_id,
    }


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
