"""What the hub does is on the page without a reload, on a desk and in a hand."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import SignIn

CLUSTER = "/clusters/hub-cluster/edge-prod-madrid/"
LABEL = "maintenance-window"
_PRETENDED_STREAM = """
window.EventSource = class {
  static CLOSED = 2;
  constructor() { window.stream = this; this.readyState = 1; }
  close() { this.readyState = 2; }
};
"""


def test_drift_is_adopted_and_every_open_page_follows(sign_in: SignIn) -> None:
    watching = sign_in("requester", width="phone", scheme="dark")
    watching.goto(f"{CLUSTER}?tab=drift")
    expect(watching.get_by_role("rowheader", name=LABEL)).to_be_visible()
    expect(watching.get_by_text("Changed by hand on the hub")).to_be_visible()
    watching.evaluate("window.loadedOnce = true")

    listing = sign_in("requester")
    listing.goto("/clusters/?drift=labels")
    # Drift is counted once the hub has had time to follow the newest commit.
    row = listing.locator("tr", has_text="edge-prod-madrid")
    listing.evaluate("window.loadedOnce = true")
    expect(row.get_by_text("1 label drifted")).to_be_visible(timeout=90_000)

    asking = sign_in("requester")
    asking.goto(f"{CLUSTER}?tab=drift")
    asking.get_by_role("button", name=f"Adopt {LABEL}").click()
    expect(asking.get_by_role("heading", level=1)).to_have_text("Edit edge-prod-madrid")
    change = asking.url

    deciding = sign_in("approver")
    deciding.goto(change)
    deciding.get_by_role("button", name="Approve this plan").click()
    expect(deciding.get_by_text("Committed").first).to_be_visible(timeout=60_000)

    # The hub reads Git, its cluster secret agrees, and nobody has reloaded anything.
    expect(watching.get_by_text("No drift")).to_be_visible(timeout=90_000)
    expect(row).to_have_count(0, timeout=90_000)
    assert watching.evaluate("window.loadedOnce") is True
    assert listing.evaluate("window.loadedOnce") is True


def test_a_hub_that_never_rests_is_not_asked_for_without_a_rest(sign_in: SignIn) -> None:
    page = sign_in("requester")
    page.add_init_script(_PRETENDED_STREAM)
    page.clock.install()
    page.goto("/clusters/")
    expect(page.get_by_text("as of").first).to_be_visible()
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 1"))
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "hx-request" in one.headers else None)

    def moves(times: int) -> None:
        for _ in range(times):
            page.evaluate("stream.onmessage()")
            page.clock.run_for(400)

    with page.expect_response(lambda one: "hx-request" in one.request.headers):
        moves(1)
    moves(5)
    assert len(asked) == 1
    with page.expect_response(lambda one: "hx-request" in one.request.headers):
        page.clock.run_for(1000)
    assert len(asked) == 2


def test_the_list_of_applications_follows_a_new_one(sign_in: SignIn) -> None:
    """A component is switched on; its Application appears in a list that was open all the time."""
    name = "metrics-server-spoke-prod-eu-1"
    listing = sign_in("requester", width="phone")
    listing.goto("/applications/?cluster=spoke-prod-eu-1")
    expect(listing.get_by_text("cluster-info-spoke-prod-eu-1")).to_be_visible()
    expect(listing.get_by_text(name)).to_have_count(0)
    listing.evaluate("window.loadedOnce = true")

    asking = sign_in("requester")
    asking.goto("/clusters/hub-cluster/spoke-prod-eu-1/edit/")
    asking.locator("#pin_enable_metrics_server-true").check(force=True)
    asking.get_by_role("button", name="Request approval").click()
    expect(asking.get_by_role("heading", level=1)).to_have_text("Edit spoke-prod-eu-1")
    change = asking.url

    deciding = sign_in("approver")
    deciding.goto(change)
    deciding.get_by_role("button", name="Approve this plan").click()
    expect(listing.get_by_text(name)).to_be_visible(timeout=60_000)
    card = listing.locator("tr", has_text=name)
    expect(card.get_by_text("Healthy").first).to_be_visible(timeout=60_000)
    assert listing.evaluate("window.loadedOnce") is True


def test_the_releases_page_and_a_kept_filter_are_used_by_hand(sign_in: SignIn) -> None:
    page = sign_in("requester", width="phone")
    page.goto("/clusters/?state=degraded")
    page.locator("#saved-filters summary").click()
    page.get_by_label("Keep this filter as").fill("What is degraded")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("link", name="What is degraded").first).to_be_visible()
    page.goto("/clusters/")
    page.locator(".fui-list-chips").get_by_role("link", name="What is degraded").click()
    expect(page).to_have_url(f"{page.url.split('/clusters/')[0]}/clusters/?state=degraded")
    page.locator("#saved-filters summary").click()
    page.get_by_role("button", name="Remove the filter What is degraded").click()
    expect(page.get_by_text("The filter is removed.")).to_be_visible()

    page.goto("/releases/")
    page.get_by_role("link", name="only pinned").click()
    expect(page.locator("#matrix").get_by_role("link", name="edge-staging")).to_be_visible()
    expect(page.locator("#matrix").get_by_role("link", name="edge-prod-oslo")).to_have_count(0)
