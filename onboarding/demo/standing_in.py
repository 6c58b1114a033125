"""What stands in for the surroundings while the demo's examples are made: they may not be there yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from onboarding import wiring
from onboarding.domain.credentials import SecretFacts, SecretPresence


@dataclass(frozen=True, slots=True)
class At:
    """A clock (port `Clock`) that stands at one time."""

    moment: datetime

    def now(self) -> datetime:
        """The time that it stands at."""
        return self.moment


def ago(*, hours: int = 0, minutes: int = 0) -> At:
    """A clock that stands some time before now."""
    return At(wiring.clock().now() - timedelta(hours=hours, minutes=minutes))


class Present:
    """The demo's Secrets Manager (port `SpokeCredentials`), filled by the demo itself a moment ago."""

    def describe(self, name: str) -> SecretFacts:
        """Every secret that an example names is there."""
        return SecretFacts(SecretPresence.PRESENT, name, "It was put there a moment ago.")

    def check(self) -> str:
        """It cannot be away."""
        return "The demo's own."


class Silent:
    """Wakes nobody (port `WorkQueue`): the demo's broker may not be there yet."""

    def wake(self, task: str, **identifiers: str | int) -> None:
        """Nothing: what is left to do is found by the sweep."""
