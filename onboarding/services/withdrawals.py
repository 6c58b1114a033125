"""Withdrawals: authors take back what they asked for, one change or all of a bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from onboarding.domain.lifecycle import Act, DecisionState, decide
from onboarding.models import Change, Delivery, Event
from onboarding.ports import Clock
from onboarding.services import decisions, events, places
from onboarding.services.delivery import deliveries
from onboarding.services.rights import Reach, reach_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def withdraw(
    *,
    change_id: int,
    actor: User,
    clock: Clock,
    also: Callable[[Change], None] | None = None,
) -> Change:
    """Take an open change back; only an author can, and not while its delivery is under way.

    `also` is done in the transaction, at its end. Raises `Refused` with the reason.
    """
    with transaction.atomic():
        withdraw_all([change_id], actor=actor, clock=clock)
        change = Change.objects.select_related("fleet").get(pk=change_id)
        if also:
            also(change)
    change.refresh_from_db()
    return change


def withdraw_all(change_ids: Iterable[int], *, actor: User, clock: Clock) -> int:
    """Take many open changes back as `withdraw`, in the caller's transaction; returns how many."""
    now, reach = clock.now(), reach_of(actor)
    said: list[Event] = []
    for part in decisions.locked(change_ids):
        _require_all(part, actor, reach)
        _stop_deliveries(part, now)
        decisions.move(
            part,
            state=DecisionState.WITHDRAWN.value,
            decided_at=now,
            settled_at=now,
            updated_at=now,
        )
        said += (_withdrawn_event(one, actor, now) for one in part)
    events.record_all(said)
    return len(said)


def _require_all(changes: Sequence[Change], actor: User, reach: Reach) -> None:
    """Refuse where one of the changes is not the actor's to take back, or not to be taken back now."""
    touched, written = places.touched_by_all(changes), decisions.authored(changes, actor)
    for change in changes:
        decide(
            DecisionState(change.state),
            Act.WITHDRAW,
            actor_is_author=change.pk in written,
            actor_may=reach.at_all(touched[change.pk]),
        )


def _stop_deliveries(changes: Sequence[Change], now: datetime) -> None:
    delivered = Delivery.objects.filter(change__in=changes).values_list("change", flat=True)
    for change in Change.objects.filter(pk__in=set(delivered)):
        deliveries.stop_before_push(change=change, at=now)


def _withdrawn_event(change: Change, actor: User, now: datetime) -> Event:
    return events.unsaved(
        verb="change.withdrawn",
        message=f"{actor.get_username()} withdrew the change.",
        at=now,
        actor=actor,
        change=change,
    )
