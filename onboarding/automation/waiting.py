"""Whether a change has come as far as somebody waits for, and whether it still can."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from onboarding import wiring
from onboarding.automation import telling
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.outcome import OutcomeState
from onboarding.domain.progress import ClusterState
from onboarding.models import Change, Delivery, Offboarding, Standing
from onboarding.services.observing import outcomes
from onboarding.services.shown import state_of


class Until(StrEnum):
    """How far a change can come. HEALTHY is the end of a cluster that joins or changes, GONE of one that leaves."""

    DECIDED = "decided"
    APPROVED = "approved"
    COMMITTED = "committed"
    HEALTHY = "healthy"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a change: it is there (`reached`), or will never be (`over`), or neither yet."""

    reached: bool
    over: bool
    told: dict[str, Any]


_ENDED = (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)
_ENDS_AS = {
    Change.Kind.REGISTER: Until.HEALTHY,
    Change.Kind.EDIT: Until.HEALTHY,
    Change.Kind.OFFBOARD: Until.GONE,
}


def ends_as(change: Change) -> Until:
    """What the last thing is that can be waited for of a change."""
    return _ENDS_AS.get(Change.Kind(change.kind), Until.COMMITTED)


def possible(change: Change, until: Until) -> bool:
    """Whether a change of this kind ever comes there: a cluster that leaves is never Healthy by it."""
    return until not in (Until.HEALTHY, Until.GONE) or until is ends_as(change)


def look(change_id: int, until: Until) -> Look:
    """Where a change stands now, held against what is waited for. The change must exist."""
    change = Change.objects.select_related("fleet", "hub", "requester").get(pk=change_id)
    told = telling.change_told(change) | {"cluster_state": None}
    standing = _standing(change)
    if standing is not None:
        told["cluster_state"] = telling.cluster_told(standing, wiring.clock().now())
    reached = _reached(change, until, standing)
    return Look(reached=reached, over=not reached and _is_over(change), told=told)


def _reached(change: Change, until: Until, standing: Standing | None) -> bool:
    if until is Until.DECIDED:
        return change.state in (DecisionState.APPROVED.value, *_ENDED)
    delivery = telling.delivery_of(change)
    if delivery is None:
        return False
    if until is Until.APPROVED:
        return True
    if delivery.state != DeliveryState.COMMITTED.value:
        return False
    if until is Until.COMMITTED:
        return True
    if until is Until.GONE:
        return Offboarding.objects.filter(change=change, state=Offboarding.State.DONE).exists()
    return _is_healthy(delivery, standing)


def _is_healthy(delivery: Delivery, standing: Standing | None) -> bool:
    """Healthy *with* the change: the hub was seen to have done what was planned, and all is well since.

    A cluster was perhaps healthy before, and is called so until its hub has followed the commit.
    """
    outcome = outcomes.outcome_of(delivery=delivery)
    if outcome is None or outcome.state not in (OutcomeState.AGREES, OutcomeState.SUPERSEDED):
        return False
    if standing is None or delivery.committed_at is None or standing.seen_at is None:
        return False
    if standing.seen_at < delivery.committed_at or standing.computed_at < outcome.since:
        return False
    return state_of(standing, wiring.clock().now()) is ClusterState.HEALTHY


def _is_over(change: Change) -> bool:
    """Whether nothing more can come of it; a failed delivery can be tried again, so it is not over."""
    if change.state in _ENDED:
        return True
    delivery = telling.delivery_of(change)
    if delivery is not None and delivery.state == DeliveryState.MERGED_DIFFERENTLY.value:
        return True
    return Offboarding.objects.filter(change=change, state=Offboarding.State.STOPPED).exists()


def _standing(change: Change) -> Standing | None:
    rows = Standing.objects.filter(fleet=change.fleet, name=change.cluster_name)
    rows = rows.filter(hub_name=change.hub.name) if change.hub else rows
    return rows.select_related("fleet").order_by("-cluster_id", "pk").first()
