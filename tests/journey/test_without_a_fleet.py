"""Before the first fleet is connected: the pages say what to do first, and who can."""

from __future__ import annotations

import pytest
from django.test import Client

from onboarding.models import Change, Fleet
from tests.journey import reading
from tests.journey.conftest import people, signed_in

pytestmark = pytest.mark.django_db

FIRST = "Connect the fleet's Git repository first"


@pytest.fixture
def clients() -> dict[str, Client]:
    return {person.username: signed_in(person) for person in people()}


@pytest.mark.parametrize("path", ["/", "/clusters/", "/clusters/register/"])
@pytest.mark.parametrize("who", ["requester", "administrator"])
def test_it_says_what_comes_first(clients: dict[str, Client], path: str, who: str) -> None:
    # An administrator registers nothing; to whom a page is denied it is denied with a reason.
    answer = clients[who].get(path)
    if (who, path) == ("administrator", "/clusters/register/"):
        assert answer.status_code == 403
        return
    assert answer.status_code == 200
    words = reading.words(answer)  # type: ignore[arg-type]
    assert FIRST in words
    assert ('href="/admin/fleets/add/"' in words) is (who == "administrator")
    assert ("An administrator can do this" in words) is (who != "administrator")
    assert 'id="cluster-form"' not in words
    assert "could not be read" not in words
    assert "No clusters yet" not in words


@pytest.mark.parametrize(
    "path", ["/changes/", "/releases/", "/tenants/", "/lint/", "/system/", "/search/?q=spoke"]
)
def test_it_answers_every_other_page_too(clients: dict[str, Client], path: str) -> None:
    assert clients["viewer"].get(path).status_code == 200


def test_it_takes_no_request_for_a_fleet_that_is_not_there(clients: dict[str, Client]) -> None:
    for path in ("/clusters/register/preview/", "/clusters/register/draft/"):
        assert clients["requester"].post(path, {"cluster": "spoke-a"}).status_code == 404
    assert clients["requester"].post("/clusters/register/", {"cluster": "a"}).status_code == 200
    assert not Change.objects.exists()
    assert not Fleet.objects.exists()
