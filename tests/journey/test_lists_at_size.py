"""Every list asks the database as often for two hundred rows as for ten, and not often."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from onboarding import wiring
from onboarding.models import (
    ApplicationStatus,
    Change,
    Cluster,
    Delivery,
    Fleet,
    Hub,
    HubWatch,
    Participant,
    Standing,
)
from onboarding.services.observing import standings
from tests.fakes import MemoryRemote, MemoryRepository
from tests.journey import reading
from tests.journey.conftest import people, signed_in

pytestmark = pytest.mark.django_db

# What each page may ask, signing in and frame included; the number of rows is not in it.
BUDGETS = {
    "/": 40,
    "/clusters/": 24,
    "/clusters/?state=healthy&tenant=tenant-0&q=spoke&sort=-applications": 24,
    "/clusters/?page=3": 24,
    "/clusters/?drift=labels&cause=none": 24,
    "/clusters/export.csv": 10,
    "/applications/": 14,
    "/applications/?q=spoke&component=x&sort=-seen": 14,
    "/applications/?page=2": 14,
    "/applications/export.json": 14,
    "/changes/?inbox=all": 19,  # three of them: how far each one's approvals are
    "/changes/?inbox=me": 18,
    "/search/?q=spoke": 14,
    "/tenants/": 24,
    "/tenants/tenant-0/": 18,
    "/lint/": 14,
    "/releases/": 14,
}
FILES = {
    "fleet/bootstrap/versions/applicationSets.yaml": (
        "releases:\n  addons:\n"
        + "".join(f"    - {{type: channel-{n}, version: '1.{n}'}}\n" for n in range(20))
    ),
}


def fill(fleet: Fleet, hub: Hub, count: int) -> None:
    """So many clusters with their Applications and changes, on one watched hub."""
    now = wiring.clock().now()
    requester = people()[0]
    HubWatch.objects.update_or_create(hub=hub, defaults={"seen_at": now})
    names = [f"spoke-{number:03}" for number in range(count)]
    clusters = Cluster.objects.bulk_create(
        Cluster(
            fleet=fleet,
            path=f"fleet/fleet-bootstrap/fleet-members/{hub.name}/{name}.yaml",
            hub_name=hub.name,
            name=name,
            tenant=f"tenant-{number // 10}",
            environment="dev",
            model="centralized",
            addons_release=f"channel-{number // 10}",
            labels={"a": {"value": "1", "layer": "system", "path": "p", "line": 1, "shadowed": []}},
        )
        for number, name in enumerate(names)
    )
    ApplicationStatus.objects.bulk_create(
        ApplicationStatus(
            hub=hub,
            uid=f"{kind}-{name}",
            name=f"{kind}-{name}",
            cluster_name=name,
            sync="Synced",
            health="Healthy",
            verdict="healthy",
            first_seen_at=now,
            seen_at=now,
        )
        for name in names
        for kind in ("cluster-info", "metrics-server")
    )
    asked = Change.objects.bulk_create(
        Change(
            fleet=fleet,
            hub=hub,
            kind="edit",
            cluster_name=name,
            tenant="tenant-1",
            environment="dev",
            state="submitted" if number % 2 else "approved",
            submitted_at=now,
            requester=requester,
        )
        for number, name in enumerate(names)
    )
    Participant.objects.bulk_create(
        Participant(change=change, user=requester, role="author") for change in asked
    )
    Delivery.objects.bulk_create(
        Delivery(change=change, fleet=fleet, digest="d", state="queued", queued_at=now, due_at=now)
        for change in asked
        if change.state == "approved"
    )
    assert standings.recompute(fleet=fleet, clock=wiring.clock()) == len(clusters)


@pytest.fixture
def count_queries(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], dict[str, int]]:
    """Queries of each page with so many rows, as an approver."""

    repository = MemoryRepository(MemoryRemote(FILES))
    repository.fetch()
    monkeypatch.setattr(wiring, "current_repository", lambda fleet, **_: repository)

    def count(rows: int) -> dict[str, int]:
        for model in (Delivery, Participant, Standing, Change, ApplicationStatus, Cluster):
            model.objects.all().delete()
        Hub.objects.all().delete()
        Fleet.objects.all().delete()
        User.objects.all().delete()
        fleet = Fleet.objects.create(name="platform", repository_url="https://git.example.com/f")
        hub = Hub.objects.create(fleet=fleet, name="hub-a")
        fill(fleet, hub, rows)
        client = signed_in(User.objects.get(username="approver"))
        return {path: _queries(client, path, rows) for path in BUDGETS}

    return count


def _queries(client: Client, path: str, rows: int) -> int:
    client.get(path)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
        if answer.streaming:
            b"".join(answer)
    assert answer.status_code == 200, path
    if path == "/clusters/":
        assert f"{rows} clusters" in reading.words(answer)  # type: ignore[arg-type]
    return len(captured)


def test_facets_and_tenants_stand_in_the_order_in_which_people_count(
    count_queries: Callable[[int], dict[str, int]],
) -> None:
    count_queries(120)
    client = signed_in(User.objects.get(username="viewer"))
    wanted = [f"tenant-{number}" for number in range(12)]
    facets = {one.name: one for one in client.get("/clusters/").context["page"].listing.facets}
    assert [option.value for option in facets["tenant"].options] == wanted
    rows = client.get("/tenants/").context["page"].rows
    assert [row.name for row in rows] == wanted
    (shown,) = (one for one in client.get("/").context["page"].breakdowns if one.title == "Tenants")
    assert [row.label for row in shown.rows] == wanted[: len(shown.rows)]


def test_it_asks_no_more_for_more_rows(count_queries: Callable[[int], dict[str, int]]) -> None:
    few, many = count_queries(10), count_queries(200)
    assert many == few
    too_many = {path: many[path] for path, most in BUDGETS.items() if many[path] > most}
    assert too_many == {}
