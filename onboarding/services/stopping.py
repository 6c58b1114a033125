"""The stop switch: while it is on, nothing is written to a fleet's branch, whoever approved it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Delivery, Fleet, StopSwitch
from onboarding.ports import Clock, WorkQueue
from onboarding.services import events
from onboarding.services.rights import require_administrator

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def stop(*, fleet: Fleet, reason: str, actor: User | None, clock: Clock) -> int:
    """Let nothing more be written to a fleet's branch; returns how many changes are being written now.

    These few may still arrive: their push began before. When this has returned, none begins. `actor`
    None is whoever may run the product's commands on its server. Raises `Refused` where the actor is
    no administrator, without a reason, and where it is stopped already.
    """
    if actor is not None:
        require_administrator(actor)
    said = reason.strip()[:2000]
    if not said:
        raise Refused(
            "Say why, so that others know what they wait for.", field="reason", code="required"
        )
    now = clock.now()
    who = actor.get_username() if actor else "A command"
    StopSwitch.objects.get_or_create(fleet=fleet)
    with transaction.atomic():
        # Waits for whoever begins a push at this moment: the writer holds the row while it does.
        moved = StopSwitch.objects.filter(fleet=fleet, stopped_at__isnull=True).update(
            stopped_at=now, by=who, reason=said
        )
        if not moved:
            raise Refused(f"{fleet.name} is stopped already.", code="wrong_state")
        events.record(
            verb="fleet.stopped",
            message=f"{who} stopped every delivery to {fleet.name}: {said}",
            at=now,
            actor=actor,
            fleet=fleet,
            detail={"reason": said},
        )
    return Delivery.objects.filter(fleet=fleet, state=DeliveryState.PUSHING.value).count()


def go(*, fleet: Fleet, actor: User | None, clock: Clock, queue: WorkQueue) -> int:
    """Let the fleet's deliveries go on; returns how many were waiting, which are due at once."""
    if actor is not None:
        require_administrator(actor)
    now = clock.now()
    who = actor.get_username() if actor else "A command"
    with transaction.atomic():
        moved = StopSwitch.objects.filter(fleet=fleet, stopped_at__isnull=False).update(
            stopped_at=None, by="", reason=""
        )
        if not moved:
            raise Refused(f"{fleet.name} is not stopped.", code="wrong_state")
        waiting = look_now(fleet=fleet, at=now, queue=queue)
        events.record(
            verb="fleet.resumed",
            message=f"{who} let the deliveries to {fleet.name} go on: {waiting} were waiting.",
            at=now,
            actor=actor,
            fleet=fleet,
        )
    return waiting


def look_now(*, fleet: Fleet, at: datetime, queue: WorkQueue) -> int:
    """Let the writer look at everything that is queued, now; in the caller's transaction."""
    queued = Delivery.objects.filter(fleet=fleet, state=DeliveryState.QUEUED.value)
    waiting = queued.update(due_at=at)
    transaction.on_commit(lambda: queue.wake("onboarding.deliver", fleet_id=fleet.pk))
    return waiting


def why_stopped(fleet_id: int) -> str:
    """Why nothing is written to a fleet's branch, as a sentence; "" where it may be."""
    row = StopSwitch.objects.filter(fleet=fleet_id, stopped_at__isnull=False).first()
    return sentence(row) if row else ""


def sentence(row: StopSwitch) -> str:
    """What the pages and the waiting deliveries say of a stop."""
    return (
        f"{row.by} stopped every delivery: {row.reason.rstrip('.')}. "
        "Nothing is written until an administrator lets it go on."
    )


def hold(fleet_id: int) -> bool:
    """Whether a push may begin: where it may, nobody stops it until the caller's transaction ends."""
    row = StopSwitch.objects.select_for_update(of=("self",)).filter(fleet_id=fleet_id).first()
    if row is None:
        StopSwitch.objects.get_or_create(fleet_id=fleet_id)
        row = StopSwitch.objects.select_for_update(of=("self",)).get(fleet_id=fleet_id)
    return row.stopped_at is None
