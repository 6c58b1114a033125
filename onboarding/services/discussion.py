"""The discussion of a change: everyone who may view it may speak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.domain.prose import prose
from onboarding.models import Change, Comment
from onboarding.ports import Clock
from onboarding.services import events, places
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def comment(*, change_id: int, body: str, actor: User, clock: Clock) -> Comment:
    """Add to the discussion of a change; everyone who may view it may speak."""
    change = Change.objects.select_related("fleet").get(pk=change_id)
    require(actor, Right.VIEW, *places.touched_by(change))
    text = prose(body, field="body", longest=4_000)
    if not text:
        raise Refused("Write something first.", field="body", code="required")
    with transaction.atomic():
        written = Comment.objects.create(change=change, author=actor, body=text)
        events.record(
            verb="change.discussed",
            message=f"{actor.get_username()} commented.",
            at=clock.now(),
            actor=actor,
            change=change,
        )
    return written
