"""Watches: the right to write down what one hub says, held by one watcher at a time.

A lease that ends by itself lets another watcher take over within seconds; the fence keeps one that
was paused meanwhile from writing anything more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from django.db import transaction
from django.db.models import F, Q

from onboarding.domain.errors import FleetError
from onboarding.models import Hub, HubWatch
from onboarding.ports import Clock

LEASE = timedelta(seconds=30)


class LostWatch(FleetError):
    """Another watcher observes this hub now; nothing was written."""


class Moved:
    """The clusters about which something new was written, until somebody takes them. For threads."""

    def __init__(self) -> None:
        """None at first."""
        self._lock = threading.Lock()
        self._names: dict[str, None] = {}

    def add(self, names: Iterable[str]) -> None:
        """Something new is known of these."""
        with self._lock:
            self._names.update(dict.fromkeys(names))

    def take(self, most: int) -> frozenset[str]:
        """At most so many of them, those that wait the longest; they are forgotten by that."""
        with self._lock:
            taken = frozenset(islice(self._names, most))
            for name in taken:
                del self._names[name]
            return taken


@dataclass(slots=True)
class Untried:
    """The clusters that their application controller does not try, and since when; None: not read yet.

    Kept beside the rows, so that each event is judged by it without asking for it.
    """

    clusters: Mapping[str, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """The right to write down what one hub says, as long as its fence is the newest."""

    hub_id: int
    hub_name: str
    holder: str
    fence: int
    moved: Moved = field(default_factory=Moved, compare=False)
    untried: Untried = field(default_factory=Untried, compare=False)


def claim(*, hub: Hub, holder: str, clock: Clock) -> Watch | None:
    """Become the one watcher of a hub for the length of a lease; None while another one is.

    `holder` names the process; the same name takes its own lease over with a new fence.
    """
    now = clock.now()
    HubWatch.objects.get_or_create(hub=hub)
    free = Q(until__isnull=True) | Q(until__lt=now) | Q(holder=holder) | Q(holder="")
    with transaction.atomic():
        taken = HubWatch.objects.filter(free, hub=hub).update(
            holder=holder, fence=F("fence") + 1, until=now + LEASE
        )
        if not taken:
            return None
        fence = HubWatch.objects.values_list("fence", flat=True).get(hub=hub)
    return Watch(hub_id=hub.pk, hub_name=hub.name, holder=holder, fence=fence)


def keep(*, watch: Watch, clock: Clock) -> bool:
    """Lengthen the lease; False where another watcher has taken it."""
    mine = HubWatch.objects.filter(hub_id=watch.hub_id, fence=watch.fence)
    return bool(mine.update(until=clock.now() + LEASE))


def release(*, watch: Watch) -> None:
    """Let another watcher begin at once; nothing happens where one already has."""
    mine = HubWatch.objects.filter(hub_id=watch.hub_id, fence=watch.fence)
    mine.update(until=None, holder="", fence=F("fence") + 1)


@contextmanager
def writing(watch: Watch) -> Iterator[HubWatch]:
    """A transaction that holds the hub's row; raises before anything is written on an old fence."""
    with transaction.atomic():
        mine = HubWatch.objects.select_for_update().filter(hub_id=watch.hub_id, fence=watch.fence)
        row = mine.first()
        if row is None:
            raise LostWatch(f"Another watcher observes hub {watch.hub_name} now.")
        yield row
