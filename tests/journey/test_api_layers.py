"""The edit of a shared layer, which people ask for, as programs read it."""

from __future__ import annotations

import pytest

from tests.journey.conftest import HUB, Place
from tests.journey.test_api import errors, program, told
from tests.journey.test_layers import TENANT, approve, asked, typed
from tests.journey.test_tenants import register


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def test_it_tells_every_cluster_that_moves_and_ends_in_git(place: Place) -> None:
    register(place, ["spoke-a", "spoke-b"])
    change = asked(place, typed(**{"externalSecret.labels.team": "blue"}))
    caller = program()
    plan = told(caller.get(f"/api/v1/changes/{change.pk}/plan"))
    assert plan["moves"] == [
        {"hub": HUB, "cluster": "spoke-a"},
        {"hub": HUB, "cluster": "spoke-b"},
    ]
    assert [one["path"] for one in plan["files"]] == [TENANT]
    approve(place, change)
    found = told(caller.get(f"/api/v1/changes/{change.pk}/wait", until="committed", timeout=0))
    assert (found["reached"], found["change"]["kind"]) == (True, "layer")
    assert (found["change"]["hub"], found["change"]["cluster_state"]) == ("", None)
    never = caller.get(f"/api/v1/changes/{change.pk}/wait", until="healthy", timeout=0)
    assert errors(never) == {"until": "impossible"}
