"""Deliveries: bring what is approved to the fleet's branch, once, and say what became of it.

The rows are the queue. One worker at a time writes to a branch (`writer_lease`); what a push did is
asked of the remote (`settling`), so a worker may die at any step and the next one goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from django.db import transaction
from django.db.models import QuerySet

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right, may_stop_delivery
from onboarding.models import Change, Delivery, Fleet, Heartbeat
from onboarding.ports import Clock, FleetRepository, Forge, WorkQueue
from onboarding.services import events, places
from onboarding.services.delivery import settling, writer_lease
from onboarding.services.delivery.pull_requests import Reviewer
from onboarding.services.delivery.writing import Writer
from onboarding.services.rights import reach_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_log = logging.getLogger(__name__)

PUSH_SECONDS = 15.0
"""How long one push may take; the writer's lease outlives it."""

_LEASE_MARGIN = 5.0


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one run of the writer did, by the numbers of the changes.

    `busy` says that another worker holds the lease (or took it over) and goes on with the work.
    """

    committed: tuple[int, ...] = ()
    lapsed: tuple[int, ...] = ()
    recalled: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    merged_differently: tuple[int, ...] = ()
    busy: bool = False


def deliver(
    *,
    fleet_id: int,
    repository: FleetRepository,
    clock: Clock,
    queue: WorkQueue,
    worker: str,
    push_seconds: float = PUSH_SECONDS,
    forge: Callable[[Fleet], Forge] | None = None,
    page_of: Callable[[int], str] = lambda change_id: "",
) -> DeliveryReport:
    """Bring everything that is due for one fleet to its remote branch, in the order of approval.

    Where the fleet delivers by pull request, `forge` is asked for them, and `page_of` for the
    address of a change's page, which it then names ("": none); otherwise neither is used.

    Safe to run twice, at once and at any time: whoever does not get the lease does nothing. First
    what earlier runs left open is settled by reading the remote; then each due change is planned
    on the tree left by the one before it, and all are pushed together. `worker` names this process.

    A remote that is away, a refusal and a lapse are written to the rows, in words for people;
    nothing of that is raised.
    """
    holder = f"{worker} {uuid4().hex}"
    lease = writer_lease.acquire(
        fleet_id=fleet_id, holder=holder, seconds=push_seconds + _LEASE_MARGIN
    )
    if lease is None:
        return DeliveryReport(busy=True)
    fleet = Fleet.objects.get(pk=fleet_id)
    writer = _strategy(fleet, forge, page_of)(
        fleet=fleet,
        repository=repository,
        clock=clock,
        lease=lease,
        worker=worker,
        push_seconds=push_seconds,
    )
    try:
        writer.write_all()
    except writer_lease.LeaseLost:
        _log.warning("Worker %s lost the lease of fleet %s; another one goes on.", worker, fleet_id)
        return _report(writer, busy=True)
    finally:
        writer_lease.release(lease)
    _say(fleet, _report(writer))
    # Approved between our last look and now, by somebody whose bell found us still at work.
    if _due(clock.now()).filter(fleet_id=fleet_id).exists():
        queue.wake("onboarding.deliver", fleet_id=fleet_id)
    return _report(writer)


def enqueue(changes: Sequence[Change], *, at: datetime, queue: WorkQueue) -> None:
    """Put approved changes, locked by the caller, into the queue; wake workers when that transaction ends.

    A plan that was called back for another approval has its row already, which begins anew.
    """
    fresh = {
        "state": DeliveryState.QUEUED.value,
        "reason": "",
        "alarm": "",
        "tries": 0,
        "queued_at": at,
        "due_at": at,
    }
    rows = Delivery.objects.filter(change__in=changes) if changes else Delivery.objects.none()
    there = {
        (change, digest): pk for pk, change, digest in rows.values_list("pk", "change", "digest")
    }
    again = [there[key] for one in changes if (key := (one.pk, one.plan_digest)) in there]
    if again:
        rows.filter(pk__in=again, state=DeliveryState.FAILED.value).update(**fresh)
    Delivery.objects.bulk_create(
        Delivery(change=one, digest=one.plan_digest, fleet=one.fleet, **fresh)
        for one in changes
        if (one.pk, one.plan_digest) not in there
    )
    for fleet_id in sorted({one.fleet_id for one in changes}):
        transaction.on_commit(partial(queue.wake, "onboarding.deliver", fleet_id=fleet_id))


def sweep(*, queue: WorkQueue, clock: Clock) -> int:
    """Wake a worker for every fleet with due work that nobody is at; return for how many.

    Run every few seconds: what the broker lost or a dead worker left behind starts again here.
    """
    now = clock.now()
    at_work = writer_lease.held().values("fleet_id")
    fleets = _due(now).exclude(fleet_id__in=at_work).values_list("fleet_id", flat=True).distinct()
    waiting = sorted(set(fleets))
    for fleet_id in waiting:
        queue.wake("onboarding.deliver", fleet_id=fleet_id)
    Heartbeat.objects.update_or_create(
        part="sweep", defaults={"at": now, "detail": f"{len(waiting)} fleets had work"}
    )
    return len(waiting)


def stop_before_push(*, change: Change, at: datetime) -> None:
    """Take an approved change out of the queue as it is withdrawn; in the caller's transaction.

    Raises `Refused` where a push of it is under way, or ended so lately that the remote may still
    take it: nothing is taken back until the remote has shown that it is not there.
    """
    for delivery in Delivery.objects.filter(change=change):
        unsettled = delivery.attempts.filter(outcome="").exists()
        state = DeliveryState(delivery.state)
        if state is DeliveryState.COMMITTED:
            raise Refused(
                f"The change is in Git already, as {delivery.commit[:10]}. Ask for another "
                f"change that undoes it.",
                code="delivered",
            )
        if state is DeliveryState.MERGED_DIFFERENTLY:
            raise Refused(
                "Its pull request was merged, so it cannot be withdrawn. Revert it in Git, and ask "
                "for the change anew.",
                code="delivered",
            )
        if state is DeliveryState.IN_REVIEW:
            raise Refused(
                "The change waits in its pull request, where somebody may merge it at any moment. "
                "Close the pull request on the forge: that rejects the change.",
                code="in_review",
            )
        if not may_stop_delivery(state, attempt_unsettled=unsettled):
            raise Refused(
                "The change is being written to Git at this moment. Look again in a few seconds.",
                code="delivery_under_way",
            )
        if settling.may_still_arrive(delivery=delivery, now=at):
            raise Refused(
                f"A push of this change ended only seconds ago and may still arrive. "
                f"Try again in {settling.LATE_ARRIVAL} seconds.",
                code="delivery_under_way",
            )
        stopped = Delivery.objects.filter(pk=delivery.pk, state=delivery.state).update(
            state=DeliveryState.FAILED.value,
            reason="The change was withdrawn before it was written.",
        )
        if not stopped:
            raise Refused(
                "A worker began to write the change at this moment. Look again in a few seconds.",
                code="delivery_under_way",
            )


def try_again(*, delivery_id: int, actor: User, clock: Clock, queue: WorkQueue) -> Delivery:
    """Queue a failed delivery of an approved change once more, at a person's request.

    Needs the right to request or to administer. Raises `Refused` where the delivery has not failed,
    or its change is not approved (any more).
    """
    failed = Delivery.objects.select_related("change__fleet").get(pk=delivery_id)
    may = reach_of(actor).at_all(places.touched_by(failed.change))
    if not may & {Right.REQUEST, Right.ADMINISTER}:
        raise Refused(
            "You may not try this again. Ask an administrator for the right to request.",
            code="forbidden",
        )
    now = clock.now()
    with transaction.atomic():
        delivery = Delivery.objects.select_related("change").get(pk=delivery_id)
        moved = Delivery.objects.filter(
            pk=delivery_id,
            state=DeliveryState.FAILED.value,
            change__state=DecisionState.APPROVED.value,
        ).update(state=DeliveryState.QUEUED.value, reason="", alarm="", tries=0, due_at=now)
        if not moved:
            raise Refused(
                "Only a failed delivery of an approved change can be tried again. Reload the page.",
                code="wrong_state",
            )
        events.record(
            verb="delivery.tried_again",
            message=f"{actor.get_username()} asked to try again.",
            at=now,
            actor=actor,
            change=delivery.change,
        )
        transaction.on_commit(lambda: queue.wake("onboarding.deliver", fleet_id=delivery.fleet_id))
    delivery.refresh_from_db()
    return delivery


def _strategy(
    fleet: Fleet, forge: Callable[[Fleet], Forge] | None, page_of: Callable[[int], str]
) -> Callable[..., Writer]:
    """The fleet's way of delivering: pushes to the branch itself, or pull requests into it."""
    if fleet.delivery_mode == Fleet.DeliveryMode.DIRECT:
        return Writer
    if forge is None:
        raise TypeError("A fleet that delivers by pull request needs its forge.")
    return partial(Reviewer, forge=lambda: forge(fleet), page_of=page_of)


def _due(now: datetime) -> QuerySet[Delivery]:
    """The deliveries that a worker should look at now."""
    return Delivery.objects.filter(
        settling.is_due(now),
        state__in=[state.value for state in settling.UNSETTLED],
    )


def _say(fleet: Fleet, report: DeliveryReport) -> None:
    """One log record for each run that did something, with the numbers of the changes."""
    if report != DeliveryReport():
        structlog.get_logger(__name__).info(
            "deliveries.written", fleet=fleet.name, **asdict(report)
        )


def _report(writer: Writer, *, busy: bool = False) -> DeliveryReport:
    return DeliveryReport(
        committed=tuple(writer.committed),
        lapsed=tuple(writer.lapsed),
        recalled=tuple(writer.recalled),
        failed=tuple(writer.failed),
        waiting=tuple(dict.fromkeys(writer.waiting)),
        rejected=tuple(writer.rejected),
        merged_differently=tuple(writer.merged_differently),
        busy=busy,
    )
