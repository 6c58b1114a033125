"""Standings: one line for each cluster and each open registration, written only where something moved."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from onboarding.models import (
    ApplicationStatus,
    Change,
    Cluster,
    ClusterStatus,
    HubObject,
    HubWatch,
    Standing,
)
from onboarding.ports import HubKind
from onboarding.services.observing import pulses, standings, stories
from onboarding.services.observing.hub_view import HubView
from onboarding.services.observing.observation_rows import REGISTRATION
from onboarding.views.standing_rows import row_of
from tests.stage import Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def cluster(stage: Stage, name: str = "spoke-a") -> Cluster:
    return Cluster.objects.create(
        fleet=stage.fleet,
        path=f"members/{name}.yaml",
        hub_name="hub-a",
        name=name,
        tenant="team-a",
        labels={
            "addonsRelease": {"value": "default", "layer": "system"},
            "enable_x": {"value": "true", "layer": "cluster"},
        },
    )


def application(stage: Stage, name: str, **values: object) -> ApplicationStatus:
    now = stage.clock.now()
    row = {"cluster_name": "spoke-a", "sync": "Synced", "verdict": "healthy", "synced_at": now}
    row |= {"first_seen_at": now, "seen_at": now, "healthy_at": now}
    return ApplicationStatus.objects.create(hub=stage.hub, uid=name, name=name, **row | values)


def recompute(stage: Stage) -> int:
    return standings.recompute(fleet=stage.fleet, clock=stage.clock)


def test_it_counts_the_applications_of_a_cluster(stage: Stage) -> None:
    cluster(stage)
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    application(stage, "one")
    application(stage, "two", verdict="failed", sync="OutOfSync", synced_at=None)
    application(stage, "others", cluster_name="spoke-b")
    application(stage, f"{REGISTRATION}spoke-a", cluster_name="hub-a")
    assert recompute(stage) == 1
    row = Standing.objects.get()
    assert (row.applications, row.synced, row.healthy) == (2, 1, 1)
    application(stage, "three", verdict="degraded", health="Degraded")
    recompute(stage)
    row.refresh_from_db()
    assert (row.applications, row.synced) == (3, 2)
    assert row_of(row, stage.clock.now()).healthy == 1, (
        "the list counts the healthy, as its sentence does"
    )
    assert (row.tenant, row.overrides) == ("team-a", ["enable_x"])


def test_it_counts_nothing_as_synced_by_a_word_that_may_be_old(stage: Stage) -> None:
    cluster(stage)
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    application(stage, "compared")
    application(stage, "stale", verdict="stale")
    application(stage, "moved", verdict="progressing", synced_at=None)
    recompute(stage)
    assert Standing.objects.get().synced == 1


def test_it_tells_one_cluster_from_its_own_rows_as_from_the_whole_hubs(stage: Stage) -> None:
    mine, now = cluster(stage), stage.clock.now()
    HubWatch.objects.create(hub=stage.hub, seen_at=now)
    for name in ("spoke-a", "spoke-b", "spoke-c"):
        server = "https://c.example" if name == "spoke-c" else "https://shared.example"
        ClusterStatus.objects.create(
            hub=stage.hub,
            name=name,
            server=server,
            labels={"addonsRelease": "default"},
            first_seen_at=now,
            seen_at=now,
        )
        application(stage, f"app-{name}", cluster_name=name)
        application(stage, f"{REGISTRATION}{name}", cluster_name="hub-a")
        secret(stage, f"cluster-{name}")
    everyone = ["spoke-a", "spoke-b", "spoke-c"]
    whole, narrow = (HubView(stage.hub, only=names) for names in (everyone, ["spoke-a"]))
    assert set(narrow.applications) == {"spoke-a"} < set(whole.applications)
    assert set(narrow.registrations) == {"spoke-a"}
    assert set(narrow.external_secrets) == {"cluster-spoke-a"}
    assert narrow.servers["https://shared.example"] == ["spoke-a", "spoke-b"]
    told = [
        stories.tell(cluster=mine, change=None, delivery=None, seen=seen, now=now, hub_told=False)
        for seen in (whole, narrow)
    ]
    assert told[0] == told[1]
    assert told[0] == stories.story(cluster=mine, change=None, hub=stage.hub, clock=stage.clock)


def registered(stage: Stage, name: str = "spoke-a", server: str = "https://a.example") -> None:
    now = stage.clock.now()
    labels = {"addonsRelease": "default", "enable_x": "true"}
    ClusterStatus.objects.create(
        hub=stage.hub, name=name, server=server, labels=labels, first_seen_at=now, seen_at=now
    )


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("RenderTemplateParamsError", "failed"),
        ("ApplicationGenerationFromParamsError", "failed"),
        # Argo CD makes and changes all others of the set after these.
        ("ApplicationValidationError", "healthy"),
        ("UpdateApplicationError", "healthy"),
    ],
)
def test_it_is_not_well_while_a_set_cannot_change_its_applications_any_more(
    stage: Stage, reason: str, state: str
) -> None:
    """The set broke after it had made them: they stay Synced and Healthy with what it wanted before."""
    cluster(stage)
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    registered(stage)
    application(stage, "dns-spoke-a", application_set="dns")
    generators = [{"clusters": {"selector": {"matchLabels": {"enable_x": "true"}}}}]
    HubObject.objects.create(
        hub=stage.hub,
        kind=HubKind.APPLICATION_SETS.value,
        uid="dns",
        name="dns",
        facts={"spec": {"generators": generators}, "reason": reason},
        ready=False,
        message="template: no such key",
        seen_at=stage.clock.now(),
    )
    recompute(stage)
    row = Standing.objects.get()
    assert row.state == state
    assert ("dns selects it and cannot make or change its Application" in row.sentence) == (
        state == "failed"
    )


def test_it_takes_none_of_two_clusters_of_one_name_for_the_one_of_git(stage: Stage) -> None:
    cluster(stage)
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    application(stage, "dns-spoke-a")
    for server in ("https://a.example", "https://b.example"):
        registered(stage, server=server)
    recompute(stage)
    row = Standing.objects.get()
    assert row.state == "failed"
    assert "https://a.example, https://b.example" in row.sentence


def test_it_is_not_well_without_its_cluster_secret(stage: Stage) -> None:
    """Argo CD's own words stand until it looks again: Synced and Healthy of a cluster it does not know."""
    cluster(stage)
    now = stage.clock.now()
    HubWatch.objects.create(hub=stage.hub, seen_at=now, clusters_seen_at=now)
    application(stage, "dns-spoke-a", first_seen_at=now - timedelta(hours=1))
    recompute(stage)
    row = Standing.objects.get()
    assert row.state == "failed"
    assert "its cluster secret is gone" in row.sentence


