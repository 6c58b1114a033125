"""What an Application's facts amount to: a verdict that is never green without fresh evidence.

Argo CD computes health and runs operations in separate loops, so for a moment after every sync the
health that it reports is the one from before (compare `status.reconciledAt` with
`status.operationState.finishedAt`). The order of judgement follows: is the observation fresh, is
there an error, is an operation under way or failed, is what is asked for now compared, and the
committed revision, and only then the sync and health words. Whatever is absent or not understood is unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding.domain.applications import (
    FAILED,
    RUNNING,
    ApplicationFacts,
    Condition,
    application_facts,
)

__all__ = [
    "SETTLE",
    "SKEW",
    "ApplicationFacts",
    "Condition",
    "Rollup",
    "Verdict",
    "VerdictState",
    "application_facts",
    "duration",
    "rollup",
    "verdict",
]

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Source: `Sync` of Argo CD 3.2's gitops-engine, which says "failed to apply" of the other kind.
_NOT_COMPLETED = "synchronization tasks completed unsuccessfully"

LEFT_ALONE = "Argo CD leaves it alone, as its annotation says: what it said last is old."

SETTLE = timedelta(seconds=10)
"""How long after an operation a health stamped with the very same second is not yet believed.

Argo CD's times have whole seconds, and it compares anew right after each operation: a health that
still carries the operation's second ten seconds later is the one from after it."""

COMPARED_WITHIN = timedelta(hours=1)
"""How old Argo CD's own comparison may be before its controller counts as silent."""

SKEW = timedelta(minutes=1)
"""How far ahead of us a hub's clock, or the observer's, may be before its times prove nothing."""


class VerdictState(StrEnum):
    """What can be said of one Application; every word but `healthy` wants a reason."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    DEGRADED = "degraded"
    OUT_OF_SYNC = "out_of_sync"
    MISSING = "missing"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"
    STALE = "stale"
    FAILED = "failed"

    @property
    def word(self) -> str:
        """The word that pages show."""
        return "Out of sync" if self is VerdictState.OUT_OF_SYNC else self.value.capitalize()


RETRIES = 3
"""How often Argo CD has begun a sync anew when it counts as failed, although it is tried again.

With a retry policy without a limit, as the template has, a sync that fails never ends: its phase stays
Running. The first retries come after 5, 10 and 20 seconds, in which a webhook or a definition that it
needs may still come up.
"""

_HELD_UP = (
    "Argo CD goes on trying what the Application said before, and begins with what it says now only "
    "when somebody ends that sync (Terminate in Argo CD). "
)

URGENCY: tuple[VerdictState, ...] = (
    VerdictState.FAILED,
    VerdictState.DEGRADED,
    VerdictState.MISSING,
    VerdictState.OUT_OF_SYNC,
    VerdictState.STALE,
    VerdictState.UNKNOWN,
    VerdictState.PROGRESSING,
    VerdictState.SUSPENDED,
    VerdictState.HEALTHY,
)
"""From the most to the least urgent; the worst of many is the first of these that occurs."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of one Application now, why, and whether it is known to be in sync."""

    state: VerdictState
    reason: str
    synced: bool = False


@dataclass(frozen=True, slots=True)
class Rollup:
    """The verdicts of many Applications in numbers; `worst` is None where there are none."""

    total: int
    synced: int
    healthy: int
    counts: Mapping[VerdictState, int] = field(default_factory=dict)
    worst: VerdictState | None = None

    @property
    def selects_nothing(self) -> bool:
        """Whether there is no Application at all, which is amber and never green."""
        return self.total == 0

    @property
    def sentence(self) -> str:
        """One sentence for the page."""
        if not self.total:
            return "Selects nothing: no Application exists for it."
        if self.healthy == self.total:
            return (
                f"All {self.total} Applications are synced and healthy."
                if self.total > 1
                else ("Its one Application is synced and healthy.")
            )
        parts = ", ".join(
            f"{count} {state.word.lower()}"
            for state in URGENCY
            if (count := self.counts.get(state, 0))
        )
        return f"{self.healthy} of {self.total} Applications healthy: {parts}."


