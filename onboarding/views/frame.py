"""What the frame around every page knows: fleets, inbox, role."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.roles import EVERYWHERE
from onboarding.models import HubWatch, Participant
from onboarding.views import access
from onboarding.views.pages import FleetChoice, Frame


def waits_for(request: HttpRequest) -> Any:
    """The changes that wait for this person: to approve, or to look at again after a lapse."""
    mine = Participant.objects.filter(
        change=OuterRef("pk"), user_id=request.user.pk or 0, role=Participant.Role.AUTHOR
    )
    seen = access.changes_for(request).annotate(is_mine=Exists(mine))
    lapsed = Q(state=DecisionState.LAPSED.value, is_mine=True)
    if Right.APPROVE not in access.rights_of(request.user):
        return seen.filter(lapsed)
    asked = Q(state=DecisionState.SUBMITTED.value, is_mine=False)
    if not access.approves_everywhere(request.user):
        asked &= Q(pk__in=access.changes_for(request, Right.APPROVE).order_by().values("pk"))
    return seen.filter(asked | lapsed)


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
            inbox_count=waits_for(request).count(),
            search_query=request.GET.get("q", "") if request.path == reverse("search") else "",
            role=_role(may),
            may_administer=Right.ADMINISTER in may,
            sees_fleet=current is None or access.sees_whole_fleet(request),
            sees_all=Right.VIEW in access.rights_of(request.user, EVERYWHERE),
            is_demo=HubWatch.objects.filter(demo=True).exists(),
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
