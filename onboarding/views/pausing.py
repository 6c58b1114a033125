"""Pause one cluster with an owner, a reason and an end, and end it before its time."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.models import Cluster, ClusterPause
from onboarding.services import pausing, places, policies
from onboarding.views import access
from onboarding.views.pages import Link, PausePage
from onboarding.views.policy_part import demand_words

_HOURS = (("1", "1 hour"), ("4", "4 hours"), ("24", "1 day"), ("72", "3 days"), ("168", "7 days"))


@require_http_methods(["GET", "POST"])
def cluster_pause(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """How long and why, or who has paused it until when."""
    right = Right.REQUEST if request.method == "POST" else Right.VIEW
    access.user_with(request, right)
    cluster = access.cluster_for(request, hub, name)
    error = ""
    if request.method == "POST":
        try:
            return _ask(request, cluster)
        except FleetError as refused:
            error = str(refused)
    page = _page(request, cluster, error)
    return render(
        request, "onboarding/clusters/pause.html", {"page": page}, status=422 if error else 200
    )


def _ask(request: HttpRequest, cluster: Cluster) -> HttpResponse:
    configured = access.hub_named(request, cluster.hub_name)
    hours = request.POST.get("hours", "")
    if configured is None or hours not in dict(_HOURS):
        raise Http404("There is no such hub, or it was not said for how long.")
    clock = wiring.clock()
    change = pausing.request(
        cluster=cluster,
        reason=request.POST.get("reason", ""),
        until=clock.now() + timedelta(hours=int(hours)),
        actor=access.user_with(request, Right.REQUEST),
        repository=wiring.current_repository(cluster.fleet, max_age=0),
        credentials=wiring.credentials(configured),
        clock=clock,
        renderer=wiring.renderer(),
    )
    messages.success(request, f"Change #{change.pk} asks for the pause. It waits for approval.")
    return redirect("change-detail", change.pk)


@require_POST
def pause_end(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """End it before its time."""
    user = access.user_with(request, Right.REQUEST)
    pause = pausing.open_pause(hub_name=hub, cluster=name)
    if pause is None or not access.sees_change(request, pause.change_id):
        raise Http404("This cluster is not paused.")
    try:
        pausing.end_now(pause_id=pause.pk, actor=user, clock=wiring.clock(), queue=wiring.queue())
    except FleetError as error:
        messages.error(request, str(error))
    return redirect("cluster-pause", hub, name)


def _standing(pause: ClusterPause) -> tuple[str, str]:
    """Where an open pause is: its word, and what happens next."""
    change = pause.end_change or pause.change
    if change.state != DecisionState.APPROVED.value:
        what = "The end of the pause" if pause.end_change else "The pause"
        return "Waiting for approval", f"{what} waits for approval; nothing of it is in Git yet."
    if pause.end_change:
        return "Queued", "It ends: the commit that takes it out of Git is on its way."
    if not pausing.is_in_git(pause):
        return "Queued", "It is approved, and on its way to Git."
    return "Paused", "Argo CD leaves the cluster alone. It ends by itself at its time."


def _page(request: HttpRequest, cluster: Cluster, error: str) -> PausePage:
    pause = pausing.open_pause(hub_name=cluster.hub_name, cluster=cluster.name)
    may_ask = Right.REQUEST in access.rights_of(request.user, places.place_of(cluster))
    place = [cluster.hub_name, cluster.name]
    change = (pause.end_change or pause.change) if pause else None
    word, sentence = _standing(pause) if pause else ("", "")
    return PausePage(
        name=cluster.name,
        hub=cluster.hub_name,
        crumbs=(
            Link("Clusters", reverse("cluster-list")),
            Link(cluster.name, reverse("cluster-detail", args=place)),
        ),
        hours=_HOURS,
        chosen=request.POST.get("hours", _HOURS[0][0]),
        word=word,
        sentence=sentence,
        demand=demand_words(
            policies.demand_on_edits([(cluster.tenant, cluster.environment)], fleet=cluster.fleet),
            wiring.clock().now(),
        ),
        reason=request.POST.get("reason", ""),
        problem=error,
        denied="" if may_ask else "Your account may not request changes.",
        owner=pause.owner.get_username() if pause else "",
        why=pause.reason if pause else "",
        note=pause.note if pause else "",
        until=pause.until if pause else None,
        change=Link(f"Change #{change.pk}", reverse("change-detail", args=[change.pk]))
        if change
        else None,
        end_url=reverse("pause-end", args=place)
        if pause and may_ask and pause.end_change is None
        else "",
    )
