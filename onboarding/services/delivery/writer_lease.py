"""The writer's lease: one worker at a time writes to a fleet's branch, by the database's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import DateTimeField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from onboarding.models import WriterLease


class LeaseLost(Exception):
    """Another worker holds the lease by now; whoever meets this stops and writes nothing more."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to one fleet's branch, with the fencing number that proves it.

    `seconds` is how long it lasts without being renewed: what a killed worker costs at most.
    """

    fleet_id: int
    holder: str
    fence: int
    seconds: float


def acquire(*, fleet_id: int, holder: str, seconds: float) -> Lease | None:
    """Take the fleet's lease for some seconds if nobody holds it now; None where somebody does.

    `holder` is unique to this attempt to take it. Every new holder gets a greater fencing number.
    Time is the database's, so that workers with wrong clocks agree.
    """
    WriterLease.objects.get_or_create(fleet_id=fleet_id)
    free = Q(until__isnull=True) | Q(until__lt=Now())
    taken = WriterLease.objects.filter(free, fleet_id=fleet_id).update(
        holder=holder[:200], fence=F("fence") + 1, until=_end(seconds)
    )
    if not taken:
        return None
    row = WriterLease.objects.get(fleet_id=fleet_id)
    # Between the two statements the lease cannot have ended, unless this worker slept through it.
    return Lease(fleet_id, holder, row.fence, seconds) if row.holder == holder[:200] else None


def renew(lease: Lease) -> None:
    """Start the lease's time anew; raises `LeaseLost` where another worker has taken it since."""
    mine = WriterLease.objects.filter(fleet_id=lease.fleet_id, fence=lease.fence)
    if not mine.update(until=_end(lease.seconds)):
        raise LeaseLost(f"Fleet {lease.fleet_id} has another writer by now.")


def release(lease: Lease) -> None:
    """Give the lease back; nothing happens where another worker has taken it since."""
    WriterLease.objects.filter(fleet_id=lease.fleet_id, fence=lease.fence).update(
        holder="", until=None
    )


def held() -> QuerySet[WriterLease]:
    """The leases that somebody holds now."""
    return WriterLease.objects.filter(until__gte=Now())


def _end(seconds: float) -> ExpressionWrapper[CombinedExpression]:
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())
