"""Signing in by way of an identity provider, as a person does it in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WIDTHS, Demo, Provider, is_trouble

SIGN_IN = "Sign in with Example ID"


@pytest.fixture
def provider(identity_provider: Provider | None) -> Provider:
    """The provider, with Ada."""
    if identity_provider is None:
        pytest.skip("Node.js with npm is not installed; on Debian: apt install nodejs npm")
    identity_provider.person("ada", "platform-team")
    return identity_provider


@pytest.fixture
def visit(demo: Demo, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page as a stranger; any complaint of the browser about ours fails the test."""
    troubles: list[str] = []
    opened = []

    def open_page(
        path: str, *, width: str = "desktop", scheme: str = "light", **given: bool
    ) -> Page:
        size = WIDTHS[width]
        context = browser.new_context(
            base_url=demo.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            **given,
        )
        opened.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda said: (
                troubles.append(said.text)
                if is_trouble(said)
                and said.location["url"].startswith(demo.url)
                and "status of 400" not in said.text  # a page that says why nobody came in
                else None
            ),
        )
        page.goto(path)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert not troubles, troubles


def go_through(page: Page, provider: Provider) -> None:
    """What Ada does at the provider."""
    page.wait_for_url(f"{provider.issuer}/interaction/**")
    page.locator("input[name=login]").fill("ada")
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "without"])
def test_a_person_comes_in_and_leaves(
    javascript: bool, visit: Callable[..., Page], provider: Provider, demo: Demo
) -> None:
    page = visit("/changes/?inbox=all", java_script_enabled=javascript)
    page.get_by_role("button", name=SIGN_IN).click()
    go_through(page, provider)

    page.wait_for_url(f"{demo.url}/changes/?inbox=all")
    page.goto("/account/sessions/")
    expect(page.get_by_text("Identity provider, 127.0.0.1")).to_be_visible()
    expect(page.get_by_role("link", name="Change password")).to_have_count(0)
    page.locator("summary", has_text="AE").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{provider.issuer}/session/end**")
    page.locator("button[name=logout]").click()
    page.wait_for_url(f"{demo.url}/login/**")
    expect(page.get_by_role("button", name=SIGN_IN)).to_be_visible()


def test_what_was_typed_is_there_after_the_way(
    visit: Callable[..., Page], provider: Provider, demo: Demo
) -> None:
    page = visit("/clusters/register/")
    page.get_by_role("button", name=SIGN_IN).click()
    go_through(page, provider)
    page.get_by_label("Cluster name").fill("spoke-late")
    page.context.clear_cookies(name="fleetui_session")
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_text("what you typed is kept")).to_be_visible()

    page.get_by_role("button", name=SIGN_IN).click()  # the provider knows her still

    page.wait_for_url(f"{demo.url}/clusters/register/")
    expect(page.get_by_label("Cluster name")).to_have_value("spoke-late")


@pytest.mark.parametrize("width", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_fits_and_is_accessible(
    width: str,
    scheme: str,
    visit: Callable[..., Page],
    provider: Provider,
    picture: Callable[..., None],
) -> None:
    for name, path in (
        ("sign-in", "/login/?next=/lint/"),
        ("state-lost", "/login/callback/?state=x"),
    ):
        page = visit(path, width=width, scheme=scheme)
        expect(page.get_by_role("button", name=SIGN_IN)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        assert not found.response["violations"], found.generate_report()
        picture(page, f"{name}-{width}-{scheme}")
