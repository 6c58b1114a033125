"""The overview: its numbers agree with each other, and each is the length of the list it leads to."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime

import pytest

from onboarding import tasks
from onboarding.models import (
    Change,
    Delivery,
    Fleet,
    Hub,
    HubWatch,
    Onboarding,
    Rollout,
    Standing,
)
from tests.journey import reading
from tests.journey.conftest import HUB, Place


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def asked(place: Place) -> Change:
    """A fleet with three clusters in Git and one that waits for approval, beside another fleet."""
    now = datetime.now(UTC)
    place.post("requester", "/clusters/register/", place.form("spoke-b"))
    fleet, change = Fleet.objects.get(), Change.objects.get()
    tasks.refresh_standings()
    for name, state in (("spoke-a", "healthy"), ("spoke-c", "degraded"), ("spoke-d", "degraded")):
        Standing.objects.create(
            fleet=fleet,
            cluster=fleet.clusters.create(path=f"m/{name}.yaml", hub_name=HUB, name=name),
            hub_name=HUB,
            name=name,
            state=state,
            addons_release="default",
            seen_at=now,
            computed_at=now,
        )
    delivered(fleet, change, "failed")
    other = Fleet.objects.create(name="zoo", repository_url="https://git.example.com/zoo")
    Hub.objects.create(fleet=other, name="hub-z")
    delivered(other, change, "failed")
    delivered(other, change, "queued")
    return change


def delivered(fleet: Fleet, like: Change, state: str) -> Change:
    """An approved change of a fleet, with what became of it in Git."""
    change = Change.objects.create(
        fleet=fleet,
        kind=Change.Kind.EDIT,
        cluster_name="spoke-a",
        state="approved",
        requester=like.requester,
        submitted_at=like.submitted_at,
    )
    now = datetime.now(UTC)
    Delivery.objects.create(
        change=change, fleet=fleet, digest="d", state=state, queued_at=now, due_at=now
    )
    return change


def test_an_idle_part_that_had_nothing_to_do_is_not_said_to_have_failed_always(
    place: Place,
) -> None:
    page = place.get("viewer", "/system/")
    writer = next(one for one in page.context["page"].parts if one.name.startswith("Writer of"))
    assert (writer.state, writer.last_success) == ("Idle", None)
    said = reading.words(page)
    assert "nothing was to be done yet" in said
    rest = said.partition("Writer of")[2]
    assert "last success never" not in rest.partition("Repository of")[0]


@pytest.mark.parametrize("page", ["/", "/system/"])
def test_each_number_is_the_length_of_the_list_that_it_leads_to(
    place: Place, asked: Change, page: str
) -> None:
    stats = place.get("approver", page).context["page"].stats
    for stat in stats:
        if stat.url:
            listed = place.get("approver", stat.url).context["page"].listing.pages.total
            assert listed == stat.value, stat.label
    found = {stat.label: stat.value for stat in stats}
    expected = (
        {
            "Clusters": 4,
            "Waits for me": 1,
            "Waits for approval": 1,
            "On the way to Git": 0,  # the other fleet's is not this page's
            "Failed deliveries": 1,
        }
        if page == "/"
        else {"Approved, not in Git yet": 1, "Failed deliveries": 2}
    )
    assert expected.items() <= found.items()


def test_state_bar_sentence_and_number_count_the_same_clusters(place: Place, asked: Change) -> None:
    answer = place.get("viewer", "/")
    page = answer.context["page"]
    clusters = page.stats[0]
    assert page.total == clusters.value == 4
    assert clusters.note == "3 in Git, 1 asked for"
    assert page.sentence == "2 of 4 clusters need a look: 2 degraded."
    assert sum(hub.clusters for hub in page.hubs) == 4
    assert "4 clusters" in reading.words(place.get("viewer", "/clusters/"))


def test_what_is_on_the_way_is_counted_where_nothing_is_wrong(place: Place, asked: Change) -> None:
    Standing.objects.filter(state="degraded").update(state="deploying")
    sentence = place.get("viewer", "/").context["page"].sentence
    assert sentence == "3 of 4 clusters are on the way; nothing is wrong."


def test_a_failed_delivery_is_found_by_its_facet(place: Place, asked: Change) -> None:
    rows = place.get("viewer", "/changes/?inbox=all&delivery=failed").context["page"].rows
    assert [row.delivery for row in rows] == ["Failed", "Failed"]
    here = place.get("viewer", "/changes/?inbox=all&delivery=failed&in_fleet=zoo").context["page"]
    assert len(here.rows) == 1
    labels = [facet.label for facet in here.listing.facets]
    assert {"Delivery", "Fleet"} <= set(labels)


def test_a_lapse_is_no_failed_delivery(place: Place, asked: Change) -> None:
    Change.objects.filter(state="approved").update(state="lapsed")
    stats = place.get("viewer", "/").context["page"].stats
    assert (stats[-1].label, stats[-1].value) == ("Failed deliveries", 0)
    number = Change.objects.filter(state="lapsed").first().pk
    assert "Failed" not in reading.words(place.get("viewer", f"/changes/{number}/"))


def test_a_row_says_what_is_known_and_what_is_not(place: Place, asked: Change) -> None:
    rows = {row.name: row for row in place.get("viewer", "/clusters/").context["page"].rows}
    assert rows["spoke-a"].channels_word == "default"
    assert rows["spoke-b"].seen_at is None  # the hub cannot have seen what is not in Git
    html = place.get("viewer", "/clusters/").content.decode()
    assert re.search(r'data-label="Channels">.*?<span class="fui-quiet">default</span>', html)
    assert "not yet" in html


@pytest.mark.parametrize(
    ("path", "lit"),
    [
        ("/", "Overview"),
        ("/applications/", "Applications"),
        ("/clusters/compare/", "Clusters"),
        ("/clusters/register/", "Clusters"),
        ("/values/", "Tenants"),
        ("/tenants/tenant1/", "Tenants"),
        ("/changes/", "Changes"),
        ("/lint/", "Lint"),
        ("/system/", "System"),
        ("/releases/", "Releases"),
    ],
)
def test_the_navigation_says_where_one_is(place: Place, path: str, lit: str) -> None:
    html = place.get("requester", path).content.decode()
    marked = re.findall(r'aria-current="page">(?:<svg.*?</svg>)(\w+)', html, re.DOTALL)
    assert set(marked) == {lit}


def bad(name: str, sentence: str, cause: str, **values: object) -> None:
    fleet = Fleet.objects.get(name="platform")
    Standing.objects.create(
        fleet=fleet,
        cluster=fleet.clusters.create(path=f"m/{name}.yaml", hub_name=HUB, name=name),
        hub_name=HUB,
        name=name,
        state="failed",
        sentence=sentence,
        cause=cause,
        computed_at=datetime.now(UTC),
        **values,
    )


def test_problems_of_one_cause_are_one_problem_that_leads_to_exactly_its_clusters(
    place: Place, asked: Change
) -> None:
    bad("spoke-x", "It waits for 3 minutes.", "c1")
    bad("spoke-y", "It waits for 9 minutes.", "c1")
    bad("spoke-z", "Denied.", "c2", advice="Allow it.")
    found = place.get("viewer", "/").context["page"].problems
    first, second = found[:2]
    assert (first.count, first.noun, first.cluster) == (2, "clusters", "")
    assert first.cause == "It waits for 3 minutes."
    assert "for example" in first.example
    rows = place.get("viewer", first.url).context["page"].rows
    assert [row.name for row in rows] == ["spoke-x", "spoke-y"]
    assert "the same cause" in reading.words(place.get("viewer", first.url))
    assert (second.cluster, second.cause, second.advice) == ("spoke-z", "Denied.", "Allow it.")
    assert second.url == f"/clusters/{HUB}/spoke-z/"
    assert second.example == ""


def test_what_nobody_looked_at_is_one_problem_whatever_it_said_before(
    place: Place, asked: Change
) -> None:
    bad("spoke-x", "Denied.", "c1", advice="Allow it.")
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    Standing.objects.filter(cluster__isnull=False).update(computed_at=long_ago)
    (found,) = place.get("viewer", "/").context["page"].problems
    assert (found.word, found.count, found.advice) == ("Stale", 4, "")
    assert "is the watcher running?" in found.cause
    assert place.get("viewer", found.url).context["page"].listing.pages.total == 4


def test_it_says_how_long_onboarding_takes_or_that_nobody_knows(
    place: Place, asked: Change
) -> None:
    assert "No history yet" in reading.words(place.get("viewer", "/"))
    fleet = Fleet.objects.get(name="platform")
    Onboarding.objects.create(
        fleet=fleet, change=asked, begun_at=datetime.now(UTC), secret=90, healthy=300
    )
    rows = place.get("viewer", "/").context["page"].durations
    assert [(row.title, row.usual.seconds, row.share) for row in rows] == [
        ("Credentials fetched", 90, 30),
        ("Applications healthy", 300, 100),
    ]


def test_the_charts_are_there_as_tables_too(place: Place, asked: Change) -> None:
    page = place.get("viewer", "/").context["page"]
    channels = next(one for one in page.breakdowns if one.title == "Add-ons channel")
    assert channels.words == ("Healthy", "Degraded")
    assert [(row.label, counts) for row, counts in channels.table] == [("default", (1, 2))]
    assert "The charts as tables" in reading.words(place.get("viewer", "/"))


def test_the_page_is_as_old_as_its_most_silent_hub(place: Place, asked: Change) -> None:
    assert place.get("viewer", "/").context["page"].as_of is None
    assert "not observed yet" in reading.words(place.get("viewer", "/clusters/"))
    seen = datetime(2026, 1, 1, tzinfo=UTC)
    HubWatch.objects.create(hub=Hub.objects.get(name=HUB), seen_at=seen)
    for path in ("/", "/clusters/"):
        assert place.get("viewer", path).context["page"].as_of == seen


def test_the_clusters_of_a_filter_are_exported_with_formulas_made_harmless(
    place: Place, asked: Change
) -> None:
    Standing.objects.filter(name="spoke-c").update(sentence="=1+1")
    answer = place.get("viewer", "/clusters/export.csv?state=degraded")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))  # type: ignore[arg-type]
    assert [(row["cluster"], row["state"]) for row in rows] == [
        ("spoke-c", "Degraded"),
        ("spoke-d", "Degraded"),
    ]
    assert rows[0]["reason"] == "'=1+1"
    data = json.loads(b"".join(place.get("viewer", "/clusters/export.json")))  # type: ignore[arg-type]
    assert len(data["clusters"]) == 4


def test_a_rollout_that_stands_still_is_what_waits(place: Place, asked: Change) -> None:
    rollout = Rollout.objects.create(
        fleet=Fleet.objects.get(name="platform"),
        title="Addons to release1",
        label="addonsRelease",
        source="default",
        target="release1",
        state=Rollout.State.RUNNING,
        note="spoke-c: Degraded.",
        requester=asked.requester,
        created_at=datetime.now(UTC),
        approved_at=datetime.now(UTC),
    )
    waits = "for somebody who continues or reverts it. spoke-c: Degraded."
    assert waits not in reading.words(place.get("viewer", "/"))
    Rollout.objects.update(state=Rollout.State.PAUSED)
    page = reading.words(place.get("viewer", "/"))
    assert waits in page
    assert f'<a href="/rollouts/{rollout.pk}/">Rollout Addons to release1</a>' in page
