"""A cluster leaves the fleet: ask for it, follow it, pause, resume and stop it, give its spoke up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import Right
from onboarding.models import Cluster, Offboarding
from onboarding.services import offboarding
from onboarding.views import access
from onboarding.views.offboarding_page import KEEP, REMOVE, offboard_page
from onboarding.views.partials import page_or_part

PAGE = "onboarding/clusters/offboard.html"
PART = "onboarding/clusters/_offboard_part.html"


@require_http_methods(["GET", "POST"])
def cluster_offboard(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """Whether workloads stay, all that goes away, and where the offboarding stands."""
    right = Right.REQUEST if request.method == "POST" else Right.VIEW
    user = access.user_with(request, right)
    run = _newest(request, hub, name)
    cluster = _cluster(request, hub, name, run)
    error = ""
    if request.method == "POST" and cluster is not None:
        try:
            return _ask(request, cluster)
        except FleetError as refused:
            error = str(refused)
    page = offboard_page(
        hub=hub,
        name=name,
        cluster=cluster,
        run=run,
        user=user,
        workloads=request.POST.get("workloads", request.GET.get("workloads", "")),
        repository=lambda one: wiring.current_repository(one.fleet),
        renderer=wiring.renderer(),
        now=wiring.clock().now(),
        error=error,
    )
    return page_or_part(request, PAGE, PART, {"page": page}, status=422 if error else 200)


def _newest(request: HttpRequest, hub: str, name: str) -> Offboarding | None:
    """The cluster's newest offboarding, where this person may see it."""
    run = offboarding.newest(hub_name=hub, cluster=name)
    return run if run and access.sees_change(request, run.change_id) else None


def _cluster(request: HttpRequest, hub: str, name: str, run: Offboarding | None) -> Cluster | None:
    """The cluster as Git has it; None for one that has left it, by an offboarding that is known."""
    try:
        return access.cluster_for(request, hub, name)
    except Http404:
        if run is None:
            raise
        return None


def _ask(request: HttpRequest, cluster: Cluster) -> HttpResponse:
    user = access.user_with(request, Right.REQUEST)
    configured = access.hub_named(request, cluster.hub_name)
    workloads = request.POST.get("workloads", "")
    if configured is None or workloads not in (KEEP, REMOVE):
        raise Http404("There is no such hub, or it was not said whether workloads stay.")
    change = offboarding.request(
        cluster=cluster,
        keep=workloads == KEEP,
        confirmed=request.POST.get("confirm", ""),
        actor=user,
        repository=wiring.current_repository(cluster.fleet, max_age=0),
        credentials=wiring.credentials(configured),
        clock=wiring.clock(),
        renderer=wiring.renderer(),
    )
    messages.success(request, f"Change #{change.pk} asks for the whole way. It waits for approval.")
    return redirect("change-detail", change.pk)


@require_POST
def offboarding_pause(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """Make no further commit until somebody resumes."""
    user, reason = access.user_with(request, Right.REQUEST), request.POST.get("reason", "")
    return _moved(request, hub, name, partial(offboarding.pause, actor=user, reason=reason))


@require_POST
def offboarding_resume(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """Go on where it was paused."""
    user = access.user_with(request, Right.REQUEST)
    return _moved(request, hub, name, partial(offboarding.resume, actor=user))


@require_POST
def offboarding_stop(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """End it where it is."""
    user, reason = access.user_with(request, Right.REQUEST), request.POST.get("reason", "")
    return _moved(request, hub, name, partial(offboarding.stop, actor=user, reason=reason))


@require_POST
def offboarding_give_up(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """Decide that the spoke is gone for good."""
    user = access.user_with(request, Right.APPROVE_DESTRUCTIVE)
    reason, confirmed = request.POST.get("reason", ""), request.POST.get("confirm", "")
    give_up = partial(offboarding.give_up_spoke, actor=user, reason=reason, confirmed=confirmed)
    return _moved(request, hub, name, give_up)


def _moved(request: HttpRequest, hub: str, name: str, move: Callable[..., None]) -> HttpResponse:
    """Do it to the cluster's newest offboarding, and say what was refused."""
    run = _newest(request, hub, name)
    if run is None:
        raise Http404("This cluster has no offboarding.")
    try:
        move(offboarding_id=run.pk, clock=wiring.clock())
    except FleetError as error:
        messages.error(request, str(error))
    return redirect("cluster-offboard", hub, name)
