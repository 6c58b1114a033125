"""What Celery runs: each task translates in, makes one service call, and wakes what follows.

The rows are the truth; a task that comes twice, late or never changes nothing but the time.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from celery import shared_task

from onboarding import wiring
from onboarding.automation import bulk_checks
from onboarding.domain.errors import Transient
from onboarding.models import ClusterPause, Fleet, HubMove, Offboarding, Rollout
from onboarding.services import (
    adopting,
    approvals,
    hub_moves,
    notices,
    offboarding_steps,
    pausing,
    refreshing,
    repeated,
    rollout_steps,
)
from onboarding.services.delivery import deliveries
from onboarding.services.observing import observations, outcomes, standings

_ROWS_AT_ONCE = 50


@shared_task(
    name="onboarding.deliver",
    autoretry_for=(Transient,),
    retry_backoff=True,
    retry_backoff_max=30,
    retry_jitter=True,
    max_retries=5,
)
def deliver(*, fleet_id: int, **_: Any) -> None:
    """Bring what is approved for one fleet to its remote branch."""
    fleet = Fleet.objects.filter(pk=fleet_id).first()
    if fleet is None:
        return
    queue = wiring.queue()
    report = deliveries.deliver(
        fleet_id=fleet.pk,
        repository=wiring.repository(fleet),
        clock=wiring.clock(),
        queue=queue,
        worker=socket.gethostname(),
        forge=wiring.forge,
        page_of=wiring.page_of_change,
    )
    if report.committed or report.merged_differently:
        queue.wake("onboarding.refresh_fleet", fleet_id=fleet.pk)
        for change_id in report.committed:
            queue.wake("onboarding.tell_hub", change_id=change_id)


@shared_task(name="onboarding.refresh_fleet")
def refresh_fleet(*, fleet_id: int, **_: Any) -> None:
    """Read one fleet's branch again: members, and the plans that wait for approval."""
    fleet = Fleet.objects.filter(pk=fleet_id).first()
    if fleet is not None:
        refreshing.refresh(
            fleet=fleet,
            repository=wiring.repository(fleet),
            clock=wiring.clock(),
            renderer=wiring.renderer(),
        )


@shared_task(name="onboarding.adopt")
def adopt(*, adoption_id: int, **_: Any) -> None:
    """Look at a repository that somebody wants to adopt, or index the one that was adopted."""
    adopting.work(
        adoption_id=adoption_id,
        visit=wiring.visit,
        repository=wiring.repository,
        clock=wiring.clock(),
    )


@shared_task(name="onboarding.tell_hub")
def tell_hub(*, change_id: int, again: bool = False, **_: Any) -> None:
    """Tell the hub of a delivered change to look at Git now instead of at its next poll."""
    observations.tell_hub_of_change(
        change_id=change_id,
        reader=wiring.hub_reader,
        argocd=wiring.argocd,
        clock=wiring.clock(),
        again=again,
    )


@shared_task(name="onboarding.refresh_fleets")
def refresh_fleets(**_: Any) -> None:
    """Ask for a refresh of every fleet."""
    queue = wiring.queue()
    for fleet_id in Fleet.objects.values_list("pk", flat=True):
        queue.wake("onboarding.refresh_fleet", fleet_id=fleet_id)


@shared_task(name="onboarding.refresh_standings")
def refresh_standings(**_: Any) -> None:
    """Compose anew how every cluster stands, and hold what was foreseen against what the hub did."""
    queue = wiring.queue()
    for fleet in Fleet.objects.all():
        standings.keep_up(fleet=fleet, clock=wiring.clock())
        outcomes.check(fleet=fleet, clock=wiring.clock())
        for change_id in outcomes.unheard(fleet=fleet, clock=wiring.clock()):
            queue.wake("onboarding.tell_hub", change_id=change_id, again=True)


@shared_task(name="onboarding.lead_offboardings")
def lead_offboardings(**_: Any) -> None:
    """Lead every cluster that leaves one step further, where the hub shows that the one before is done."""
    open_runs = Offboarding.objects.filter(ended_at__isnull=True)
    for fleet in Fleet.objects.filter(pk__in=open_runs.values("fleet")):
        offboarding_steps.advance(
            fleet=fleet,
            repository=wiring.repository(fleet),
            clock=wiring.clock(),
            queue=wiring.queue(),
            renderer=wiring.renderer(),
        )


@shared_task(name="onboarding.send_notices")
def send_notices(**_: Any) -> None:
    """Tell people and webhooks what happened since the last time, and what could not be told before."""
    notices.gather(clock=wiring.clock())
    notices.send_due(
        clock=wiring.clock(),
        sender=wiring.webhook_sender(),
        mailer=wiring.mailer(),
        way_to=wiring.way_to_webhook,
        page_of=wiring.page_of_change,
    )


@shared_task(name="onboarding.end_pauses")
def end_pauses(**_: Any) -> None:
    """End every pause whose time has come."""
    open_pauses = ClusterPause.objects.filter(ended_at__isnull=True)
    for fleet in Fleet.objects.filter(pk__in=open_pauses.values("fleet")):
        pausing.end_due(
            fleet=fleet,
            repository=wiring.repository(fleet),
            clock=wiring.clock(),
            queue=wiring.queue(),
            renderer=wiring.renderer(),
        )


@shared_task(name="onboarding.lead_rollouts")
def lead_rollouts(**_: Any) -> None:
    """Release the next wave of every rollout whose gate has passed, and stop where a cluster is not well."""
    open_rollouts = Rollout.objects.filter(ended_at__isnull=True, approved_at__isnull=False)
    for fleet in Fleet.objects.filter(pk__in=open_rollouts.values("fleet")):
        rollout_steps.advance(
            fleet=fleet,
            repository=wiring.repository(fleet),
            clock=wiring.clock(),
            queue=wiring.queue(),
            renderer=wiring.renderer(),
        )


@shared_task(name="onboarding.lead_moves")
def lead_moves(**_: Any) -> None:
    """Lead every cluster that moves to another hub from the one change to the other."""
    open_moves = HubMove.objects.filter(ended_at__isnull=True)
    for fleet in Fleet.objects.filter(pk__in=open_moves.values("fleet")):
        hub_moves.advance(
            fleet=fleet,
            repository=partial(wiring.current_repository, fleet, max_age=0),
            credentials=wiring.credentials,
            clock=wiring.clock(),
            renderer=wiring.renderer(),
        )


@shared_task(name="onboarding.check_bulks")
def check_bulks(**_: Any) -> None:
    """Check some rows of bulks; while there are more, another run follows at once."""
    if bulk_checks.check_due(most=_ROWS_AT_ONCE) == _ROWS_AT_ONCE:
        wiring.queue().wake("onboarding.check_bulks")


@shared_task(name="onboarding.sweep")
def sweep(**_: Any) -> None:
    """Wake a worker for every fleet with work that is due, as the broker may have lost it; forget old keys."""
    approvals.complete(clock=wiring.clock(), queue=wiring.queue())
    deliveries.sweep(queue=wiring.queue(), clock=wiring.clock())
    adopting.sweep(queue=wiring.queue(), clock=wiring.clock())
    repeated.forget(clock=wiring.clock())
