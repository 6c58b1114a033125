"""The clock of a cluster's credentials: when they changed, when the hub fetched them, whether they work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding.domain.credentials import SecretPresence

BELIEVED_FOR = timedelta(hours=6)
"""How long an answer of Secrets Manager counts: a large fleet's secrets are asked for in turn."""


class CredentialState(StrEnum):
    """Where the newest credentials of a cluster are; only CURRENT is well."""

    CURRENT = "current"
    ROTATED = "rotated"
    DELETING = "deleting"
    MISSING = "missing"
    NOT_FETCHED = "not_fetched"
    REFUSED = "refused"
    DENIED = "denied"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"

    @property
    def word(self) -> str:
        """The state as pages say it."""
        return _WORDS[self]

    @property
    def stands_out(self) -> bool:
        """Whether somebody has to do something, or soon will."""
        return self not in (CredentialState.CURRENT, CredentialState.UNKNOWN)


_WORDS: Mapping[CredentialState, str] = {
    CredentialState.CURRENT: "Current",
    CredentialState.ROTATED: "Rotated, not picked up",
    CredentialState.DELETING: "Scheduled for deletion",
    CredentialState.MISSING: "Secret missing",
    CredentialState.NOT_FETCHED: "Not fetched",
    CredentialState.REFUSED: "Connection fails",
    CredentialState.DENIED: "AWS denies access",
    CredentialState.THROTTLED: "AWS throttles",
    CredentialState.UNKNOWN: "Not known",
}


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """What was seen of a cluster's credentials, each part absent where nobody saw it.

    `presence` and `detail` are Secrets Manager's last answer and `asked_at` its time; `version_at`
    is when the newest version known was made. `ready` and `fetched_at` are the ExternalSecret's
    condition and the time of its last sync, `refresh_every` how often the operator looks (zero: it
    never looks again by itself). `connection` is Argo CD's word for the cluster.
    """

    presence: SecretPresence | None = None
    detail: str = ""
    asked_at: datetime | None = None
    version_at: datetime | None = None
    ready: bool | None = None
    fetched_at: datetime | None = None
    refresh_every: timedelta | None = None
    connection: str = ""


@dataclass(frozen=True, slots=True)
class CredentialClock:
    """How a cluster's credentials stand, in a sentence, and what to do ("" where nothing is)."""

    state: CredentialState
    sentence: str
    remedy: str = ""


def credential_clock(facts: CredentialFacts, now: datetime) -> CredentialClock:
    """Say where the newest credentials are; what nobody knows is never taken for well.

    A version that is known to be newer than the last sync stays "rotated" while AWS does not
    answer: it can only have become newer.
    """
    if facts.presence is SecretPresence.PENDING_DELETION:
        return CredentialClock(
            CredentialState.DELETING,
            f"{facts.detail} The hub keeps what it fetched; nothing new can be fetched.",
            "The command is aws secretsmanager restore-secret. If the cluster shall go, offboard it.",
        )
    if facts.presence is SecretPresence.ABSENT:
        return CredentialClock(
            CredentialState.MISSING,
            f"{facts.detail} The hub keeps what it fetched." if facts.fetched_at else facts.detail,
        )
    if _is_rotated(facts):
        return _rotated(facts, now)
    return _not_answered(facts, now) or _answered(facts)


def _is_rotated(facts: CredentialFacts) -> bool:
    # The time of a sync has whole seconds and is its beginning: in the same second nobody knows,
    # and it is not called well.
    return (
        facts.version_at is not None
        and facts.fetched_at is not None
        and facts.version_at > facts.fetched_at
    )


def _rotated(facts: CredentialFacts, now: datetime) -> CredentialClock:
    said = "The secret has a newer version than the one that the hub fetched."
    force = (
        "To have it at once, annotate its ExternalSecret: kubectl annotate externalsecret NAME "
        "force-sync=$(date +%s) --overwrite"
    )
    if facts.refresh_every == timedelta(0):
        said += " Its ExternalSecret never looks again by itself."
    elif facts.refresh_every is not None and facts.fetched_at is not None:
        due = facts.fetched_at + facts.refresh_every
        if now > due:
            said += " The operator should have looked by now: is the external-secrets controller running?"
        else:
            minutes = max(1, round((due - now).total_seconds() / 60))
            said += f" The operator looks again in {minutes} minute{'s' if minutes > 1 else ''}."
    return CredentialClock(CredentialState.ROTATED, said, force)


def _not_answered(facts: CredentialFacts, now: datetime) -> CredentialClock | None:
    match facts.presence:
        case SecretPresence.DENIED:
            return CredentialClock(CredentialState.DENIED, facts.detail)
        case SecretPresence.THROTTLED:
            return CredentialClock(CredentialState.THROTTLED, facts.detail)
        case SecretPresence.UNREACHABLE:
            return CredentialClock(CredentialState.UNKNOWN, facts.detail)
        case None:
            return CredentialClock(
                CredentialState.UNKNOWN, "Secrets Manager was not asked for it yet."
            )
    if facts.asked_at is None or now - facts.asked_at > BELIEVED_FOR:
        return CredentialClock(
            CredentialState.UNKNOWN,
            "Secrets Manager was not asked for it for hours.",
            "See on the System page whether the hub's watcher runs.",
        )
    return None


def _answered(facts: CredentialFacts) -> CredentialClock:
    if facts.ready is False or facts.fetched_at is None:
        return CredentialClock(
            CredentialState.NOT_FETCHED,
            "The secret is there, and the hub cannot fetch it."
            if facts.ready is False
            else "The secret is there; the hub has not said that it fetched it.",
        )
    if facts.connection == "Failed":
        return CredentialClock(
            CredentialState.REFUSED,
            "The hub has the newest version, and Argo CD cannot connect with it.",
            "Check the secret's server and config, and whether the spoke answers.",
        )
    if facts.version_at is None:
        return CredentialClock(CredentialState.UNKNOWN, "AWS does not say when it was changed.")
    return CredentialClock(CredentialState.CURRENT, "The hub has fetched its newest version.")


_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def refresh_interval(text: str) -> timedelta | None:
    """An ExternalSecret's `refreshInterval` ("1h0m0s"); None where it is no Go duration."""
    if text == "0":
        return timedelta(0)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
