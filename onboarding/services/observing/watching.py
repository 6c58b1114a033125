"""Watching: the loops that keep observing one hub until they are stopped.

Each kind of object has its own thread, others poll Argo CD, ask whether a hub is back, and keep the lease.
A loop survives whatever a hub answers: it says on the hub's row what is wrong, waits longer after
each failure, and goes on.
"""

from __future__ import annotations

import logging
import random
import time
from datetime import datetime, timedelta

from onboarding.domain.errors import FleetError, Transient
from onboarding.ports import (
    HubEvent,
    HubKind,
    ListExpired,
)
from onboarding.services.observing import (
    looking,
    observations,
    secret_questions,
    set_controller_watch,
    standings,
)
from onboarding.services.observing.event_pump import EventPump
from onboarding.services.observing.loops import Loop, Observed
from onboarding.services.observing.observation_rows import older
from onboarding.services.observing.observations import Listing, LostWatch

_LOG = logging.getLogger(__name__)
# Short, so that a hub with nothing to say is still heard of every few seconds.
WATCH_SECONDS = 10
# Longer than a watch and its grace: in less, no hub is stopped, restored and started again.
_LONG_SILENCE_SECONDS = 20.0
# How far from its time a watch may end that nothing but its time has ended.
_ON_TIME_SECONDS = 1.0
RELIST_EVERY = timedelta(minutes=10)
CLUSTERS = "clusters"
_JUDGE_SECONDS = 5.0
_SECRETS_SECONDS = 10.0
_SET_CONTROLLER_SECONDS = 5.0
# How often a hub that is away is asked whether it is back, and its Argo CD at the longest.
_RETURN_SECONDS = (2.5, 5.0)
_ARGOCD_SECONDS = 20.0
# How soon, and of how many clusters at once, the standings follow what the hub says.
_STANDINGS_SECONDS = 0.3
_STANDINGS = 100


class KindLoop(Loop):
    """Lists one kind in full, then follows its watch until it must be listed anew."""

    is_heard = True

    def __init__(
        self, observed: Observed, kind: HubKind, *, chance: random.Random | None = None
    ) -> None:
        """For one kind of object."""
        super().__init__(observed, chance=chance)
        self.part = kind.value
        self._kind = kind
        self._heard_at = time.monotonic()

    def round(self) -> float:
        """One full list and the watches that follow it, for about ten minutes."""
        observed = self._observed
        listing = observations.list_kind(
            watch=observed.watch, kind=self._kind, reader=observed.reader, clock=observed.clock
        )
        self._backoff.begin_anew()
        self._heard_at = time.monotonic()
        version = listing.resource_version
        # A hub restored from a backup may be silent instead of refusing: list now and then.
        until = observed.clock.now() + RELIST_EVERY * self._chance.uniform(0.8, 1.2)
        while not observed.over and observed.clock.now() < until:
            version = self._follow(listing, version, until)
        return 0.0

    def _follow(self, listing: Listing, version: str, until: datetime) -> str:
        """One watch; where it broke, the next one goes on, if it is still the same hub."""
        observed = self._observed
        pump = EventPump(
            lambda: observed.reader.watch(
                self._kind, resource_version=version, timeout=WATCH_SECONDS
            )
        )
        began = time.monotonic()
        try:
            for batch in pump.batches():
                if observed.over:
                    return version
                if batch:
                    version = self._apply(listing, batch) or version
                    self._backoff.begin_anew()
                if observed.clock.now() >= until:
                    return version
            # A hub that is shut down ends its watches in good order too, and where we slept we have
            # not seen when.
            if abs(time.monotonic() - began - WATCH_SECONDS) > _ON_TIME_SECONDS:
                self._check_same(listing, version)
            # The hub ended the watch as asked: it was there all the time.
            self._apply(listing, [])
            self._backoff.begin_anew()
        except Transient as error:
            # The hub ends each watch by its time; one that it did not end was half-open.
            was_silent = time.monotonic() - self._heard_at > WATCH_SECONDS + 1
            self.rest(self._failed(error, error.retry_after, was_silent=was_silent))
            if not observed.over:
                self._check_same(listing, version)
        finally:
            pump.give_up()
        return version

    def _check_same(self, listing: Listing, version: str) -> None:
        """Raise `ListExpired` where a watch that was cut short has nothing to go on from.

        A hub that was restored from a backup has its old identity and counts on from an earlier
        version. Kubernetes refuses no watch from a later one: it is silent, and all that the restored
        hub says would be missed.
        """
        reader = self._observed.reader
        if reader.identity() != listing.identity:
            raise ListExpired("Another hub answers at this address now.")
        if older(reader.list_page(self._kind, limit=1).resource_version, version):
            raise ListExpired("The hub was restored from a backup.")

    def _apply(self, listing: Listing, batch: list[HubEvent]) -> str:
        # Also where nothing broke: we may have slept, and the hub may have been restored and have
        # counted past us since.
        if time.monotonic() - self._heard_at > _LONG_SILENCE_SECONDS:
            raise ListExpired("The hub was silent for long.")
        newest = observations.apply_events(
            watch=self._observed.watch, listing=listing, events=batch, clock=self._observed.clock
        )
        self._heard_at = time.monotonic()
        return newest


