"""A cluster's move to another hub as pages show it: both plans before, then how each change stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.errors import FleetError
from onboarding.domain.hub_move import MoveState
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.models import Change, Cluster, Delivery, HubMove
from onboarding.ports import ChartRenderer, FleetRepository
from onboarding.services import hub_moves, places, plan_records
from onboarding.views import access
from onboarding.views.leaving_part import leaving_plan
from onboarding.views.pages import Link, MoveNote, MovePage, MoveStep, WorkloadChoice
from onboarding.views.plan_page import plan_from_record

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_WORDS = {
    MoveState.LEAVING: "Leaving",
    MoveState.JOINING: "Registering",
    MoveState.DONE: "Healthy",
    MoveState.STOPPED: "Stopped",
}


def move_page(
    *,
    hub: str,
    name: str,
    cluster: Cluster | None,
    move: HubMove | None,
    user: User,
    to_hub: str,
    repository: Callable[[Cluster], FleetRepository],
    renderer: ChartRenderer,
    error: str = "",
) -> MovePage:
    """The page; `cluster` is None once Git has it no more on this hub, `move` its newest move away."""
    here = reverse("cluster-move", args=[hub, name])
    crumbs = [Link("Clusters", reverse("cluster-list"))]
    if cluster is not None:
        crumbs.append(Link(name, reverse("cluster-detail", args=[hub, name])))
    is_open = move is not None and move.ended_at is None and not _is_refused(move.leave)
    page = MovePage(
        name=name,
        hub=hub,
        crumbs=tuple(crumbs),
        move=move_note(move) if move else None,
        problem=error,
        refresh_url=here if is_open else "",
    )
    if cluster is None or is_open:
        return page
    choices = tuple(
        WorkloadChoice(
            one,
            f"{name} leaves {hub}, and {one} takes over what runs on it.",
            f"{here}?{urlencode({'to': one})}",
            one == to_hub,
        )
        for one in hub_moves.hubs_for(cluster=cluster)
    )
    page = replace(page, choices=choices, chosen=to_hub)
    if not any(one.is_chosen for one in choices):
        return page
    try:
        leave, join = hub_moves.foresee(
            cluster=cluster,
            to_hub=to_hub,
            snapshot=repository(cluster).snapshot(),
            renderer=renderer,
        )
    except FleetError as refused:
        return replace(page, problem=page.problem or str(refused))
    may_ask = Right.REQUEST in access.rights_of(user, places.place_of(cluster))
    return replace(
        page,
        leave=leaving_plan(plan_records.record(leave), name),
        join=plan_from_record(plan_records.record(join)),
        ask_url=here if may_ask else "",
        denied="" if may_ask else "Your account may not request changes.",
    )


def note_of_change(change: Change) -> MoveNote | None:
    """The move that a change is part of, for its page; None where it is of none."""
    if change.kind not in (Change.Kind.OFFBOARD, Change.Kind.REGISTER):
        return None
    move = hub_moves.of_change(change)
    return move_note(move) if move else None


def move_note(move: HubMove) -> MoveNote:
    """Both changes of a move, each with how it stands."""
    old, new, state = move.from_hub.name, move.to_hub.name, MoveState(move.state)
    return MoveNote(
        sentence=f"{move.cluster_name} moves from {old} to {new}, by two changes.",
        steps=(
            MoveStep(
                f"Leave {old}, and keep what runs",
                "Gone" if move.left_at else _word(move.leave, state, MoveState.LEAVING),
                f"Nothing of it is left on {old}." if move.left_at else "",
                _link(move.leave),
            ),
            MoveStep(
                f"Join {new}",
                _word(move.join, state, MoveState.JOINING) if move.join else "Waits",
                ""
                if move.join
                else f"It is asked for when {old} is seen to have nothing of it any more.",
                _link(move.join) if move.join else None,
            ),
        ),
        url=reverse("cluster-move", args=[old, move.cluster_name]),
        note=move.note,
        is_stopped=state is MoveState.STOPPED,
    )


def _word(change: Change, state: MoveState, while_open: MoveState) -> str:
    """How a change of a move stands, in a word."""
    if state is MoveState.DONE:
        return _WORDS[state]
    if change.state != DecisionState.APPROVED.value:
        return DecisionState(change.state).word
    if state is MoveState.STOPPED:
        return _WORDS[state]
    delivery = Delivery.objects.filter(change=change).order_by("-pk").first()
    if delivery is not None and delivery.state != DeliveryState.COMMITTED.value:
        return DeliveryState(delivery.state).word
    return _WORDS[while_open]


def _is_refused(change: Change) -> bool:
    return change.state in (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)


def _link(change: Change) -> Link:
    return Link(f"Change #{change.pk}", reverse("change-detail", args=[change.pk]))
