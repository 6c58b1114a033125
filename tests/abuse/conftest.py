"""One fleet with its people, as the journeys have it."""

from __future__ import annotations

import pytest

from tests.journey.conftest import place

__all__ = ["place"]


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"
