"""The writer at work: plan, build, record, push, read back; in rounds until nothing is due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Q, QuerySet

from onboarding.domain.alarms import Alarm, of_refusal
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Delivery, Fleet
from onboarding.ports import Clock, FleetRepository
from onboarding.services import indexing
from onboarding.services.delivery import settling, writer_lease
from onboarding.services.delivery.pace import next_turn
from onboarding.services.delivery.replanning import Checked, Prepared, build, check
from onboarding.services.layouts import layout_of

_log = logging.getLogger(__name__)

_Item = TypeVar("_Item")

_BATCH = 100
_ROUNDS = 50
_RACES = 25
_MOST_TRIES = 8
# One bad change among a hundred is found by seven refused pushes; a branch that refuses all, by none.
_MOST_REFUSALS_IN_A_ROW = 12
_RENEW_AFTER = 3.0


class Writer:
    """One holder of a fleet's lease, writing until nothing is due; keeps count of what it did."""

    _followed: tuple[DeliveryState, ...] = (DeliveryState.QUEUED, DeliveryState.PUSHING)
    """The states that this way of delivering leads further."""

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
        self.rejected: list[int] = []
        self.merged_differently: list[int] = []
        self._fleet = fleet
        self._repository = repository
        self._clock = clock
        self._lease = lease
        self._worker = worker
        self._push_seconds = push_seconds
        self._renewed = time.monotonic()
        self._refusals = 0
        self._batch = _BATCH
        self._seen = ""

    def write_all(self) -> None:
        """Work in rounds until nothing is due; raises `LeaseLost` where another took over."""
        for _ in range(_ROUNDS):
            if not self._round():
                return

    def _round(self) -> bool:
        """Settle what is open, then write what is due; tell whether it is worth looking again."""
        self._renew()
        # From here on a worker that held the lease before us cannot move these rows any more.
        self._rows(*self._followed).filter(fence__lt=self._lease.fence).update(
            fence=self._lease.fence
        )
        if not self._has_work():
            return False
        try:
            tip = self._repository.fetch()
            self._renew()
            self._settle_earlier(tip)
            self._see_other_members(tip)
            if not tip and self._fleet.indexed_commit:
                raise indexing.emptied(self._fleet)
            people = ("change__approvals__user", "change__participants")  # asked for all together
            batch = list(self._due().prefetch_related(*people)[: self._batch])
            return bool(batch) and self._write(batch, tip)
        except FleetError as error:
            self._wait_for_remote(error)
            return False

    def _has_work(self) -> bool:
        """Whether there is anything to do now."""
        return self._due().exists() or self._rows(DeliveryState.PUSHING).exists()

    def _write(self, batch: Sequence[Delivery], tip: str) -> bool:
        """Check each change, then build them one on the other and push them together.

        Checking takes the time, so the branch is looked at again after it: the moment in which
        others can get in between is only as long as building and pushing.
        """
        checked = self._each(
            batch, lambda row: check(delivery=row, base=tip, repository=self._repository)
        )
        if not checked:
            return True
        newest = self._repository.fetch()
        for _ in range(_RACES):
            if tip and not newest:
                raise indexing.emptied(self._fleet)
            if newest != tip and self._see_other_members(newest):
                return True  # names or secrets may be taken by now
            if self._must_slow_down([item.delivery for item in checked]):
                return False
            prepared = self._build(checked, newest)
            self._renew_if_long_ago()
            if not prepared or not self._record(prepared, newest):
                return True
            ended = self._push(prepared, newest)
            if not ended.overtaken:
                return ended.go_on
            # A smaller batch takes less time between looking and pushing, and wins sooner.
            self._batch = max(1, len(prepared) // 2)
            checked = checked[: self._batch]
            newest = ended.tip
        return True

    def _build(self, checked: Sequence[Checked], tip: str) -> list[Prepared]:
        """Build each change on the one before it."""
        plans = {item.delivery.pk: item for item in checked}
        base = tip

        def build_next(delivery: Delivery) -> Prepared:
            nonlocal base
            item = build(
                checked=plans[delivery.pk],
                base=base,
                repository=self._repository,
                now=self._clock.now(),
            )
            base = item.commit
            return item

        return self._each([item.delivery for item in checked], build_next)

    def _each(self, batch: Sequence[Delivery], step: Callable[[Delivery], _Item]) -> list[_Item]:
        """What a step gives for each delivery; one that it refuses or fails on leaves the batch."""
        done: list[_Item] = []
        for delivery in batch:
            self._renew_if_long_ago()
            try:
                done.append(step(delivery))
            except Refused as refused:
                self._drop(delivery, refused)
            except Transient as error:
                self._put_back(delivery, str(error), tries=delivery.tries + 1)
            except (DatabaseError, writer_lease.LeaseLost):
                raise
            except Exception:
                # Whatever is wrong with one change, it must not hold up the others.
                _log.exception("Delivery %s could not be prepared.", delivery.pk)
                self._fail(delivery, "Fleet UI met an error of its own; its log has the details.")
        return done

    def _record(self, prepared: Sequence[Prepared], base: str) -> bool:
        """Write base and commits down before the push: all, or none where one was withdrawn."""
        now = self._clock.now()
        rows = [item.delivery for item in prepared]
        with transaction.atomic():
            taken = Delivery.objects.filter(
                pk__in=[row.pk for row in rows],
                state=DeliveryState.QUEUED.value,
                fence__lte=self._lease.fence,
            ).update(
                state=DeliveryState.PUSHING.value,
                fence=self._lease.fence,
                base_commit=base,
                reason="",
                due_at=now + timedelta(seconds=self._lease.seconds),
            )
            if taken != len(rows):
                transaction.set_rollback(True)
                return False
            for item in prepared:
                item.delivery.commit = item.commit
            Delivery.objects.bulk_update(rows, ["commit"])
            settling.open_attempts(
                prepared, base=base, worker=self._worker, lease=self._lease, now=now
            )
        for row in rows:
            row.state, row.base_commit = DeliveryState.PUSHING.value, base
        return True

    def _push(self, prepared: Sequence[Prepared], base: str) -> settling.Ended:
        """Push the recorded commits, then ask the remote what became of them."""
        try:
            said = self._repository.push(
                base,
                prepared[-1].commit,
                timeout=self._push_seconds,
                # The push ends before the lease does, also where this process sleeps meanwhile.
                not_after=self._renewed + self._push_seconds,
            )
        except FleetError as error:
            said = str(error)
        tip = self._repository.fetch()
        self._renew()
        if self._repository.is_ancestor(prepared[-1].commit, tip):
            self._all_arrived(prepared, said)
            self._seen = prepared[-1].commit if self._seen == base else self._seen
            return settling.Ended(tip)
        absent = [item.delivery for item in prepared if not self._settle(item.delivery, tip, said)]
        if absent and tip == base:
            return settling.Ended(tip, go_on=self._refused(absent, said, tip))
        for delivery in absent:
            self._close(delivery, "moved", f"The branch moved meanwhile. {said}")
            self._put_back(delivery, "", tries=0)
        return settling.Ended(tip, overtaken=len(absent) == len(prepared))

    def _all_arrived(self, prepared: Sequence[Prepared], said: str) -> None:
        """The very commits that were built are in the branch's history: write all down together."""
        self._refusals = 0
        self._batch = min(_BATCH, 2 * self._batch)
        now = self._clock.now()
        with transaction.atomic():
            arrived = settling.commit_all(prepared, lease=self._lease, now=now, said=said)
        self.committed += arrived

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
            elif not self._write(half, tip):
                return False
        return True

    def _try_later(self, delivery: Delivery, said: str) -> None:
        """Put a refused delivery back for later, or end it after so many tries."""
        tries = delivery.tries + 1
        alarm = of_refusal(said, tries=tries)
        if tries < _MOST_TRIES:
            self._put_back(delivery, said, tries=tries, tried=True, alarm=alarm)
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

    def _settle_earlier(self, tip: str) -> None:
        """Ask the remote about every push that this or an earlier worker began."""
        pushing = Q(state=DeliveryState.PUSHING.value)
        tried = self._rows(DeliveryState.PUSHING, DeliveryState.QUEUED).filter(
            pushing | settling.is_due(self._clock.now()), attempts__isnull=False
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

    def _see_other_members(self, tip: str) -> bool:
        """Read members that others brought to the branch, so that names and secrets stay unique.

        Returns whether there were any. What this worker pushed itself is known.
        """
        if not tip or tip == self._seen:
            return False
        self._fleet.refresh_from_db(fields=["indexed_commit", "index_problem"])
        known = [commit for commit in (self._fleet.indexed_commit, self._seen) if commit]
        self._seen = tip
        if tip in known:
            return False
        root = layout_of(self._fleet).members_root()
        if any(self._repository.same_folder(root, one, tip) for one in known):
            return False
        try:
            indexing.index(fleet=self._fleet, repository=self._repository, clock=self._clock)
        except IntegrityError:
            _log.info("Fleet %s is being indexed by another worker.", self._fleet.pk)
        return True

    def _close(self, delivery: Delivery, outcome: str, reason: str) -> None:
        settling.close_attempt(
            delivery=delivery,
            outcome=outcome,
            reason=reason,
            now=self._clock.now(),
            lease=self._lease,
        )

    def _put_back(
        self,
        delivery: Delivery,
        reason: str,
        *,
        tries: int,
        tried: bool = False,
        alarm: Alarm = Alarm.NONE,
    ) -> None:
        """Queue a delivery again: at once without tries, else later with each of them."""
        now = self._clock.now()
        settling.put_back(
            delivery=delivery,
            reason=reason,
            due_at=settling.wait(tries, now) if tries else now,
            lease=self._lease,
            tried=tried,
            alarm=alarm,
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
        return self._rows(DeliveryState.QUEUED).filter(settling.is_due(self._clock.now()))

    def _renew(self) -> None:
        """Start the lease's time anew; it is counted from before the question, never from after."""
        asked = time.monotonic()
        writer_lease.renew(self._lease)
        self._renewed = asked

    def _renew_if_long_ago(self) -> None:
        if time.monotonic() - self._renewed > _RENEW_AFTER:
            self._renew()
