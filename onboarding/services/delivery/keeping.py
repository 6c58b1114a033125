"""The writer's books: what of its work waits, was sent back or failed, and its hold on the lease."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet

from onboarding.domain.alarms import Alarm, of_refusal
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Delivery, Fleet
from onboarding.ports import Clock, FleetRepository
from onboarding.services import stopping
from onboarding.services.delivery import lapsing, settling, writer_lease
from onboarding.services.delivery.pace import next_turn

_MOST_TRIES = 8
_RENEW_AFTER = 3.0
_LOOK_WHILE_STOPPED = timedelta(seconds=60)


class Keeper:
    """One holder of a fleet's lease: keeps count of what it did, and writes down what it could not do."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        repository: FleetRepository,
        clock: Clock,
        lease: writer_lease.Lease,
        worker: str,
        push_seconds: float,
    ) -> None:
        self.committed: list[int] = []
        self.lapsed: list[int] = []
        self.recalled: list[int] = []
        self.failed: list[int] = []
        self.waiting: list[int] = []
        self.rejected: list[int] = []
        self.merged_differently: list[int] = []
        self._fleet = fleet
        self._repository = repository
        self._clock = clock
        self._lease = lease
        self._worker = worker
        self._push_seconds = push_seconds
        self._renewed = time.monotonic()

    def _is_stopped(self) -> bool:
        """Whether deliveries are stopped; then everything that is due waits, and says so."""
        why = stopping.why_stopped(self._fleet.pk)
        if why:
            later = self._clock.now() + _LOOK_WHILE_STOPPED
            self.waiting += settling.hold_all(
                self._due(), reason=why, due_at=later, lease=self._lease
            )
        return bool(why)

    def _stop_before_push(self, rows: Sequence[Delivery], base: str) -> settling.Ended:
        """Stopped between the record and the push: nothing left, so everything waits as before."""
        self._close(rows, "stopped", "Deliveries were stopped before the push began.")
        settling.requeue(rows, now=self._clock.now(), lease=self._lease)
        self._is_stopped()
        return settling.Ended(base, go_on=False)

    def _try_later(self, delivery: Delivery, said: str) -> None:
        """Put a refused delivery back for later, or end it after so many tries."""
        alarm = of_refusal(said, tries=(tries := delivery.tries + 1))
        if tries < _MOST_TRIES:
            self._put_back(delivery, said, tried=True, alarm=alarm)
        else:
            self._fail(delivery, said, alarm)

    def _fail(self, delivery: Delivery, reason: str, alarm: Alarm = Alarm.NONE) -> None:
        if settling.fail(
            delivery=delivery,
            reason=reason,
            now=self._clock.now(),
            lease=self._lease,
            verb="delivery.failed",
            alarm=alarm,
        ):
            self.failed.append(delivery.change_id)

    def _drop(self, delivery: Delivery, refused: Refused) -> None:
        """Send one change back for approval; the others of its batch are not held up."""
        now = self._clock.now()
        if settling.may_still_arrive(delivery=delivery, now=now):
            settling.put_back(
                delivery=delivery,
                reason=f"A push that ended lately may still arrive; after that: {refused}",
                due_at=now + timedelta(seconds=settling.LATE_ARRIVAL),
                lease=self._lease,
            )
            self.waiting.append(delivery.change_id)
        elif any(one.code == "approval_short" for one in refused.refusals):
            if lapsing.recall(delivery=delivery, reason=str(refused), now=now, lease=self._lease):
                self.recalled.append(delivery.change_id)
        elif lapsing.lapse(delivery=delivery, reason=str(refused), now=now, lease=self._lease):
            self.lapsed.append(delivery.change_id)

    def _wait_for_remote(self, error: FleetError) -> None:
        """The remote cannot be read: everything waits, visibly, and nothing is decided."""
        rows = [*self._due(), *self._rows(DeliveryState.PUSHING)]
        now = self._clock.now()
        settling.wait_for_remote(rows, reason=str(error), now=now, lease=self._lease)
        self.waiting += [row.change_id for row in rows]

    def _must_slow_down(self, deliveries: Sequence[Delivery]) -> bool:
        """Whether the host's limit of pushes a minute is reached; then the batch waits."""
        turn = next_turn(fleet=self._fleet, now=self._clock.now())
        if turn is None:
            return False
        for delivery in deliveries:
            settling.put_back(
                delivery=delivery,
                reason=f"This host gets at most {self._fleet.pushes_per_minute} pushes a minute; "
                f"it is next in turn.",
                due_at=turn,
                lease=self._lease,
            )
            self.waiting.append(delivery.change_id)
        return True

    def _close(self, rows: Sequence[Delivery], outcome: str, reason: str) -> None:
        now = self._clock.now()
        settling.close_attempts(rows, outcome=outcome, reason=reason, now=now, lease=self._lease)

    def _put_back(
        self,
        delivery: Delivery,
        reason: str,
        *,
        tried: bool = False,
        alarm: Alarm = Alarm.NONE,
        due_at: datetime | None = None,
    ) -> None:
        """Queue a delivery again, for a time or the later the more often it was tried."""
        settling.put_back(
            delivery=delivery,
            reason=reason,
            due_at=due_at or settling.wait(delivery.tries + 1, self._clock.now()),
            lease=self._lease,
            tried=tried,
            alarm=alarm,
        )
        self.waiting.append(delivery.change_id)

    def _rows(self, *states: DeliveryState) -> QuerySet[Delivery]:
        return (
            Delivery.objects.filter(fleet=self._fleet, state__in=[state.value for state in states])
            .select_related("change__fleet", "change__hub", "change__requester")
            .order_by("queued_at", "pk")
        )

    def _due(self) -> QuerySet[Delivery]:
        return self._rows(DeliveryState.QUEUED).filter(settling.is_due(self._clock.now()))

    def _renew(self) -> None:
        """Start the lease's time anew; it is counted from before the question, never from after."""
        asked = time.monotonic()
        writer_lease.renew(self._lease)
        self._renewed = asked

    def _renew_if_long_ago(self) -> None:
        if time.monotonic() - self._renewed > _RENEW_AFTER:
            self._renew()
