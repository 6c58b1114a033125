"""The writer at work: plan, build, record, push, read back; in rounds until nothing is due."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Delivery, DeliveryAttempt, Fleet
from onboarding.ports import Clock, FleetRepository
from onboarding.services import delivery_settling as settling
from onboarding.services import indexing, writer_lease
from onboarding.services.delivery_plans import Prepared, prepare
from onboarding.services.layouts import layout_of

_log = logging.getLogger(__name__)

_BATCH = 100
_ROUNDS = 50
_MOST_TRIES = 8
# One bad change among a hundred is found by seven refused pushes; a branch that refuses everything
# is left alone soon after.
_MOST_REFUSALS_IN_A_ROW = 12
_RENEW_AFTER = 3.0


class Writer:
    """One holder of a fleet's lease, writing until nothing is due; keeps count of what it did."""

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
        self.failed: list[int] = []
        self.waiting: list[int] = []
        self._fleet = fleet
        self._repository = repository
        self._clock = clock
        self._lease = lease
        self._worker = worker
        self._push_seconds = push_seconds
        self._renewed = time.monotonic()
        self._refusals = 0

    def write_all(self) -> None:
        """Work in rounds until nothing is due; raises `LeaseLost` where another took over."""
        for _ in range(_ROUNDS):
            if not self._round():
                return

    def _round(self) -> bool:
        """Settle what is open, then write what is due; tell whether it is worth looking again."""
        self._renew()
        # From here on a worker that held the lease before us cannot move these rows any more.
        self._rows(DeliveryState.QUEUED, DeliveryState.PUSHING).filter(
            fence__lt=self._lease.fence
        ).update(fence=self._lease.fence)
        if not (self._due().exists() or self._rows(DeliveryState.PUSHING).exists()):
            return False
        try:
            tip = self._repository.fetch()
            self._renew()
            self._settle_earlier(tip)
            self._see_other_members(tip)
            if not tip and self._fleet.indexed_commit:
                raise _emptied(self._fleet)
            batch = list(self._due()[:_BATCH])
            return bool(batch) and self._write(batch, tip)
        except FleetError as error:
            self._wait_for_remote(error)
            return False

    def _write(self, batch: Sequence[Delivery], tip: str) -> bool:
        """Plan and build each change on the one before it, and push them together."""
        prepared: list[Prepared] = []
        base = tip
        for delivery in batch:
            self._renew_if_long_ago()
            try:
                item = prepare(
                    delivery=delivery,
                    base=base,
                    repository=self._repository,
                    now=self._clock.now(),
                )
            except Refused as refused:
                self._drop(delivery, refused)
            except Transient as error:
                self._put_back(delivery, str(error), tries=delivery.tries + 1)
            except Exception:
                # Whatever is wrong with one change, it must not hold up the others.
                _log.exception("Delivery %s could not be prepared.", delivery.pk)
                self._fail(delivery, "Fleet UI met an error of its own; its log has the details.")
            else:
                prepared.append(item)
                base = item.commit
        if not prepared:
            return True
        if self._must_slow_down([item.delivery for item in prepared]):
            return False
        return not self._record(prepared, tip) or self._push(prepared, tip)

    def _record(self, prepared: Sequence[Prepared], base: str) -> bool:
        """Write base and commits down before the push: all, or none where one was withdrawn."""
        now = self._clock.now()
        open_until = now + timedelta(seconds=self._lease.seconds)
        with transaction.atomic():
            for item in prepared:
                taken = Delivery.objects.filter(
                    pk=item.delivery.pk,
                    state=DeliveryState.QUEUED.value,
                    fence__lte=self._lease.fence,
                ).update(
                    state=DeliveryState.PUSHING.value,
                    fence=self._lease.fence,
                    base_commit=base,
                    commit=item.commit,
                    reason="",
                    due_at=open_until,
                )
                if not taken:
                    transaction.set_rollback(True)
                    return False
                DeliveryAttempt.objects.create(
                    delivery=item.delivery,
                    number=item.delivery.attempts.count() + 1,
                    worker=self._worker,
                    fence=self._lease.fence,
                    base_commit=base,
                    commit=item.commit,
                    started_at=now,
                )
        return True

    def _push(self, prepared: Sequence[Prepared], base: str) -> bool:
        """Push the recorded commits, then ask the remote what became of them."""
        self._renew()
        try:
            said = self._repository.push(base, prepared[-1].commit, timeout=self._push_seconds)
        except FleetError as error:
            said = str(error)
        tip = self._repository.fetch()
        self._renew()
        absent = [item.delivery for item in prepared if not self._settle(item.delivery, tip, said)]
        if not absent:
            self._refusals = 0
            return True
        if tip != base:
            for delivery in absent:
                self._close(delivery, "moved", f"The branch moved meanwhile. {said}")
                self._put_back(delivery, "", tries=0)
            return True
        return self._refused(absent, said, tip)

    def _refused(self, absent: Sequence[Delivery], said: str, tip: str) -> bool:
        """The branch stands where it stood: find out which change is at fault, within limits."""
        self._refusals += 1
        alone = len(absent) == 1
        for delivery in absent:
            self._close(delivery, "refused" if alone else "refused_together", said)
        if alone:
            self._try_later(absent[0], said)
            return True
        for delivery in absent:
            self._put_back(delivery, said, tries=0)
        middle = len(absent) // 2
        for half in (absent[:middle], absent[middle:]):
            if self._refusals >= _MOST_REFUSALS_IN_A_ROW:
                for delivery in half:
                    self._try_later(delivery, said)
            elif not self._write(half, self._repository.fetch()):
                return False
        return True

    def _try_later(self, delivery: Delivery, said: str) -> None:
        """Put a refused delivery back for later, or end it after so many tries."""
        if delivery.tries + 1 < _MOST_TRIES:
            self._put_back(delivery, said, tries=delivery.tries + 1, tried=True)
        else:
            self._fail(delivery, said)

    def _fail(self, delivery: Delivery, reason: str) -> None:
        if settling.fail(
            delivery=delivery,
            reason=reason,
            now=self._clock.now(),
            lease=self._lease,
            verb="delivery.failed",
        ):
            self.failed.append(delivery.change_id)

    def _settle_earlier(self, tip: str) -> None:
        """Ask the remote about every push that this or an earlier worker began."""
        pushing = Q(state=DeliveryState.PUSHING.value)
        tried = self._rows(DeliveryState.PUSHING, DeliveryState.QUEUED).filter(
            pushing | Q(due_at__lte=self._clock.now()), attempts__isnull=False
        )
        for delivery in tried.distinct():
            said = "The worker ended before it knew; the remote was asked."
            if self._settle(delivery, tip, said):
                continue
            if delivery.state == DeliveryState.PUSHING.value:
                self._close(delivery, "absent", "The worker ended; the branch lacks the commit.")
                self._put_back(delivery, "", tries=0)

    def _settle(self, delivery: Delivery, tip: str, said: str) -> bool:
        """Whether the remote's history decides the delivery; if so, write it down."""
        now = self._clock.now()
        outcome = settling.settle(
            delivery=delivery, tip=tip, repository=self._repository, lease=self._lease, now=now
        )
        if outcome:
            self._close(delivery, outcome, said)
            (self.committed if outcome == "committed" else self.failed).append(delivery.change_id)
        return bool(outcome)

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
        elif settling.lapse(delivery=delivery, reason=str(refused), now=now, lease=self._lease):
            self.lapsed.append(delivery.change_id)

    def _wait_for_remote(self, error: FleetError) -> None:
        """The remote cannot be read: everything waits, visibly, and nothing is decided."""
        now = self._clock.now()
        for delivery in [*self._due(), *self._rows(DeliveryState.PUSHING)]:
            waited = (now - delivery.queued_at).total_seconds()
            tries = min(int(waited // 10), 6)
            Delivery.objects.filter(pk=delivery.pk, fence__lte=self._lease.fence).update(
                reason=str(error), due_at=settling.wait(tries, now)
            )
            self.waiting.append(delivery.change_id)

    def _must_slow_down(self, deliveries: Sequence[Delivery]) -> bool:
        """Whether the host's limit of pushes a minute is reached; then the batch waits."""
        limit = self._fleet.pushes_per_minute
        now = self._clock.now()
        minute_ago = now - timedelta(seconds=60)
        pushes = sorted(
            DeliveryAttempt.objects.filter(delivery__fleet=self._fleet, started_at__gt=minute_ago)
            .values_list("started_at", flat=True)
            .distinct()
        )
        if not limit or len(pushes) < limit:
            return False
        for delivery in deliveries:
            settling.put_back(
                delivery=delivery,
                reason=f"This host gets at most {limit} pushes a minute; it is next in turn.",
                due_at=pushes[-limit] + timedelta(seconds=60),
                lease=self._lease,
            )
            self.waiting.append(delivery.change_id)
        return True

    def _see_other_members(self, tip: str) -> None:
        """Read members that others brought to the branch, so that names and secrets stay unique."""
        self._fleet.refresh_from_db(fields=["indexed_commit", "index_problem"])
        known = self._fleet.indexed_commit
        if not tip or tip == known:
            return
        root = layout_of(self._fleet).members_root()
        newest = self._repository.history([root], limit=1)
        if known and newest and self._repository.is_ancestor(newest[0].sha, known):
            return
        try:
            indexing.index(fleet=self._fleet, repository=self._repository, clock=self._clock)
        except IntegrityError:
            _log.info("Fleet %s is being indexed by another worker.", self._fleet.pk)

    def _close(self, delivery: Delivery, outcome: str, reason: str) -> None:
        settling.close_attempt(
            delivery=delivery,
            outcome=outcome,
            reason=reason,
            now=self._clock.now(),
            lease=self._lease,
        )

    def _put_back(
        self, delivery: Delivery, reason: str, *, tries: int, tried: bool = False
    ) -> None:
        """Queue a delivery again: at once without tries, else later with each of them."""
        now = self._clock.now()
        settling.put_back(
            delivery=delivery,
            reason=reason,
            due_at=settling.wait(tries, now) if tries else now,
            lease=self._lease,
            tried=tried,
        )
        if tries:
            self.waiting.append(delivery.change_id)

    def _rows(self, *states: DeliveryState) -> QuerySet[Delivery]:
        return (
            Delivery.objects.filter(fleet=self._fleet, state__in=[state.value for state in states])
            .select_related("change__fleet", "change__hub", "change__requester")
            .order_by("queued_at", "pk")
        )

    def _due(self) -> QuerySet[Delivery]:
        return self._rows(DeliveryState.QUEUED).filter(due_at__lte=self._clock.now())

    def _renew(self) -> None:
        writer_lease.renew(self._lease)
        self._renewed = time.monotonic()

    def _renew_if_long_ago(self) -> None:
        if time.monotonic() - self._renewed > _RENEW_AFTER:
            self._renew()


def _emptied(fleet: Fleet) -> Refused:
    return Refused(
        f"Branch {fleet.branch} was at {fleet.indexed_commit[:10]} and has no commit any more. "
        f"Nothing is written until it is restored, or an administrator confirms it as a new fleet.",
        code="emptied",
    )