def secret(stage: Stage, name: str) -> None:
    HubObject.objects.create(
        hub=stage.hub,
        kind=HubKind.EXTERNAL_SECRETS.value,
        uid=name,
        name=name,
        ready=True,
        seen_at=stage.clock.now(),
    )


def test_it_counts_nothing_that_nobody_looked_at(stage: Stage) -> None:
    cluster(stage)
    application(stage, "one")
    recompute(stage)
    row = Standing.objects.get()
    assert (row.applications, row.synced, row.counts, row.seen_at) == (0, 0, {}, None)


def test_it_writes_what_changed_and_only_marks_what_did_not(stage: Stage) -> None:
    moving, still = cluster(stage), cluster(stage, "spoke-b")
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    recompute(stage)
    before = {row.name: row for row in Standing.objects.all()}
    stage.clock.advance(10)
    application(stage, "one")
    Cluster.objects.filter(pk=moving.pk).update(tenant="team-b")
    recompute(stage)
    after = {row.name: row for row in Standing.objects.all()}
    assert {name: row.pk for name, row in after.items()} == {
        name: row.pk for name, row in before.items()
    }
    assert (after["spoke-a"].tenant, after["spoke-a"].applications) == ("team-b", 1)
    assert (after[still.name].tenant, after[still.name].since) == (
        "team-a",
        stage.clock.now() - timedelta(seconds=10),
    )
    assert {row.computed_at for row in after.values()} == {stage.clock.now()}


