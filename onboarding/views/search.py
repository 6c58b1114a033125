"""Search over everything: clusters, changes, Applications, components, and keys of values."""

from __future__ import annotations

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.models import ApplicationStatus
from onboarding.services import scope
from onboarding.services.observing.components import components
from onboarding.services.shown import state_of
from onboarding.views import access, freshness
from onboarding.views.application_rows import shown_state, silent
from onboarding.views.change_page import title_of
from onboarding.views.listing import query_of
from onboarding.views.numbers import number_in
from onboarding.views.pages import Hit, SearchPage
from onboarding.views.pause_part import PAUSES
from onboarding.views.standing_rows import bearing, url_of

MOST = 20


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """What bears the words: clusters first, then changes, Applications, components; values are looked for elsewhere."""
    access.user_with(request, Right.VIEW)
    query = query_of(request)
    kinds = (
        tuple(look(request, query) for look in (_clusters, _changes, _applications, _components))
        if query
        else ()
    )
    found = [hit for hits in kinds for hit in hits[:MOST]]
    page = SearchPage(
        query=query,
        hits=tuple(found),
        values_url=f"{reverse('value-search')}?{urlencode({'q': query})}" if query else "",
        truncated=any(len(hits) > MOST for hits in kinds),
    )
    return render(request, "onboarding/search.html", {"page": page})


def _clusters(request: HttpRequest, query: str) -> list[Hit]:
    now = wiring.clock().now()
    rows = scope.standings(access.reach_of(request.user)).filter(
        bearing(query, "name", "tenant", "hub_name")
    )
    return [
        Hit(
            kind="Cluster",
            title=row.name,
            url=url_of(row),
            detail=f"{row.tenant}, {row.environment}, on {row.hub_name}",
            word=state_of(row, now).word,
        )
        for row in rows[: MOST + 1]
    ]


def _changes(request: HttpRequest, query: str) -> list[Hit]:
    number = number_in(query.removeprefix("#"))
    by_number = Q() if number is None else Q(pk=number)
    rows = access.changes_for(request).filter(Q(cluster_name__icontains=query) | by_number)
    return [
        Hit(
            kind="Change",
            title=f"#{row.pk} {title_of(row)}",
            url=reverse("change-detail", args=[row.pk]),
            detail=f"asked for by {row.requester.get_username()}",
            word=DecisionState(row.state).word,
        )
        for row in rows.select_related("requester", *PAUSES)[: MOST + 1]
    ]


def _applications(request: HttpRequest, query: str) -> list[Hit]:
    now = wiring.clock().now()
    hubs = scope.hubs(access.reach_of(request.user)).select_related("watch")
    quiet = silent([freshness.hub_row(hub, now) for hub in hubs], now)
    # Kubernetes has names in small letters only. Which ones bear the word is read in an index alone;
    # looking for any case, in the rows, takes ten times as long.
    called = scope.applications(access.reach_of(request.user)).filter(name__contains=query.lower())
    found = list(called.order_by("name", "pk").values_list("pk", flat=True)[: MOST + 1])
    rows = ApplicationStatus.objects.filter(pk__in=found).select_related("hub")
    return [
        Hit(
            kind="Application",
            title=row.name,
            url=f"{reverse('application-list')}?{urlencode({'q': row.name, 'hub': row.hub.name})}",
            detail=f"{row.component} {row.version} on {row.hub.name}".strip(),
            word=shown_state(row, is_silent=row.hub.name in quiet).word,
        )
        for row in rows.order_by("name", "pk")
    ]


def _components(request: HttpRequest, query: str) -> list[Hit]:
    """Components that Applications are made of, each with the list of its Applications."""
    called = [each for each in components() if query.casefold() in each.casefold()]
    theirs = scope.applications(access.reach_of(request.user)).filter(component__in=called)
    rows = theirs.order_by("component").values_list("component").annotate(count=Count("*"))
    return [
        Hit(
            kind="Component",
            title=component,
            url=f"{reverse('application-list')}?{urlencode({'component': component})}",
            detail=f"{count} Application{'' if count == 1 else 's'}",
        )
        for component, count in rows[: MOST + 1]
    ]
