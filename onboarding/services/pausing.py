"""Pausing: Argo CD leaves one cluster alone until a time, by a commit; another one ends it by itself."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.intents import EditCluster
from onboarding.domain.labels import CHART_PATH, SKIP_RECONCILE
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.domain.member import parse_member
from onboarding.domain.names import HubName
from onboarding.domain.plans import Plan
from onboarding.domain.prose import prose
from onboarding.domain.selectors import Match, application_set_match
from onboarding.domain.snapshot import Snapshot
from onboarding.models import (
    Change,
    Cluster,
    ClusterPause,
    ClusterStatus,
    Delivery,
    Fleet,
    Hub,
    HubObject,
)
from onboarding.ports import (
    ChartRenderer,
    Clock,
    FleetRepository,
    HubKind,
    SpokeCredentials,
    WorkQueue,
)
from onboarding.services import changes, events, follow_ups, places, previews
from onboarding.services.dropping import drop
from onboarding.services.layouts import layout_of
from onboarding.services.observing.looking import registration_sets
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_LOG = logging.getLogger(__name__)

LONGEST = timedelta(days=30)
_NOT_MADE = (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)


def open_pause(*, hub_name: str, cluster: str) -> ClusterPause | None:
    """The pause of a cluster that has not ended; None where there is none."""
    rows = ClusterPause.objects.filter(
        hub__name=hub_name, cluster_name=cluster, ended_at__isnull=True
    )
    return rows.select_related("change", "end_change", "owner").first()


def request(
    *,
    cluster: Cluster,
    reason: str,
    until: datetime,
    actor: User,
    repository: FleetRepository,
    credentials: SpokeCredentials,
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> Change:
    """Ask for approval of a pause until a time; the approval covers its end too.

    Raises `Refused` without a reason, for a time that has passed or is more than 30 days away, where
    the repository's fleet-secret chart or the hub's ApplicationSets do not know pauses, where one is
    open, and as `changes.submit`.
    """
    require(actor, Right.REQUEST, places.place_of(cluster))
    now, said = clock.now(), prose(reason, field="reason")
    if not said:
        raise Refused("Say why, so that others know.", field="reason", code="required")
    if not now < until <= now + LONGEST:
        raise Refused("A pause ends at most 30 days from now.", field="until", code="invalid")
    hub = Hub.objects.filter(fleet=cluster.fleet, name=cluster.hub_name).first()
    if hub is None:
        raise Refused(f"No hub called {cluster.hub_name} is configured here.", code="no_hub")
    snapshot = repository.snapshot()
    _check_chart(snapshot)
    _check_hub(hub, cluster.name)
    intent = _intent(cluster, snapshot, paused=True)
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
            ClusterPause.objects.create(
                fleet=cluster.fleet,
                hub=hub,
                cluster_name=cluster.name,
                change=change,
                owner=actor,
                reason=said[:2000],
                until=until,
                created_at=now,
            )
            events.record(
                verb="pause.requested",
                message=f"{actor.get_username()} asked to pause {cluster.name} until "
                f"{until:%Y-%m-%d %H:%M} UTC: {said[:500]}",
                at=now,
                actor=actor,
                change=change,
            )
    except IntegrityError as error:
        raise Refused(
            f"{cluster.name} is paused already, or that is asked for.", code="already_paused"
        ) from error
    return change


def is_in_git(pause: ClusterPause) -> bool:
    """Whether the commit that begins a pause is on the branch."""
    return _is_committed(pause.change)


def end_now(*, pause_id: int, actor: User, clock: Clock, queue: WorkQueue) -> None:
    """End a pause before its time; the commit follows by itself, as at its time."""
    pause = ClusterPause.objects.select_related("change__fleet").get(pk=pause_id)
    require(actor, Right.REQUEST, *places.touched_by(pause.change))
    now = clock.now()
    with transaction.atomic():
        if not ClusterPause.objects.filter(pk=pause_id, ended_at__isnull=True).update(until=now):
            raise Refused("This pause has ended already.", code="wrong_state")
        events.record(
            verb="pause.ended",
            message=f"{actor.get_username()} ends the pause of {pause.cluster_name}.",
            at=now,
            actor=actor,
            change=pause.change,
        )
    queue.wake("onboarding.end_pauses")


def end_due(
    *,
    fleet: Fleet,
    repository: FleetRepository,
    clock: Clock,
    queue: WorkQueue,
    renderer: ChartRenderer | None = None,
) -> int:
    """End every pause of the fleet whose time has come; returns how many are open.

    Called every few seconds; it may come twice, late or after a crash, and does each thing once.
    """
    rows = list(
        ClusterPause.objects.filter(fleet=fleet, ended_at__isnull=True).select_related(
            "change__fleet", "change__requester", "end_change", "hub", "fleet"
        )
    )
    for pause in rows:
        try:
            _look(pause, repository, clock, queue, renderer)
        except FleetError as error:
            _LOG.warning("The pause of %s does not end: %s", pause.cluster_name, error)
            ClusterPause.objects.filter(pk=pause.pk).update(note=str(error))
    return len(rows)


def _look(
    pause: ClusterPause,
    repository: FleetRepository,
    clock: Clock,
    queue: WorkQueue,
    renderer: ChartRenderer | None,
) -> None:
    now = clock.now()
    if pause.change.state in _NOT_MADE:
        _ended(pause, f"Its change was {pause.change.state}.", now)
        return
    if pause.end_change is not None:
        if _is_committed(pause.end_change):
            _ended(pause, "Its end is in Git.", now)
        return
    if now < pause.until:
        return
    if not _is_committed(pause.change):
        with transaction.atomic():
            if drop(pause.change, at=now, why="The time of the pause has passed."):
                _ended(pause, "Its time passed before it was written.", now)
        return
    repository.fetch()
    _end(pause, repository, now, queue, renderer)


def _end(
    pause: ClusterPause,
    repository: FleetRepository,
    now: datetime,
    queue: WorkQueue,
    renderer: ChartRenderer | None,
) -> None:
    """Ask for the commit that ends a pause: approved with it where it does nothing else."""
    cluster = Cluster.objects.filter(
        fleet=pause.fleet, hub_name=pause.hub.name, name=pause.cluster_name
    ).first()
    if cluster is None:
        _ended(pause, "The cluster is not in the fleet any more.", now)
        return
    snapshot = repository.snapshot()
    try:
        plan = previews.preview(
            fleet=pause.fleet,
            intent=_intent(cluster, snapshot, paused=False),
            snapshot=snapshot,
            renderer=renderer,
        )
    except Refused as refused:
        if any(one.code == "nothing_to_change" for one in refused.refusals):
            _ended(pause, "Git does not say it any more.", now)
            return
        raise
    with transaction.atomic():
        change = follow_ups.ask(
            parent=pause.change,
            plan=plan,
            message=f"The pause of change #{pause.change_id} ends.",
            detail={"pause": pause.pk},
            at=now,
        )
        if _only_ends(plan):
            follow_ups.carry_approval(
                parent=pause.change, change=change, part="the end", at=now, queue=queue
            )
        mine = ClusterPause.objects.filter(pk=pause.pk, end_change=None, ended_at__isnull=True)
        if not mine.update(end_change=change, note=""):
            transaction.set_rollback(True)


def _only_ends(plan: Plan) -> bool:
    """Whether a plan takes the line of the pause out of one file, and does nothing else."""
    if len(plan.edits) != 1 or plan.destructive:
        return False
    before = (plan.edits[0].before or "").splitlines()
    after = (plan.edits[0].after or "").splitlines()
    return [line for line in before if not line.startswith("paused:")] == after


def _intent(cluster: Cluster, snapshot: Snapshot, *, paused: bool) -> EditCluster:
    """The cluster as its member file says, but paused or not."""
    file = snapshot.read(cluster.path)
    if file is None:
        raise Refused(f"{cluster.path} is not in the repository any more.", code="gone")
    member = parse_member(file)
    intent = EditCluster(
        placement=member.placement(HubName(cluster.hub_name)),
        secret_name=member.secret_name,
        model=member.model,
        remote_addons=member.remote_addons,
        remote_resources=member.remote_resources,
        options={key: value for key, value in member.options.items() if key != "paused"},
    )
    return replace(intent, options={**intent.options, "paused": "true"}) if paused else intent


def _check_chart(snapshot: Snapshot) -> None:
    """A chart that does not know pauses would leave the cluster as it is."""
    for path in snapshot.paths(CHART_PATH):
        file = snapshot.read(path)
        if file is not None and SKIP_RECONCILE.encode() in file.content:
            return
    raise Refused(
        f"Nothing in {CHART_PATH} of this repository knows pauses. Take the shipped chart over "
        "(init_fleet writes it).",
        code="chart",
    )


def _check_hub(hub: Hub, cluster: str) -> None:
    """What the hub has must hand a pause on, from the member file to the last Application.

    A registration that hands the member's keys to the chart one by one has to hand this one, too, and each
    ApplicationSet that selects the cluster has to mark its Applications.
    """
    registrations = registration_sets(hub, layout_of(hub.fleet))
    live = ClusterStatus.objects.filter(hub=hub, name=cluster).first()
    sets = HubObject.objects.filter(hub=hub, kind=HubKind.APPLICATION_SETS.value)
    for row in sets.order_by("name").only("name", "facts"):
        text = json.dumps(row.facts.get("spec", {}))
        if row.name in registrations:
            if "enable_remote_addons" in text and "paused" not in text:
                raise Refused(
                    f"ApplicationSet {row.name} on {hub.name} does not hand the key paused to the chart, "
                    "so nothing would be paused. Add it to the list of keys in that set's "
                    "templatePatch, as the shipped one has it (init_fleet writes it).",
                    code="chart",
                )
        elif (
            live is not None
            and SKIP_RECONCILE not in text
            and application_set_match(row.facts, live.labels) is Match.YES
        ):
            raise Refused(
                f"ApplicationSet {row.name} on {hub.name} does not hand {SKIP_RECONCILE} on from the "
                "cluster secret to its Applications, so Argo CD would not leave them alone. Take the "
                "shipped charts/release-channels over (init_fleet writes it).",
                code="chart",
            )


def _is_committed(change: Change) -> bool:
    return Delivery.objects.filter(change=change, state=DeliveryState.COMMITTED.value).exists()


def _ended(pause: ClusterPause, note: str, now: datetime) -> None:
    ClusterPause.objects.filter(pk=pause.pk, ended_at__isnull=True).update(ended_at=now, note=note)
