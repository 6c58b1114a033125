"""Pulses: that something moved in a fleet, and nothing of what; whoever hears it looks for itself."""

from __future__ import annotations

from django.db.models import F

from onboarding.models import Event, Fleet, Pulse


def beat(*, fleet: Fleet) -> None:
    """Say that the standings of a fleet moved, in the caller's transaction."""
    mine = Pulse.objects.filter(fleet=fleet)
    if not mine.update(number=F("number") + 1) and not Pulse.objects.get_or_create(fleet=fleet)[1]:
        mine.update(number=F("number") + 1)  # another process made it in between


def number_of(fleet: Fleet) -> int | None:
    """The number of a fleet's pulse as it was read with the fleet; None while nothing moved yet."""
    return fleet.pulse.number if hasattr(fleet, "pulse") else None


def numbers() -> dict[int, tuple[int, int]]:
    """For each fleet that has a pulse, its number and that of the newest event of any fleet.

    Two small queries however large the fleets are. Decisions and deliveries are events, so that the
    two numbers together move with all that a list or a page of a change shows.
    """
    newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return {
        fleet: (number, newest) for fleet, number in Pulse.objects.values_list("fleet", "number")
    }
