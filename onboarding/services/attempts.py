"""Limits for guessing: passwords and service tokens.

Counted in the database, for all processes alike, and before an attempt is judged. A stranger's guesses at
an account never bar a browser in which its owner signed in before: that one has a count of its own.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from onboarding.domain.addresses import network_of
from onboarding.domain.attempts import Failures, counted, wait
from onboarding.models import SignInFailures
from onboarding.ports import Clock

_KEPT = timedelta(days=1)
# How many failures cost nothing: of one browser that is known, of one address at one account, of
# everybody unknown at one account, of one address at any, of one address with wrong service tokens.
_FREE_KNOWN = 10
_FREE_HERE = 5
_FREE_ACCOUNT = 20
_FREE_ADDRESS = 50
_FREE_TOKENS = 30


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was counted. `wait` says how long to wait instead of judging it."""

    keys: Mapping[str, int]
    wait: timedelta = timedelta(0)


def at_account(*, name: str, address: str | None, device: str, clock: Clock) -> Attempt:
    """Count an attempt at an account, whether or not there is one of this name.

    `device` is what a browser carries in which this account signed in before, "" for others.
    """
    account = unicodedata.normalize("NFKC", name).casefold()
    if device:
        return _counted({_key("device", account, device): _FREE_KNOWN}, clock)
    network = network_of(address)
    return _counted(
        {
            _key("here", account, network): _FREE_HERE,
            _key("account", account): _FREE_ACCOUNT,
            _key("address", network): _FREE_ADDRESS,
        },
        clock,
    )


def with_token(*, address: str | None, clock: Clock) -> Attempt:
    """Count a service token that does not count."""
    return _counted({_key("token", network_of(address)): _FREE_TOKENS}, clock)


def succeeded(attempt: Attempt) -> None:
    """An attempt was right: it was no failure, and those of this browser or address are forgotten."""
    with transaction.atomic():
        rows = SignInFailures.objects.select_for_update().order_by("key")
        for row in rows.filter(key__in=attempt.keys, count__gt=0):
            is_own = attempt.keys[row.key] in (_FREE_KNOWN, _FREE_HERE)
            row.count = 0 if is_own else row.count - 1
            row.save(update_fields=["count"])


def _counted(keys: Mapping[str, int], clock: Clock) -> Attempt:
    """Count for every key, or for none where one of them has to wait: waiting is not made longer by it."""
    now = clock.now()
    SignInFailures.objects.bulk_create(
        (SignInFailures(key=key, last_at=now) for key in keys), ignore_conflicts=True
    )
    with transaction.atomic():
        rows = list(SignInFailures.objects.select_for_update().filter(key__in=keys).order_by("key"))
        so_far = {row.key: Failures(row.count, row.last_at) for row in rows}
        waits = (wait(so_far[row.key], free=keys[row.key], now=now) for row in rows)
        longest = max(waits, default=timedelta(0))
        if longest:
            return Attempt(keys, longest)
        for row in rows:
            after = counted(so_far[row.key], now=now)
            row.count, row.last_at = after.count, after.last_at
            row.save(update_fields=["count", "last_at"])
    if any(row.count == 1 for row in rows):
        SignInFailures.objects.filter(last_at__lt=now - _KEPT).delete()
    return Attempt(keys)


def _key(*parts: str) -> str:
    """A digest, for what somebody typed as their name may be their password."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
