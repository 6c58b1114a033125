"""Watching: the loops that keep observing one hub until they are stopped.

Each kind of object has its own thread, one more polls Argo CD's clusters and one keeps the lease.
A loop survives whatever a hub answers: it says on the hub's row what is wrong, waits longer after
each failure, and goes on.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, close_old_connections, connection

from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.models import Hub
from onboarding.ports import (
    ArgoCD,
    Clock,
    HubEvent,
    HubKind,
    HubReader,
    ListExpired,
    SpokeCredentials,
)
from onboarding.services.observing import (
    hub_parts,
    looking,
    observations,
    secret_questions,
    set_controller_watch,
    standings,
)
from onboarding.services.observing.backoff import Backoff
from onboarding.services.observing.event_pump import EventPump
from onboarding.services.observing.observation_rows import older
from onboarding.services.observing.observations import Listing, LostWatch, Watch

_LOG = logging.getLogger(__name__)
# Short, so that a hub with nothing to say is still heard of every few seconds.
WATCH_SECONDS = 10
# Longer than a watch and its grace: in less, no hub is stopped, restored and started again.
_LONG_SILENCE_SECONDS = 20.0
# How far from its time a watch may end that nothing but its time has ended.
_ON_TIME_SECONDS = 1.0
RELIST_EVERY = timedelta(minutes=10)
CLUSTERS = "clusters"
_TICK_SECONDS = 0.5
_JUDGE_SECONDS = 5.0
_SECRETS_SECONDS = 10.0
_SET_CONTROLLER_SECONDS = 5.0
# How soon, and of how many clusters at once, the standings follow what the hub says.
_STANDINGS_SECONDS = 0.3
_STANDINGS = 100


@dataclass(frozen=True, slots=True)
class Observed:
    """What the loops of one hub share."""

    watch: Watch
    hub: Hub
    reader: HubReader
    argocd: ArgoCD
    credentials: SpokeCredentials
    clock: Clock
    stop: threading.Event
    lost: threading.Event

    @property
    def over(self) -> bool:
        """Whether the loops shall end."""
        return self.stop.is_set() or self.lost.is_set()

    def rest(self, seconds: float) -> None:
        """Wait, but end at once where the loops shall end."""
        waited = 0.0
        while waited < seconds and not self.over:
            step = min(_TICK_SECONDS, seconds - waited)
            self.stop.wait(step)
            waited += step


class Loop:
    """One thread's endless work on one part of a hub: rounds, with rests after failures."""

    part = ""
    is_heard = False

    def __init__(self, observed: Observed, *, chance: random.Random | None = None) -> None:
        """`chance` gives the jitter; tests give their own."""
        self._observed = observed
        self._chance = chance or random.Random()  # noqa: S311 -- jitter is no secret
        self._backoff = Backoff(chance=self._chance)
        # Also a watcher before us may have. What is written of kinds and clusters says it by itself.
        self._may_have_reported = not self.is_heard

    def run(self) -> None:
        """Work until the loops shall end; no failure of hub or database ends it."""
        try:
            while not self._observed.over:
                close_old_connections()
                self._observed.rest(self.attempt())
        finally:
            connection.close()

    def round(self) -> float:
        """Do the work once; returns the seconds to rest."""
        raise NotImplementedError

    def attempt(self) -> float:
        """One round with all that may go wrong; returns the seconds to rest, raises nothing."""
        try:
            pause = self.round()
            if self._may_have_reported:
                hub_parts.forget_problem(watch=self._observed.watch, part=self.part)
                self._may_have_reported = False
        except LostWatch:
            self._observed.lost.set()
            return 0.0
        except ListExpired:
            # The usual end of an old list; a hub forgets for all its watchers at once: spread out.
            return self._backoff.failed()
        except Refused as error:
            return self._failed(error, None)
        except Transient as error:
            return self._failed(error, error.retry_after)
        except DatabaseError:
            _LOG.exception("The %s of hub %s cannot be written", self.part, self._observed.hub.name)
            connection.close()
            return self._backoff.failed()
        except Exception:
            _LOG.exception("Unforeseen: %s of hub %s", self.part, self._observed.hub.name)
            return self._failed(
                Transient("The watcher met an error of its own; see its log."), None
            )
        return pause

    def _failed(
        self, error: FleetError, retry_after: float | None, *, was_silent: bool = False
    ) -> float:
        pause = self._backoff.failed(retry_after)
        # One broken connection is no news; a missing right is, and one that nothing came over.
        if isinstance(error, Refused) or was_silent or self._backoff.failures > 1:
            _LOG.warning("Hub %s, %s: %s", self._observed.hub.name, self.part, error)
            self._may_have_reported = not self.is_heard
            try:
                hub_parts.report_problem(
                    watch=self._observed.watch,
                    part=self.part,
                    problem=str(error),
                    clock=self._observed.clock,
                )
            except LostWatch:
                self._observed.lost.set()
            except DatabaseError:
                _LOG.exception("The problem of hub %s cannot be written", self._observed.hub.name)
        return pause


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
        self._backoff.succeeded()
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
                    self._backoff.succeeded()
                if observed.clock.now() >= until:
                    return version
            # A hub that is shut down ends its watches in good order too, and where we slept we have
            # not seen when.
            if abs(time.monotonic() - began - WATCH_SECONDS) > _ON_TIME_SECONDS:
                self._check_same(listing, version)
            # The hub ended the watch as asked: it was there all the time.
            self._apply(listing, [])
            self._backoff.succeeded()
        except Transient as error:
            # The hub ends each watch by its time; one that it did not end was half-open.
            was_silent = time.monotonic() - self._heard_at > WATCH_SECONDS + 1
            observed.rest(self._failed(error, error.retry_after, was_silent=was_silent))
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

    def round(self) -> float:
        """One look at all clusters, then at most a minute of rest; a new delivery ends it."""
        observed = self._observed
        worked = time.thread_time()
        observations.observe_clusters(
            watch=observed.watch, argocd=observed.argocd, clock=observed.clock
        )
        looking.try_unreachable_again(hub=observed.hub, argocd=observed.argocd)
        self._backoff.succeeded()
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
        self._backoff.succeeded()
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
        self._backoff.succeeded()
        return _SET_CONTROLLER_SECONDS


class JudgeLoop(Loop):
    """Judges by the time of now what nobody says anything new about."""

    part = "verdicts"

    def round(self) -> float:
        """One judgement of all Applications; the more there are, the longer the rest."""
        started = time.monotonic()
        observations.judge_again(watch=self._observed.watch, clock=self._observed.clock)
        self._backoff.succeeded()
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
        self._backoff.succeeded()
        return 0.0 if len(names) == _STANDINGS else _STANDINGS_SECONDS


class LeaseLoop(Loop):
    """Keeps the watch ours; where it is lost, all loops of the hub end."""

    part = "lease"

    def round(self) -> float:
        """Lengthen the lease once."""
        if not observations.keep(watch=self._observed.watch, clock=self._observed.clock):
            raise LostWatch(f"Another watcher observes hub {self._observed.hub.name} now.")
        self._backoff.succeeded()
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
        LeaseLoop,
    )
    return (*kinds, *(each(observed) for each in others))
