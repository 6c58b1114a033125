"""Numbers of clusters are counted once for many pages, and never outlive what they are of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from onboarding import wiring
from onboarding.models import Cluster, Fleet, Grant, HubWatch, Standing
from onboarding.services import indexing
from onboarding.services.observing import standings
from onboarding.services.observing.kept_counts import kept_counts
from tests.fakes import FakeClock
from tests.journey.conftest import HUB, Place, signed_in

COUNTS = re.compile(r"GROUP BY .*onboarding_standing|FROM .onboarding_standing. .*GROUP BY")


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeClock]:
    """A clock that stands, and counts that are kept as in an installation."""
    settings.COUNTS_KEPT_SECONDS = 30
    kept_counts.forget()
    found = FakeClock(datetime.now(UTC))
    monkeypatch.setattr(wiring, "clock", lambda: found)
    yield found
    kept_counts.forget()


def cluster(name: str, clock: FakeClock, *, tenant: str = "tenant1") -> Standing:
    """A cluster that is healthy by its row, looked at now."""
    fleet = Fleet.objects.get()
    row = Cluster.objects.create(
        fleet=fleet, path=f"m/{name}.yaml", hub_name=HUB, name=name, tenant=tenant
    )
    return Standing.objects.create(
        fleet=fleet, cluster=row, hub_name=HUB, name=name, tenant=tenant, state="healthy",
        computed_at=clock.now(),
    )  # fmt: skip


def counted(place: Place, path: str, who: str = "viewer") -> tuple[str, int]:
    """A page as text, and how often clusters were counted for it."""
    with CaptureQueriesContext(connection) as asked:
        page = place.get(who, path).content.decode()
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    return text, sum(bool(COUNTS.search(one["sql"])) for one in asked)


def test_pages_share_one_count_while_nothing_moves(place: Place, clock: FakeClock) -> None:
    cluster("spoke-a", clock)
    assert counted(place, "/clusters/")[1] == 1
    for path in ("/clusters/", "/", "/tenants/", "/tenants/tenant1/", "/releases/"):
        assert counted(place, path)[1] == 0, path
    assert "All 1 clusters are healthy" in counted(place, "/")[0]


def test_what_moved_is_counted_at_once(place: Place, clock: FakeClock) -> None:
    cluster("spoke-a", clock)
    HubWatch.objects.create(hub=Fleet.objects.get().hubs.get(), seen_at=clock.now())
    assert "All 1 clusters are healthy" in counted(place, "/")[0]
    standings.recompute(fleet=Fleet.objects.get(), clock=clock)
    said, count = counted(place, "/")
    assert "All 1 clusters are healthy" not in said, "no Application exists for it"
    assert count >= 1


def test_silence_is_stale_from_the_very_second_on_though_nothing_moved(
    place: Place, clock: FakeClock
) -> None:
    cluster("spoke-a", clock)
    clock.advance(100)
    assert "All 1 clusters are healthy" in counted(place, "/")[0]
    clock.advance(21)
    said = counted(place, "/")[0]
    assert "1 of 1 clusters needs a look: 1 stale" in said


def test_the_end_of_a_silence_is_counted_at_once(place: Place, clock: FakeClock) -> None:
    fleet = Fleet.objects.get()
    HubWatch.objects.create(hub=fleet.hubs.get(), seen_at=clock.now())
    cluster("spoke-a", clock)
    standings.recompute(fleet=fleet, clock=clock)
    before = Standing.objects.values("state", "sentence").get()
    clock.advance(180)
    assert "1 stale" in counted(place, "/")[0]
    HubWatch.objects.update(seen_at=clock.now())
    standings.recompute(fleet=fleet, clock=clock)
    assert Standing.objects.values("state", "sentence").get() == before, "nothing else changed"
    assert "1 stale" not in counted(place, "/")[0]


def test_each_sees_the_numbers_of_what_they_may_see(place: Place, clock: FakeClock) -> None:
    cluster("spoke-a", clock)
    cluster("spoke-b", clock, tenant="tenant2")
    assert "All 2 clusters are healthy" in counted(place, "/")[0]
    narrow = User.objects.create_user("narrow")
    Grant.objects.create(user=narrow, role="viewer", tenant="tenant2", granted_at=clock.now())
    place.clients["narrow"] = signed_in(narrow)
    assert "All 1 clusters are healthy" in counted(place, "/", "narrow")[0]
    assert "All 2 clusters are healthy" in counted(place, "/")[0]


def test_a_cluster_that_leaves_the_branch_is_not_counted_any_more(
    place: Place, clock: FakeClock
) -> None:
    fleet = Fleet.objects.get()
    row = cluster("spoke-a", clock)
    assert "All 1 clusters are healthy" in counted(place, "/")[0]
    repository = wiring.current_repository(fleet, max_age=0)
    indexing.index(fleet=fleet, repository=repository, clock=clock)
    assert not Standing.objects.filter(pk=row.pk).exists()
    assert "No clusters yet" in counted(place, "/")[0]
