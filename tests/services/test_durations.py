"""Durations of onboardings: written down once, as they are reached, and never after the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.progress import Facts, Timeline, timeline
from onboarding.domain.stages import ExternalSecretFacts, Stage
from onboarding.domain.sync import Verdict, VerdictState, rollup
from onboarding.models import Change, Cluster, HubWatch, Onboarding
from onboarding.services.observing import durations, standings, stories
from tests.stage import Stage as Fleet

pytestmark = pytest.mark.django_db


def told(stage: Fleet, *, until: int, ago: int = 0) -> Timeline:
    """A way on which so many of the eight stages were reached, each ten seconds after the last."""
    now = stage.clock.now() - timedelta(seconds=ago)
    at = [now + timedelta(seconds=10 * number) for number in range(8)]
    healthy = rollup([Verdict(VerdictState.HEALTHY, "", synced=True)])
    facts = {
        "decision": DecisionState.APPROVED,
        "submitted_at": now - timedelta(seconds=10),
        "approved_at": at[0],
        "in_git": True,
        "committed_at": at[1],
        "hub_seen_at": stage.clock.now(),
        "noticed_at": at[2],
        "external_secret": ExternalSecretFacts(ready=True, at=at[3]),
        "registered_at": at[4],
        "matched": 1,
        "matched_at": at[5],
        "applications": healthy,
        "synced_at": at[6],
        "healthy_at": at[7],
    }
    whole = Facts(**facts)  # type: ignore[arg-type]
    if until < 8:
        whole = replace(whole, applications=None, synced_at=None, healthy_at=None)
    if until < 4:
        whole = replace(whole, external_secret=None, registered_at=None, matched=None)
    return timeline(whole, now=stage.clock.now())


def record(stage: Fleet, change: Change, story: Timeline) -> int:
    return durations.record(
        fleet=stage.fleet, told=[durations.Told(change, story)], now=stage.clock.now()
    )


def test_it_writes_a_stage_down_when_it_is_reached_and_once(stage: Fleet) -> None:
    change = stage.approved("spoke-a")
    assert record(stage, change, told(stage, until=3)) == 1
    row = Onboarding.objects.get()
    assert (row.approved, row.committed, row.noticed, row.secret) == (10, 10, 10, None)
    assert record(stage, change, told(stage, until=3)) == 0
    assert record(stage, change, told(stage, until=8)) == 1
    row.refresh_from_db()
    assert (row.secret, row.healthy) == (10, 10)
    assert row.finished_at is not None


def test_it_never_touches_a_finished_one(stage: Fleet) -> None:
    change = stage.approved("spoke-a")
    record(stage, change, told(stage, until=8))
    before = Onboarding.objects.values().get()
    Onboarding.objects.update(synced=None)
    assert record(stage, change, told(stage, until=8)) == 0
    assert Onboarding.objects.values().get() == before | {"synced": None}


def test_it_begins_none_that_was_asked_for_long_ago(stage: Fleet) -> None:
    change = stage.approved("spoke-a")
    stage.clock.advance(2 * 86400)
    assert record(stage, change, told(stage, until=8)) == 0
    assert not Onboarding.objects.exists()


def test_it_goes_on_with_one_that_waited_for_long(stage: Fleet) -> None:
    change = stage.approved("spoke-a")
    record(stage, change, told(stage, until=3))
    stage.clock.advance(9 * 86400)
    assert record(stage, change, told(stage, until=8)) == 1


def test_it_is_usual_what_the_newest_took(stage: Fleet, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    change = stage.approved("spoke-a")
    rows = [
        Change(fleet=stage.fleet, hub=stage.hub, cluster_name=f"s-{n}", requester=stage.requester)
        for n in range(durations.REMEMBERED + 9)
    ]
    Change.objects.bulk_create(rows)
    begun = stage.clock.now()
    Onboarding.objects.bulk_create(
        Onboarding(
            fleet=stage.fleet,
            change=row,
            begun_at=begun + timedelta(seconds=number),
            secret=500 if number < 9 else 7,
        )
        for number, row in enumerate(rows)
    )
    with django_assert_num_queries(1):
        found = durations.usual(stage.fleet)
    assert found == {Stage.SECRET: timedelta(seconds=7)}
    assert len(durations.recent(stage.fleet)) == durations.REMEMBERED
    cluster = Cluster.objects.create(fleet=stage.fleet, path="p", hub_name="hub-a", name="spoke-a")
    story = stories.story(cluster=cluster, change=change, hub=stage.hub, clock=stage.clock)
    assert story.timeline.step(Stage.SECRET).usual == timedelta(seconds=7)
    assert story.timeline.step(Stage.SYNCED).usual is None


def test_it_does_not_count_a_clusters_own_way_as_what_is_usual(stage: Fleet) -> None:
    change = stage.approved("spoke-a")
    record(stage, change, told(stage, until=8))
    assert Stage.SYNCED in durations.usual(stage.fleet)
    assert durations.usual(stage.fleet, besides=change) == {}


def test_it_is_written_when_the_standings_are_brought_up_to_date(stage: Fleet) -> None:
    change = stage.approved("spoke-a")
    stage.deliver()
    Cluster.objects.create(fleet=stage.fleet, path="p", hub_name="hub-a", name="spoke-a")
    Cluster.objects.create(fleet=stage.fleet, path="q", hub_name="hub-a", name="adopted")
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    standings.recompute(fleet=stage.fleet, clock=stage.clock)
    row = Onboarding.objects.get()
    assert (row.change, row.fleet) == (change, stage.fleet)
    assert row.approved == 1
    assert row.committed is not None
    assert row.noticed is None
