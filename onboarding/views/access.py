"""Who may see and do what: the first line of every view.

What somebody may not see is answered like what does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, QuerySet, Subquery
from django.http import Http404, HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import Right
from onboarding.domain.roles import EVERYWHERE, Place
from onboarding.models import Bulk, Change, Cluster, Event, Fleet, Hub, HubWatch, Rollout
from onboarding.services import places, rights, scope

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Row = TypeVar("Row", bound=Model)
SESSION_FLEET = "fleet"


def reach_of(user: User | AnonymousUser) -> rights.Reach:
    """What this person may, where: read once for each request, for page and frame alike.

    What is decided asks `services.rights` anew.
    """
    found: rights.Reach | None = getattr(user, "reach", None)
    if found is None:
        found = rights.reach_of(user)
        user.reach = found  # type: ignore[union-attr]
    return found


def rights_of(user: User | AnonymousUser, *touched: Place) -> frozenset[Right]:
    """What this person may at all of these places; without one, at one place or another."""
    reach = reach_of(user)
    return reach.at_all(touched) if touched else reach.anywhere


def user_with(request: HttpRequest, right: Right, place: Place | None = None) -> User:
    """The signed-in person, if they have this right (at a place, or anywhere); else 403 with the reason."""
    if right not in rights_of(request.user, *([place] if place else [])):
        raise PermissionDenied(
            f"Your account may not do this: it needs the right to {right.value}. Ask an administrator."
        )
    return cast("User", request.user)


def fleets_for(request: HttpRequest) -> list[Fleet]:
    """The fleets that this person may see; asked once for each request, page and frame alike."""
    user_with(request, Right.VIEW)
    found: list[Fleet] | None = getattr(request, "fleets", None)
    if found is None:
        rows = scope.fleets(reach_of(request.user)).select_related("stop_switch", "pulse")
        newest = Event.objects.order_by("-pk").values("pk")[:1]
        demo = HubWatch.objects.filter(demo=True)
        found = list(rows.annotate(newest_event=Subquery(newest), has_demo_hub=Exists(demo)))
        request.fleets = found  # type: ignore[attr-defined]
    return found


def newest_event(request: HttpRequest) -> int:
    """The newest event of any fleet, read with this person's fleets; 0 where there is none of either."""
    return max((vars(fleet)["newest_event"] or 0 for fleet in fleets_for(request)), default=0)


def has_demo_hub(request: HttpRequest) -> bool:
    """Whether a hub of this installation is the demo's, read with this person's fleets."""
    return any(vars(fleet)["has_demo_hub"] for fleet in fleets_for(request))


def fleet_for(request: HttpRequest) -> Fleet | None:
    """The fleet that this person looks at now (?fleet= chooses another); None where there is none for them."""
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


def whole_fleet_for(request: HttpRequest) -> Fleet:
    """The fleet that this person looks at, if they see all of it; 404 otherwise, as where there is none."""
    fleet = configured_fleet_for(request)
    if not sees_whole_fleet(request):
        raise Http404("This page shows whole fleets.")
    return fleet


def whole_installation_for(request: HttpRequest) -> User:
    """The signed-in person, if they see everything; 404 otherwise."""
    user = user_with(request, Right.VIEW)
    if Right.VIEW not in reach_of(user).at(EVERYWHERE):
        raise Http404("This page shows the whole installation.")
    return user


def sees_whole_fleet(request: HttpRequest) -> bool:
    """Whether this person sees all of the fleet that they look at."""
    fleet = fleet_for(request)
    return fleet is not None and scope.sees_all(reach_of(request.user), fleet)


def setup_url_for(request: HttpRequest) -> str:
    """Where this person can connect a first fleet; "" for who may not."""
    return reverse("fleet-add") if Right.ADMINISTER in rights_of(request.user) else ""


def change_for(request: HttpRequest, pk: int, right: Right = Right.VIEW) -> Change:
    """A change that this person may see, if they have a right over all that it touches.

    404 for what they may not see, 403 with the reason where they see it and lack the right.
    """
    user = user_with(request, Right.VIEW)
    rows = scope.changes(reach_of(user), user)
    change = first(
        rows.select_related(
            "fleet", "hub", "requester", "pause__owner", "pause_ended__owner"
        ).filter(pk=pk),
        "change",
    )
    if right not in rights_of(user, *places.touched_by(change)):
        user_with(request, right, places.place_of(change))
        raise PermissionDenied(f"This needs the right to {right.value} for all that it touches.")
    return change


def changes_for(request: HttpRequest, right: Right = Right.VIEW) -> QuerySet[Change]:
    """The changes over which this person has a right; drafts are their authors' alone."""
    user = user_with(request, Right.VIEW)
    return scope.changes(reach_of(user), user, right)


def sees_change(request: HttpRequest, pk: int) -> bool:
    """Whether this person may see a change: then also what became of the cluster by it."""
    return changes_for(request).filter(pk=pk).exists()


def rollouts_for(request: HttpRequest) -> QuerySet[Rollout]:
    """The rollouts of which this person may see every cluster."""
    user = user_with(request, Right.VIEW)
    return scope.rollouts(reach_of(user), user)


def bulks_for(request: HttpRequest) -> QuerySet[Bulk]:
    """The bulks of which this person may see every row."""
    user = user_with(request, Right.VIEW)
    return scope.bulks(reach_of(user), user)


def events_for(request: HttpRequest) -> QuerySet[Event]:
    """What happened, as far as this person may see it."""
    user = user_with(request, Right.VIEW)
    return scope.events(reach_of(user), user)


def approves_everywhere(user: User | AnonymousUser) -> bool:
    """Whether somebody may approve all over the installation, so that no row has to be asked for it."""
    return Right.APPROVE in reach_of(user).at(EVERYWHERE)


def cluster_for(request: HttpRequest, hub: str, name: str, right: Right = Right.VIEW) -> Cluster:
    """A cluster of the fleet's repository that this person may see, if they have a right there."""
    user = user_with(request, Right.VIEW)
    rows = scope.clusters(reach_of(user)).select_related("fleet")
    cluster = first(rows.filter(hub_name=hub, name=name).order_by("problem", "path"), "cluster")
    user_with(request, right, places.place_of(cluster))
    return cluster


def hub_named(request: HttpRequest, name: str) -> Hub | None:
    """The configured hub of this name, if there is one that this person may see."""
    rows = scope.hubs(reach_of(request.user)).select_related("fleet")
    return rows.filter(name=name).first()


def first(rows: QuerySet[Row], noun: str) -> Row:
    """The first of these rows; 404 in the same words for what is absent and what is not to be seen."""
    found = rows.first()
    if found is None:
        raise Http404(f"There is no such {noun}.")
    return found
