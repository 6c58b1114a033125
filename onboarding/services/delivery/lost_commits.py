"""Commits that were delivered and are not in the branch any more: somebody rewrote its history."""

from __future__ import annotations

from django.db import transaction

from onboarding.domain.alarms import Alarm
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Delivery, Fleet
from onboarding.ports import Clock, FleetRepository
from onboarding.services import events

_LOOKED_AT = 1_000


def watch_history(*, fleet: Fleet, tip: str, repository: FleetRepository, clock: Clock) -> int:
    """Raise an alarm for each delivered commit that `tip` lacks, and end those that are back.

    Nothing is written again: whether it was taken back on purpose is for people to say. Usually one
    question is enough, as each delivery descends from the one before. Returns how many are missing.
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
    missing = []
    for row in delivered.filter(alarm="").order_by("-committed_at", "-pk")[:_LOOKED_AT]:
        if repository.is_ancestor(row.commit, tip):
            break
        missing.append(row)
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
