"""Handovers: a group changes hands only when the hub is seen to have been told of it."""

from __future__ import annotations

from onboarding.domain.errors import Refused
from onboarding.domain.labels import STATE_LABELS
from onboarding.models import Change, ClusterStatus

_LABEL = STATE_LABELS["handover"]
_DEPLOYERS = ("use_remote_argo", "enable_remote_addons", "enable_remote_resources")


def refuse_before_hub_follows(*, change: Change) -> None:
    """Refuse approval of a group's move while the hub's cluster secret does not show the handover.

    The hub would delete what the move leaves behind. A hub whose clusters nobody observes cannot be
    asked; there the approver has to look.
    """
    before, after = (
        {label["key"]: label["value"] for label in change.plan.get(side, ())}
        for side in ("labels_before", "labels_after")
    )
    moves = any(before.get(key) != after.get(key) for key in _DEPLOYERS)
    if not moves or before.get(_LABEL) != "true":
        return
    seen = ClusterStatus.objects.filter(hub=change.hub, name=change.cluster_name).first()
    if seen is not None and seen.labels.get(_LABEL) != "true":
        raise Refused(
            f"The hub has not followed the handover of {change.cluster_name} yet: its cluster "
            f"secret has no {_LABEL}. Approve when it has, or what runs there would be deleted.",
            code="handover_not_seen",
        )
