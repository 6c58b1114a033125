"""Counts of a fleet that nothing has moved since: counted once, for all who look at them.

Pages follow by themselves, so that one commit makes everybody's browser ask for the same numbers, and
to count ten thousand rows takes longer than all else of such a page. What is kept here counts only as
long as the fleet's pulse stands still, and never beyond the time from which it would be another.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Generic, TypeVar

from django.conf import settings

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Counted(Generic[Found]):
    """What was counted, and the time from which on it may be another although nothing moved."""

    found: Found
    true_until: datetime


@dataclass(frozen=True, slots=True)
class _Kept:
    version: Hashable
    counted_at: datetime
    counted: Counted[Any]


class KeptCounts:
    """The last counts of a process, at most so many; any of its threads may ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = Lock()

    def of(
        self,
        key: Hashable,
        *,
        version: Hashable,
        now: datetime,
        count: Callable[[], Counted[Found]],
    ) -> Found:
        """What is kept under a key, or what `count` finds.

        `key` is what is counted, and for whom. `version` is the pulse, read before `count` is called:
        what moves in between is then counted under the older number, and counted again.
        """
        with self._lock:
            kept = self._kept.get(key)
        if kept and kept.version == version and kept.counted_at <= now < kept.counted.true_until:
            found: Found = kept.counted.found
            return found
        counted = count()
        at_most = now + timedelta(seconds=settings.COUNTS_KEPT_SECONDS)
        if counted.true_until > at_most:
            counted = Counted(counted.found, at_most)
        with self._lock:
            self._kept[key] = _Kept(version, now, counted)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return counted.found

    def forget(self) -> None:
        """Keep nothing of what was counted."""
        with self._lock:
            self._kept.clear()


kept_counts = KeptCounts(most=64)
"""What this process has counted lately."""
