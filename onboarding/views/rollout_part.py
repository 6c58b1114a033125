"""What the page of a change says of the rollout that it is a row of."""

from __future__ import annotations

from django.urls import reverse

from onboarding.domain.lifecycle import DecisionState
from onboarding.models import RolloutRow
from onboarding.views.pages import Link

HELD = "Approved with its rollout; it is written when its wave begins."
"""What an approved change waits for that was never queued: only the rows of a rollout are held so."""


def held_word(state: DecisionState) -> str:
    """The word of an approved change that was never queued; "" for others, which have no delivery yet."""
    return "Held" if state is DecisionState.APPROVED else ""


def held(row: RolloutRow | None, state: DecisionState) -> str:
    """What an approved row waits for while its wave has not begun; "" for any other change."""
    if row is None or state is not DecisionState.APPROVED or row.wave.released_at is not None:
        return ""
    return HELD


def rollout_link(row: RolloutRow | None) -> Link | None:
    """The rollout's page."""
    if row is None:
        return None
    rollout = row.wave.rollout
    return Link(f"{rollout.title}, {row.wave.name}", reverse("rollout-detail", args=[rollout.pk]))
