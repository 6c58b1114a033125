"""The writer at work: plan, build, record, push, read back; in rounds until nothing is due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db import DatabaseError, transaction
from django.db.models import Q

from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.lifecycle import DeliveryState
from onboarding.domain.plans import with_folders
from onboarding.models import Delivery
from onboarding.services import indexing, rollout_guard, stopping
from onboarding.services.delivery import settling, writer_lease
from onboarding.services.delivery.gate import Gate, Held
from onboarding.services.delivery.keeping import Keeper
from onboarding.services.delivery.other_members import index_others
from onboarding.services.delivery.replanning import Checked, Ground, Prepared, build, check

_log = logging.getLogger(__name__)

_Item = TypeVar("_Item")

_BATCH = 100
_ROUNDS = 50
_RACES = 25
# Who just lost to us tries again at once, so every other race is lost whatever the batch's size. Lost
# twice in a row it was too large for the pauses that others leave. A few take no longer than one.
_PATIENCE = 1
_SMALLER = 0.75
_LARGER = 1.25
_FEW = 10
# One bad change among a hundred is found by seven refused pushes; a branch that refuses all, by none.
_MOST_REFUSALS_IN_A_ROW = 12


class Writer(Keeper):
    """One holder of a fleet's lease, writing until nothing is due; keeps count of what it did."""

    _followed: tuple[DeliveryState, ...] = (DeliveryState.QUEUED, DeliveryState.PUSHING)
    """The states that this way of delivering leads further."""

    def __init__(self, **work: Any) -> None:
        super().__init__(**work)
        self._refusals = 0
        self._batch = _BATCH
        self._seen = ""
        self._read = ""

    def write_all(self) -> None:
        """Work in rounds until nothing is due; raises `LeaseLost` where another took over."""
        for _ in range(_ROUNDS):
            if not self._round():
                return

    def _round(self) -> bool:
        """Settle what is open, then write what is due; tell whether it is worth looking again."""
        self._renew()
        # From here on a worker that held the lease before us cannot move these rows any more.
        fence = self._lease.fence
        self._rows(*self._followed).filter(fence__lt=fence).update(fence=fence)
        if not self._has_work():
            return False
        try:
            # Where this worker pushed a moment ago, it has read the branch already.
            tip, self._read = self._read or self._repository.fetch(), ""
            self._renew()
            self._settle_earlier(tip)
            self._see_other_members(tip)
            if not tip and self._fleet.indexed_commit:
                raise indexing.emptied(self._fleet)
            if self._is_stopped():
                return False
            batch = list(self._due()[:_BATCH])
            return bool(batch) and self._write(batch, tip)
        except FleetError as error:
            self._wait_for_remote(error)
            return False

    def _has_work(self) -> bool:
        return self._due().exists() or self._rows(DeliveryState.PUSHING).exists()

    def _write(self, batch: Sequence[Delivery], tip: str) -> bool:
        """Check each change, then build them one on the other and push them together.

        Checking takes the time, so the branch is looked at again after it. Where others get in before
        the push has ended, it is once more, after that is written down: building again is quick, and
        the moment in which they can get in again hardly longer than the push.
        """
        checked = {item.delivery.pk: item for item in self._check(batch, tip)}
        base, newest, lost = tip, self._repository.fetch(), 0
        while checked and lost < _RACES:
            if tip and not newest:
                raise indexing.emptied(self._fleet)
            if newest != base and self._see_other_members(newest):
                return True  # names or secrets may be taken by now
            if self._must_slow_down([item.delivery for item in checked.values()]):
                return False
            prepared, base = self._next(checked, tip, newest), newest
            self._renew_if_long_ago()
            if not prepared or not self._record(prepared, base):
                return True
            ended = self._push(prepared, base)
            if not ended.go_on:
                return False
            lost = lost + 1 if ended.overtaken else 0
            if lost > _PATIENCE:  # a smaller batch takes less time between looking and pushing
                self._batch = max(_FEW, int(len(prepared) * _SMALLER))
            for item in () if ended.overtaken else prepared:
                del checked[item.delivery.pk]
            self._read = newest = self._repository.fetch() if ended.overtaken else ended.tip
        return True

    def _next(self, checked: dict[int, Checked], tip: str, newest: str) -> list[Prepared]:
        """Build the next batch of those that were checked at `tip`; what is refused leaves them."""
        now = list(checked.values())[: self._batch]
        prepared = self._build(now, tip, newest)
        for pk in {item.delivery.pk for item in now} - {item.delivery.pk for item in prepared}:
            del checked[pk]
        return prepared

    def _check(self, batch: Sequence[Delivery], tip: str) -> list[Checked]:
        """Check each change on the branch as it is."""
        ground = Ground(batch, base=tip, repository=self._repository, now=self._clock.now())
        return self._each(batch, lambda row: check(delivery=row, ground=ground))

    def _build(self, checked: Sequence[Checked], tip: str, newest: str) -> list[Prepared]:
        """Build each change, checked at `tip`, on the one before it, from `newest` on."""
        plans, base = {item.delivery.pk: item for item in checked}, newest
        differing = self._repository.difference(tip, newest)
        moved = None if differing is None else with_folders(differing)
        held = rollout_guard.held(item.delivery.change_id for item in checked)
        gate = Gate([item.delivery for item in checked], now=self._clock.now())

        def build_next(delivery: Delivery) -> Prepared:
            nonlocal base
            item = build(
                checked=plans[delivery.pk],
                base=base,
                moved=moved,
                held=held,
                gate=gate,
                repository=self._repository,
                now=self._clock.now(),
            )
            base = item.commit
            if moved is not None:
                moved.update(with_folders(item.paths))
            return item

        prepared = self._each([item.delivery for item in checked], build_next)
        self._repository.keep()
        return prepared

    def _each(self, batch: Sequence[Delivery], step: Callable[[Delivery], _Item]) -> list[_Item]:
        """What a step gives for each delivery; one that it refuses or fails on leaves the batch."""
        done: list[_Item] = []
        for delivery in batch:
            self._renew_if_long_ago()
            try:
                done.append(step(delivery))
            except Refused as refused:
                self._drop(delivery, refused)
            except Held as held:
                self._put_back(delivery, str(held), due_at=held.until)
            except Transient as error:
                self._put_back(delivery, str(error))
            except (DatabaseError, writer_lease.LeaseLost):
                raise
            except Exception:
                # Whatever is wrong with one change, it must not hold up the others.
                _log.exception("Delivery %s could not be prepared.", delivery.pk)
                self._fail(delivery, "Fleet UI met an error of its own; its log has the details.")
        return done

    def _record(self, prepared: Sequence[Prepared], base: str) -> bool:
        """Write base and commits down before the push: all, or none where one was withdrawn."""
        return settling.begin_push(
            prepared, base=base, worker=self._worker, lease=self._lease, now=self._clock.now()
        )

    def _push(self, prepared: Sequence[Prepared], base: str) -> settling.Ended:
        """Push the recorded commits, then ask the remote what became of them."""
        if stopping.why_stopped(self._fleet.pk):
            return self._stop_before_push([item.delivery for item in prepared], base)
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
        absent = self._unsettled([item.delivery for item in prepared], tip, said)
        if absent and tip == base:
            go_on = self._refused(absent, f"{said} The branch is as it was.", tip)
            return settling.Ended(tip, go_on=go_on)
        self._close(absent, "moved", f"The branch moved meanwhile. {said}")
        settling.requeue(absent, now=self._clock.now(), lease=self._lease)
        return settling.Ended(tip, overtaken=len(absent) == len(prepared))

    def _all_arrived(self, prepared: Sequence[Prepared], said: str) -> None:
        """The very commits that were built are in the branch's history: write all down together."""
        self._refusals = 0
        self._batch = min(_BATCH, int(self._batch * _LARGER) + 1)
        now = self._clock.now()
        with transaction.atomic():
            arrived = settling.commit_all(prepared, lease=self._lease, now=now, said=said)
        self.committed += arrived

    def _refused(self, absent: Sequence[Delivery], said: str, tip: str) -> bool:
        """The branch stands where it stood: find out which change is at fault, within limits."""
        self._refusals += 1
        alone = len(absent) == 1
        self._close(absent, "refused" if alone else "refused_together", said)
        if alone:
            self._try_later(absent[0], said)
            return True
        settling.requeue(absent, now=self._clock.now(), lease=self._lease, reason=said)
        middle = len(absent) // 2
        for half in (absent[:middle], absent[middle:]):
            if self._refusals >= _MOST_REFUSALS_IN_A_ROW:
                for delivery in half:
                    self._try_later(delivery, said)
            elif not self._write(half, tip):
                return False
        return True

    def _settle_earlier(self, tip: str) -> None:
        """Ask the remote about every push that this or an earlier worker began."""
        pushing = Q(state=DeliveryState.PUSHING.value)
        tried = self._rows(DeliveryState.PUSHING, DeliveryState.QUEUED).filter(
            pushing | settling.is_due(self._clock.now()), attempts__isnull=False
        )
        said = "The worker ended before it knew; the remote was asked."
        absent = [
            row
            for row in self._unsettled(list(tried.distinct()), tip, said)
            if row.state == DeliveryState.PUSHING.value
        ]
        self._close(absent, "absent", "The worker ended; the branch lacks the commit.")
        settling.requeue(absent, now=self._clock.now(), lease=self._lease)

    def _unsettled(self, rows: Sequence[Delivery], tip: str, said: str) -> list[Delivery]:
        """Those that the remote's history does not decide; what it decides is written down."""
        found = settling.look_for(rows, tip=tip, repository=self._repository)
        absent = []
        for row in rows:
            outcome = settling.settle(
                delivery=row,
                found=found[row.pk],
                repository=self._repository,
                lease=self._lease,
                now=self._clock.now(),
            )
            if outcome:
                self._close([row], outcome, said)
                (self.committed if outcome == "committed" else self.failed).append(row.change_id)
            else:
                absent.append(row)
        return absent

    def _see_other_members(self, tip: str) -> bool:
        """Read members that others brought to the branch; tell whether there were any."""
        if tip in ("", self._seen):
            return False
        self._fleet.refresh_from_db(fields=["indexed_commit", "index_problem"])
        known = [commit for commit in (self._fleet.indexed_commit, self._seen) if commit]
        self._seen = tip
        return index_others(
            fleet=self._fleet,
            known=known,
            tip=tip,
            repository=self._repository,
            clock=self._clock,
        )
