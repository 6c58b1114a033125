"""Dropping: the product takes a change back that it asked for itself, or that its whole needs no more."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Change
from onboarding.services import events
from onboarding.services.delivery import deliveries

DROPPED = (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)
"""The states of a change that comes to nothing."""


def drop(change: Change, *, at: datetime, why: str) -> bool:
    """Take back a change that is not in Git; False where it is on its way or there already.

    In the caller's transaction.
    """
    if change.settled_at is not None:
        return change.state in DROPPED
    try:
        with transaction.atomic():
            deliveries.stop_before_push(change=change, at=at)
    except Refused:
        return False
    Change.objects.filter(pk=change.pk).update(
        state=DecisionState.WITHDRAWN.value,
        state_note=why,
        decided_at=at,
        settled_at=at,
        updated_at=at,
    )
    events.record(verb="change.withdrawn", message=why, at=at, change=change)
    return True
