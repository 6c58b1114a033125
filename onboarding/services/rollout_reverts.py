"""The way back of a rollout: each cluster that was moved gets one commit more, the others none."""

from __future__ import annotations

from django.db import transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DeliveryState
from onboarding.domain.plans import Plan
from onboarding.models import Change, Cluster, Delivery, Rollout, RolloutRow
from onboarding.ports import ChartRenderer, Clock, FleetRepository, WorkQueue
from onboarding.services import follow_ups, plan_records, previews, rollouts
from onboarding.services.dropping import DROPPED, drop


def go_on(
    *,
    rollout: Rollout,
    repository: FleetRepository,
    clock: Clock,
    queue: WorkQueue,
    renderer: ChartRenderer | None = None,
) -> None:
    """Ask for the way back of each cluster that was moved; ends the rollout when all are back."""
    waiting = []
    rows = (
        RolloutRow.objects.filter(wave__rollout=rollout, reverted_at__isnull=True)
        .select_related("change__fleet", "change__requester", "change__hub", "revert", "hub")
        .order_by("-wave__number", "cluster_name")
    )
    fetched = False
    for row in rows:
        if row.change.state in DROPPED:
            continue
        if row.revert is not None:
            if not _is_back(row, clock):
                waiting.append(row)
            continue
        committed = Delivery.objects.filter(
            change=row.change, state=DeliveryState.COMMITTED.value
        ).exists()
        if committed:
            if not fetched:
                repository.fetch()
                fetched = True
            _undo(row, rollout, repository, clock, queue, renderer)
            waiting.append(row)
            continue
        with transaction.atomic():
            if not drop(row.change, at=clock.now(), why="Its rollout is reverted."):
                waiting.append(row)
    now = clock.now()
    if not waiting:
        with transaction.atomic():
            rollouts.end(rollout, Rollout.State.REVERTED, "Every cluster is back in Git.", now)
        return
    Rollout.objects.filter(pk=rollout.pk, state=Rollout.State.REVERTING).update(
        note=f"{len(waiting)} cluster{'' if len(waiting) == 1 else 's'} still to go back.",
        checked_at=now,
    )


def _is_back(row: RolloutRow, clock: Clock) -> bool:
    """Whether the way back of a cluster is in Git, or somebody decided against it."""
    revert = row.revert
    if revert is None:
        return False
    done = revert.state in DROPPED or (
        Delivery.objects.filter(change=revert, state=DeliveryState.COMMITTED.value).exists()
    )
    if done:
        RolloutRow.objects.filter(pk=row.pk).update(reverted_at=clock.now())
    else:
        waits = revert.state_note or "Its way back is on the way to Git."
        RolloutRow.objects.filter(pk=row.pk).update(says=waits)
    return done


def _undo(
    row: RolloutRow,
    rollout: Rollout,
    repository: FleetRepository,
    clock: Clock,
    queue: WorkQueue,
    renderer: ChartRenderer | None,
) -> None:
    """Ask for one cluster's way back: approved with the rollout where it is exactly the way it came."""
    now = clock.now()
    try:
        plan = _plan(row, rollout, repository, renderer)
    except Refused as refused:
        if any(one.code == "nothing_to_change" for one in refused.refusals):
            RolloutRow.objects.filter(pk=row.pk).update(reverted_at=now)
            return
        RolloutRow.objects.filter(pk=row.pk).update(says=str(refused))
        return
    same = _leads_back(plan, row.change)
    with transaction.atomic():
        locked = Rollout.objects.select_for_update(of=("self",)).filter(
            pk=rollout.pk, state=Rollout.State.REVERTING
        )
        if not locked.exists():
            return
        change = follow_ups.ask(
            parent=row.change,
            plan=plan,
            message=f"“{rollout.title}” is reverted: back to where change #{row.change_id} began.",
            detail={"rollout": rollout.pk},
            at=now,
        )
        if same:
            follow_ups.carry_approval(
                parent=row.change, change=change, part="the way back", at=now, queue=queue
            )
        mine = RolloutRow.objects.filter(pk=row.pk, revert=None)
        if not mine.update(revert=change, says="" if same else _ASKS):
            transaction.set_rollback(True)


_ASKS = "Its files moved since, so its way back is not what was approved and needs an approval."


def _plan(
    row: RolloutRow,
    rollout: Rollout,
    repository: FleetRepository,
    renderer: ChartRenderer | None,
) -> Plan:
    snapshot = repository.snapshot()
    cluster = Cluster.objects.filter(
        fleet=rollout.fleet, hub_name=row.hub.name, name=row.cluster_name
    ).first()
    if cluster is None:
        raise Refused(f"{row.cluster_name} is not in the fleet any more.", code="gone")
    intent, _ = rollouts.channel_intent(
        cluster=cluster, snapshot=snapshot, label=rollout.label, channel=row.pin_before
    )
    return previews.preview(
        fleet=rollout.fleet, intent=intent, snapshot=snapshot, renderer=renderer
    )


def _leads_back(plan: Plan, change: Change) -> bool:
    """Whether a plan undoes what a change did and nothing else: same files, the labels as they were.

    Something may go away only where the approval of the way there covered that.
    """
    record = plan_records.record(plan)
    came, back = change.plan, record
    paths = {one["path"] for one in came["edits"]}
    return (
        {one["path"] for one in back["edits"]} == paths
        and _values(back["labels_after"]) == _values(came["labels_before"])
        and (change.destructive or not plan.destructive)
    )


def _values(labels: list[dict[str, str]]) -> dict[str, str]:
    return {one["key"]: one["value"] for one in labels}
