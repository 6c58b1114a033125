"""What a branch or commit would do, as a page."""

from __future__ import annotations

from dataclasses import replace

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.fleet_plan import ClusterPlan, FleetPlan
from onboarding.domain.fleet_plan_text import fleet_basis, fleet_summary, leaving
from onboarding.services.plan_records import impact_record
from onboarding.views.listing import PAGE_SIZE, pagination
from onboarding.views.pages import FleetPlanPage, LabelChange, MovedCluster
from onboarding.views.plan_page import impact_from_record

_MOST_FILES = 50
_OPEN = 3


def fleet_plan_page(request: HttpRequest, rev: str, plan: FleetPlan) -> FleetPlanPage:
    """One page of the clusters that move, those that lose something first."""
    page = Paginator(plan.moved, PAGE_SIZE).get_page(request.GET.get("page"))
    first = page.number == 1
    return FleetPlanPage(
        rev=rev,
        summary=fleet_summary(plan),
        base=plan.base,
        basis=fleet_basis(plan),
        clusters=tuple(
            _row(one, is_open=first and number < _OPEN)
            for number, one in enumerate(page.object_list)
        ),
        pages=pagination(page),
        files=plan.files[:_MOST_FILES],
        more_files=max(0, len(plan.files) - _MOST_FILES),
        unforeseen=plan.unforeseen[:_MOST_FILES],
        warnings=tuple(one.message for one in plan.warnings),
        disappearing=plan.disappearing,
        left_out=plan.left_out,
    )


def _row(plan: ClusterPlan, *, is_open: bool) -> MovedCluster:
    return MovedCluster(
        hub=plan.hub,
        name=plan.cluster,
        url=reverse("cluster-detail", args=[plan.hub, plan.cluster]),
        # One sentence for all stands at the end of the page.
        impact=replace(impact_from_record(impact_record(plan.impact)), basis=""),
        labels=tuple(LabelChange(key, was, will) for key, was, will in plan.labels),
        note=leaving(plan) if plan.leaves else "",
        problem=plan.problem,
        is_open=is_open,
    )
