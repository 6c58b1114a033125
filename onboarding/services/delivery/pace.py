"""The pace that a Git host asks for: so many pushes a minute, of all that goes to one fleet."""

from __future__ import annotations

from datetime import datetime, timedelta

from onboarding.models import DeliveryAttempt, Fleet

_MINUTE = timedelta(seconds=60)


def next_turn(*, fleet: Fleet, now: datetime) -> datetime | None:
    """When the fleet may be pushed to again; None where that is now, or nothing limits it.

    A push counts once, however many changes went with it, and whether it arrived or not.
    """
    limit = fleet.pushes_per_minute
    if not limit:
        return None
    pushes = (
        DeliveryAttempt.objects.filter(
            delivery__fleet=fleet, started_at__gt=now - _MINUTE, started_at__lte=now
        )
        .order_by("-started_at")
        .values_list("started_at", flat=True)
        .distinct()[:limit]
    )
    return pushes[limit - 1] + _MINUTE if len(pushes) == limit else None
