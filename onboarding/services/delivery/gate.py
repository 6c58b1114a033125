"""The gate before Git: whether approved changes may be written now, by the policies and rights of now.

Asked when a worker takes changes up, and again as it writes down that their push begins: what changes in
between counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from onboarding.domain.errors import Refused, Transient
from onboarding.domain.policy import Tally
from onboarding.models import Delivery
from onboarding.services import policies

LOOK_EVERY = timedelta(seconds=60)
"""How often a change that waits for the end of a freeze is looked at: the freeze may be lifted."""


class Held(Transient):
    """It may be written, but not now; nothing is wrong with it. `until` is when to look again."""

    def __init__(self, message: str, *, until: datetime) -> None:
        self.until = until
        super().__init__(message)


class Gate:
    """What the policies and rights of now say of some deliveries, asked of the database once for all."""

    def __init__(self, deliveries: Iterable[Delivery], *, now: datetime) -> None:
        self._now = now
        rows = list(deliveries)
        self._tallies = policies.tallies(
            [row.change for row in rows],
            at=now,
            digests={row.change_id: row.digest for row in rows},
        )

    def admits_all(self) -> bool:
        """Whether each of them may be written now."""
        return all(
            one.is_met and one.demand.frozen_until(self._now) is None
            for one in self._tallies.values()
        )

    def admit(self, delivery: Delivery) -> tuple[str, ...]:
        """Who approved it, where that is enough and nothing is frozen.

        Raises `Held` in a freeze; `Refused` with code `approval_void` where no approval counts any
        more, and `approval_short` where those that count are not enough any more.
        """
        found = self._tallies[delivery.change_id]
        if not found.is_met:
            raise Refused(
                " ".join(filter(None, (_why_void(found), _why_short(found)))),
                code="approval_short" if found.counted else "approval_void",
            )
        until = found.demand.frozen_until(self._now)
        if until is not None:
            raise Held(frozen_words(until), until=min(until, self._now + LOOK_EVERY))
        return found.counted


def frozen_words(until: datetime) -> str:
    """That a freeze holds, and when it ends."""
    return (
        f"A freeze holds until {until:%a %Y-%m-%d %H:%M} UTC; it is written after that, by itself."
    )


def _why_void(found: Tally) -> str:
    if found.void or found.counted:
        return policies.void_words(found)
    return "There is no approval of the plan that would be written."


def _why_short(found: Tally) -> str:
    if not found.counted:
        return ""
    rules = " and ".join(f"“{name}”" for name in found.demand.rules)
    by = f" by the rule{'' if len(found.demand.rules) == 1 else 's'} {rules}" if rules else ""
    return f"{found.lacks[:-1]}{by}."
