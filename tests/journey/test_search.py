"""The search: clusters, changes, Applications and components by rows; values by a link to where they are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onboarding.models import ApplicationStatus, Fleet, Hub, HubWatch, Standing
from tests.journey import reading
from tests.journey.conftest import HUB, Place


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def application(name: str, component: str) -> None:
    now = datetime.now(UTC)
    ApplicationStatus.objects.create(
        hub=Hub.objects.get(),
        uid=name,
        name=name,
        component=component,
        verdict="healthy",
        first_seen_at=now,
        seen_at=now,
    )


def hits(place: Place, query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for hit in place.get("viewer", f"/search/?q={query}").context["page"].hits:
        found.setdefault(hit.kind, []).append(hit.title)
    return found


def test_it_finds_by_each_kind_and_each_leads_to_what_it_names(place: Place) -> None:
    HubWatch.objects.create(hub=Hub.objects.get(), seen_at=datetime.now(UTC))
    application("cert-manager-spoke-a", "cert-manager")
    application("info-spoke-a", "cluster-info")
    place.post("requester", "/clusters/register/", place.form("cert-lab"))
    Standing.objects.create(
        fleet=Fleet.objects.get(),
        hub_name=HUB,
        name="cert-lab",
        state="queued",
        computed_at=datetime.now(UTC),
    )
    found = hits(place, "cert")
    assert len(found.pop("Change")) == 1
    assert found == {
        "Cluster": ["cert-lab"],
        "Application": ["cert-manager-spoke-a"],
        "Component": ["cert-manager"],
    }
    page = place.get("viewer", "/search/?q=cert").context["page"]
    for hit in page.hits:
        if hit.kind in ("Application", "Component"):
            listed = place.get("viewer", hit.url).context["page"].rows
            assert [row.name for row in listed] == ["cert-manager-spoke-a"]
    assert page.values_url == "/values/?q=cert"
    assert place.get("viewer", page.values_url).status_code == 200


def test_it_shows_no_application_as_well_whose_hub_is_silent(place: Place) -> None:
    application("cert-manager-spoke-a", "cert-manager")
    (hit,) = (
        hit
        for hit in place.get("viewer", "/search/?q=cert").context["page"].hits
        if hit.kind == "Application"
    )
    assert hit.word == "Stale"


def test_it_says_that_there_is_more_only_where_there_is(place: Place) -> None:
    for number in range(20):
        application(f"app-{number}", "c")
    assert not place.get("viewer", "/search/?q=app-").context["page"].truncated
    application("app-more", "c")
    page = place.get("viewer", "/search/?q=app-").context["page"]
    assert page.truncated
    assert len([hit for hit in page.hits if hit.kind == "Application"]) == 20


def test_it_says_that_nothing_was_found_and_where_to_look_on(place: Place) -> None:
    page = reading.words(place.get("viewer", "/search/?q=nowhere"))
    assert "Nothing found" in page
    assert "Who sets “nowhere”?" in page
    assert "Who sets" not in reading.words(place.get("viewer", "/search/"))
