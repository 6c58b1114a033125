"""The clock of credentials on the pages: what was rotated and not picked up stands out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from onboarding import tasks, wiring
from onboarding.domain.credentials import SecretPresence
from onboarding.models import Cluster, ClusterStatus, Fleet, Hub, HubObject, HubWatch, Standing
from onboarding.ports import HubKind
from onboarding.services.observing import observation_rows
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import Place
from tests.journey.test_registration import MEMBER, MEMBER_PATH

PAGE = "/clusters/hub-cluster/spoke-a/"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def now(place: Place) -> datetime:
    """A registered cluster whose hub is seen."""
    repositories.commit(place.bare, {MEMBER_PATH: MEMBER})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    HubWatch.objects.create(hub=Hub.objects.get(), seen_at=wiring.clock().now())
    return wiring.clock().now()


def text(place: Place, path: str) -> str:
    """What a viewer reads there."""
    part = "cluster-detail-part" if path == PAGE else "cluster-list-part"
    return reading.text(place.get("viewer", path), part)


def seen(
    now: datetime,
    *,
    presence: SecretPresence = SecretPresence.PRESENT,
    detail: str = "",
    changed: timedelta = timedelta(days=3),
) -> None:
    """What the hub and AWS say: fetched 20 minutes ago, asked for a minute ago."""
    hub = Hub.objects.get()
    moment = (now - timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    item = {
        "metadata": {"name": "cluster-spoke-a", "uid": "es-1", "resourceVersion": "7"},
        "spec": {
            "refreshInterval": "1h",
            "data": [{"remoteRef": {"key": "fleet/spoke-a", "property": "config"}}],
        },
        "status": {
            "refreshTime": moment,
            "syncedResourceVersion": "1-abc",
            "conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced"}],
        },
    }
    context = observation_rows.Context(hub.pk, HubKind.EXTERNAL_SECRETS, 1, now)
    observation_rows.store(context, [item], ordered=False)
    HubObject.objects.update(
        presence=presence.value,
        presence_detail=detail,
        presence_at=now - timedelta(minutes=1),
        version="v1",
        version_at=now - changed,
    )
    ClusterStatus.objects.create(
        hub=hub,
        name="spoke-a",
        server="https://a.example",
        connection="Successful",
        connected_at=now,
        first_seen_at=now,
        seen_at=now,
    )
    tasks.refresh_standings()


def test_it_shows_when_the_secret_changed_and_when_it_was_fetched(
    place: Place, now: datetime
) -> None:
    seen(now)

    said = text(place, PAGE)

    assert "The hub has fetched its newest version." in said
    assert "Changed in AWS 3 d" in said
    assert "fetched by the hub 20 min" in said
    assert "connection Successful" in said
    assert Standing.objects.get().credentials == "current"
    assert "Rotated" not in text(place, "/clusters/")


def test_it_lists_what_was_rotated_and_not_picked_up(
    place: Place,
    now: datetime,
    django_assert_max_num_queries,  # type: ignore[no-untyped-def]
) -> None:
    seen(now, changed=timedelta(minutes=5))

    said = text(place, PAGE)
    assert "Rotated, not picked up" in said
    assert "looks again in 40 minutes" in said
    with django_assert_max_num_queries(25):
        listed = place.get("viewer", "/clusters/?credentials=rotated")
    assert "spoke-a" in reading.text(listed, "cluster-list-part")
    assert "No cluster matches" in text(place, "/clusters/?credentials=current")
    assert b",rotated," in b"".join(place.get("viewer", "/clusters/export.csv").streaming_content)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("presence", "detail", "state"),
    [
        (SecretPresence.PENDING_DELETION, "It is scheduled for deletion.", "deleting"),
        (SecretPresence.DENIED, "Allow secretsmanager:DescribeSecret to its identity.", "denied"),
        (SecretPresence.THROTTLED, "AWS is asked too often just now.", "throttled"),
        (SecretPresence.ABSENT, "There is no secret fleet/spoke-a.", "missing"),
    ],
)
def test_it_says_plainly_what_aws_said(
    place: Place, now: datetime, presence: SecretPresence, detail: str, state: str
) -> None:
    seen(now, presence=presence, detail=detail)

    assert detail in text(place, PAGE)
    assert Standing.objects.get().credentials == state
    assert Cluster.objects.get().name in text(place, f"/clusters/?credentials={state}")


def test_it_takes_no_old_line_for_well(place: Place, now: datetime) -> None:
    seen(now)
    Standing.objects.update(computed_at=now - timedelta(minutes=10))

    assert "No cluster matches" in text(place, "/clusters/?credentials=current")
    assert "spoke-a" in text(place, "/clusters/?credentials=unknown")
