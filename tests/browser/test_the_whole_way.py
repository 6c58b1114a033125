"""From the form to Healthy, as two people do it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, SignIn

CLUSTER = "spoke-dev-workload3"


def fill_registration(page: Page, *, cluster: str, secret: str) -> None:
    """Fill the form with what a platform engineer knows."""
    page.goto("/clusters/register/")
    page.get_by_label("Cluster name").fill(cluster)
    page.get_by_label("Tenant").fill("tenant1")
    page.get_by_label("Environment", exact=True).fill("dev")
    page.get_by_label("Credentials secret", exact=True).fill(secret)


def test_it_goes_the_whole_way(demo: Demo, sign_in: SignIn, picture: Callable[..., None]) -> None:
    requester = sign_in("requester")
    fill_registration(requester, cluster=CLUSTER, secret=f"fleet/{CLUSTER}")
    expect(requester.get_by_text("Present")).to_be_visible()
    preview = requester.locator("#preview-part")
    expect(preview).to_contain_text(f"fleet-members/hub-cluster/{CLUSTER}.yaml")
    requester.locator("#pin_addonsRelease-release1").press("Space")
    expect(preview).to_contain_text('addonsRelease: "release1"')
    picture(requester, "register")
    requester.get_by_role("button", name="Request approval").click()

    expect(requester.get_by_role("heading", name=f"Register {CLUSTER}")).to_be_visible()
    change_url = requester.url
    expect(requester.get_by_role("button", name="Approve this plan")).to_have_count(0)

    approver = sign_in("approver")
    approver.goto("/changes/?inbox=me")
    approver.get_by_role("link", name=f"Register {CLUSTER}").first.click()
    expect(approver.get_by_text(f"cluster-info-{CLUSTER}").first).to_be_visible()
    picture(approver, "change")
    approver.get_by_role("button", name="Approve this plan").click()
    expect(approver.get_by_text("Committed").first).to_be_visible(timeout=20_000)

    requester.goto(change_url)
    requester.get_by_role("link", name=CLUSTER).first.click()
    expect(requester.get_by_text("Approved", exact=True).first).to_be_visible()
    picture(requester, "onboarding")
    expect(requester.locator("#detail-part, main").first).to_contain_text("Healthy", timeout=60_000)
    requester.goto(requester.url.split("?")[0])
    expect(requester.get_by_text("Applications are synced and healthy")).to_be_visible(
        timeout=60_000
    )
    picture(requester, "cluster")
    requester.goto("/clusters/")
    picture(requester, "clusters")
    requester.goto("/")
    picture(requester, "overview")

    # The demo's rollout commits meanwhile.
    subject = f"Register cluster {CLUSTER} on hub hub-cluster"
    found = ("log", "--fixed-strings", f"--grep={subject}", "--format=%an%n%B", "main")
    log = subprocess.run(
        ["git", "-C", str(demo.data / "fleet.git"), *found],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert log.startswith(f"requester\n{subject}")
    assert log.count("Change-Id: ") == 1
    assert "Approved-by: approver" in log
    assert "Plan-Digest: sha256:" in log


def test_it_works_without_javascript(sign_in: SignIn) -> None:
    page = sign_in("requester", javascript=False)
    fill_registration(page, cluster="spoke-dev-workload5", secret="fleet/spoke-dev-workload5")
    page.get_by_role("button", name="Update the preview").click()
    expect(page.locator("#preview-part")).to_contain_text(
        "fleet-members/hub-cluster/spoke-dev-workload5.yaml"
    )
    expect(page.get_by_label("Cluster name")).to_have_value("spoke-dev-workload5")
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_role("heading", name="Register spoke-dev-workload5")).to_be_visible()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Withdrawn").first).to_be_visible()


def test_it_says_what_is_wrong_at_the_field_and_keeps_what_was_typed(sign_in: SignIn) -> None:
    page = sign_in("requester")
    fill_registration(page, cluster="../Bad", secret="fleet/nowhere")
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_text("Cluster name may hold only lowercase letters")).to_be_visible()
    expect(page.get_by_label("Cluster name")).to_have_value("../Bad")
    page.get_by_label("Cluster name").fill("spoke-dev-nowhere")
    page.get_by_role("button", name="Request approval").click()
    expect(page.locator("#id_secret_name_error")).to_contain_text("fleet/nowhere")
    page.goto("/changes/?inbox=all")
    expect(page.get_by_text("spoke-dev-nowhere")).to_have_count(0)


def test_going_back_and_asking_again_asks_once(sign_in: SignIn) -> None:
    page = sign_in("requester")
    fill_registration(page, cluster="spoke-dev-again", secret="fleet/spoke-dev-workload5")
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_role("heading", name="Register spoke-dev-again")).to_be_visible()
    asked = page.url
    page.go_back()
    expect(page.get_by_label("Cluster name")).to_have_value("spoke-dev-again")
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_role("heading", name="Register spoke-dev-again")).to_be_visible()
    assert page.url == asked
    page.goto("/changes/?inbox=mine")
    expect(page.get_by_role("link", name="Register spoke-dev-again")).to_have_count(1)
    page.goto(asked)
    page.get_by_role("button", name="Withdraw").click()


def test_it_keeps_a_draft(sign_in: SignIn) -> None:
    page = sign_in("requester")
    fill_registration(page, cluster="Half finished", secret="")
    page.get_by_role("button", name="Save as draft").click()
    expect(page.get_by_text("Draft kept")).to_be_visible()
    page.goto("/changes/?inbox=mine")
    page.get_by_role("link", name="Half finished").first.click()
    expect(page.get_by_label("Cluster name")).to_have_value("Half finished")


def test_a_page_hears_what_somebody_else_did_without_asking_for_it(sign_in: SignIn) -> None:
    requester = sign_in("requester")
    fill_registration(requester, cluster="spoke-dev-heard", secret="fleet/spoke-dev-workload5")
    requester.get_by_role("button", name="Request approval").click()
    expect(requester.get_by_role("heading", name="Register spoke-dev-heard")).to_be_visible()
    change = requester.url

    # Its clock stands still: nothing that the page does every few seconds is done any more.
    listener = sign_in("approver")
    listener.clock.install()
    with listener.expect_request("**/live/"):
        listener.goto(change)
    expect(listener.get_by_text("Submitted").first).to_be_visible()
    requester.get_by_role("button", name="Withdraw").click()
    expect(listener.get_by_text("Withdrawn").first).to_be_visible()