def verdict(
    facts: ApplicationFacts,
    *,
    now: datetime,
    stale_after: timedelta,
    committed: str | None = None,
    newer: Collection[str] = (),
    compared_within: timedelta | None = COMPARED_WITHIN,
) -> Verdict:
    """Judge one Application from what was last seen of it.

    `stale_after` is how long an observation counts. `committed` is the commit that must have been
    compared, `newer` the commits known to contain it (None: any will do). `compared_within` is how
    old Argo CD's own comparison may be (it compares every few minutes even when nothing changes):
    older means that its controller is silent; None leaves that unchecked.

    Returns `healthy` only for a fresh observation, without error, with no operation asked for, under
    way or failed, of the spec as it is now and of the committed revision, that says Synced and Healthy
    since the last operation.
    """
    for judge in (_silence, _errors, _operation, _silent_controller, _moved):
        found = judge(facts, now, stale_after if judge is _silence else compared_within)
        if found is not None:
            return found
    return _revision(facts, committed, newer) or _words(facts, now)


def _silence(facts: ApplicationFacts, now: datetime, limit: timedelta | None) -> Verdict | None:
    if facts.seen_at is None:
        return Verdict(VerdictState.UNKNOWN, "It has never been observed.")
    if facts.seen_at > now + SKEW:
        return Verdict(
            VerdictState.UNKNOWN,
            "It was observed at a time that lies ahead of ours. Check the clocks.",
        )
    age = now - facts.seen_at
    if limit is not None and age > limit:
        last = ", ".join(word for word in (facts.sync, facts.health) if word) or "nothing"
        return Verdict(
            VerdictState.STALE,
            f"Nothing was heard of it for {duration(age)}. It last said: {last}.",
        )
    return None


def _errors(facts: ApplicationFacts, _now: datetime, _limit: timedelta | None) -> Verdict | None:
    errors = [one for one in facts.conditions if one.is_error]
    if errors:
        return Verdict(
            VerdictState.FAILED, "; ".join(_sentence(one.type, one.message) for one in errors)
        )
    if facts.deleting:
        return Verdict(VerdictState.PROGRESSING, "It is being deleted.")
    if facts.left_alone:
        return Verdict(VerdictState.STALE, LEFT_ALONE)
    return None


def _sentence(what: str, message: str) -> str:
    return f"{what}: {message}" if message else what


def _operation(facts: ApplicationFacts, _now: datetime, _limit: timedelta | None) -> Verdict | None:
    phase = facts.operation_phase
    if facts.requested:
        return Verdict(VerdictState.PROGRESSING, "A sync was asked for and has not begun.")
    if facts.operation_is_retried and facts.operation_retries >= RETRIES:
        return _retried(facts)
    if phase in RUNNING:
        return Verdict(
            VerdictState.PROGRESSING,
            _sentence(f"A sync is {phase.lower()}", facts.operation_message),
        )
    if phase in FAILED and not _superseded(facts):
        return Verdict(
            VerdictState.FAILED, _sentence("The last sync failed", facts.operation_message)
        )
    if phase not in {"", "Succeeded", *FAILED}:
        return Verdict(
            VerdictState.UNKNOWN, f"The last sync's phase is {phase!r:.40}, an unknown word."
        )
    if phase and facts.operation_finished_at is None:
        return Verdict(VerdictState.UNKNOWN, "Argo CD does not say when the last sync finished.")
    return None


def _retried(facts: ApplicationFacts) -> Verdict:
    """A sync that failed again and again is no sync under way, although Argo CD calls it Running."""
    failed = _sentence(
        f"The sync failed, and again in {facts.operation_retries - 1} retries",
        facts.operation_message,
    )
    return Verdict(VerdictState.FAILED, _HELD_UP + failed if facts.operation_outdated else failed)


def _superseded(facts: ApplicationFacts) -> bool:
    """Whether a failed sync was of another revision, or of other sources, than what is in sync now.

    A commit that takes back what could not be applied leaves the failure of the old one standing. A
    hook that failed, or a wave that did not become healthy, is another thing: all was applied, so that
    Argo CD calls every later commit Synced without trying again.
    """
    return (
        facts.sync == "Synced"
        and _NOT_COMPLETED not in facts.operation_message
        and (facts.operation_outdated or _is_of_other_revision(facts))
    )


def _is_of_other_revision(facts: ApplicationFacts) -> bool:
    applied, compared = facts.operation_revisions, facts.revisions
    return bool(applied) and bool(compared) and applied != compared


