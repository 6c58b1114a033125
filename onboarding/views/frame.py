"""What the frame around every page knows: fleets, inbox, role."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.models import Change, HubWatch, Participant
from onboarding.services.rights import rights_of
from onboarding.views import access
from onboarding.views.pages import FleetChoice, Frame


def waits_for(request: HttpRequest) -> Any:
    """The changes that wait for this person: to approve, or to look at again after a lapse."""
    may = rights_of(request.user)
    mine = Participant.objects.filter(
        change=OuterRef("pk"), user_id=request.user.pk or 0, role=Participant.Role.AUTHOR
    )
    open_changes = Change.objects.annotate(is_mine=Exists(mine))
    lapsed = open_changes.filter(state=DecisionState.LAPSED.value, is_mine=True)
    if Right.APPROVE not in may:
        return lapsed
    return open_changes.filter(state=DecisionState.SUBMITTED.value, is_mine=False) | lapsed


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `frame` for signed-in people, nothing for others."""
    if not getattr(request, "user", None) or not request.user.is_authenticated or request.htmx:  # type: ignore[attr-defined]
        return {}
    fleets = access.fleets_for(request)
    current = access.fleet_for(request)
    may = rights_of(request.user)
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
