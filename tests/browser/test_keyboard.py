"""The whole way with the keyboard alone: what is focused is seen, nothing traps, errors are where one is."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SignIn

CLUSTER = "spoke-dev-workload4"
# What has the focus: whether it lies free on the screen, and whether something shows that it has it.
FOCUSED = """() => {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const box = it.getBoundingClientRect();
  const x = Math.min(Math.max(box.left + box.width / 2, 1), innerWidth - 1);
  const free = [0.1, 0.3, 0.5, 0.7, 0.9].some((part) => {
    const at = document.elementFromPoint(x, box.top + box.height * part);
    return at && (it.contains(at) || at.contains(it) || it.closest("label")?.contains(at));
  });
  const drawn = [it, it.nextElementSibling, it.closest("label"), it.closest("tr")].filter(Boolean);
  return {
    name: (it.getAttribute("aria-label") || it.id || it.textContent).trim().slice(0, 60),
    covered: !free,
    ringed: drawn.some((one) => {
      const style = getComputedStyle(one);
      return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    }),
    top: box.top + scrollY,
    inForm: Boolean(it.closest("#cluster-form")),
  };
}"""


def tab(page: Page, *, key: str = "Tab") -> dict[str, object]:
    """Press Tab once; what then has the focus, which must be seen to have it."""
    page.keyboard.press(key)
    found = page.evaluate(FOCUSED)
    if found is None:
        return {"name": "", "top": 0.0, "inForm": False}
    assert not found["covered"], f"{found['name']} has the focus below something else"
    assert found["ringed"], f"nothing shows that {found['name']} has the focus"
    return dict(found)


def tab_to(page: Page, wanted: Locator, *, most: int = 90) -> list[dict[str, object]]:
    """Press Tab until this has the focus; what had it on the way."""
    way = []
    for _ in range(most):
        way.append(tab(page))
        if wanted.evaluate("it => it === document.activeElement"):
            return way
    raise AssertionError(f"not reached in {most} steps: {[step['name'] for step in way]}")


def replace(page: Page, text: str) -> None:
    """Type over what the focused field holds."""
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def test_it_goes_the_whole_way(sign_in: SignIn) -> None:
    page = sign_in("requester")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    register = page.get_by_role("link", name="Register a cluster")
    assert len(tab_to(page, register)) == 1  # the navigation is skipped
    page.keyboard.press("Enter")
    name = page.get_by_label("Cluster name")
    expect(name).to_be_visible()

    tab_to(page, name)
    page.keyboard.type("Not A Name")
    page.keyboard.press("Enter")
    expect(page.locator("#id_cluster_error")).to_be_visible()
    expect(name).to_be_focused()
    assert name.get_attribute("aria-invalid") == "true"
    replace(page, CLUSTER)
    for label, text in (("Tenant", "tenant1"), ("Environment", "dev")):
        tab_to(page, page.get_by_label(label, exact=True), most=3)
        replace(page, text)
    tab_to(page, page.get_by_label("Credentials secret", exact=True), most=2)
    replace(page, f"fleet/{CLUSTER}")
    preview = page.locator("#preview-part")
    expect(preview).to_contain_text(f"fleet-members/hub-cluster/{CLUSTER}.yaml")

    inherit = page.locator("[name=pin_addonsRelease]").first
    tab_to(page, inherit, most=8)
    page.keyboard.press("ArrowRight")
    expect(preview).to_contain_text('addonsRelease: "default"')
    # The preview has replaced the channels by now, and the reader is where they were.
    expect(page.locator("[name=pin_addonsRelease]:checked")).to_be_focused()
    send = page.get_by_role("button", name="Request approval")
    way = [step for step in tab_to(page, send) if step["inForm"]]
    tops = [float(str(step["top"])) for step in way[:-1]]  # the bar with the button is sticky
    assert tops == sorted(tops), "the order of Tab is not the order of the page"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Register {CLUSTER}")).to_be_visible()

    approver = sign_in("approver")
    tab_to(approver, approver.get_by_role("link", name=re.compile("Changes that wait for me")))
    approver.keyboard.press("Enter")
    expect(approver.get_by_role("heading", name="Inbox")).to_be_visible()
    row = approver.get_by_role("link", name=f"Register {CLUSTER}")
    for _ in range(5):
        approver.keyboard.press("j")
        if row.evaluate("it => it === document.activeElement"):
            break
    expect(row).to_be_focused()
    approver.keyboard.press("Enter")
    expect(approver.get_by_role("button", name="Approve this plan")).to_be_visible()
    tab_to(approver, approver.get_by_role("textbox", name=re.compile("Your decision")))
    approver.keyboard.type("As agreed.")
    tab_to(approver, approver.get_by_role("button", name="Approve this plan"), most=3)
    approver.keyboard.press("Enter")
    expect(approver.get_by_text("Committed").first).to_be_visible(timeout=30_000)


def test_nothing_traps_the_focus(sign_in: SignIn) -> None:
    page = sign_in("requester")
    for path in ("/", "/clusters/", "/changes/1/", "/clusters/hub-cluster/spoke-dev-workload1/"):
        page.goto(path)
        page.locator("h1").first.wait_for()
        names = []
        for _ in range(150):
            names.append(tab(page)["name"])
            if names[-1] == "" or names.count("Skip to content") > 1:
                break
        else:
            raise AssertionError(f"{path} has no end: {names[-12:]}")
        assert len(names) > 10, path


def test_escape_closes_what_opens(sign_in: SignIn) -> None:
    page = sign_in("requester")
    page.goto("/clusters/")
    for opener, inside in (
        (page.locator("summary[aria-label=Theme]"), page.get_by_role("button", name="Dark")),
        (page.get_by_text("Switch fleet").locator("xpath=../preceding-sibling::summary"), None),
        (page.locator("#facets > summary"), page.locator("#facets input").nth(2)),
    ):
        opener.focus()
        page.keyboard.press("Enter")
        expect(opener.locator("xpath=..")).to_have_attribute("open", "")
        if inside is not None:
            tab_to(page, inside, most=5)
        page.keyboard.press("Escape")
        expect(opener.locator("xpath=..")).not_to_have_attribute("open", "")
        expect(opener).to_be_focused()


def test_a_page_that_refreshes_itself_leaves_the_focus_where_it_is(sign_in: SignIn) -> None:
    page = sign_in("requester")
    link = page.locator("#overview-part .fui-list a").first
    link.focus()
    before = link.get_attribute("href")
    link.evaluate("it => { it.dataset.old = '1'; }")
    expect(page.locator("#overview-part [data-old]")).to_have_count(0, timeout=20_000)
    assert page.evaluate("document.activeElement.getAttribute('href')") == before


LONG = "x" * 63


def test_the_longest_names_fit_a_phone(sign_in: SignIn) -> None:
    page = sign_in("requester", width="phone")
    page.goto("/clusters/register/")
    for label, text in (
        ("Cluster name", LONG),
        ("Tenant", f"t{LONG[1:]}"),
        ("Environment", f"e{LONG[1:]}"),
        ("Credentials secret", "fleet/spoke-dev-workload3"),
    ):
        page.get_by_label(label, exact=True).fill(text)
    expect(page.locator("#preview-part")).to_contain_text(f"{LONG}.yaml", timeout=20_000)
    wide = [page.url] if too_wide(page) else []
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_role("heading", name=f"Register {LONG}")).to_be_visible()
    change = page.url
    page.goto(f"{change}?tab=discussion")
    page.get_by_label("Say something").fill("w" * 400)
    page.get_by_role("button", name="Comment").click()
    expect(page.get_by_text("w" * 400)).to_be_visible()
    tabs = [f"{change}?tab={name}" for name in ("plan", "diff", "discussion", "evidence")]
    lists = ["/", "/clusters/", "/changes/?inbox=all", f"/search/?q={LONG[:9]}", "/tenants/"]
    for path in (*tabs, *lists, f"/values/?q={'k' * 200}"):
        page.goto(path)
        wide += [path] if too_wide(page) else []
    page.goto(change)
    page.get_by_role("button", name="Withdraw").click()
    assert not wide


def too_wide(page: Page) -> bool:
    """Whether the page has to be moved sideways to be read."""
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1"))
