"""What must not happen in a rollout: no change of a wave is queued or written before the wave begins."""

from __future__ import annotations

from collections.abc import Iterable, Set

from onboarding.domain.errors import Refused
from onboarding.models import Change, RolloutRow


def row_of(change: Change) -> RolloutRow | None:
    """The row of a rollout that a change moves a cluster for; None for any other change."""
    rows = RolloutRow.objects.filter(change=change).select_related("wave__rollout")
    return rows.first()


def held(changes: Iterable[int]) -> frozenset[int]:
    """Those of some changes, by number, that wait for their wave; one question for all."""
    rows = RolloutRow.objects.filter(change__in=list(changes), wave__released_at__isnull=True)
    return frozenset(rows.values_list("change_id", flat=True))


def refuse_early(*, change: Change, held: Set[int]) -> None:
    """Nothing of a wave is written before the gate before it has passed; `held` as `held` tells it."""
    if change.pk in held:
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
