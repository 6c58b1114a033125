"""The tokens of programs in the administration: made, shown once, listed, revoked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from onboarding.domain.tokens import Verb
from onboarding.models import Fleet, ServiceToken
from onboarding.services import service_tokens
from tests.fakes import FakeClock
from tests.journey.conftest import Place
from tests.journey.test_api import program

FORM = {
    "name": "terraform",
    "days": "30",
    "verb_read": "on",
    "verb_register": "on",
    "fleet_platform": "on",
}


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def shown(html: str) -> str:
    found = re.search(r"fui_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", html)
    return found[0] if found else ""


def test_it_shows_a_token_once_and_lets_it_be_revoked(place: Place) -> None:
    assert "Make one for Terraform" in place.get("administrator", "/admin/tokens/").content.decode()
    made = place.post("administrator", "/admin/tokens/add/", FORM)
    text = shown(made.content.decode())
    assert "no-store" in made["Cache-Control"]
    token = ServiceToken.objects.get()
    assert service_tokens.authenticate(text=text, clock=FakeClock(datetime.now(UTC))) == token
    assert token.created_by is not None
    assert token.created_by.username == "administrator"
    listed = place.get("administrator", "/admin/tokens/").content.decode()
    assert token.prefix in listed
    assert "Ask for registrations" in listed
    assert not shown(listed)
    revoke = f"/admin/tokens/{token.prefix}/revoke/"
    assert place.post("administrator", revoke, {}).status_code == 302
    token.refresh_from_db()
    assert token.revoked_at
    listed = place.get("administrator", "/admin/tokens/").content.decode()
    assert "Revoked" in listed
    assert revoke not in listed
    again = place.clients["administrator"].post(revoke, follow=True)
    assert "no token with this prefix" in again.content.decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Not A Name"}, "lowercase letters"),
        ({"name": "requester"}, "A person has this name"),
        ({"verb_read": "", "verb_register": ""}, "at least one thing"),
        ({"fleet_platform": ""}, "at least one fleet"),
        ({"days": "900"}, "less than or equal to 366"),
    ],
)
def test_it_refuses_at_the_field(place: Place, change: dict[str, str], said: str) -> None:
    form = {key: value for key, value in (FORM | change).items() if value}
    answer = place.post("administrator", "/admin/tokens/add/", form)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not ServiceToken.objects.exists()


def test_it_asks_the_database_as_often_for_many_as_for_few(
    place: Place, django_assert_max_num_queries
) -> None:  # type: ignore[no-untyped-def]
    clock = FakeClock(datetime.now(UTC) - timedelta(days=1))
    for number in range(30):
        service_tokens.issue(
            name=f"service-{number}",
            verbs=[Verb.READ],
            fleets=list(Fleet.objects.all()),
            days=30,
            actor=None,
            clock=clock,
        )
    with django_assert_max_num_queries(15):
        assert place.get("administrator", "/admin/tokens/").content.decode().count("Revoke") >= 30


def test_guessing_tokens_is_held_up_and_holds_up_nobody_else(place: Place) -> None:
    honest = program()
    guesser = Client(headers={"Authorization": "Bearer fui_0123456789abcdef_guess"})
    statuses = [guesser.get("/api/v1/clusters").status_code for _ in range(32)]
    assert statuses == [401] * 30 + [429] * 2
    held = guesser.get("/api/v1/clusters")
    assert held["Content-Type"] == "application/problem+json"
    assert int(held["Retry-After"]) >= 1
    assert honest.get("/api/v1/clusters").status_code == 200  # from the same address
    elsewhere = guesser.get("/api/v1/clusters", REMOTE_ADDR="198.51.100.7")
    assert elsewhere.status_code == 401
