"""The layout of a fleet: a built-in profile by name, or one of its own."""

from __future__ import annotations

import pytest

from onboarding.domain.layout import LAYOUTS
from onboarding.models import Fleet
from onboarding.services.layouts import layout_in, layout_of
from tests.fakes import MemorySnapshot


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_it_finds_a_built_in_profile_by_its_name(name: str) -> None:
    assert layout_of(Fleet(layout=name)) is LAYOUTS[name]


def test_it_prefers_the_fleets_own_layout() -> None:
    own = LAYOUTS["environments"].to_data() | {"name": "ours"}
    assert layout_of(Fleet(layout="tenants", layout_data=own)).name == "ours"


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_it_reads_the_profile_out_of_the_repositorys_own_list(name: str) -> None:
    lines = "".join(f"    - '{layer.pattern}'\n" for layer in LAYOUTS[name].layers)
    text = f"layout:\n  valueFiles:\n{lines}"
    assert layout_in(MemorySnapshot.of({"addons/bootstrap/layout.yaml": text})) is LAYOUTS[name]


@pytest.mark.parametrize(
    "text", ["a: [", "just text", "layout: []", "layout: {valueFiles: [x]}", ""]
)
def test_it_takes_the_first_profile_where_the_list_says_nothing(text: str) -> None:
    found = layout_in(MemorySnapshot.of({"addons/bootstrap/layout.yaml": text}))
    assert found is next(iter(LAYOUTS.values()))
