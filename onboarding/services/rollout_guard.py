"""What must not happen in a rollout: no change of a wave is queued or written before the wave begins."""

from __future__ import annotations

from onboarding.domain.errors import Refused
from onboarding.models import Change, RolloutRow


def row_of(change: Change) -> RolloutRow | None:
    """The row of a rollout that a change moves a cluster for; None for any other change."""
    rows = RolloutRow.objects.filter(change=change).select_related("wave__rollout")
    return rows.first()


def is_held(*, change: Change) -> bool:
    """Whether a change waits for its wave."""
    row = row_of(change)
    return row is not None and row.wave.released_at is None


def refuse_early(*, change: Change) -> None:
    """Nothing of a wave is written before the gate before it has passed."""
    if is_held(change=change):
        raise Refused("Its wave of the rollout has not begun.", code="out_of_order")


def refuse_edit(*, change: Change) -> None:
    """A row of a rollout is what the rollout asks for; another wish is another change."""
    row = row_of(change)
    if row is not None and row.is_open:
        raise Refused(
            f"This change is a row of “{row.wave.rollout.title}” and is not edited. Withdraw it to "
            "leave the cluster out.",
            code="rollout_row",
        )
