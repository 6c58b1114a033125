"""Search over clusters, changes and Applications."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.sync import VerdictState
from onboarding.models import ApplicationStatus, Change, Standing
from onboarding.views import access
from onboarding.views.change_page import title_of
from onboarding.views.listing import query_of
from onboarding.views.pages import Hit, SearchPage
from onboarding.views.standing_rows import state_of, url_of

MOST = 20


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """What bears the words: clusters first, then changes, then Applications."""
    access.user_with(request, Right.VIEW)
    query = query_of(request)
    found = [*_clusters(query), *_changes(request, query), *_applications(query)] if query else []
    page = SearchPage(query=query, hits=tuple(found), truncated=len(found) >= MOST)
    return render(request, "onboarding/search.html", {"page": page})


def _clusters(query: str) -> list[Hit]:
    now = wiring.clock().now()
    rows = Standing.objects.filter(
        Q(name__icontains=query) | Q(tenant__icontains=query) | Q(hub_name__icontains=query)
    )
    return [
        Hit(
            kind="Cluster",
            title=row.name,
            url=url_of(row),
            detail=f"{row.tenant}, {row.environment}, on {row.hub_name}",
            word=state_of(row, now).word,
        )
        for row in rows[:MOST]
    ]


def _changes(request: HttpRequest, query: str) -> list[Hit]:
    number = query.removeprefix("#")
    by_number = Q(pk=int(number)) if number.isdigit() and len(number) < 10 else Q()
    rows = Change.objects.filter(Q(cluster_name__icontains=query) | by_number).exclude(
        ~Q(requester_id=request.user.pk), state=DecisionState.DRAFT.value
    )
    return [
        Hit(
            kind="Change",
            title=f"#{row.pk} {title_of(row)}",
            url=reverse("change-detail", args=[row.pk]),
            detail=f"asked for by {row.requester.get_username()}",
            word=DecisionState(row.state).word,
        )
        for row in rows.select_related("requester")[:MOST]
    ]


def _applications(query: str) -> list[Hit]:
    rows = ApplicationStatus.objects.filter(name__icontains=query).select_related("hub")[:MOST]
    return [
        Hit(
            kind="Application",
            title=row.name,
            url=reverse("cluster-detail", args=[row.hub.name, row.cluster_name])
            if row.cluster_name
            else "",
            detail=f"{row.component} {row.version} on {row.hub.name}".strip(),
            word=VerdictState(row.verdict).word if row.verdict else "Unknown",
        )
        for row in rows
    ]
