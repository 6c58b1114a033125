"""What a program sends twice under one key, because it heard no answer, is done once.

The key is a row; its unique constraint lets one of many begin. What came of it is written in the
transaction that makes the change. What is refused wrote nothing and gives its key back.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from onboarding.domain.errors import Refused, Transient
from onboarding.models import Change, IdempotencyKey, ServiceAccount
from onboarding.ports import Clock

LEASE = timedelta(minutes=2)
"""After so long whoever began is taken for dead, and the next one begins anew."""

PATIENCE = 10.0
"""How many seconds somebody waits for the answer that another one of the same key is working on."""

KEPT_FOR = timedelta(days=90)
"""So long a key is known, and while its change is open; who sends it later asks anew."""

_PAUSE = 0.1
_FORGOTTEN_AT_ONCE = 500

Record = Callable[[Change], None]
Act = Callable[[Record], Change]
"""Makes the change, and calls what it is given with it in the transaction that writes it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request came to; `is_repeated` where it was made before, and this is its answer again."""

    body: Mapping[str, Any]
    is_repeated: bool


def fingerprint(*, what: str, asked: Mapping[str, Any]) -> str:
    """The digest of what is asked: equal for two texts that mean the same."""
    plain = json.dumps([what, asked], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def once(
    *,
    account: ServiceAccount,
    key: str,
    fingerprint: str,
    clock: Clock,
    act: Act,
    tell: Callable[[Change], Mapping[str, Any]],
    patience: float = PATIENCE,
) -> Answer:
    """Do what is asked under a key, or answer again what it came to.

    `tell` makes the answer that is kept. Raises `Refused` (code `key_reused`) where the key was used
    for something else, `Transient` while another one works on it, and what `act` raises: then
    nothing was written, and the key is free again.
    """
    begun = _begin(account, key, fingerprint, clock, patience)
    if isinstance(begun, Answer):
        return begun
    told: dict[str, Any] = {}

    def keep(change: Change) -> None:
        told.update(tell(change))
        kept = _mine(begun).update(change=change, answer=told)
        if not kept:  # it took so long that somebody else began: their change counts, not this one
            raise Transient("This request took too long. Send it again.", retry_after=1)

    try:
        act(keep)
    except BaseException:
        _mine(begun).delete()
        raise
    return Answer(body=told, is_repeated=False)


def forget(*, clock: Clock) -> int:
    """Forget keys that are older than `KEPT_FOR`, some at a time; returns how many.

    The key of a change that is still open is kept: whoever sends it waits on, however long people take.
    """
    old = IdempotencyKey.objects.filter(begun_at__lt=clock.now() - KEPT_FOR)
    over = old.filter(Q(change=None) | Q(change__settled_at__isnull=False))
    some = list(over.order_by("begun_at").values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE])
    if not some:
        return 0
    return over.filter(pk__in=some).delete()[0]


@dataclass(frozen=True, slots=True)
class _Begun:
    pk: int
    at: datetime


def _begin(
    account: ServiceAccount, key: str, fingerprint: str, clock: Clock, patience: float
) -> _Begun | Answer:
    until = time.monotonic() + patience
    while True:
        now = clock.now()
        row = IdempotencyKey.objects.filter(account=account, key=key).first()
        if row is None:
            try:
                with transaction.atomic():
                    row = IdempotencyKey.objects.create(
                        account=account, key=key, fingerprint=fingerprint, begun_at=now
                    )
                return _Begun(row.pk, now)
            except IntegrityError:
                continue  # another one began in this moment: its row is looked at
        if row.fingerprint != fingerprint:
            raise Refused(
                "This key was used for another request. Send this one under a key of its own.",
                field="Idempotency-Key",
                code="key_reused",
            )
        if row.answer is not None:
            return Answer(body=row.answer, is_repeated=True)
        if now - row.begun_at > LEASE and _mine(_Begun(row.pk, row.begun_at)).update(begun_at=now):
            return _Begun(row.pk, now)
        if time.monotonic() >= until:
            raise Transient("The same request is being worked on. Send it again.", retry_after=1)
        time.sleep(_PAUSE)


def _mine(begun: _Begun) -> Any:
    """The row, as long as nobody else began on it and nothing came of it."""
    return IdempotencyKey.objects.filter(
        pk=begun.pk, begun_at=begun.at, answer__isnull=True, change__isnull=True
    )
