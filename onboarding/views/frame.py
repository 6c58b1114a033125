"""What the frame around every page knows: fleets, inbox, role."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from onboarding import wiring
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.roles import EVERYWHERE
from onboarding.models import Approval, Change, Participant, WantedGroup
from onboarding.services import stopping
from onboarding.services.observing.kept_counts import Counted, kept_counts
from onboarding.views import access
from onboarding.views.pages import Fact, FleetChoice, Frame

_GROUPS_MAY_MOVE = timedelta(seconds=5)


def waits_for(request: HttpRequest) -> QuerySet[Change]:
    """The changes that wait for this person: to decide on, or to look at again after a lapse.

    Only what they may decide on now, and where it helps: not what they approved already, and where
    somebody of a group has to be next, only where they are in it.
    """
    may, me = access.rights_of(request.user), request.user.pk or 0
    here = {"change": OuterRef("pk")}
    mine = Participant.objects.filter(**here, user_id=me, role=Participant.Role.AUTHOR)
    approved = Approval.objects.filter(**here, digest=OuterRef("plan_digest"), user_id=me)
    wanted = WantedGroup.objects.filter(**here)
    of_mine = wanted.filter(name__in=Group.objects.filter(user=me).values("name"))
    seen = access.changes_for(request)
    waits = Q(Exists(mine), state=DecisionState.LAPSED.value)
    if Right.APPROVE in may:
        can_decide = ~Exists(mine) & ~Exists(approved) & (~Exists(wanted) | Exists(of_mine))
        open_to_me = Q(can_decide, state=DecisionState.SUBMITTED.value) & ~Q(plan_digest="")
        if not access.approves_everywhere(request.user):
            open_to_me &= _within(request, Right.APPROVE)
        if Right.APPROVE_DESTRUCTIVE not in access.rights_of(request.user, EVERYWHERE):
            open_to_me &= Q(destructive=False) | _within(request, Right.APPROVE_DESTRUCTIVE)
        waits |= open_to_me
    return seen.filter(waits)


def waiting_count(request: HttpRequest) -> int:
    """How many changes wait for this person; counted once for each request, page and frame alike.

    Whatever moves a change is an event. Who is in which group is none, so that it is counted again
    after some seconds at the latest.
    """
    found: int | None = getattr(request, "waiting_count", None)
    if found is None:
        now = wiring.clock().now()
        found = kept_counts.of(
            ("waits", request.user.pk, access.reach_of(request.user).key),
            version=access.newest_event(request),
            now=now,
            count=lambda: Counted(waits_for(request).count(), now + _GROUPS_MAY_MOVE),
        )
        request.waiting_count = found  # type: ignore[attr-defined]
    return found


def _within(request: HttpRequest, right: Right) -> Q:
    """The changes over which this person has a right."""
    return Q(pk__in=access.changes_for(request, right).order_by().values("pk"))


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `frame` for signed-in people who have a role, nothing for others."""
    if not getattr(request, "user", None) or not request.user.is_authenticated or request.htmx:  # type: ignore[attr-defined]
        return {}
    if Right.VIEW not in access.rights_of(request.user):
        return {}
    fleets = access.fleets_for(request)
    current = access.fleet_for(request)
    may = access.rights_of(request.user)
    return {
        "frame": Frame(
            fleet_name=current.name if current else "",
            fleets=tuple(
                FleetChoice(
                    fleet.name,
                    f"{reverse('overview')}?fleet={fleet.name}",
                    is_current=current is not None and fleet.pk == current.pk,
                )
                for fleet in fleets
            ),
            inbox_count=waiting_count(request),
            search_query=request.GET.get("q", "") if request.path == reverse("search") else "",
            role=_role(may),
            may_administer=Right.ADMINISTER in may,
            sees_fleet=current is None or access.sees_whole_fleet(request),
            sees_all=Right.VIEW in access.rights_of(request.user, EVERYWHERE),
            stops=tuple(
                Fact(fleet.name, stopping.sentence(fleet.stop_switch))
                for fleet in fleets
                if hasattr(fleet, "stop_switch") and fleet.stop_switch.stopped_at
            ),
            is_demo=access.has_demo_hub(request),
        )
    }


def _role(may: frozenset[Right]) -> str:
    words = {
        Right.REQUEST: "requester",
        Right.APPROVE: "approver",
        Right.ADMINISTER: "administrator",
    }
    held = [word for right, word in words.items() if right in may]
    return " and ".join(held).capitalize() if held else "Viewer"