class ClustersLoop(Loop):
    """Asks Argo CD for its registered clusters, often while one is being onboarded."""

    part = CLUSTERS
    is_heard = True
    longest_rest = _ARGOCD_SECONDS

    def round(self) -> float:
        """One look at all clusters, then at most a minute of rest; a new delivery ends it."""
        observed = self._observed
        worked = time.thread_time()
        observations.observe_clusters(
            watch=observed.watch, argocd=observed.argocd, clock=observed.clock
        )
        looking.try_unreachable_again(hub=observed.hub, argocd=observed.argocd)
        self._backoff.begin_anew()
        # Of thousands of clusters one look is work: it takes a tenth of a processor at most.
        rested = 10 * (time.thread_time() - worked)
        observed.rest(rested)
        short = observations.ONBOARDING_INTERVAL.total_seconds()
        while not observed.over:
            interval = observations.clusters_interval(hub=observed.hub, clock=observed.clock)
            left = min(short, interval.total_seconds() - rested)
            if left <= 0:
                break
            observed.rest(left)
            rested += left
        return 0.0


class SecretsLoop(Loop):
    """Asks Secrets Manager for the secrets that the hub could not fetch."""

    part = "secrets"

    def round(self) -> float:
        """One round of questions; none where nothing failed."""
        observed = self._observed
        secret_questions.ask_for_secrets(
            watch=observed.watch,
            credentials=observed.credentials,
            reader=observed.reader,
            clock=observed.clock,
        )
        self._backoff.begin_anew()
        return _SECRETS_SECONDS


class SetControllerLoop(Loop):
    """Looks whether Argo CD's ApplicationSet controller answers."""

    part = "signs of life"

    def round(self) -> float:
        """One look at what it was asked for."""
        observed = self._observed
        set_controller_watch.observe(
            watch=observed.watch, reader=observed.reader, clock=observed.clock
        )
        self._backoff.begin_anew()
        return _SET_CONTROLLER_SECONDS


class JudgeLoop(Loop):
    """Judges by the time of now what nobody says anything new about."""

    part = "verdicts"

    def round(self) -> float:
        """One judgement of all Applications; the more there are, the longer the rest."""
        started = time.monotonic()
        observations.judge_again(watch=self._observed.watch, clock=self._observed.clock)
        self._backoff.begin_anew()
        return max(_JUDGE_SECONDS, 20 * (time.monotonic() - started))


class StandingsLoop(Loop):
    """Brings up how the clusters stand about which the hub has just said something new."""

    part = "standings"
    _seen = False

    def round(self) -> float:
        """A part of the clusters that moved; the others at once after it."""
        observed = self._observed
        if not self._seen:
            # Until all was listed once, nothing can be said of any cluster.
            self._seen = observations.was_seen(hub_id=observed.watch.hub_id)
            if not self._seen:
                return _STANDINGS_SECONDS
        names = observed.watch.moved.take(_STANDINGS)
        try:
            standings.follow(
                fleet=observed.hub.fleet,
                hub_name=observed.hub.name,
                names=names,
                clock=observed.clock,
            )
        except Exception:
            observed.watch.moved.add(names)
            raise
        self._backoff.begin_anew()
        return 0.0 if len(names) == _STANDINGS else _STANDINGS_SECONDS


class ReturnLoop(Loop):
    """Asks a hub one small question while others rest after a failure, so that they go on when it is back."""

    part = "return"

    def round(self) -> float:
        """One question where the answer matters to anybody."""
        observed = self._observed
        if observed.absence.must_be_asked():
            try:
                observed.reader.identity()
            except Transient as error:
                # Who asks for patience is there.
                if error.retry_after is None:
                    observed.absence.unanswered()
            except FleetError:
                observed.absence.answered()  # It refuses, so it is there.
            else:
                observed.absence.answered()
        return self._chance.uniform(*_RETURN_SECONDS)


class LeaseLoop(Loop):
    """Keeps the watch ours; where it is lost, all loops of the hub end."""

    part = "lease"

    def round(self) -> float:
        """Lengthen the lease once."""
        if not observations.keep(watch=self._observed.watch, clock=self._observed.clock):
            raise LostWatch(f"Another watcher observes hub {self._observed.hub.name} now.")
        self._backoff.begin_anew()
        return observations.LEASE.total_seconds() / 3


def loops_of(observed: Observed) -> tuple[Loop, ...]:
    """All loops that observe one hub."""
    kinds = tuple(KindLoop(observed, kind) for kind in HubKind)
    others = (
        ClustersLoop,
        SecretsLoop,
        SetControllerLoop,
        JudgeLoop,
        StandingsLoop,
        ReturnLoop,
        LeaseLoop,
    )
    return (*kinds, *(each(observed) for each in others))
