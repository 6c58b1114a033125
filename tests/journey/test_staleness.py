"""Never falsely green: when nobody looks any more, every page says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onboarding.models import Cluster, Fleet, Standing
from tests.journey.conftest import HUB, Place


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def healthy(computed_at: datetime) -> Standing:
    """A cluster whose row said Healthy when it was computed."""
    fleet = Fleet.objects.get()
    cluster = Cluster.objects.create(
        fleet=fleet, path="m/spoke-a.yaml", hub_name=HUB, name="spoke-a", tenant="tenant1"
    )
    return Standing.objects.create(
        fleet=fleet,
        cluster=cluster,
        hub_name=HUB,
        name="spoke-a",
        tenant="tenant1",
        state="healthy",
        sentence="All 3 Applications are synced and healthy.",
        computed_at=computed_at,
    )


def test_it_shows_stale_where_nobody_recomputed_lately(place: Place) -> None:
    healthy(datetime.now(UTC) - timedelta(minutes=5))
    everywhere = ("/", "/clusters/", "/tenants/", "/search/?q=spoke-a")
    for path in everywhere:
        page = place.get("viewer", path).content.decode()
        assert "Stale" in page, path
        assert "Healthy" not in page, path
    counts = place.get("viewer", "/tenants/tenant1/").content.decode()
    assert "1 stale" in counts
    assert "1 healthy" not in counts
    assert "Healthy" not in counts
    assert b"spoke-a" in place.get("viewer", "/clusters/?state=stale").content
    assert b"/hub-cluster/spoke-a/" not in place.get("viewer", "/clusters/?state=healthy").content


def test_it_shows_healthy_while_it_is_fresh(place: Place) -> None:
    healthy(datetime.now(UTC))
    assert "Healthy" in place.get("viewer", "/clusters/").content.decode()
    assert b"/hub-cluster/spoke-a/" in place.get("viewer", "/clusters/?state=healthy").content