def _silent_controller(
    facts: ApplicationFacts, now: datetime, limit: timedelta | None
) -> Verdict | None:
    if facts.reconciled_at is None:
        return Verdict(VerdictState.UNKNOWN, "Argo CD has not compared it with Git yet.")
    if facts.reconciled_at > now + SKEW:
        return Verdict(VerdictState.UNKNOWN, "Argo CD's clock is ahead of ours. Check the clocks.")
    age = now - facts.reconciled_at
    if limit is not None and age > limit:
        return Verdict(
            VerdictState.STALE,
            f"Argo CD last compared it with Git {duration(age)} ago. "
            "Its application controller may be down.",
        )
    return None


def _moved(facts: ApplicationFacts, _now: datetime, _limit: timedelta | None) -> Verdict | None:
    if not facts.moved:
        return None
    return Verdict(
        VerdictState.PROGRESSING,
        f"Its {facts.moved} was changed since Argo CD last compared it with Git.",
    )


def _revision(
    facts: ApplicationFacts, committed: str | None, newer: Collection[str]
) -> Verdict | None:
    if committed is None:
        return None
    if not facts.revisions:
        return Verdict(
            VerdictState.UNKNOWN, f"Argo CD does not say if it has compared {committed[:8]}."
        )
    commits = [one for one in facts.revisions if _COMMIT.fullmatch(one)]
    # An Application that reads only charts from a repository has versions, no commits, to compare.
    if not commits or any(one == committed or one in newer for one in commits):
        return None
    return Verdict(
        VerdictState.OUT_OF_SYNC,
        f"Argo CD has compared {commits[0][:8]}, and not yet {committed[:8]}.",
    )


_HEALTH: Mapping[str, VerdictState] = {
    "Healthy": VerdictState.HEALTHY,
    "Progressing": VerdictState.PROGRESSING,
    "Degraded": VerdictState.DEGRADED,
    "Suspended": VerdictState.SUSPENDED,
    "Missing": VerdictState.MISSING,
    "Unknown": VerdictState.UNKNOWN,
}


def _words(facts: ApplicationFacts, now: datetime) -> Verdict:
    """The verdict of Argo CD's two words; a health older than the operation does not count."""
    if facts.sync not in {"Synced", "OutOfSync"}:
        said = f"says {facts.sync!r:.40}" if facts.sync else "does not say"
        return Verdict(VerdictState.UNKNOWN, f"Argo CD {said} whether it is in sync.")
    synced = facts.sync == "Synced"
    health = _HEALTH.get(facts.health, VerdictState.UNKNOWN)
    older = _health_is_older(facts, now)
    if not synced:
        if not older and health in {VerdictState.DEGRADED, VerdictState.MISSING}:
            return Verdict(health, _sentence(f"OutOfSync and {facts.health}", facts.health_message))
        return Verdict(VerdictState.OUT_OF_SYNC, "What is on the cluster differs from Git.")
    if older:
        return Verdict(
            VerdictState.UNKNOWN,
            "Synced; its health has not been looked at since the last sync.",
            synced=True,
        )
    if health is VerdictState.HEALTHY:
        return Verdict(health, "Synced and Healthy.", synced=True)
    said = facts.health if facts.health in _HEALTH else "Argo CD does not say a known health"
    return Verdict(health, _sentence(f"Synced; {said}", facts.health_message), synced=True)


def _health_is_older(facts: ApplicationFacts, now: datetime) -> bool:
    finished, reconciled = facts.operation_finished_at, facts.reconciled_at
    if finished is None:
        return False
    if reconciled is None or reconciled < finished:
        return True
    return reconciled == finished and now - finished < SETTLE


def rollup(verdicts: Iterable[Verdict]) -> Rollup:
    """Count the verdicts of a cluster's (or any other set of) Applications."""
    found = tuple(verdicts)
    counts = Counter(one.state for one in found)
    return Rollup(
        total=len(found),
        synced=sum(one.synced for one in found),
        healthy=counts[VerdictState.HEALTHY],
        counts={state: counts[state] for state in URGENCY if counts[state]},
        worst=next((state for state in URGENCY if counts[state]), None),
    )


def duration(span: timedelta) -> str:
    """A span of time in the largest whole unit, as people say it: "3 minutes"."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
