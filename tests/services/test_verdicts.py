"""Verdicts of stored Applications: green only while something is heard, and since when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from onboarding.models import ApplicationStatus, Fleet, Hub
from onboarding.services.observing import verdicts
from tests.fakes import START

LATER = START + timedelta(seconds=60)
MUCH_LATER = START + verdicts.STALE_AFTER + timedelta(seconds=1)
FINISHED = START - timedelta(minutes=5)


def row(**values: object) -> ApplicationStatus:
    facts = {
        "operation_phase": "Succeeded",
        "operation_finished_at": FINISHED.isoformat(),
        "reconciled_at": START.isoformat(),
        "revisions": ["a" * 40],
        "operation_revisions": ["a" * 40],
    }
    said = {"name": "app", "sync": "Synced", "health": "Healthy", "facts": facts}
    return ApplicationStatus(first_seen_at=START, seen_at=START, **said | values)


def test_it_says_since_when_it_is_synced_and_healthy() -> None:
    app = row()
    assert verdicts.judge(app, now=LATER, heard_at=LATER)
    assert (app.verdict, app.synced_at, app.healthy_at) == ("healthy", FINISHED, LATER)
    assert not verdicts.judge(app, now=LATER + timedelta(seconds=5), heard_at=LATER)
    assert app.healthy_at == LATER


@pytest.mark.parametrize(
    ("heard_at", "is_known"), [(None, False), (START, False), (MUCH_LATER, True)]
)
def test_it_believes_an_old_row_only_while_the_watch_works(
    heard_at: object, is_known: bool
) -> None:
    app = row()
    verdicts.judge(app, now=MUCH_LATER, heard_at=heard_at)  # type: ignore[arg-type]
    assert (app.verdict == "healthy") is is_known
    silent = "Nothing was heard of it since 2026-03-02 09:00 UTC. It last said: Synced, Healthy."
    assert (app.reason == silent) is not is_known


def test_it_keeps_what_was_known_through_a_silence() -> None:
    app = row()
    verdicts.judge(app, now=LATER, heard_at=LATER)
    verdicts.judge(app, now=MUCH_LATER, heard_at=None)
    assert (app.verdict, app.synced_at, app.healthy_at) == ("stale", FINISHED, LATER)


def test_it_forgets_since_when_it_was_healthy_as_soon_as_it_is_not() -> None:
    app = row()
    verdicts.judge(app, now=LATER, heard_at=LATER)
    app.health, app.sync = "Degraded", "OutOfSync"
    assert verdicts.judge(app, now=LATER, heard_at=LATER)
    assert (app.synced_at, app.healthy_at) == (None, None)
    assert app.verdict != "healthy"


@pytest.mark.django_db
def test_it_saves_no_judgement_over_a_newer_event() -> None:
    hub = Hub.objects.create(fleet=Fleet.objects.create(name="fleet-a"), name="hub-a")
    kept, raced = (row(hub=hub, uid=uid, name=uid, resource_version="5") for uid in ("a", "b"))
    for app in (kept, raced):
        app.save()
        verdicts.judge(app, now=LATER, heard_at=LATER)
    ApplicationStatus.objects.filter(pk=raced.pk).update(resource_version="6", verdict="failed")
    verdicts.keep_judgements([kept, raced])
    assert dict(ApplicationStatus.objects.values_list("uid", "verdict")) == {
        "a": "healthy",
        "b": "failed",
    }


@pytest.mark.django_db
def test_it_saves_many_judgements_by_few_questions() -> None:
    hub = Hub.objects.create(fleet=Fleet.objects.create(name="fleet-silent"), name="hub-silent")
    made = [row(hub=hub, uid=f"app-{n}", name=f"app-{n}", resource_version="5") for n in range(60)]
    rows = ApplicationStatus.objects.bulk_create(made)
    for app in rows:
        verdicts.judge(app, now=MUCH_LATER, heard_at=None)
    with CaptureQueriesContext(connection) as captured:
        verdicts.keep_judgements(rows)
    assert len(captured) < 10  # SQLite takes them in parts
    assert set(ApplicationStatus.objects.values_list("verdict", flat=True)) == {"stale"}


@pytest.mark.django_db
def test_it_brings_back_no_application_that_is_gone() -> None:
    hub = Hub.objects.create(fleet=Fleet.objects.create(name="fleet-gone"), name="hub-gone")
    app = row(hub=hub, uid="gone", name="gone", resource_version="5")
    app.save()
    verdicts.judge(app, now=LATER, heard_at=LATER)
    ApplicationStatus.objects.filter(pk=app.pk).delete()
    verdicts.keep_judgements([app])
    assert not ApplicationStatus.objects.exists()


@pytest.mark.django_db
def test_it_judges_by_time_only_what_a_silent_hub_has_not_named_since() -> None:
    fleet = Fleet.objects.create(name="fleet-looked", repository_url="file:///srv/fleet.git")
    hub = Hub.objects.create(fleet=fleet, name="hub-looked")
    for name, seen_at in (("old", START), ("new", MUCH_LATER)):
        app = row(name=name, hub_id=hub.pk, uid=name, verdict="healthy")
        app.seen_at = seen_at
        app.save()
    for heard_at, names in ((None, ["old"]), (START, ["old"]), (MUCH_LATER, [])):
        found = verdicts.that_time_may_change(hub_id=hub.pk, now=MUCH_LATER, heard_at=heard_at)
        assert [app.name for app in found] == names


@pytest.mark.django_db
def test_it_finds_rows_among_many_values() -> None:
    fleet = Fleet.objects.create(name="fleet-many", repository_url="file:///srv/fleet.git")
    made = [Hub.objects.create(fleet=fleet, name=name) for name in ("hub-a", "hub-b", "hub-c")]
    assert set(Hub.objects.filter(name__among=["hub-a", "hub-c", "hub-d"])) == {made[0], made[2]}
    assert set(Hub.objects.filter(pk__among={made[1].pk: ""})) == {made[1]}
    assert set(Hub.objects.filter(name__among=["hub-a", None])) == {made[0]}
    assert not Hub.objects.filter(name__among=[])
