"""What must not happen while a cluster leaves: asked when something is planned, and again before each push."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from onboarding.domain.errors import Refused
from onboarding.domain.intents import Intent, LeaveFleet
from onboarding.domain.leaving_evidence import check_removal
from onboarding.domain.leaving_plan import removes_member
from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.plans import Plan
from onboarding.models import Change, Cluster, Fleet, Hub, Offboarding, OffboardingStep
from onboarding.services import rounds
from onboarding.services.layouts import layout_of
from onboarding.services.observing.leaving import seen_of


def running_for(*, hub_name: str, cluster: str) -> Offboarding | None:
    """The approved offboarding of a cluster that has not ended; None where it is not leaving."""
    return (
        _running()
        .filter(hub__name=hub_name, cluster_name=cluster)
        .select_related("change", "hub")
        .first()
    )


def _running() -> QuerySet[Offboarding]:
    return Offboarding.objects.filter(
        ended_at__isnull=True, change__state=DecisionState.APPROVED.value
    )


def refuse_while_leaving(*, fleet: Fleet, intent: Intent) -> None:
    """A cluster that is leaving is neither edited nor registered anew until that has ended."""
    if not isinstance(intent, LeaveFleet):
        _refuse(fleet.pk, intent.placement.hub, intent.placement.cluster)


def refuse_edit(*, cluster: Cluster) -> None:
    """The same, asked before a form is shown."""
    _refuse(cluster.fleet_id, cluster.hub_name, cluster.name)


def _refuse(fleet_id: int, hub_name: str, cluster: str) -> None:
    running = rounds.once(("leaving", fleet_id), lambda: _leaving(fleet_id))
    if (change_id := running.get((hub_name, cluster))) is not None:
        raise Refused(
            f"{cluster} is leaving the fleet (change #{change_id}), so it cannot be changed now. "
            "Stop its offboarding first, or wait until it has gone.",
            code="leaving",
        )


def _leaving(fleet_id: int) -> dict[tuple[str, str], int]:
    """The clusters of a fleet whose offboarding runs, by hub and name, with its change."""
    rows = _running().filter(fleet=fleet_id).order_by("-pk")
    return {
        (hub, name): change
        for hub, name, change in rows.values_list("hub__name", "cluster_name", "change")
    }


def refuse_removal(*, fleet: Fleet, plan: Plan, now: datetime) -> None:
    """No member file is removed while the hub has Applications of its cluster, nor without knowing.

    Raises `Refused` (code `still_deployed`) with what is there.
    """
    if all(edit.after is not None for edit in plan.edits) or not removes_member(
        plan, layout_of(fleet)
    ):
        return
    placement = plan.of_cluster.placement
    hub = Hub.objects.filter(fleet=fleet, name=placement.hub).first()
    if hub is None:
        raise Refused(f"No hub called {placement.hub} is configured here.", code="no_hub")
    run = running_for(hub_name=placement.hub, cluster=placement.cluster)
    given_up = run is not None and run.given_up_at is not None
    seen = seen_of(hub=hub, cluster=placement.cluster)
    if said := check_removal(seen, now=now, given_up=given_up):
        raise Refused(said, code="still_deployed")


def refuse_out_of_order(*, change: Change) -> None:
    """A later step of a cluster's way out is written for an offboarding that runs, in its turn alone."""
    if change.kind != Change.Kind.OFFBOARD or not change.intent.get("step"):
        return
    step = OffboardingStep.objects.filter(change=change).select_related("offboarding").first()
    if step is None or step.offboarding.ended_at is not None:
        raise Refused("Its offboarding has ended; nothing more is written for it.", code="ended")
    earlier = step.offboarding.steps.filter(number__lt=step.number, done_at__isnull=True).first()
    if earlier is not None:
        raise Refused(
            f"The step before it is not done yet: {earlier.get_step_display()}.",
            code="out_of_order",
        )
