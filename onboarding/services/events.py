"""The audit trail: append an event, verify the chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from onboarding.models import Change, Event, EventHead, Fleet

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def record(
    *,
    verb: str,
    message: str,
    at: datetime,
    actor: User | None = None,
    fleet: Fleet | None = None,
    change: Change | None = None,
    cluster_name: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Event:
    """Append one event to the trail, in the caller's transaction.

    `verb` is `<noun>.<past participle>` (`change.approved`), `message` one sentence for people; neither
    may hold a secret. `actor` None means the product itself. The chain's end is locked for the rest
    of the transaction, so events have one order.
    """
    event = unsaved(
        verb=verb,
        message=message,
        at=at,
        actor=actor,
        fleet=fleet,
        change=change,
        cluster_name=cluster_name,
        detail=detail,
    )
    record_all([event])
    return event


def unsaved(
    *,
    verb: str,
    message: str,
    at: datetime,
    actor: User | None = None,
    fleet: Fleet | None = None,
    change: Change | None = None,
    cluster_name: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Event:
    """An event as `record` takes it, for `record_all`; it has no place in the trail yet."""
    return Event(
        at=at,
        actor=actor,
        verb=verb,
        message=message,
        fleet=fleet or (change.fleet if change else None),
        change=change,
        cluster_name=cluster_name or (change.cluster_name if change else ""),
        detail=dict(detail or {}),
    )


def record_all(events: Sequence[Event]) -> None:
    """Append unsaved events in this order, in the caller's transaction, with one lock of the chain."""
    with transaction.atomic():
        head, _ = EventHead.objects.select_for_update().get_or_create(pk=1)
        for event in events:
            event.previous = head.digest
            head.digest = event.digest = digest_of(event)
        Event.objects.bulk_create(events)
        head.count += len(events)
        head.save(update_fields=["digest", "count"])


def head() -> str:
    """The digest of the trail's last event, "" where there is none; every approval is before it."""
    return EventHead.objects.filter(pk=1).values_list("digest", flat=True).first() or ""


def digest_of(event: Event) -> str:
    """SHA-256 (hex) over the event's content and the digest of the event before it."""
    content = {
        "at": event.at.isoformat(),
        "actor": event.actor_id,
        "verb": event.verb,
        "message": event.message,
        "fleet": event.fleet_id,
        "change": event.change_id,
        "cluster": event.cluster_name,
        "detail": event.detail,
        "previous": event.previous,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
