"""Commits that were delivered and are not in the branch any more: somebody rewrote its history."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max

from onboarding.domain.alarms import Alarm
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Delivery, DeliveryAttempt, Fleet
from onboarding.ports import Clock, FleetRepository
from onboarding.services import events

_LOOKED_AT = 1_000
_THERE_IN_A_ROW = 20


def notice(*, fleet: Fleet, tip: str, repository: FleetRepository, clock: Clock) -> None:
    """The writer's look before it builds on `tip`: is what was pushed last still there?

    One question, and all of them only where it is not. Asked before the next delivery hides the gap.
    """
    pushed = DeliveryAttempt.objects.filter(
        delivery__fleet=fleet, delivery__state=DeliveryState.COMMITTED.value, outcome="committed"
    )
    last = pushed.order_by("-pk").values_list("delivery__commit", "delivery__alarm").first()
    if last and not last[1] and not repository.is_ancestor(last[0], tip):
        watch_history(fleet=fleet, tip=tip, repository=repository, clock=clock)


def watch_history(*, fleet: Fleet, tip: str, repository: FleetRepository, clock: Clock) -> int:
    """Raise an alarm for each delivered commit that `tip` lacks, and end those that are back.

    Nothing is written again: whether it was taken back on purpose is for people to say. The newest
    are asked about until many in a row are there, as each delivery descends from the one before;
    the order is that of the pushes, whatever a worker's clock said. Returns how many are missing.
    """
    delivered = Delivery.objects.filter(
        fleet=fleet, state=DeliveryState.COMMITTED.value
    ).select_related("change")
    back = [
        row
        for row in delivered.filter(alarm=Alarm.DIVERGED.value)
        if repository.is_ancestor(row.commit, tip)
    ]
    Delivery.objects.filter(pk__in=[row.pk for row in back]).update(alarm="")
    newest = delivered.filter(alarm="").annotate(pushed=Max("attempts__pk"))
    missing, there = [], 0
    for row in newest.order_by("-pushed", "-committed_at")[:_LOOKED_AT].iterator(chunk_size=50):
        if not repository.is_ancestor(row.commit, tip):
            missing.append(row)
        there = 0 if missing and missing[-1] is row else there + 1
        if there == _THERE_IN_A_ROW:
            break
    for row in missing:
        _raise(row, clock)
    return len(missing)


def _raise(row: Delivery, clock: Clock) -> None:
    with transaction.atomic():
        raised = Delivery.objects.filter(pk=row.pk, alarm="").update(alarm=Alarm.DIVERGED.value)
        if raised:
            events.record(
                verb="delivery.diverged",
                message=f"Commit {row.commit[:10]} is not in the branch any more: it was rewritten.",
                at=clock.now(),
                change=row.change,
                detail={"commit": row.commit},
            )
