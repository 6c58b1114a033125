"""What the page of a change says of the rollout that it is a row of."""

from __future__ import annotations

from django.urls import reverse

from onboarding.domain.lifecycle import DecisionState
from onboarding.models import RolloutRow
from onboarding.views.pages import Link


def held(row: RolloutRow | None, state: DecisionState) -> str:
    """What an approved row waits for while its wave has not begun; "" for any other change."""
    if row is None or state is not DecisionState.APPROVED or row.wave.released_at is not None:
        return ""
    return "Approved with its rollout; it is written when its wave begins."


def rollout_link(row: RolloutRow | None) -> Link | None:
    """The rollout's page."""
    if row is None:
        return None
    rollout = row.wave.rollout
    return Link(f"{rollout.title}, {row.wave.name}", reverse("rollout-detail", args=[rollout.pk]))
