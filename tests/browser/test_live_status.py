"""What the hub does is on the page without a reload, on a desk and in a hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, SignIn

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


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_a_cluster_that_turns_degraded_does_so_on_every_open_page(
    sign_in: SignIn, demo: Demo, tmp_path: Path, size: tuple[int, int]
) -> None:
    """Nobody reloads: not its page, the list nor the overview; focus and place on the page stay."""
    name = "edge-staging"
    page = f"/clusters/hub-cluster/{name}/"
    opened = {
        "cluster": (page, page.rstrip("/") + "/?tab=labels"),
        "list": (f"/clusters/?q={name}&sort=name", page),
        "overview": ("/", "/clusters/?state=healthy"),
        "applications": (f"/applications/?cluster={name}", page),
    }
    pages = {}
    for what, (path, link) in opened.items():
        shown = pages[what] = sign_in("requester")
        shown.set_viewport_size({"width": size[0], "height": size[1]})
        shown.goto(path)
        focused = shown.locator(f"main a[href='{link}']").first
        expect(focused).to_be_visible()
        focused.focus()
        shown.evaluate("window.scrollTo(0, 120); window.loadedOnce = true")
    expect(pages["cluster"].get_by_text("are synced and healthy").first).to_be_visible()
    before = {what: shown.evaluate(_PLACE) for what, shown in pages.items()}
    counted = _healthy(pages["overview"])

    push(demo, tmp_path, "demo: degraded\n")
    degraded = pages["cluster"].get_by_text("1 degraded").first
    expect(degraded).to_be_visible(timeout=60_000)
    expect(pages["list"].locator("tr", has_text=name)).to_contain_text("Degraded", timeout=20_000)
    row = pages["applications"].locator("tr", has_text=f"cluster-info-{name}")
    expect(row).to_contain_text("Degraded", timeout=20_000)
    number = pages["overview"].locator("main a[href='/clusters/?state=healthy']").first
    expect(number).to_contain_text(str(counted - 1), timeout=20_000)
    after = {what: shown.evaluate(_PLACE) for what, shown in pages.items()}
    assert after == before

    push(demo, tmp_path, "demo: healthy\n")
    expect(pages["cluster"].get_by_text("are synced and healthy").first).to_be_visible(
        timeout=60_000
    )
    expect(pages["list"].locator("tr", has_text=name)).to_contain_text("Healthy", timeout=20_000)
    assert {what: shown.evaluate(_PLACE) for what, shown in pages.items()} == before


_PLACE = """() => ({
  loadedOnce: window.loadedOnce, scroll: Math.round(window.scrollY),
  focus: document.activeElement.getAttribute("href"),
})"""


def _healthy(overview: Page) -> int:
    """How many clusters the overview calls healthy."""
    link = overview.locator("main a[href='/clusters/?state=healthy']").first
    return int("".join(filter(str.isdigit, link.inner_text())))


def push(demo: Demo, folder: Path, values: str) -> None:
    """Commit values of a component as somebody would by hand; the demo's hub acts as they say."""
    clone = folder / "fleet"
    if not clone.exists():
        git("clone", "-q", str(demo.data / "fleet.git"), str(clone))
    git("-C", str(clone), "pull", "-q", "--rebase")
    file = clone / "addons/tenants/tenant2/environments/staging/cluster-info/values.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(values)
    git("-C", str(clone), "add", "-A")
    author = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
    git("-C", str(clone), *author, "commit", "-q", "-m", "Change a value by hand")
    git("-C", str(clone), "push", "-q", "origin", "HEAD:main")


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, timeout=30)


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
    name = "metrics-server-spoke-dev-workload1"
    listing = sign_in("requester", width="phone")
    listing.goto("/applications/?cluster=spoke-dev-workload1")
    expect(listing.get_by_text("cluster-info-spoke-dev-workload1")).to_be_visible()
    expect(listing.get_by_text(name)).to_have_count(0)
    listing.evaluate("window.loadedOnce = true")

    asking = sign_in("requester")
    asking.goto("/clusters/hub-cluster/spoke-dev-workload1/edit/")
    asking.locator("#pin_enable_metrics_server-true").check(force=True)
    asking.get_by_role("button", name="Request approval").click()
    expect(asking.get_by_role("heading", level=1)).to_have_text("Edit spoke-dev-workload1")
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
