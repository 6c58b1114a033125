"""The Releases page: channels with who is on them, and each cluster's channels with the layer that sets them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onboarding.models import Fleet, Standing
from tests.journey import reading
from tests.journey.conftest import HUB, Place


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def stands(name: str, channel: str, layer: str, *, pinned: bool = False, tenant: str = "") -> None:
    """A cluster of Git whose add-ons channel one layer sets."""
    fleet = Fleet.objects.get()
    data = {"value": channel, "layer": layer, "path": "a/values.yaml", "line": 3, "shadowed": []}
    cluster = fleet.clusters.create(
        path=f"m/{name}.yaml",
        hub_name=HUB,
        name=name,
        labels={"addonsRelease": data} if layer else {},
    )
    Standing.objects.create(
        fleet=fleet,
        cluster=cluster,
        hub_name=HUB,
        name=name,
        tenant=tenant,
        state="healthy",
        addons_release=channel,
        overrides=["addonsRelease"] if pinned else [],
        computed_at=datetime.now(UTC),
    )


def matrix(place: Place, query: str = ""):  # type: ignore[no-untyped-def]
    return place.get("viewer", f"/releases/{query}").context["page"].matrix


def test_it_says_for_each_cluster_which_layer_sets_its_channel(place: Place) -> None:
    stands("spoke-a", "default", "system")
    stands("spoke-b", "release1", "cluster", pinned=True)
    found = matrix(place)
    assert found.groups == ("Add-ons", "Resources", "Monitoring", "Fleet")
    first, second = (row.cells[0] for row in found.rows)
    assert (first.channel, first.origin.layer, first.is_pinned) == ("default", "system", False)
    assert (second.channel, second.origin.layer, second.is_pinned) == ("release1", "cluster", True)
    assert (second.origin.path, second.origin.line) == ("a/values.yaml", 3)
    assert first.version
    assert first.version != second.version
    assert found.rows[0].cells[1].channel == ""
    listed = place.get("viewer", second.url).context["page"].rows
    assert [row.name for row in listed] == ["spoke-b"]


def test_an_unknown_channel_is_red_in_both_tables(place: Place) -> None:
    stands("spoke-a", "nowhere", "tenant")
    page = place.get("viewer", "/releases/").context["page"]
    (addons,) = (group for group in page.groups if group.name == "addons")
    assert [(row.channel, row.clusters) for row in addons.rows if row.is_unknown] == [
        ("nowhere", 1)
    ]
    (unknown,) = (row for row in addons.rows if row.is_unknown)
    assert [(part.count, part.word) for part in unknown.counts] == [(1, "Healthy")]
    cell = page.matrix.rows[0].cells[0]
    assert (cell.is_unknown, cell.version) == (True, "")
    assert reading.words(place.get("viewer", "/releases/")).count("Not found") == 2


def test_it_finds_clusters_and_those_that_pin(place: Place) -> None:
    stands("spoke-a", "default", "system", tenant="team-a")
    stands("spoke-b", "release1", "cluster", pinned=True, tenant="team-b")
    stands("other-c", "default", "system")
    Standing.objects.filter(name="other-c").update(overrides=["enable_metrics_server"])
    assert [row.name for row in matrix(place, "?show=pinned").rows] == ["spoke-b"]
    assert [row.name for row in matrix(place, "?q=team-a").rows] == ["spoke-a"]
    assert [row.name for row in matrix(place, "?q=team-a+spoke").rows] == ["spoke-a"]
    assert matrix(place, "?q=nobody").rows == ()
    assert "No cluster fits this" in reading.words(place.get("viewer", "/releases/?q=nobody"))


def test_it_shows_a_page_of_clusters_and_refreshes_itself(place: Place) -> None:
    for number in range(55):
        stands(f"spoke-{number:02}", "default", "system")
    assert len(matrix(place).rows) == 30
    assert matrix(place, "?page=2").rows[0].name == "spoke-30"
    part = place.get("viewer", "/releases/?page=2", HTTP_HX_REQUEST="true")
    assert reading.html(part).startswith('<div id="release-list-part"')
    assert "data-refresh" in reading.html(part)


def test_a_cluster_that_is_only_asked_for_says_so(place: Place) -> None:
    Standing.objects.create(
        fleet=Fleet.objects.get(),
        hub_name=HUB,
        name="spoke-new",
        state="waiting_for_approval",
        addons_release="default",
        computed_at=datetime.now(UTC),
    )
    assert matrix(place).rows[0].cells[0].origin.layer == "asked for"
