"""Applications: the list over all hubs of the fleet, and the same as files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import Right
from onboarding.views import access, exports, freshness
from onboarding.views.application_list_page import application_list_page, filtered, ordered
from onboarding.views.application_rows import HUB_SILENT, shown_state, silent
from onboarding.views.partials import page_or_part

COLUMNS = (
    "hub",
    "application",
    "cluster",
    "component",
    "application_set",
    "state",
    "sync",
    "health",
    "version",
    "revision",
    "message",
    "synced_at",
    "healthy_at",
    "seen_at",
)


@require_GET
def application_list(request: HttpRequest) -> HttpResponse:
    """Every Application with its state, what is wrong first, filtered and paged by the URL."""
    access.user_with(request, Right.VIEW)
    page = application_list_page(request, access.fleet_for(request), now=wiring.clock().now())
    return page_or_part(
        request,
        "onboarding/applications/list.html",
        "onboarding/applications/_list_part.html",
        {"page": page},
    )


@require_GET
def application_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The Applications that the URL's filter leaves, as CSV."""
    access.user_with(request, Right.VIEW)
    return exports.as_csv(request, "applications", COLUMNS, _rows(request))


@require_GET
def application_json(request: HttpRequest) -> StreamingHttpResponse:
    """The same as JSON."""
    access.user_with(request, Right.VIEW)
    fleet, now = access.fleet_for(request), wiring.clock().now()
    as_of = freshness.oldest(freshness.hub_rows(access.reach_of(request.user), fleet, now))
    return exports.as_json(request, "applications", COLUMNS, _rows(request), as_of=as_of)


def _rows(request: HttpRequest) -> Iterator[dict[str, Any]]:
    fleet, now = access.fleet_for(request), wiring.clock().now()
    hubs = freshness.hub_rows(access.reach_of(request.user), fleet, now)
    quiet = silent(hubs, now)
    rows = ordered(filtered(request, hubs, now))
    return (_row(row, is_silent=row.hub.name in quiet) for row in rows)


def _row(row: Any, *, is_silent: bool) -> dict[str, Any]:
    return {
        "hub": row.hub.name,
        "application": row.name,
        "cluster": row.cluster_name,
        "component": row.component,
        "application_set": row.application_set,
        "state": shown_state(row, is_silent=is_silent).word,
        "sync": row.sync or "Unknown",
        "health": row.health or "Unknown",
        "version": row.version,
        "revision": row.revision,
        "message": HUB_SILENT if is_silent else row.reason,
        "synced_at": row.synced_at,
        "healthy_at": row.healthy_at,
        "seen_at": row.seen_at,
    }
