"""The pace that a host asks for: when a fleet may be pushed to again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from onboarding.models import DeliveryAttempt, Fleet
from onboarding.services.delivery.pace import next_turn
from tests.fakes import START
from tests.stage import Stage, delivery_of


def turn(stage: Stage, *ago: int, limit: int = 2) -> datetime | None:
    """The next turn where pushes began so many seconds ago."""
    delivery = delivery_of(stage.approved("spoke-a"))
    for number, seconds in enumerate(ago):
        DeliveryAttempt.objects.create(
            delivery=delivery, number=number, started_at=START - timedelta(seconds=seconds)
        )
    stage.fleet.pushes_per_minute = limit
    return next_turn(fleet=stage.fleet, now=START)


@pytest.mark.parametrize(
    ("ago", "waits"),
    [
        ((), None),
        ((10,), None),
        ((10, 30), 30),
        ((10, 60), None),
        ((10, 59), 1),
        ((5, 10, 30), 50),
        ((10, 10), None),
        ((-5, 10), None),
    ],
)
def test_it_waits_until_the_oldest_push_that_counts_is_a_minute_ago(
    stage: Stage, ago: tuple[int, ...], waits: int | None
) -> None:
    expected = None if waits is None else START + timedelta(seconds=waits)
    assert turn(stage, *ago) == expected


def test_it_waits_for_nothing_without_a_limit(stage: Stage) -> None:
    assert turn(stage, 1, 2, 3, limit=0) is None


def test_it_does_not_count_what_goes_to_another_fleet(stage: Stage) -> None:
    assert turn(stage, 1, 2) is not None
    other = Fleet.objects.create(name="fleet-b", pushes_per_minute=1)
    assert next_turn(fleet=other, now=START) is None
