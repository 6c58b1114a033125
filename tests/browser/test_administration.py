"""Administration in a browser: a test's answer comes to its row, and the page stays one page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SignIn


@pytest.mark.parametrize("page_name", ["fleets", "hubs"])
def test_a_connection_test_answers_in_its_row(sign_in: SignIn, page_name: str) -> None:
    page = sign_in("administrator")
    page.goto(f"/admin/{page_name}/")
    page.get_by_role("button", name="Test the connection").first.click()
    expect(page.locator("[id^=test-]").first).to_contain_text(re.compile("Tested"))
    expect(page.locator("[id^=test-]").first).to_contain_text("Works")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page.get_by_role("banner")).to_have_count(1)
