"""Numbers in addresses and forms: what only looks like one, or is too large, is none."""

from __future__ import annotations

import pytest
from django.test import Client

from onboarding.views.numbers import number_in

ODD = ("", "²", "٣", "１２", "-1", "+1", "1e3", "1_0", " 1", "1\n", "9" * 16, "9" * 5000, "0x1")


@pytest.mark.parametrize("text", ODD)
def test_it_takes_only_digits_that_a_database_holds(text: str) -> None:
    assert number_in(text) is None


def test_it_reads_a_number() -> None:
    assert (number_in("0"), number_in("042"), number_in("9" * 15)) == (0, 42, 10**15 - 1)


@pytest.mark.parametrize("text", ["²", "9" * 30])
def test_a_page_asked_with_an_odd_number_answers(admin_client: Client, text: str) -> None:
    for path in ("/changes/", "/search/", "/audit/", "/admin/fleets/adopt/"):
        asked = {"q": text, "again": text, "change": text, "page": text}
        assert admin_client.get(path, asked).status_code == 200, path
    sent = {"change": text, "editing_hub": "", "csrfmiddlewaretoken": "x"}
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.post("/clusters/register/", sent).status_code in (302, 403)
