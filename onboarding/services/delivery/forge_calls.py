"""A forge calls: something happened to a pull request. That is all that is taken from it.

What happened is asked of the forge itself, so a call that is replayed, late or made up by somebody
who has the secret can do no more than let us look once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DeliveryState
from onboarding.domain.reviews import ForgeKind
from onboarding.domain.webhooks import is_signed
from onboarding.models import Delivery, Fleet
from onboarding.ports import Clock, WorkQueue

_AT_MOST_EVERY = timedelta(seconds=2)


def called(
    *,
    fleet: Fleet | None,
    secret: str,
    body: bytes,
    headers: Mapping[str, str],
    clock: Clock,
    queue: WorkQueue,
) -> int:
    """Look soon at the fleet's open pull requests; return how many were not looked at just now.

    Raises `Refused` where the call is not signed with the fleet's secret, or there is no such
    fleet, forge or secret: the same words for each, so that a caller learns nothing.
    """
    known = fleet is not None and fleet.forge
    kind = ForgeKind(fleet.forge) if fleet is not None and known else ForgeKind.GITHUB
    signed = is_signed(kind, secret=secret, body=body, headers=headers)
    if fleet is None or not known or not signed:
        raise Refused(
            "This call is not signed with the webhook secret of a fleet. Compare the secret on the "
            "forge with the fleet's webhook secret file.",
            code="not_signed",
        )
    now = clock.now()
    woken = Delivery.objects.filter(
        fleet=fleet,
        state=DeliveryState.IN_REVIEW.value,
        due_at__gt=now,
        pull_request__seen_at__lt=now - _AT_MOST_EVERY,
    ).update(due_at=now)
    if woken:
        queue.wake("onboarding.deliver", fleet_id=fleet.pk)
    return woken
