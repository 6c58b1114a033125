"""The path layout of a fleet."""

from __future__ import annotations

from onboarding.domain.layout import LAYOUTS, FleetLayout
from onboarding.models import Fleet


def layout_of(fleet: Fleet) -> FleetLayout:
    """The path layout of a fleet: a built-in profile, or its own by configuration."""
    if fleet.layout_data:
        return FleetLayout.from_data(fleet.layout_data)
    return LAYOUTS[fleet.layout]
