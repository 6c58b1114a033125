"""What is asked twice, by a double click, a reload or the back button, and is meant once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Change, Fleet

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_LATEST = 20


def asked_already(*, fleet: Fleet, form_data: Mapping[str, Any], actor: User) -> Change | None:
    """The waiting change that this person asked for with exactly these answers, if there is one."""
    waiting = Change.objects.filter(
        fleet=fleet, requester=actor, state=DecisionState.SUBMITTED.value
    ).order_by("-pk")[:_LATEST]
    return next((change for change in waiting if change.form_data == dict(form_data)), None)
