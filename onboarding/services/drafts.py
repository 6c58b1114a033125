"""Drafts: what somebody typed so far of a change, for their eyes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.models import Change, Fleet, Participant
from onboarding.ports import Clock
from onboarding.services.changes import hub_of
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def save(
    *,
    fleet: Fleet,
    kind: str,
    form_data: Mapping[str, Any],
    actor: User,
    clock: Clock,
    draft_id: int | None = None,
) -> Change:
    """Keep what was typed so far, right or wrong, for its author alone; nothing is planned or asked.

    `draft_id` continues a draft of the same author. Raises `Refused` where the actor may not ask for
    changes, or the draft was asked for approval meanwhile.
    """
    require(actor, Right.REQUEST)  # at what place, it says once it is whole
    labels = {
        "cluster_name": str(form_data.get("cluster", ""))[:63],
        "tenant": str(form_data.get("tenant", ""))[:63],
        "environment": str(form_data.get("environment", ""))[:63],
    }
    hub = hub_of(fleet=fleet, name=str(form_data.get("hub", "")))
    if draft_id is not None:
        kept = Change.objects.filter(
            pk=draft_id, requester=actor, state=DecisionState.DRAFT.value
        ).update(
            form_data=dict(form_data),
            hub=hub,
            revision=F("revision") + 1,
            updated_at=clock.now(),
            **labels,
        )
        if not kept:
            raise Refused(
                "This draft is no longer a draft. Open the change to go on.", code="not_a_draft"
            )
        return Change.objects.get(pk=draft_id)
    with transaction.atomic():
        change = Change.objects.create(
            fleet=fleet, hub=hub, kind=kind, form_data=dict(form_data), requester=actor, **labels
        )
        Participant.objects.create(change=change, user=actor, role=Participant.Role.AUTHOR)
    return change


def discard(*, change_id: int, actor: User) -> None:
    """Throw a draft away; only its author can, and only a draft."""
    deleted, _ = Change.objects.filter(
        pk=change_id, requester=actor, state=DecisionState.DRAFT.value
    ).delete()
    if not deleted:
        raise Refused("Only a draft of your own can be thrown away.", code="not_a_draft")
