"""Every page, at desktop and phone width, light and dark: it fits, it is readable, nothing fails."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import SignIn

PAGES = (
    "/",
    "/clusters/",
    "/clusters/?state=healthy&tenant=tenant1&sort=-applications",
    "/clusters/register/",
    "/clusters/hub-cluster/spoke-dev-workload1/",
    "/clusters/hub-cluster/edge-prod-madrid/?tab=drift",
    "/clusters/hub-cluster/edge-prod-berlin/",
    "/applications/",
    "/applications/?state=failed&q=spoke",
    "/clusters/hub-cluster/spoke-dev-workload1/?tab=labels",
    "/clusters/hub-cluster/spoke-dev-workload1/?tab=values&component=cluster-info",
    "/clusters/compare/?a=hub-cluster/spoke-dev-workload1&b=hub-cluster/spoke-prod-eu-1",
    "/plan/?rev=main",
    "/values/?q=info",
    "/clusters/hub-cluster/spoke-dev-workload1/?tab=history",
    "/clusters/hub-cluster/spoke-dev-workload1/?tab=files",
    "/clusters/hub-cluster/spoke-dev-workload1/edit/",
    "/changes/",
    "/inbox/",
    "/releases/",
    "/tenants/",
    "/tenants/tenant1/",
    "/layers/edit/?tenant=tenant1",
    "/layers/edit/?file=addons/defaults/metrics-server/values.yaml&tenant=tenant1",
    "/clusters/hub-cluster/spoke-dev-workload1/move/",
    "/lint/",
    "/lint/?severity=warning",
    "/search/?q=edge",
    "/system/",
    "/api/",
    "/bulk/",
    "/bulk/register/",
    "/bulk/edit/?tenant=tenant1",
    "/rollouts/",
    "/rollouts/new/",
    "/clusters/hub-cluster/spoke-dev-workload1/pause/",
    "/audit/",
    "/audit/?since=x",
    "/account/mail/",
    "/account/sessions/",
    "/account/password/",
)
ADMINISTRATION = (
    "/admin/fleets/",
    "/admin/fleets/demo-fleet/",
    "/admin/fleets/adopt/",
    "/admin/hubs/",
    "/admin/hubs/hub-cluster/",
    "/admin/roles/?who=tenant1",
    "/admin/roles/add/",
    "/admin/tokens/",
    "/admin/tokens/add/",
    "/admin/policies/",
    "/admin/policies/?fleet=demo-fleet&tenant=tenant1&environment=prod&kind=edit",
    "/admin/policies/add/",
    "/admin/webhooks/",
    "/admin/webhooks/add/",
)


@pytest.mark.parametrize("width", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_is_accessible(sign_in: SignIn, width: str, scheme: str) -> None:
    problems = []
    for who, paths in (("requester", PAGES), ("administrator", ADMINISTRATION)):
        page = sign_in(who, width=width, scheme=scheme)
        for path in paths:
            page.goto(path)
            expect(page.locator("h1").first).to_be_visible()
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1"):
                problems.append(f"{path} is wider than the screen")
            found = Axe().run(page, options={"resultTypes": ["violations"]})
            problems += [
                f"{path}: {violation['id']}: {violation['nodes'][0]['html'][:160]}"
                for violation in found.response["violations"]
                if violation["impact"] in ("serious", "critical")
            ]
    assert not problems, "\n".join(problems)


def test_it_is_used_with_the_keyboard(sign_in: SignIn) -> None:
    page = sign_in("requester")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("body").press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("edge-dev")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="edge-dev").first).to_be_visible()


def test_the_top_bar_stays_and_no_column_is_cut(sign_in: SignIn) -> None:
    page = sign_in("requester")
    for width in (1280, 1440, 1680):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/clusters/")
        assert page.locator(".fui-scroll").evaluate("it => it.scrollWidth <= it.clientWidth")
    page.goto("/clusters/register/")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.get_by_role("searchbox")).to_be_in_viewport()


def test_on_a_phone_all_that_a_cell_says_stands_beside_its_name(sign_in: SignIn) -> None:
    page = sign_in("requester", width="phone")
    for path in ("/releases/", "/tenants/"):
        page.goto(path)
        words = page.locator('td[data-label="How they are"] > .fui-small')
        expect(words.first).to_be_visible()
        beside = "all => all.map(it => it.offsetLeft - it.previousElementSibling.offsetLeft)"
        assert set(words.evaluate_all(beside)) == {0}, path


def test_it_refreshes_itself_and_shows_its_age(sign_in: SignIn) -> None:
    page = sign_in("requester")
    with page.expect_response(
        lambda answer: answer.request.headers.get("hx-request") == "true", timeout=20_000
    ):
        page.goto("/clusters/")
    expect(page.get_by_text("as of").first).to_be_visible()


def test_it_refuses_what_a_person_may_not_do(sign_in: SignIn) -> None:
    page = sign_in("approver")
    expect(page.get_by_role("link", name="Register a cluster")).to_have_count(0)
