"""What would this branch do: a page that tells every cluster that it moves, and writes nothing."""

from __future__ import annotations

import re
from html import unescape

import pytest

from onboarding import wiring
from onboarding.models import Fleet
from onboarding.views import fleet_plans
from tests import repositories
from tests.journey.conftest import Place
from tests.journey.test_values import MEMBER, MEMBERS

SHARED = "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml"
LABELS = 'externalSecret:\n  labels:\n    team: "x"\n'
COUNT = 60


@pytest.fixture
def layout() -> str:
    """One profile is enough here: paths are the domain's matter."""
    return "tenants"


@pytest.fixture
def fleet(place: Place) -> Fleet:
    """Sixty members of one tenant, and a branch that changes the tenant's labels."""
    members = {
        f"{MEMBERS}/spoke-{number:02}.yaml": MEMBER.format(
            name=f"spoke-{number:02}", environment="dev"
        )
        for number in range(COUNT)
    }
    repositories.commit(place.bare, members)
    repositories.git(place.bare, "branch", "new-labels", "main")
    repositories.commit(place.bare, {SHARED: LABELS}, branch="new-labels")
    found = Fleet.objects.get()
    wiring.current_repository(found, max_age=0)
    return found


def text(place: Place, path: str) -> str:
    answer = place.get("viewer", path)
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def test_it_asks_for_a_branch(place: Place, fleet: Fleet) -> None:
    assert "Which branch?" in text(place, "/plan/")


def test_it_lists_every_cluster_that_a_shared_layer_moves(
    place: Place, fleet: Fleet, django_assert_max_num_queries
) -> None:
    before = repositories.tip(place.bare)
    with django_assert_max_num_queries(24):
        page = text(place, "/plan/?rev=new-labels")
    assert f"1 file differs: {COUNT} of {COUNT} clusters move" in page
    assert "hub-cluster/spoke-00" in page
    assert "hub-cluster/spoke-59" not in page
    assert "enable_quota_defaults true removed" in page
    assert "team not set x" in page
    assert f"{COUNT} Applications disappear" in page
    assert "quota-defaults-spoke-00" in page
    assert "hub-cluster/spoke-59" in text(place, "/plan/?rev=new-labels&page=2")
    assert repositories.tip(place.bare) == before


def test_it_says_what_there_was_no_time_for(
    place: Place, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_plans, "_SECONDS", 0)
    page = text(place, "/plan/?rev=new-labels")
    assert f"The time was up; {COUNT} clusters were left out." in page
    assert "No cluster moves" not in page


def test_it_says_why_a_branch_cannot_be_foreseen(place: Place, fleet: Fleet) -> None:
    assert "has no branch or commit 'none'" in text(place, "/plan/?rev=none")
    assert "is not a branch name" in text(place, "/plan/?rev=--upload-pack%3Dx")


def test_it_says_that_nothing_moves(place: Place, fleet: Fleet) -> None:
    repositories.git(place.bare, "branch", "words", "main")
    repositories.commit(place.bare, {"README.md": "Other words.\n"}, branch="words")
    assert "No cluster moves" in text(place, "/plan/?rev=words")


def test_it_says_of_which_files_only_the_hub_can_tell(place: Place, fleet: Fleet) -> None:
    repositories.git(place.bare, "branch", "bootstrap", "main")
    path = "addons/bootstrap/layout.yaml"
    repositories.commit(place.bare, {path: "layout: {}\n"}, branch="bootstrap")
    page = text(place, "/plan/?rev=bootstrap")
    assert "Only the hub can tell what follows from some files" in page
    assert path in page


def test_only_who_may_see_the_fleet_sees_it(place: Place, fleet: Fleet, client) -> None:
    assert client.get("/plan/?rev=new-labels").status_code in (302, 403)
