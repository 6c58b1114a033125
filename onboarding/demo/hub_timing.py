"""How long the demo hub takes: each sync's stages, and when Argo CD compared last."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from onboarding.demo.hub_objects import Act, Stage
from onboarding.demo.hub_world import WantedApplication

# Seconds of a sync at normal speed: until it begins, and until it is applied.
_BEGIN, _APPLIED = 1.0, 2.5
_AGE_DAYS = 30


@dataclass(slots=True)
class Sync:
    """One Application under way: when it began to differ, at which commit, how often it was synced."""

    wanted: WantedApplication
    commit: str
    created: float
    changed: float
    fresh: bool
    number: int
    shown: tuple[WantedApplication, Act] | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """The pace of one hub: 2.0 is twice as fast as a real one; `begun` is when it began to act."""

    speed: float
    begun: float

    def stage(self, sync: Sync, now: float) -> Stage:
        """How far a sync is."""
        elapsed = (now - sync.changed) * self.speed
        if elapsed < _BEGIN or sync.wanted.problem:
            return Stage.OUT_OF_SYNC
        if elapsed < _APPLIED:
            return Stage.RUNNING
        if elapsed < _APPLIED + _settling(sync.wanted):
            return Stage.PROGRESSING
        return Stage.SETTLED

    def started(self, sync: Sync) -> float:
        """When the sync's operation began."""
        return sync.changed + _BEGIN / self.speed

    def finished(self, sync: Sync) -> float:
        """When the sync's operation ended."""
        return sync.changed + _APPLIED / self.speed

    def compared(self, sync: Sync, stage: Stage, now: float) -> float:
        """When Argo CD last compared: after each step of a sync, and every few minutes."""
        steps = {
            Stage.OUT_OF_SYNC: 0.0,
            Stage.RUNNING: _BEGIN,
            Stage.PROGRESSING: _APPLIED,
            Stage.SETTLED: _APPLIED + _settling(sync.wanted),
        }
        # Times have whole seconds; the comparison after a sync is later than its end.
        since = max(sync.changed + steps[stage] / self.speed + 1.0, self.begun)
        interval = 150.0 + number(sync.wanted.name) % 60
        return since + max(0.0, now - since) // interval * interval


def age(name: str, now: float) -> float:
    """When something that the demo found already there was made: some days ago."""
    seconds = 3600 + number(name) % (_AGE_DAYS * 86400)
    return now - seconds


def number(text: str) -> int:
    """A number that belongs to a name, the same in every run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _settling(wanted: WantedApplication) -> float:
    return 1.0 if wanted.component == "fleet-secret" else 3.0 + number(wanted.name) % 6
