"""Saved filters: a person's own, kept by POST alone, shown as chips."""

from __future__ import annotations

import pytest

from onboarding.models import SavedFilter
from onboarding.services import saved_filters
from tests.journey import reading
from tests.journey.conftest import Place

SAVE = "/filters/save/"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def keep(place: Place, who: str = "viewer", **changes: str) -> SavedFilter | None:
    data = {"list": "clusters", "name": "Prod, bad", "query": "state=failed&tenant=a&page=3"}
    place.post(who, SAVE, data | changes)
    return SavedFilter.objects.order_by("-pk").first()


def test_it_keeps_a_filter_for_its_person_alone(place: Place) -> None:
    kept = keep(place)
    assert kept is not None
    assert (kept.user.username, kept.query) == ("viewer", "state=failed&tenant=a")
    page = place.get("viewer", "/clusters/?tenant=a&state=failed").context["page"]
    (chip,) = page.saved.chips
    assert (chip.name, chip.url) == ("Prod, bad", "/clusters/?state=failed&tenant=a")
    assert chip.is_current
    assert not place.get("viewer", "/clusters/").context["page"].saved.chips[0].is_current
    assert place.get("approver", "/clusters/").context["page"].saved.chips == ()
    assert place.get("viewer", "/applications/").context["page"].saved.chips == ()


def test_it_replaces_a_filter_of_the_same_name(place: Place) -> None:
    keep(place)
    keep(place, query="state=stale")
    assert SavedFilter.objects.get().query == "state=stale"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "},
        {"name": "x" * 61},
        {"query": ""},
        {"query": "page=2"},
        {"query": "q=" + "x" * 1200},
        {"query": "&".join(f"a{n}=1" for n in range(200))},
        {"list": "users"},
    ],
)
def test_it_refuses_what_cannot_be_kept(place: Place, changes: dict[str, str]) -> None:
    assert keep(place, **changes) is None


def test_it_never_leads_off_the_list(place: Place) -> None:
    answer = place.post(
        "viewer", SAVE, {"list": "clusters", "name": "x", "query": "//evil.example/?a=1"}
    )
    assert answer["Location"].startswith("/clusters/?")


def test_it_keeps_so_many_and_no_more(place: Place) -> None:
    for number in range(saved_filters.MOST):
        keep(place, name=f"f{number}")
    keep(place, name="one more")
    assert SavedFilter.objects.count() == saved_filters.MOST
    assert "Remove one first" in reading.words(place.get("viewer", "/clusters/"))


def test_only_its_person_can_remove_it(place: Place) -> None:
    kept = keep(place)
    assert kept is not None
    place.post("approver", f"/filters/{kept.pk}/remove/", {})
    assert SavedFilter.objects.exists()
    assert place.get("viewer", f"/filters/{kept.pk}/remove/").status_code == 405
    answer = place.post("viewer", f"/filters/{kept.pk}/remove/", {})
    assert answer["Location"] == "/clusters/"
    assert not SavedFilter.objects.exists()
