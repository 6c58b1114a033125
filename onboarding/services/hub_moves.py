"""Moving a cluster to another hub: ask for it, and lead it from the one change to the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.hub_move import MoveState, check_move, registration_of
from onboarding.domain.intents import RegisterCluster, intent_from_data
from onboarding.domain.leaving_plan import member_of
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.names import HubName
from onboarding.domain.overlay import OverlaidSnapshot
from onboarding.domain.plans import Plan
from onboarding.domain.progress import ClusterState
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Change, Cluster, Fleet, Hub, HubMove, Offboarding, Standing
from onboarding.ports import ChartRenderer, Clock, FleetRepository, SpokeCredentials
from onboarding.services import changes, events, offboarding, places, previews
from onboarding.services.layouts import layout_of
from onboarding.services.offers import hubs_to_join
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_LOG = logging.getLogger(__name__)
_NOT_MADE = (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)


def hubs_for(*, cluster: Cluster) -> tuple[str, ...]:
    """The other hubs of its fleet that a cluster can join, by name."""
    return tuple(sorted(name for name in hubs_to_join(cluster.fleet) if name != cluster.hub_name))


def foresee(
    *,
    cluster: Cluster,
    to_hub: str,
    snapshot: Snapshot,
    renderer: ChartRenderer | None = None,
) -> tuple[Plan, Plan]:
    """The plans of both changes: of the way out of the old hub, and of the registration on the new one.

    The second is planned as if the first were done. Raises `Refused` with what stands against either,
    so that no cluster leaves a hub for one that cannot take it.
    """
    intent = _registration(cluster, to_hub, snapshot)
    leave = previews.preview(
        fleet=cluster.fleet,
        intent=offboarding.intent_for(cluster=cluster, snapshot=snapshot, keep=True, to_hub=to_hub),
        snapshot=snapshot,
        renderer=renderer,
    )
    join = previews.preview(
        fleet=cluster.fleet,
        intent=intent,
        snapshot=OverlaidSnapshot(snapshot, {cluster.path: None}),
        renderer=renderer,
        moving_from=cluster.hub_name,
    )
    return leave, join


def request(
    *,
    cluster: Cluster,
    to_hub: str,
    confirmed: str,
    actor: User,
    repository: FleetRepository,
    credentials: Callable[[Hub], SpokeCredentials],
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> HubMove:
    """Ask for approval of the first change: the cluster leaves its hub, and what runs on it stays.

    Raises `Refused` as `foresee` and `offboarding.request`; where the new hub's Secrets Manager is
    known not to have the cluster's secret; and while another move of it is open.
    """
    require(actor, Right.REQUEST, places.place_of(cluster))
    old = Hub.objects.filter(fleet=cluster.fleet, name=cluster.hub_name).first()
    new = Hub.objects.filter(fleet=cluster.fleet, name=to_hub).first()
    if old is None or new is None or to_hub not in (old.name, *hubs_for(cluster=cluster)):
        raise Refused("Choose a hub of this fleet.", field="to_hub", code="no_hub")
    snapshot = repository.snapshot()
    intent = _registration(cluster, to_hub, snapshot)
    found = credentials(new).describe(intent.secret_name)
    if found.presence in (SecretPresence.ABSENT, SecretPresence.PENDING_DELETION):
        raise Refused(found.detail, field="to_hub", code=f"secret_{found.presence.value}")
    foresee(cluster=cluster, to_hub=to_hub, snapshot=snapshot, renderer=renderer)
    try:
        with transaction.atomic():
            leave = offboarding.request(
                cluster=cluster,
                keep=True,
                confirmed=confirmed,
                actor=actor,
                repository=repository,
                credentials=credentials(old),
                clock=clock,
                renderer=renderer,
                to_hub=to_hub,
            )
            _end_undecided(cluster, clock)
            move = HubMove.objects.create(
                fleet=cluster.fleet,
                cluster_name=cluster.name,
                from_hub=old,
                to_hub=new,
                leave=leave,
                registration=intent.to_data(),
                created_at=clock.now(),
            )
    except IntegrityError as error:
        raise Refused(
            f"A move of {cluster.name} is open already. Look at it on this page.",
            code="already_moving",
        ) from error
    return move


def newest(*, hub_name: str, cluster: str) -> HubMove | None:
    """The newest move of a cluster away from a hub, open or ended; None where there was none."""
    rows = HubMove.objects.filter(from_hub__name=hub_name, cluster_name=cluster)
    return rows.select_related("from_hub", "to_hub", "leave", "join").first()


def of_change(change: Change) -> HubMove | None:
    """The move that a change is the first or second part of; None where it is of none."""
    rows = HubMove.objects.select_related("from_hub", "to_hub", "leave", "join")
    return rows.filter(leave=change).first() or rows.filter(join=change).first()


def advance(
    *,
    fleet: Fleet,
    repository: Callable[[], FleetRepository],
    credentials: Callable[[Hub], SpokeCredentials],
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> int:
    """Lead the fleet's open moves further, as far as evidence allows; returns how many are open.

    `repository` gives the branch as it is now, and is only called where something is asked for. It may
    come twice, late or after a crash, and does each thing once.
    """
    moves = HubMove.objects.filter(fleet=fleet, ended_at__isnull=True).select_related(
        "fleet", "from_hub", "to_hub", "leave__requester", "join"
    )
    for move in moves:
        if move.join is None:
            _lead_out(move, repository, credentials, clock, renderer)
        else:
            _lead_in(move, move.join, clock)
    return len(moves)


def _lead_out(
    move: HubMove,
    repository: Callable[[], FleetRepository],
    credentials: Callable[[Hub], SpokeCredentials],
    clock: Clock,
    renderer: ChartRenderer | None,
) -> None:
    """While it leaves: wait for the last evidence that the old hub has nothing of it any more."""
    run = Offboarding.objects.filter(change=move.leave).first()
    stopped = run is not None and run.state == Offboarding.State.STOPPED
    if move.leave.state in _NOT_MADE or stopped:
        _end(
            move, MoveState.STOPPED, f"It stays on {move.from_hub.name} as far as that goes.", clock
        )
    elif run is not None and run.state == Offboarding.State.DONE:
        _join(move, repository, credentials, clock, renderer)


def _join(
    move: HubMove,
    repository: Callable[[], FleetRepository],
    credentials: Callable[[Hub], SpokeCredentials],
    clock: Clock,
    renderer: ChartRenderer | None,
) -> None:
    """Ask for the registration on the new hub, in the name of who asked for the move."""
    intent = intent_from_data(move.registration)
    if not isinstance(intent, RegisterCluster):
        raise Refused("This stored move is not complete. Register the cluster by its form.")
    placement = intent.placement
    try:
        with transaction.atomic():
            change = changes.submit(
                fleet=move.fleet,
                intent=intent,
                form_data={
                    "hub": str(placement.hub),
                    "cluster": str(placement.cluster),
                    "tenant": str(placement.tenant),
                    "environment": str(placement.environment),
                    "secret_name": str(intent.secret_name),
                    "model": intent.model.value,
                    **({"remote_addons": "on"} if intent.remote_addons else {}),
                    **({"remote_resources": "on"} if intent.remote_resources else {}),
                    **intent.options,
                },
                actor=move.leave.requester,
                repository=repository(),
                credentials=credentials(move.to_hub),
                clock=clock,
                renderer=renderer,
            )
            won = HubMove.objects.filter(pk=move.pk, join=None, ended_at__isnull=True).update(
                join=change,
                left_at=clock.now(),
                state=MoveState.JOINING.value,
                note="",
            )
            if not won:
                transaction.set_rollback(True)
                return
            events.record(
                verb="move.left",
                message=f"{move.from_hub.name} has nothing of {move.cluster_name} any more: change "
                f"#{change.pk} registers it on {move.to_hub.name}.",
                at=clock.now(),
                change=move.leave,
                detail={"join": change.pk},
            )
    except FleetError as error:
        _LOG.warning("Move %s does not go on: %s", move.pk, error)
        said = f"{move.to_hub.name} cannot take it yet: {error}"
        HubMove.objects.filter(pk=move.pk, join=None).update(note=said)


def _lead_in(move: HubMove, join: Change, clock: Clock) -> None:
    """While it joins: the move ends when the cluster is seen Healthy on the new hub."""
    if join.state in _NOT_MADE:
        said = (
            f"Its registration on {move.to_hub.name} was {join.state}: {move.cluster_name} is on no hub "
            "now, and what runs on it is nobody's. Register it by its form, on either hub."
        )
        _end(move, MoveState.STOPPED, said, clock)
        return
    standing = Standing.objects.filter(
        fleet=move.fleet,
        hub_name=move.to_hub.name,
        name=move.cluster_name,
        state=ClusterState.HEALTHY.value,
    )
    if offboarding.is_committed(join) is not None and standing.exists():
        said = f"{move.cluster_name} is Healthy on {move.to_hub.name}."
        _end(move, MoveState.DONE, said, clock)


def _end(move: HubMove, state: MoveState, said: str, clock: Clock) -> None:
    now = clock.now()
    with transaction.atomic():
        won = HubMove.objects.filter(pk=move.pk, ended_at__isnull=True).update(
            state=state.value, note=said, ended_at=now
        )
        if won:
            events.record(verb=f"move.{state.value}", message=said, at=now, change=move.leave)


def _registration(cluster: Cluster, to_hub: str, snapshot: Snapshot) -> RegisterCluster:
    """The registration on another hub, from what the member file says now."""
    placement = offboarding.placement_of(cluster)
    _, member = member_of(placement, snapshot, layout_of(cluster.fleet))
    refusals = [*check_move(member, old=cluster.hub_name, new=to_hub)]
    if refusals:
        raise Refused.of(refusals)
    return registration_of(member, HubName(to_hub))


def _end_undecided(cluster: Cluster, clock: Clock) -> None:
    """A move whose first change was never approved is no hindrance for the next one."""
    HubMove.objects.filter(
        fleet=cluster.fleet,
        cluster_name=cluster.name,
        ended_at__isnull=True,
        leave__state__in=_NOT_MADE,
    ).update(state=MoveState.STOPPED.value, ended_at=clock.now())
