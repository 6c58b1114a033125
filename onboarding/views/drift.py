"""What can be done about drift: adopt it into Git, or have the hub look at Git again."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.lifecycle import Right
from onboarding.models import Cluster
from onboarding.services import drifting
from onboarding.views import access


@require_POST
def drift_adopt(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """Ask for approval of a change that writes live labels into Git."""
    user = access.user_with(request, Right.REQUEST)
    cluster = access.cluster_for(request, hub, name, Right.REQUEST)
    configured = access.hub_named(request, hub)
    try:
        if configured is None:
            raise Refused(f"No hub called {hub} is configured here.", code="no_hub")
        change = drifting.adopt(
            cluster=cluster,
            keys=frozenset(request.POST.getlist("label")),
            actor=user,
            repository=wiring.current_repository(cluster.fleet, max_age=0),
            credentials=wiring.credentials(configured),
            clock=wiring.clock(),
        )
    except FleetError as error:
        messages.error(request, str(error))
        return redirect(_tab(cluster))
    messages.success(request, f"Change #{change.pk} writes it into Git. It waits for approval.")
    return redirect("change-detail", change.pk)


@require_POST
def drift_reassert(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """Ask the hub to read Git for this cluster again."""
    user = access.user_with(request, Right.REQUEST)
    cluster = access.cluster_for(request, hub, name, Right.REQUEST)
    try:
        asked = drifting.reassert(
            cluster=cluster,
            actor=user,
            reader=wiring.hub_reader,
            argocd=wiring.argocd,
            clock=wiring.clock(),
        )
        messages.success(request, asked)
    except FleetError as error:
        messages.error(request, str(error))
    return redirect(_tab(cluster))


def _tab(cluster: Cluster) -> str:
    return reverse("cluster-detail", args=[cluster.hub_name, cluster.name]) + "?tab=drift"
