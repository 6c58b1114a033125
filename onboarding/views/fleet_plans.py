"""What would this branch do? Read-only: a branch or commit of the fleet repository, held against the fleet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.services import fleet_plans
from onboarding.views import access
from onboarding.views.fleet_plan_page import fleet_plan_page
from onboarding.views.pages import FleetPlanPage

_LONGEST = 200
_SECONDS = 20.0


@require_GET
def fleet_plan(request: HttpRequest) -> HttpResponse:
    """Every cluster that merging ?rev= would move, and how."""
    fleet = access.whole_fleet_for(request)
    rev = request.GET.get("rev", "").strip()[:_LONGEST]
    page = FleetPlanPage(rev=rev)
    if rev:
        try:
            repository = wiring.current_repository(fleet)
            found = fleet_plans.plan_revision(
                fleet=fleet,
                repository=repository,
                rev=rev,
                seconds=_SECONDS,
                renderer=wiring.renderer(),
            )
            page = fleet_plan_page(request, rev, found)
        except FleetError as error:
            page = FleetPlanPage(rev=rev, problem=str(error))
    return render(request, "onboarding/changes/fleet_plan.html", {"page": page})