def test_it_asks_as_much_of_the_database_for_many_clusters_as_for_one(stage: Stage) -> None:
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    for name in ("spoke-a", "spoke-b", "spoke-c"):
        cluster(stage, name)
        application(stage, name, cluster_name=name)
    recompute(stage)
    asked = []
    for names in (["spoke-a"], ["spoke-a", "spoke-b", "spoke-c"]):
        ApplicationStatus.objects.filter(cluster_name__in=names).update(verdict="failed")
        Standing.objects.update(sentence="Something else.")
        with CaptureQueriesContext(connection) as questions:
            standings.follow(fleet=stage.fleet, hub_name="hub-a", names=names, clock=stage.clock)
        assert not Standing.objects.filter(name__in=names, sentence="Something else.").exists()
        asked.append(len(questions))
    assert asked[0] == asked[1]


def test_it_never_puts_what_it_read_before_over_what_another_process_wrote_meanwhile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(stage)
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    recompute(stage)
    write, overtaken = standings._write, []

    def write_late(*arguments: object) -> object:
        if not overtaken:
            overtaken.append(True)
            application(stage, "two")
            stage.clock.advance(1)
            recompute(stage)
        return write(*arguments)

    application(stage, "one")
    monkeypatch.setattr(standings, "_write", write_late)
    stage.clock.advance(10)
    recompute(stage)
    assert Standing.objects.get().applications == 2


def test_it_does_not_confirm_what_another_process_wrote_meanwhile_of_older_facts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(stage)
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    application(stage, "one")
    recompute(stage)
    write, overtaken = standings._write, []

    def write_late(*arguments: object) -> object:
        if not overtaken:
            overtaken.append(True)
            older = stage.clock.now() - timedelta(seconds=1)
            Standing.objects.update(applications=0, state="degraded", computed_at=older)
        return write(*arguments)

    before = Standing.objects.values("applications", "state").get()
    assert before == {"applications": 1, "state": "healthy"}
    monkeypatch.setattr(standings, "_write", write_late)
    stage.clock.advance(10)
    recompute(stage)
    assert Standing.objects.values("applications", "state").get() == before


def test_it_says_that_it_moved_only_where_something_is_otherwise_than_it_was(stage: Stage) -> None:
    cluster(stage)
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    recompute(stage)
    first = pulses.numbers()
    recompute(stage)
    assert pulses.numbers() == first
    application(stage, "one")
    recompute(stage)
    assert pulses.numbers() != first


def test_it_has_a_line_for_a_cluster_that_is_only_asked_for(stage: Stage) -> None:
    change = stage.submitted("spoke-a")
    assert recompute(stage) == 1
    row = Standing.objects.get()
    assert (row.cluster, row.change, row.name, row.stage) == (None, change, "spoke-a", "approved")
    Change.objects.update(state="rejected", settled_at=stage.clock.now())
    assert recompute(stage) == 0
    assert not Standing.objects.exists()


def test_it_never_shows_a_draft(stage: Stage) -> None:
    stage.submitted("spoke-a")
    Change.objects.update(state="draft")
    assert recompute(stage) == 0


def test_it_forgets_a_cluster_that_is_gone_from_git(stage: Stage) -> None:
    cluster(stage)
    gone = cluster(stage, "spoke-b")
    assert recompute(stage) == 2
    gone.delete()
    assert recompute(stage) == 1
    assert Standing.objects.get().name == "spoke-a"


def test_it_links_the_newest_open_change_of_a_member(stage: Stage) -> None:
    cluster(stage)
    change = Change.objects.create(
        fleet=stage.fleet,
        hub=stage.hub,
        kind="edit",
        cluster_name="spoke-a",
        state="submitted",
        requester=stage.requester,
    )
    recompute(stage)
    assert Standing.objects.get().change == change
    Change.objects.update(state="withdrawn", settled_at=stage.clock.now())
    recompute(stage)
    assert Standing.objects.get().change is None


@pytest.mark.parametrize(
    ("created", "seconds"),
    [("2026-03-02T08:00:00Z", -3600), ("2026-03-02T10:00:00Z", 0), ("yesterday", 0), (None, 0)],
)
def test_it_believes_the_hub_when_an_application_was_made(
    stage: Stage, created: str | None, seconds: int
) -> None:
    """Never later than it was first seen, whatever the hub says."""
    row = application(stage, "one", facts={"created_at": created} if created else {})
    seen = HubView(stage.hub, only=["spoke-a"]).applications["spoke-a"]
    assert [one.name for one in seen] == [row.name]
    assert stories._made_at(seen[0]) == stage.clock.now() + timedelta(seconds=seconds)


