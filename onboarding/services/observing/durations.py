"""Durations: how long each stage took those who were onboarded here, and what is usual by that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onboarding.domain import durations
from onboarding.domain.progress import StepState, Timeline
from onboarding.domain.stages import Stage
from onboarding.models import Change, Fleet, Onboarding

REMEMBERED = 100
"""Of how many onboardings, the newest, the usual durations are the median."""
_BEGINS_WITHIN = timedelta(days=1)
"""How old a request may be when its onboarding is first written down: the times that a hub tells of
what it has had for long are of its last change, not of the onboarding."""
_COLUMNS = [stage.value for stage in Stage]


@dataclass(frozen=True, slots=True)
class Told:
    """A registration that was approved here, and how far its cluster has come."""

    change: Change
    timeline: Timeline


def recent(fleet: Fleet, *, besides: Change | None = None) -> Sequence[Mapping[Stage, int]]:
    """The seconds of each stage of the newest onboardings of a fleet, by one query of few rows.

    `besides` leaves one out: what is usual is told by others.
    """
    rows = Onboarding.objects.filter(fleet=fleet).exclude(change=besides)
    rows = rows.order_by("-begun_at", "-pk")
    return [
        {stage: row[stage.value] for stage in Stage if row[stage.value] is not None}
        for row in rows.values(*_COLUMNS)[:REMEMBERED]
    ]


def usual(fleet: Fleet, *, besides: Change | None = None) -> Mapping[Stage, timedelta]:
    """How long each stage usually takes in a fleet; one that has no history yet is not in it."""
    return durations.usual(recent(fleet, besides=besides))


def record(*, fleet: Fleet, told: Iterable[Told], now: datetime) -> int:
    """Write down how long the stages took that were reached; returns how many rows changed.

    An onboarding that is finished is never touched again: its cluster's later troubles are none of
    its own.
    """
    begun = {
        row.change_id: row
        for row in Onboarding.objects.filter(fleet=fleet, finished_at__isnull=True)
    }
    finished = set(
        Onboarding.objects.filter(
            fleet=fleet, finished_at__isnull=False, begun_at__gt=now - 2 * _BEGINS_WITHIN
        ).values_list("change_id", flat=True)
    )
    new: list[Onboarding] = []
    changed: list[Onboarding] = []
    for one in told:
        row = begun.get(one.change.pk) or _begin(fleet, one.change, finished, now)
        if row is not None and _bring_up(row, one.timeline, now):
            (changed if row.pk else new).append(row)
    # Another process may have begun the same one in between; it will be brought up next time.
    Onboarding.objects.bulk_create(new, ignore_conflicts=True, batch_size=100)
    Onboarding.objects.bulk_update(changed, [*_COLUMNS, "finished_at"], batch_size=50)
    return len(new) + len(changed)


def _begin(fleet: Fleet, change: Change, finished: set[int], now: datetime) -> Onboarding | None:
    at = change.decided_at
    if change.pk in finished or at is None or now - at > _BEGINS_WITHIN:
        return None
    return Onboarding(fleet=fleet, change=change, begun_at=change.submitted_at or at)


def _bring_up(row: Onboarding, told: Timeline, now: datetime) -> bool:
    """Add what was reached since; True where that changed the row. What was written stays."""
    before = _content(row)
    for stage, seconds in durations.taken(told).items():
        if getattr(row, stage.value) is None:
            setattr(row, stage.value, seconds)
    last = told.step(Stage.HEALTHY)
    if last.state is StepState.DONE:
        row.finished_at = last.at or now
    return before != _content(row)


def _content(row: Onboarding) -> tuple[object, ...]:
    return (*(getattr(row, column) for column in _COLUMNS), row.finished_at)
