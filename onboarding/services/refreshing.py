"""Refreshing: follow the fleet's branch, whoever moved it."""

from __future__ import annotations

from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Change, Fleet, Heartbeat
from onboarding.ports import ChartRenderer, Clock, FleetRepository
from onboarding.services import indexing, linting, waiting_plans
from onboarding.services.delivery import lost_commits


def refresh(
    *,
    fleet: Fleet,
    repository: FleetRepository,
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> None:
    """Fetch the branch, bring member rows, waiting plans and the lint report to its tip, and leave a sign of life.

    A repository that cannot be read is written down in `Fleet.index_problem`; the rows stay as they
    were, and pages show their age. Nothing is raised.
    """
    try:
        tip = repository.fetch()
        lost_commits.watch_history(fleet=fleet, tip=tip, repository=repository, clock=clock)
        indexing.index(fleet=fleet, repository=repository, clock=clock)
        waiting = Change.objects.filter(
            fleet=fleet, state__in=(DecisionState.SUBMITTED.value, DecisionState.LAPSED.value)
        ).select_related("fleet", "requester", "hub")
        for change in waiting:
            waiting_plans.replan(
                change=change, repository=repository, clock=clock, renderer=renderer
            )
    except FleetError as error:
        Fleet.objects.filter(pk=fleet.pk).update(index_problem=str(error))
        return
    Heartbeat.objects.update_or_create(
        part=f"index:{fleet.name}", defaults={"at": clock.now(), "detail": fleet.indexed_commit}
    )
    try:
        linting.renew(fleet=fleet, repository=repository, clock=clock)
    except FleetError as error:
        Fleet.objects.filter(pk=fleet.pk).update(index_problem=str(error))
