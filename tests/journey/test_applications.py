"""The fleet-wide list of Applications: what is wrong first, filtered by the URL, never falsely green."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from onboarding import wiring
from onboarding.models import ApplicationStatus, Fleet, Hub, HubWatch
from onboarding.views import access, freshness
from onboarding.views.application_list_page import filtered, ordered
from tests.journey import reading
from tests.journey.conftest import Place

STATES = ("healthy", "failed", "degraded", "out_of_sync", "progressing", "")


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def application(hub: Hub, name: str, **values: object) -> ApplicationStatus:
    now = wiring.clock().now()
    row: dict[str, object] = {
        "cluster_name": "spoke-a",
        "component": "cert-manager",
        "sync": "Synced",
        "health": "Healthy",
        "verdict": "healthy",
        "reason": f"Reason of {name}.",
        "first_seen_at": now,
        "seen_at": now,
    }
    return ApplicationStatus.objects.create(hub=hub, uid=name, name=name, **(row | values))


@pytest.fixture
def hub(place: Place) -> Hub:
    """A watched hub with one Application in each state, and another fleet's."""
    hub = Hub.objects.get()
    HubWatch.objects.create(hub=hub, seen_at=wiring.clock().now())
    for number, state in enumerate(STATES):
        application(hub, f"app-{number}", verdict=state, cluster_name=f"spoke-{number % 2}")
    hub.fleet.clusters.create(path="m/spoke-1.yaml", hub_name=hub.name, name="spoke-1")
    other = Fleet.objects.create(name="zoo", repository_url="https://git.example.com/zoo")
    application(Hub.objects.create(fleet=other, name="hub-z"), "foreign")
    return hub


def names(place: Place, query: str = "") -> list[str]:
    page = place.get("viewer", f"/applications/{query}").context["page"]
    return [row.name for row in page.rows]


def test_it_lists_what_is_wrong_first(place: Place, hub: Hub) -> None:
    assert names(place) == ["app-1", "app-2", "app-3", "app-5", "app-4", "app-0"]
    assert names(place, "?sort=-state") == ["app-0", "app-4", "app-5", "app-3", "app-2", "app-1"]
    assert names(place, "?sort=-name")[0] == "app-5"
    page = place.get("viewer", "/applications/").context["page"]
    assert [row.state for row in page.rows][:2] == ["Failed", "Degraded"]
    assert page.rows[3].state == "Unknown"  # what nobody judged is not well
    assert page.rows[0].message == "Reason of app-1."
    assert page.rows[-1].message == ""
    assert page.rows[0].cluster_url == "/clusters/hub-cluster/spoke-1/"
    assert place.get("viewer", page.rows[0].cluster_url).status_code == 200
    assert page.rows[1].cluster_url == ""  # the hub has it, Git does not


def test_it_filters_by_facets_search_and_cluster(place: Place, hub: Hub) -> None:
    assert names(place, "?state=failed&state=unknown") == ["app-1", "app-5"]
    assert names(place, "?q=app-3") == ["app-3"]
    assert names(place, "?cluster=spoke-1&state=degraded") == []
    assert names(place, "?cluster=spoke-1") == ["app-1", "app-3", "app-5"]
    ApplicationStatus.objects.filter(name="app-2").update(sync="")
    assert names(place, "?sync=Unknown") == ["app-2"]
    page = place.get("viewer", "/applications/?state=failed").context["page"]
    facets = {facet.name: facet for facet in page.listing.facets}
    # The numbers of a facet are those that the other facets leave.
    assert sum(option.count for option in facets["state"].options) == 6
    assert sum(option.count for option in facets["sync"].options) == 1
    assert "foreign" not in reading.words(place.get("viewer", "/applications/"))


def test_every_number_is_the_length_of_the_list_that_it_leads_to(place: Place, hub: Hub) -> None:
    page = place.get("viewer", "/applications/").context["page"]
    assert sum(part.count for part in page.counts) == page.listing.pages.total == 6
    for part in page.counts:
        assert place.get("viewer", part.url).context["page"].listing.pages.total == part.count


def test_it_pages_through_all_states(place: Place, hub: Hub) -> None:
    for number in range(60):
        application(hub, f"more-{number:02}", verdict="healthy" if number < 50 else "failed")
    first, second = names(place), names(place, "?page=2")
    assert len(first) == 50
    assert len(second) == 16
    assert len({*first, *second}) == 66
    assert first[:11] == ["app-1", *(f"more-{number}" for number in range(50, 60))]
    assert names(place, "?page=99") == second


