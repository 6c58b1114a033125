"""The layout of a fleet: a built-in profile by name, or one of its own."""

from __future__ import annotations

import pytest

from onboarding.domain.layout import LAYOUTS
from onboarding.models import Fleet
from onboarding.services.layouts import layout_of


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_it_finds_a_built_in_profile_by_its_name(name: str) -> None:
    assert layout_of(Fleet(layout=name)) is LAYOUTS[name]


def test_it_prefers_the_fleets_own_layout() -> None:
    own = LAYOUTS["environments"].to_data() | {"name": "ours"}
    assert layout_of(Fleet(layout="tenants", layout_data=own)).name == "ours"
