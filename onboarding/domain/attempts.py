"""How long somebody waits after failing to prove who they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_FIRST = timedelta(seconds=5)
_LONGEST = timedelta(minutes=15)
_FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Failures:
    """So many failures, the last of them then."""

    count: int
    last_at: datetime


def wait(failures: Failures | None, *, free: int, now: datetime) -> timedelta:
    """How long the next attempt has to wait; nothing for the first `free` ones.

    Each failure after them doubles the wait, from 5 seconds to 15 minutes; an hour without one
    forgets them.
    """
    if failures is None or now - failures.last_at >= _FORGOTTEN_AFTER or failures.count < free:
        return timedelta(0)
    doubled: int = 1 << min(failures.count - free, 10)
    return max(failures.last_at + min(_FIRST * doubled, _LONGEST) - now, timedelta(0))


def counted(failures: Failures | None, *, now: datetime) -> Failures:
    """The failures with one more."""
    is_forgotten = failures is None or now - failures.last_at >= _FORGOTTEN_AFTER
    return Failures(1 if failures is None or is_forgotten else failures.count + 1, now)
