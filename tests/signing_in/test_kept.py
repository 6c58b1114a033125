"""What was typed when the session ended is there after the way to the identity provider and back."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from onboarding.models import Change
from tests.journey import reading
from tests.journey.conftest import Place, place
from tests.signing_in.conftest import Browser
from tests.signing_in.provider import Provider, go_through

__all__ = ["place"]  # the fleet with its people
REGISTER = "/clusters/register/"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def test_what_was_typed_outlives_the_way_to_the_provider(
    place: Place, provider: Provider, visitor: Browser, configure
) -> None:  # type: ignore[no-untyped-def]
    configure(provider.issuer, mapped={"platform-team": ("Requesters",)})
    visitor.here = Client(enforce_csrf_checks=True)
    visitor.here.get("/login/")
    token = visitor.here.cookies["fleetui_csrf"].value
    asked = place.form("spoke-late", pin_enable_metrics_server="true")
    answer = visitor.here.post(REGISTER, {**asked, "csrfmiddlewaretoken": token})
    assert "what you typed is kept" in reading.html(answer)

    on_the_way = visitor.here.post("/login/provider/", reading.form(answer, "/login/provider/"))

    # No form leads to another host: the policy would stop it. The page goes on by itself.
    assert on_the_way.status_code == 200
    url = unescape(re.findall(r'content="0;url=([^"]+)"', reading.html(on_the_way))[0])
    assert url.startswith(provider.issuer)
    back = visitor.come_back(go_through(visitor.there, url, "ada"))
    assert back["Location"] == REGISTER
    page = visitor.here.get(REGISTER)
    assert 'value="spoke-late"' in reading.html(page)
    assert "it was not sent yet" in reading.html(page)
    assert re.search(r'id="pin_enable_metrics_server-true"[^>]* checked', reading.html(page))
    assert not Change.objects.exists()
    assert "spoke-late" not in reading.html(visitor.here.get(REGISTER))  # once


def test_what_is_too_much_to_keep_does_not_stop_the_sign_in(
    provider: Provider, visitor: Browser
) -> None:
    for kept in ('{"a": "' + "x" * 30_000 + '"}', "[1]", "{", '{"a": 1}'):
        answer = visitor.here.post("/login/provider/", {"next": "/lint/", "kept": kept})
        url = unescape(re.findall(r'content="0;url=([^"]+)"', reading.html(answer))[0])
        assert visitor.come_back(go_through(visitor.there, url, "ada"))["Location"] == "/lint/"
        assert "kept" not in visitor.here.session