def test_it_shows_nothing_as_well_while_the_hub_is_silent(place: Place, hub: Hub) -> None:
    HubWatch.objects.update(seen_at=wiring.clock().now() - timedelta(minutes=5))
    page = place.get("viewer", "/applications/").context["page"]
    assert {row.state for row in page.rows} == {"Stale"}
    assert "has not been heard of" in page.rows[0].message
    assert names(place, "?state=healthy") == []
    assert len(names(place, "?state=stale")) == 6
    HubWatch.objects.all().delete()
    assert names(place, "?state=healthy") == []


def test_it_names_each_hub_with_its_freshness(place: Place, hub: Hub) -> None:
    assert 'aria-label="Hubs"' not in reading.html(place.get("viewer", "/applications/"))
    second = Hub.objects.create(fleet=Fleet.objects.get(name="platform"), name="hub-b")
    application(second, "on-b")
    for path in ("/applications/", "/clusters/?q=nothing"):
        HubWatch.objects.filter(hub=second).delete()
        if path == "/applications/":
            answer = place.get("viewer", path)
            assert "Never seen" in reading.words(answer)
            assert "hub-b" in reading.words(answer)
            # A list is as old as what is known of its most silent hub.
            assert answer.context["page"].as_of is None
    assert names(place, "?hub=hub-b") == ["on-b"]


def test_it_exports_the_rows_of_the_filter(place: Place, hub: Hub) -> None:
    answer = place.get("viewer", "/applications/export.csv?state=failed&state=degraded")
    assert answer["Content-Type"].startswith("text/csv")
    assert 'filename="applications.csv"' in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))  # type: ignore[arg-type]
    assert [row["application"] for row in rows] == ["app-1", "app-2"]
    assert rows[0]["state"] == "Failed"
    found = json.loads(b"".join(place.get("viewer", "/applications/export.json?q=app-0")))  # type: ignore[arg-type]
    assert [row["application"] for row in found["applications"]] == ["app-0"]
    assert found["as_of"]
    page = place.get("viewer", "/applications/?state=failed&page=1").context["page"]
    assert page.exports.csv_url == "/applications/export.csv?state=failed"


def test_an_export_neither_loses_nor_doubles_what_moves_meanwhile(place: Place, hub: Hub) -> None:
    now = wiring.clock().now()
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="viewer")
    hubs = freshness.hub_rows(access.reach_of(request.user), hub.fleet, now)
    found = filtered(request, hubs, now)
    rows = ordered(found)
    first = next(rows)
    ApplicationStatus.objects.filter(name="app-0").update(verdict="failed")
    ApplicationStatus.objects.filter(name="app-1").update(verdict="healthy")
    names = [first.name, *(row.name for row in rows)]
    assert names == ["app-1", "app-2", "app-3", "app-5", "app-4", "app-0"]


def test_it_says_how_many_match_the_filter(place: Place, hub: Hub) -> None:
    assert "matches the filter" in reading.words(place.get("viewer", "/applications/?state=failed"))
    two = place.get("viewer", "/applications/?state=failed&state=degraded")
    assert "match the filter" in reading.words(two)


def test_an_export_of_nothing_is_a_file_all_the_same(place: Place) -> None:
    answer = place.get("viewer", "/applications/export.csv")
    assert b"".join(answer).startswith(b"hub,application,")  # type: ignore[arg-type]
    found = json.loads(b"".join(place.get("viewer", "/applications/export.json")))  # type: ignore[arg-type]
    assert found["applications"] == []


def test_it_says_what_to_do_where_there_is_nothing(place: Place) -> None:
    assert "No Applications yet" in reading.words(place.get("viewer", "/applications/"))
    Fleet.objects.all()
    assert place.get("viewer", "/applications/?q=x").status_code == 200


def test_applications_of_a_clusters_page_are_stale_with_its_hub(place: Place, hub: Hub) -> None:
    fleet = Fleet.objects.get(name="platform")
    fleet.clusters.create(path="m/spoke-0.yaml", hub_name=hub.name, name="spoke-0")
    path = "/clusters/hub-cluster/spoke-0/"
    assert "Healthy" in {
        row.state for row in place.get("viewer", path).context["page"].applications
    }
    HubWatch.objects.update(seen_at=wiring.clock().now() - timedelta(minutes=5))
    page = place.get("viewer", path).context["page"]
    assert {row.state for row in page.applications} == {"Stale"}
