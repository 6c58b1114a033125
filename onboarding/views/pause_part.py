"""What lists and the page of a change say where it begins or ends a pause: for a plan it is one line of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onboarding.models import Change, ClusterPause
from onboarding.views.pages import PauseNote

if TYPE_CHECKING:
    from collections.abc import Mapping

PAUSES = ("pause", "pause_ended")
"""What a list of changes reads along (`select_related`), so that no row asks for it by itself."""

_VERBS: Mapping[str, str] = {"pause": "Pause", "pause_ended": "End the pause of"}


def verb_of(change: Change) -> str:
    """What a change does to a pause, before the cluster's name; "" for any other change."""
    return next((_VERBS[name] for name in PAUSES if _of(change, name)), "")


def pause_note(change: Change) -> PauseNote | None:
    """Who pauses the cluster, until when and why; None where the change is about no pause."""
    pause = next((found for name in PAUSES if (found := _of(change, name))), None)
    if pause is None:
        return None
    return PauseNote(
        begins=pause.change_id == change.pk,
        owner=pause.owner.get_username(),
        until=pause.until,
        why=pause.reason,
    )


def _of(change: Change, name: str) -> ClusterPause | None:
    found: ClusterPause | None = getattr(change, name, None)
    return found
