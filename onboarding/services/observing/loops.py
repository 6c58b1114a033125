"""Loops: one thread's endless work on one part of a hub, and what the threads of one hub share."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import DatabaseError, close_old_connections, connection

from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.models import Hub
from onboarding.ports import ArgoCD, Clock, HubReader, ListExpired, SpokeCredentials
from onboarding.services.observing import hub_parts
from onboarding.services.observing.absences import Absence
from onboarding.services.observing.backoff import Backoff
from onboarding.services.observing.observations import LostWatch, Watch

_LOG = logging.getLogger(__name__)
_TICK_SECONDS = 0.5


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
    absence: Absence = field(default_factory=Absence)

    @property
    def over(self) -> bool:
        """Whether the loops shall end."""
        return self.stop.is_set() or self.lost.is_set()

    def rest(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Wait, but end at once where the loops shall end, or where `until` says so."""
        waited = 0.0
        while waited < seconds and not self.over and not until():
            step = min(_TICK_SECONDS, seconds - waited)
            self.stop.wait(step)
            waited += step


class Loop:
    """One thread's endless work on one part of a hub: rounds, with rests after failures."""

    part = ""
    is_heard = False
    longest_rest = 60.0

    def __init__(self, observed: Observed, *, chance: random.Random | None = None) -> None:
        """`chance` gives the jitter; tests give their own."""
        self._observed = observed
        self._chance = chance or random.Random()  # noqa: S311 -- jitter is no secret
        self._backoff = Backoff(most=self.longest_rest, chance=self._chance)
        self._asked_for = 0.0
        # Also a watcher before us may have. What is written of kinds and clusters says it by itself.
        self._may_have_reported = not self.is_heard

    def run(self) -> None:
        """Work until the loops shall end; no failure of hub or database ends it."""
        try:
            while not self._observed.over:
                close_old_connections()
                self.rest(self.attempt())
        finally:
            connection.close()

    def rest(self, seconds: float) -> None:
        """Rest; after a failure only until the hub is back, and never shorter than it asked for."""
        observed = self._observed
        if not self._backoff.failures:
            observed.rest(seconds)
            return
        with observed.absence.waited_for() as is_back:
            observed.rest(self._asked_for)
            observed.rest(seconds - self._asked_for, until=is_back)
            if is_back():
                self._backoff.begin_anew()

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
        self._asked_for = min(pause, retry_after or 0.0)
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
