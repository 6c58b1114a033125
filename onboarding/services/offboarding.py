"""Offboarding: ask for it, pause, resume and stop it, give its spoke up. What follows is in `offboarding_steps`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from onboarding.domain import leaving_plan
from onboarding.domain.errors import Refused
from onboarding.domain.intents import LeaveFleet
from onboarding.domain.layout import Placement
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.prose import prose
from onboarding.models import Change, Cluster, Delivery, Hub, Offboarding, Participant
from onboarding.ports import ChartRenderer, Clock, FleetRepository, SpokeCredentials
from onboarding.services import changes, events, places
from onboarding.services.delivery import deliveries
from onboarding.services.layouts import layout_of
from onboarding.services.observing.leaving import applications_seen
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from onboarding.domain.leaving import LeaveStep
    from onboarding.domain.plans import Plan
    from onboarding.domain.snapshot import Snapshot

_NOT_MADE = (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)


def intent_for(
    *,
    cluster: Cluster,
    snapshot: Snapshot,
    keep: bool,
    step: LeaveStep | None = None,
    to_hub: str = "",
) -> LeaveFleet:
    """The intent that a cluster leaves, with what its member file says now; `Refused` without a sound file.

    `to_hub`: the hub that it leaves for.
    """
    placement = placement_of(cluster)
    _, member = leaving_plan.member_of(placement, snapshot, layout_of(cluster.fleet))
    return LeaveFleet(
        placement=placement,
        secret_name=member.secret_name,
        model=member.model,
        remote_addons=member.remote_addons,
        remote_resources=member.remote_resources,
        options=dict(member.options),
        keep=keep,
        step=step,
        to_hub=to_hub,
    )


def placement_of(cluster: Cluster) -> Placement:
    """Where a cluster of Git stands."""
    return Placement(
        hub=HubName(cluster.hub_name),
        cluster=ClusterName(cluster.name),
        tenant=TenantName(cluster.tenant),
        environment=Environment(cluster.environment),
    )


def request(
    *,
    cluster: Cluster,
    keep: bool,
    confirmed: str,
    actor: User,
    repository: FleetRepository,
    credentials: SpokeCredentials,
    clock: Clock,
    renderer: ChartRenderer | None = None,
    also: Callable[[Change], None] | None = None,
    to_hub: str = "",
) -> Change:
    """Ask for approval of a cluster's whole way out of the fleet; nothing is written to Git yet.

    `keep`: what add-ons and resources deployed stays on the spoke. `confirmed` is the cluster's name
    as it was typed. `to_hub` is the hub that it leaves for, if any
    (`services.hub_moves`). `also` is done in the same transaction, at its end. Raises `Refused` where it is
    another one, where an offboarding is open already, and as `changes.submit`.
    """
    require(actor, Right.REQUEST, places.place_of(cluster))
    if confirmed.strip() != cluster.name:
        raise Refused(
            f"Type {cluster.name} to confirm that it shall leave.", field="confirm", code="confirm"
        )
    hub = _hub_of(cluster)
    _end_undecided(hub, cluster.name, clock)
    intent = intent_for(cluster=cluster, snapshot=repository.snapshot(), keep=keep, to_hub=to_hub)
    try:
        with transaction.atomic():
            change = changes.submit(
                fleet=cluster.fleet,
                intent=intent,
                form_data={},
                actor=actor,
                repository=repository,
                credentials=credentials,
                clock=clock,
                renderer=renderer,
            )
            Offboarding.objects.create(
                change=change,
                fleet=cluster.fleet,
                hub=hub,
                cluster_name=cluster.name,
                keep=keep,
                seen=applications_seen(hub=hub, cluster=cluster.name),
                created_at=clock.now(),
            )
            if also:
                also(change)
    except IntegrityError as error:
        raise _open_already(cluster) from error
    return change


def dry_run(
    *,
    cluster: Cluster,
    keep: bool,
    actor: User | None,
    repository: FleetRepository,
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> Plan:
    """The plan that `request` would keep now. Raises as it does; nothing is asked for."""
    if actor:
        require(actor, Right.REQUEST, places.place_of(cluster))
    runs = Offboarding.objects.filter(hub=_hub_of(cluster), cluster_name=cluster.name)
    if runs.filter(ended_at__isnull=True).exclude(change__state__in=_NOT_MADE).exists():
        raise _open_already(cluster)
    return changes.dry_run(
        fleet=cluster.fleet,
        intent=intent_for(cluster=cluster, snapshot=repository.snapshot(), keep=keep),
        form_data={},
        actor=actor,
        repository=repository,
        clock=clock,
        renderer=renderer,
    )


def pause(*, offboarding_id: int, actor: User, reason: str, clock: Clock) -> None:
    """Make no further commit until somebody resumes; a commit that is on its way is still made."""
    _require(actor, Right.REQUEST, offboarding_id)
    _move(
        offboarding_id,
        {Offboarding.State.RUNNING},
        Offboarding.State.PAUSED,
        f"{actor.get_username()} paused it: {_reason(reason)}",
        actor,
        clock,
    )


def resume(*, offboarding_id: int, actor: User, clock: Clock) -> None:
    """Go on where it was paused; a step whose own change was rejected is asked for again."""
    _require(actor, Right.REQUEST, offboarding_id)
    with transaction.atomic():
        _move(
            offboarding_id,
            {Offboarding.State.PAUSED},
            Offboarding.State.RUNNING,
            f"{actor.get_username()} resumed it.",
            actor,
            clock,
        )
        run = Offboarding.objects.get(pk=offboarding_id)
        run.steps.filter(number__gt=0, change__state__in=_NOT_MADE).update(change=None)


def stop(*, offboarding_id: int, actor: User, reason: str, clock: Clock) -> None:
    """End it where it is: nothing more is written. What is in Git already stays there.

    Raises `Refused` while a commit of it is under way, and without a reason.
    """
    _require(actor, Right.REQUEST, offboarding_id)
    now = clock.now()
    with transaction.atomic():
        run = _move(
            offboarding_id,
            {Offboarding.State.RUNNING, Offboarding.State.PAUSED},
            Offboarding.State.STOPPED,
            f"{actor.get_username()} stopped it: {_reason(reason)}",
            actor,
            clock,
        )
        of_steps = run.steps.exclude(change=None).values_list("change", flat=True)
        open_changes = Change.objects.filter(
            pk__in=[run.change_id, *of_steps], settled_at__isnull=True
        )
        for change in open_changes.select_for_update(of=("self",)):
            deliveries.stop_before_push(change=change, at=now)
            Change.objects.filter(pk=change.pk).update(
                state=DecisionState.WITHDRAWN.value, settled_at=now, updated_at=now
            )
        Offboarding.objects.filter(pk=run.pk).update(ended_at=now)


def give_up_spoke(
    *, offboarding_id: int, actor: User, reason: str, confirmed: str, clock: Clock
) -> None:
    """Decide that a spoke is gone for good: what Argo CD cannot take away there is not waited for.

    Only while the spoke does not answer. It is a decision like an approval: it needs the right for
    destructive changes, the cluster's name as typed, a reason, and somebody who did not ask for
    the offboarding.
    """
    _require(actor, Right.APPROVE_DESTRUCTIVE, offboarding_id)
    said = _reason(reason)
    now = clock.now()
    with transaction.atomic():
        run = Offboarding.objects.select_for_update(of=("self",)).get(pk=offboarding_id)
        authors = Participant.objects.filter(
            change=run.change_id, role=Participant.Role.AUTHOR, user=actor
        )
        if authors.exists():
            raise Refused(
                "You asked for this offboarding, so somebody else has to give the spoke up.",
                code="own_change",
            )
        if confirmed.strip() != run.cluster_name:
            raise Refused(
                f"Type {run.cluster_name} to confirm that it is gone for good.",
                field="confirm",
                code="confirm",
            )
        if not run.steps.filter(done_at__isnull=True, unreachable=True).exists():
            raise Refused(
                "The hub does not report that the spoke is unreachable, so nothing has to be given "
                "up. Wait for what it takes away.",
                code="reachable",
            )
        moved = Offboarding.objects.filter(
            pk=run.pk, ended_at__isnull=True, given_up_at__isnull=True
        ).update(given_up_at=now, given_up_by=actor, given_up_reason=said)
        if not moved:
            raise Refused("This spoke was given up already. Reload the page.", code="raced")
        events.record(
            verb="offboarding.given_up",
            message=f"{actor.get_username()} gave the spoke {run.cluster_name} up: {said}",
            at=now,
            actor=actor,
            change=run.change,
            detail={"reason": said},
        )


def newest(*, hub_name: str, cluster: str) -> Offboarding | None:
    """The newest offboarding of a cluster, open or ended; None where there was none."""
    return (
        Offboarding.objects.filter(hub__name=hub_name, cluster_name=cluster)
        .select_related("change__requester", "fleet", "hub", "given_up_by")
        .order_by("-pk")
        .first()
    )


def _move(
    pk: int,
    before: set[Offboarding.State],
    after: Offboarding.State,
    said: str,
    actor: User,
    clock: Clock,
) -> Offboarding:
    """One move of a run that is open and approved, with its event; raises `Refused` where it is not."""
    with transaction.atomic():
        moved = Offboarding.objects.filter(
            pk=pk,
            state__in=[one.value for one in before],
            ended_at__isnull=True,
            change__state=DecisionState.APPROVED.value,
        ).update(state=after.value, note=said)
        if not moved:
            raise Refused(
                "This offboarding is not in a state in which that can be done. Reload the page.",
                code="wrong_state",
            )
        run = Offboarding.objects.select_related("change").get(pk=pk)
        events.record(
            verb=f"offboarding.{after.value}",
            message=said,
            at=clock.now(),
            actor=actor,
            change=run.change,
        )
    return run


def _end_undecided(hub: Hub, cluster: str, clock: Clock) -> None:
    """An offboarding that was never approved is no hindrance for the next one."""
    Offboarding.objects.filter(
        hub=hub, cluster_name=cluster, ended_at__isnull=True, change__state__in=_NOT_MADE
    ).update(state=Offboarding.State.STOPPED, ended_at=clock.now())


def _hub_of(cluster: Cluster) -> Hub:
    hub = Hub.objects.filter(fleet=cluster.fleet, name=cluster.hub_name).first()
    if hub is None:
        raise Refused(f"No hub called {cluster.hub_name} is configured here.", code="no_hub")
    return hub


def _open_already(cluster: Cluster) -> Refused:
    return Refused(
        f"An offboarding of {cluster.name} is open already. Look at it on its page.",
        code="already_leaving",
    )


def _reason(reason: str) -> str:
    said = prose(reason, field="reason")
    if not said:
        raise Refused("Say why, so that others can act on it.", field="reason", code="required")
    return said


def _require(actor: User, right: Right, offboarding_id: int) -> None:
    require(actor, right)
    run = Offboarding.objects.select_related("change__fleet").get(pk=offboarding_id)
    require(actor, right, *places.touched_by(run.change))


def is_committed(change: Change | None) -> Delivery | None:
    """The delivery by which a change came into Git; None while it is not there."""
    if change is None:
        return None
    return (
        Delivery.objects.filter(change=change, state=DeliveryState.COMMITTED.value)
        .order_by("-pk")
        .first()
    )
