"""A cluster moves to another hub: choose it, see both plans, ask, follow."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import Right
from onboarding.models import Cluster, HubMove
from onboarding.services import hub_moves
from onboarding.views import access
from onboarding.views.hub_move_page import move_page
from onboarding.views.partials import page_or_part

PAGE = "onboarding/clusters/move.html"
PART = "onboarding/clusters/_move_part.html"


@require_http_methods(["GET", "POST"])
def cluster_move(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """Which hub takes the cluster over, what both changes do, and where the move stands."""
    posts = request.method == "POST"
    user = access.user_with(request, Right.REQUEST if posts else Right.VIEW)
    move = hub_moves.newest(hub_name=hub, cluster=name)
    if move and not access.sees_change(request, move.leave_id):
        move = None
    cluster = _cluster(request, hub, name, move)
    to_hub = request.POST.get("to", "") if posts else request.GET.get("to", "")
    error = ""
    if posts and cluster is not None:
        try:
            made = hub_moves.request(
                cluster=cluster,
                to_hub=to_hub,
                confirmed=request.POST.get("confirm", ""),
                actor=user,
                repository=wiring.current_repository(cluster.fleet, max_age=0),
                credentials=wiring.credentials,
                clock=wiring.clock(),
                renderer=wiring.renderer(),
            )
        except FleetError as refused:
            error = str(refused)
        else:
            said = f"Change #{made.leave_id} asks for the first part. It waits for approval."
            messages.success(request, said)
            return redirect("change-detail", made.leave_id)
    page = move_page(
        hub=hub,
        name=name,
        cluster=cluster,
        move=move,
        user=user,
        to_hub=to_hub,
        repository=lambda one: wiring.current_repository(one.fleet),
        renderer=wiring.renderer(),
        error=error,
    )
    return page_or_part(request, PAGE, PART, {"page": page}, status=422 if error else 200)


def _cluster(request: HttpRequest, hub: str, name: str, move: HubMove | None) -> Cluster | None:
    """The cluster as Git has it; None for one that has left this hub by a move that is known."""
    try:
        return access.cluster_for(request, hub, name)
    except Http404:
        if move is None:
            raise
        return None
