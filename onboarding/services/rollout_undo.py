"""Undoing a rollout that has ended: a rollout of its own, planned, approved and led as any other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DeliveryState, Right
from onboarding.domain.snapshot import RememberingSnapshot
from onboarding.models import Delivery, Rollout, RolloutRow
from onboarding.ports import ChartRenderer, Clock, FleetRepository
from onboarding.services import indexing, places, rollouts
from onboarding.services.rights import reach_of, require

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def request(
    *,
    rollout_id: int,
    actor: User,
    repository: FleetRepository,
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> Rollout:
    """Ask that each cluster which a rollout moved goes back to where it was, all in one wave.

    One that is on another channel by now, or has left, is left out and said. Raises `Refused` where
    the rollout has not ended, where nothing is left to go back, and as `rollouts.keep`.
    """
    done = Rollout.objects.select_related("fleet").get(pk=rollout_id)
    require(actor, Right.REQUEST, *places.of_rollout(done))
    if done.state not in rollouts.ENDED:
        raise Refused("This rollout has not ended. Revert it instead.", code="wrong_state")
    indexing.index(fleet=done.fleet, repository=repository, clock=clock)
    snapshot = RememberingSnapshot(repository.snapshot())
    clusters = rollouts.clusters_of(done.fleet, reach_of(actor))
    back, left_out = [], []
    gone = "It is not in the fleet any more, or where your account may not ask for it."
    for row in _moved(done):
        cluster = clusters.get((row.hub.name, row.cluster_name))
        if cluster is None:
            left_out.append([row.cluster_name, gone])
            continue
        now_on = rollouts.candidate_of(cluster, done.label).channel
        if now_on != done.target:
            left_out.append([row.cluster_name, f"It is on {now_on or 'no channel'} by now."])
            continue
        planned = rollouts.planned_row(
            cluster=cluster,
            label=done.label,
            channel=row.pin_before,
            snapshot=snapshot,
            renderer=renderer,
        )
        if planned.plan is None:
            left_out.append([row.cluster_name, planned.problem])
            continue
        back.append(planned)
    if not back:
        why = f" {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise Refused(f"No cluster of it is left to go back.{why}", code="nothing")
    return rollouts.keep(
        Rollout(
            fleet=done.fleet,
            title=f"Back: {done.title}"[:200],
            label=done.label,
            source=done.target,
            target=done.source,
            patience=done.patience,
            left_out=left_out,
            undoes=done,
            requester=actor,
            created_at=clock.now(),
        ),
        [("all that were moved", timedelta(), back)],
        clock=clock,
    )


def _moved(rollout: Rollout) -> list[RolloutRow]:
    """The rows whose move is in Git and that were not moved back."""
    rows = RolloutRow.objects.filter(wave__rollout=rollout, reverted_at__isnull=True)
    committed = Delivery.objects.filter(state=DeliveryState.COMMITTED.value)
    rows = rows.filter(change__in=committed.values("change"))
    return list(rows.select_related("hub").order_by("cluster_name"))