def test_it_offers_the_stages_in_their_order(stage: Stage, client) -> None:  # type: ignore[no-untyped-def]
    now = stage.clock.now()
    for stage_name in ("synced", "approved", "noticed", "", "committed"):
        Standing.objects.create(
            fleet=stage.fleet,
            hub_name="hub-a",
            name=f"spoke-{stage_name or 'done'}",
            state="healthy",
            stage=stage_name,
            computed_at=now,
        )
    client.force_login(stage.requester)
    answer = client.get("/clusters/")
    facets = {facet.name: facet for facet in answer.context["page"].listing.facets}
    assert [option.value for option in facets["stage"].options] == [
        "approved",
        "committed",
        "noticed",
        "synced",
    ]


def test_it_brings_up_only_the_clusters_that_are_named(stage: Stage) -> None:
    cluster(stage)
    cluster(stage, "spoke-b")
    HubWatch.objects.create(hub=stage.hub, seen_at=stage.clock.now())
    assert recompute(stage) == 2
    before = stage.clock.now()
    stage.clock.advance(10)
    application(stage, "one")
    found = standings.follow(
        fleet=stage.fleet, hub_name="hub-a", names=["spoke-a", "unknown"], clock=stage.clock
    )
    assert found == 1
    rows = {row.name: row for row in Standing.objects.all()}
    assert (rows["spoke-a"].applications, rows["spoke-a"].computed_at) == (1, stage.clock.now())
    assert rows["spoke-b"].computed_at == before


def test_it_removes_a_named_cluster_that_is_gone(stage: Stage) -> None:
    gone = cluster(stage)
    recompute(stage)
    Standing.objects.update(cluster=None)
    gone.delete()
    standings.follow(fleet=stage.fleet, hub_name="hub-a", names=["spoke-a"], clock=stage.clock)
    assert not Standing.objects.exists()


def test_it_keeps_one_row_of_a_registration_that_two_processes_wrote(stage: Stage) -> None:
    stage.submitted("spoke-new")
    assert recompute(stage) == 1
    row = Standing.objects.get()
    row.pk = None
    row.save()
    assert recompute(stage) == 1
    assert Standing.objects.count() == 1


def test_it_looks_at_all_clusters_of_a_large_fleet_less_often(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "_CLUSTERS_PER_SECOND", 1 / 20)
    stage.submitted("spoke-new")
    cluster(stage)

    def keep_up() -> int:
        return standings.keep_up(fleet=stage.fleet, clock=stage.clock)

    assert keep_up() == 2
    stage.clock.advance(2)
    assert keep_up() == 1, "what is asked for"
    cluster(stage, "spoke-b")
    assert keep_up() == 2, "and what is new in Git"
    stage.clock.advance(600)
    assert keep_up() == 3


def test_it_looks_at_all_clusters_of_a_small_fleet_each_time(stage: Stage) -> None:
    cluster(stage)
    for _ in range(3):
        assert standings.keep_up(fleet=stage.fleet, clock=stage.clock) == 1
        stage.clock.advance(2)


@pytest.mark.parametrize(
    ("read_after", "before", "after"),
    [(29, 0, 0), (29, 4, 4), (31, 0, 1), (31, 4, 1)],
)
def test_it_counts_no_drift_while_the_hub_still_follows_a_commit(
    stage: Stage, read_after: int, before: int, after: int
) -> None:
    moved = stage.clock.now()
    stage.fleet.moved_at = moved
    stage.fleet.save(update_fields=["moved_at"])
    cluster(stage)
    HubWatch.objects.create(
        hub=stage.hub, seen_at=moved, clusters_seen_at=moved + timedelta(seconds=read_after)
    )
    ClusterStatus.objects.create(
        hub=stage.hub,
        name="spoke-a",
        server="https://a.example",
        labels={"addonsRelease": "release1", "enable_x": "true"},
        first_seen_at=moved,
        seen_at=moved,
    )
    recompute(stage)
    Standing.objects.update(drift=before)
    recompute(stage)
    assert Standing.objects.get().drift == after
