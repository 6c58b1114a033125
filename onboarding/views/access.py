"""Who may see and do what: the first line of every view.

What somebody may not see is answered like what does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.models import Change, Cluster, Fleet, Hub
from onboarding.services.rights import rights_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SESSION_FLEET = "fleet"


def user_with(request: HttpRequest, right: Right) -> User:
    """The signed-in person, if they have this right; 403 with the reason otherwise."""
    if right not in rights_of(request.user):
        raise PermissionDenied(
            f"Your account may not do this: it needs the right to {right.value}. Ask an administrator."
        )
    return cast("User", request.user)


def fleets_for(request: HttpRequest) -> list[Fleet]:
    """The fleets that this person may see; asked once for each request, page and frame alike."""
    user_with(request, Right.VIEW)
    found: list[Fleet] | None = getattr(request, "fleets", None)
    if found is None:
        found = list(Fleet.objects.all())
        request.fleets = found  # type: ignore[attr-defined]
    return found


def fleet_for(request: HttpRequest) -> Fleet | None:
    """The fleet that this person looks at now (?fleet= chooses another); None where none is configured yet."""
    fleets = fleets_for(request)
    asked = next((fleet for fleet in fleets if fleet.name == request.GET.get("fleet")), None)
    if asked is not None:
        # A way of looking, not a change: it is kept for this session only.
        request.session[SESSION_FLEET] = asked.pk
    chosen = request.session.get(SESSION_FLEET)
    return next((fleet for fleet in fleets if fleet.pk == chosen), fleets[0] if fleets else None)


def configured_fleet_for(request: HttpRequest) -> Fleet:
    """The fleet that this person looks at; 404 where none is configured."""
    fleet = fleet_for(request)
    if fleet is None:
        raise Http404("No fleet is configured yet. An administrator can add one.")
    return fleet


def setup_url_for(request: HttpRequest) -> str:
    """Where this person can connect a first fleet; "" for who may not."""
    return reverse("fleet-add") if Right.ADMINISTER in rights_of(request.user) else ""


def change_for(request: HttpRequest, pk: int) -> Change:
    """A change that this person may see; a draft is seen by its author alone."""
    user = user_with(request, Right.VIEW)
    change = Change.objects.select_related("fleet", "hub", "requester").filter(pk=pk).first()
    if change is None or (
        change.state == DecisionState.DRAFT.value and change.requester_id != user.pk
    ):
        raise Http404("There is no such change.")
    return change


def cluster_for(request: HttpRequest, hub: str, name: str) -> Cluster:
    """A cluster of the fleet's repository that this person may see."""
    user_with(request, Right.VIEW)
    cluster = (
        Cluster.objects.select_related("fleet")
        .filter(hub_name=hub, name=name)
        .order_by("problem", "path")
        .first()
    )
    if cluster is None:
        raise Http404("There is no such cluster in the fleet's repository.")
    return cluster


def hub_named(name: str) -> Hub | None:
    """The configured hub of this name, if there is one."""
    return Hub.objects.select_related("fleet").filter(name=name).first()
