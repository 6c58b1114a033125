"""What a worker takes back: an approval of another plan, and approvals that the policies find too few by now."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from onboarding.domain.lifecycle import Act, DecisionState, DeliveryState, decide
from onboarding.models import Change, Delivery
from onboarding.services import events, policies
from onboarding.services.delivery.settling import lock_changes, own
from onboarding.services.delivery.writer_lease import Lease


def lapse(*, delivery: Delivery, reason: str, now: datetime, lease: Lease) -> bool:
    """Send an approved change back for a new approval, saying why. False: it was not ours."""
    change = delivery.change
    lapsed = decide(DecisionState.APPROVED, Act.LAPSE, actor_is_author=False, actor_may=frozenset())
    with transaction.atomic():
        lock_changes([delivery.change_id])
        moved = own(delivery, lease).update(
            state=DeliveryState.FAILED.value, reason=reason, alarm=""
        )
        if moved:
            Change.objects.filter(pk=change.pk, state=DecisionState.APPROVED.value).update(
                state=lapsed.value, state_note=reason, updated_at=now
            )
            events.record(
                verb="change.lapsed",
                message=f"The approval lapsed. {reason}",
                at=now,
                change=change,
                detail={"digest": delivery.digest},
            )
    return bool(moved)


def recall(*, delivery: Delivery, reason: str, now: datetime, lease: Lease) -> bool:
    """Let an approved change wait for more approvals; those that it has stay. False: it was not ours."""
    change = delivery.change
    again = decide(DecisionState.APPROVED, Act.RECALL, actor_is_author=False, actor_may=frozenset())
    with transaction.atomic():
        lock_changes([delivery.change_id])
        moved = own(delivery, lease).update(
            state=DeliveryState.FAILED.value, reason=reason, alarm=""
        )
        if moved:
            found = policies.tally(change, policies.rules(), at=now, digest=delivery.digest)
            Change.objects.filter(pk=change.pk, state=DecisionState.APPROVED.value).update(
                state=again.value,
                state_note=reason,
                # What was asked for once is not taken back by a rule that is loosened later.
                demand=found.demand.to_data(),
                decided_at=None,
                updated_at=now,
            )
            policies.note_wanted(change, found)
            events.record(
                verb="change.recalled",
                message=f"It waits for approval again. {reason}",
                at=now,
                change=change,
                detail={"digest": delivery.digest, "demand": found.demand.to_data()},
            )
    return bool(moved)
