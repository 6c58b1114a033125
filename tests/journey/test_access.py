"""Every address, asked by each role: allowed, refused or sent to sign in, as the table says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from onboarding import tasks
from onboarding.models import Change, Cluster, Fleet, LintReport
from tests.journey.conftest import Place

ROLES = ("viewer", "requester", "approver", "administrator")
READ = {"viewer": 200, "requester": 200, "approver": 200, "administrator": 200}
ASK = {"viewer": 403, "requester": 200, "approver": 403, "administrator": 403}
RULE = {"viewer": 403, "requester": 403, "approver": 403, "administrator": 200}
POST_ONLY = {"viewer": 405, "requester": 405, "approver": 405, "administrator": 405}
TABLE = {
    "overview": ("/", READ),
    "cluster-list": ("/clusters/", READ),
    "cluster-csv": ("/clusters/export.csv", READ),
    "cluster-json": ("/clusters/export.json", READ),
    "application-list": ("/applications/", READ),
    "application-csv": ("/applications/export.csv", READ),
    "application-json": ("/applications/export.json", READ),
    "filter-save": ("/filters/save/", POST_ONLY),
    "filter-remove": ("/filters/1/remove/", POST_ONLY),
    "cluster-register": ("/clusters/register/", ASK),
    "register-preview": ("/clusters/register/preview/", POST_ONLY),
    "register-draft": ("/clusters/register/draft/", POST_ONLY),
    "secret-check": ("/clusters/register/secret/", ASK),
    "cluster-detail": ("/clusters/hub-cluster/nobody/", dict.fromkeys(ROLES, 404)),
    "cluster-edit": ("/clusters/hub-cluster/nobody/edit/", {**ASK, "requester": 404}),
    "drift-adopt": ("/clusters/hub-cluster/nobody/drift/adopt/", POST_ONLY),
    "drift-reassert": ("/clusters/hub-cluster/nobody/drift/reassert/", POST_ONLY),
    "cluster-offboard": ("/clusters/hub-cluster/nobody/offboard/", dict.fromkeys(ROLES, 404)),
    "cluster-move": ("/clusters/hub-cluster/nobody/move/", dict.fromkeys(ROLES, 404)),
    "offboarding-pause": ("/clusters/hub-cluster/nobody/offboard/pause/", POST_ONLY),
    "offboarding-resume": ("/clusters/hub-cluster/nobody/offboard/resume/", POST_ONLY),
    "offboarding-stop": ("/clusters/hub-cluster/nobody/offboard/stop/", POST_ONLY),
    "offboarding-give-up": ("/clusters/hub-cluster/nobody/offboard/give-up/", POST_ONLY),
    "cluster-pause": ("/clusters/hub-cluster/nobody/pause/", dict.fromkeys(ROLES, 404)),
    "pause-end": ("/clusters/hub-cluster/nobody/pause/end/", POST_ONLY),
    "change-list": ("/changes/", READ),
    "change-detail": ("/changes/{change}/", READ),
    "change-edit": ("/changes/{change}/edit/", ASK),
    "change-approve": ("/changes/{change}/approve/", POST_ONLY),
    "change-reject": ("/changes/{change}/reject/", POST_ONLY),
    "change-withdraw": ("/changes/{change}/withdraw/", POST_ONLY),
    "change-resubmit": ("/changes/{change}/resubmit/", POST_ONLY),
    "change-retry": ("/changes/{change}/retry/", POST_ONLY),
    "change-comment": ("/changes/{change}/comment/", POST_ONLY),
    "draft-discard": ("/changes/{change}/discard/", POST_ONLY),
    "release-list": ("/releases/", READ),
    "rollout-list": ("/rollouts/", READ),
    "rollout-new": ("/rollouts/new/", ASK),
    "rollout-detail": ("/rollouts/1/", dict.fromkeys(ROLES, 404)),
    "rollout-approve": ("/rollouts/1/approve/", POST_ONLY),
    "rollout-reject": ("/rollouts/1/reject/", POST_ONLY),
    "rollout-pause": ("/rollouts/1/pause/", POST_ONLY),
    "rollout-continue": ("/rollouts/1/continue/", POST_ONLY),
    "rollout-skip": ("/rollouts/1/skip/", POST_ONLY),
    "rollout-revert": ("/rollouts/1/revert/", POST_ONLY),
    "rollout-stop": ("/rollouts/1/stop/", POST_ONLY),
    "tenant-list": ("/tenants/", READ),
    "layer-edit": ("/layers/edit/", ASK),
    "layer-preview": ("/layers/edit/preview/", POST_ONLY),
    "tenant-detail": ("/tenants/tenant1/", READ),
    "lint": ("/lint/", READ),
    "lint-json": ("/lint/report.json", READ),
    "lint-sarif": ("/lint/report.sarif", READ),
    "cluster-compare": ("/clusters/compare/", READ),
    "change-plan": ("/plan/", READ),
    "value-search": ("/values/", READ),
    "search": ("/search/?q=spoke", READ),
    "live": ("/live/", dict.fromkeys(ROLES, 204)),
    "system": ("/system/", READ),
    "bulk-list": ("/bulk/", READ),
    "bulk-register": ("/bulk/register/", ASK),
    "bulk-template": ("/bulk/template.csv", READ),
    "bulk-edit": ("/bulk/edit/", ASK),
    "bulk-detail": ("/bulk/1/", dict.fromkeys(ROLES, 404)),
    "bulk-refused": ("/bulk/1/refused.csv", dict.fromkeys(ROLES, 404)),
    "bulk-correct": ("/bulk/1/correct/", {**ASK, "requester": 404}),
    "bulk-approve": ("/bulk/1/approve/", POST_ONLY),
    "bulk-reject": ("/bulk/1/reject/", POST_ONLY),
    "bulk-withdraw": ("/bulk/1/withdraw/", POST_ONLY),
    "audit": ("/audit/", READ),
    "mail-choice": ("/account/mail/", READ),
    "webhook-list": ("/admin/webhooks/", RULE),
    "webhook-add": ("/admin/webhooks/add/", RULE),
    "webhook-edit": ("/admin/webhooks/nobody/", {**RULE, "administrator": 404}),
    "webhook-test": ("/admin/webhooks/nobody/test/", POST_ONLY),
    "webhook-remove": ("/admin/webhooks/nobody/remove/", POST_ONLY),
    "audit-csv": ("/audit/export.csv", READ),
    "audit-json": ("/audit/export.json", READ),
    "audit-verify": ("/audit/verify/", POST_ONLY),
    "change-evidence": ("/changes/{change}/evidence.json", READ),
    "fleet-list": ("/admin/fleets/", RULE),
    "fleet-add": ("/admin/fleets/add/", RULE),
    "fleet-adopt": ("/admin/fleets/adopt/", RULE),
    "adoption-detail": ("/admin/fleets/adopt/1/", {**RULE, "administrator": 404}),
    "adoption-confirm": ("/admin/fleets/adopt/1/confirm/", POST_ONLY),
    "fleet-edit": ("/admin/fleets/platform/", RULE),
    "fleet-test": ("/admin/fleets/platform/test/", POST_ONLY),
    "hub-list": ("/admin/hubs/", RULE),
    "hub-add": ("/admin/hubs/add/", RULE),
    "hub-edit": ("/admin/hubs/hub-cluster/", RULE),
    "hub-test": ("/admin/hubs/hub-cluster/test/", POST_ONLY),
    "token-list": ("/admin/tokens/", RULE),
    "token-add": ("/admin/tokens/add/", RULE),
    "api-docs": ("/api/", READ),
    "token-revoke": ("/admin/tokens/abcdef01/revoke/", POST_ONLY),
}
# What programs ask: a session is no token, so that everybody is told the same, strangers, too.
API = {
    "api-register": "/api/v1/registrations",
    "api-edit": "/api/v1/clusters/hub-cluster/nobody/edits",
    "api-offboard": "/api/v1/clusters/hub-cluster/nobody/offboardings",
    "api-change": "/api/v1/changes/{change}",
    "api-plan": "/api/v1/changes/{change}/plan",
    "api-wait": "/api/v1/changes/{change}/wait?until=decided",
    "api-clusters": "/api/v1/clusters",
    "api-cluster": "/api/v1/clusters/hub-cluster/nobody",
    "api-token": "/api/v1/token",
}
# What changes something, and which role alone may post it (others: 403).
WRITES = {
    "/clusters/register/": "requester",
    "/clusters/register/preview/": "requester",
    "/clusters/register/draft/": "requester",
    "/clusters/hub-cluster/nobody/drift/adopt/": "requester",
    "/clusters/hub-cluster/nobody/drift/reassert/": "requester",
    "/clusters/hub-cluster/nobody/offboard/": "requester",
    "/clusters/hub-cluster/nobody/offboard/pause/": "requester",
    "/clusters/hub-cluster/nobody/offboard/resume/": "requester",
    "/clusters/hub-cluster/nobody/offboard/stop/": "requester",
    "/clusters/hub-cluster/nobody/offboard/give-up/": "approver",
    "/changes/{change}/approve/": "approver",
    "/changes/{change}/reject/": "approver",
    "/clusters/hub-cluster/nobody/pause/": "requester",
    "/clusters/hub-cluster/nobody/pause/end/": "requester",
    "/rollouts/new/": "requester",
    "/rollouts/1/approve/": "approver",
    "/rollouts/1/reject/": "approver",
    "/rollouts/1/pause/": "requester",
    "/rollouts/1/continue/": "requester",
    "/rollouts/1/skip/": "requester",
    "/rollouts/1/revert/": "requester",
    "/rollouts/1/stop/": "requester",
    "/admin/fleets/platform/test/": "administrator",
    "/admin/hubs/hub-cluster/test/": "administrator",
    "/admin/fleets/add/": "administrator",
    "/admin/fleets/adopt/": "administrator",
    "/admin/hubs/add/": "administrator",
    "/admin/tokens/add/": "administrator",
    "/admin/tokens/abcdef01/revoke/": "administrator",
}


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def change(place: Place) -> Change:
    """A change that waits for approval."""
    place.post("requester", "/clusters/register/", place.form())
    return Change.objects.get()


def test_every_address_is_in_the_table() -> None:
    elsewhere = {
        "login",
        "logout",
        "styleguide",
        "metrics",
        "forge-called",
        "api-openapi",
        "api-nowhere",
    }  # each with tests of its own
    nested = [part for part in get_resolver().url_patterns if hasattr(part, "url_patterns")]
    patterns = [one for part in nested for one in part.url_patterns if isinstance(one, URLPattern)]
    assert {one.name for one in patterns} - elsewhere == set(TABLE) | set(API)


def test_it_answers_each_role_as_the_table_says(place: Place, change: Change) -> None:
    LintReport.objects.create(fleet=Fleet.objects.get(), made_at=datetime.now(UTC))
    found, expected = {}, {}
    for name, (path, answers) in TABLE.items():
        for role in ROLES:
            expected[name, role] = answers[role]
            found[name, role] = place.get(role, path.format(change=change.pk)).status_code
    assert found == expected


def test_it_lets_no_other_role_write(place: Place, change: Change) -> None:
    for path, allowed in WRITES.items():
        for role in ROLES:
            if role != allowed:
                status = place.post(role, path.format(change=change.pk), {}).status_code
                assert status == 403, (path, role)
    change.refresh_from_db()
    assert change.state == "submitted"


def test_it_sends_strangers_to_sign_in(db: None, place: Place, change: Change) -> None:
    stranger = Client()
    for path, answers in TABLE.values():
        if answers is not POST_ONLY:
            answer = stranger.get(path.format(change=change.pk))
            assert answer.status_code == 302, path
            assert answer["Location"].startswith("/login/")


def test_it_lets_no_session_into_the_api(place: Place, change: Change) -> None:
    for path in API.values():
        for browser in (*place.clients.values(), Client()):
            address = path.format(change=change.pk)
            got = browser.get(address)
            posted = browser.post(address, "{}", content_type="application/json")
            assert {got.status_code, posted.status_code} == {401, 405}, path
    assert Change.objects.count() == 1


def test_it_shows_a_draft_to_its_author_alone(place: Place) -> None:
    place.post("requester", "/clusters/register/draft/", {"cluster": "Half finished"})
    draft = Change.objects.get()
    assert place.get("requester", f"/changes/{draft.pk}/edit/").status_code == 200
    for role in ("viewer", "approver", "administrator"):
        assert place.get(role, f"/changes/{draft.pk}/").status_code == 404
        assert "Half finished" not in place.get(role, "/changes/?inbox=all").content.decode()
        assert "Half finished" not in place.get(role, "/search/?q=Half").content.decode()


@pytest.mark.parametrize(
    "path", ["/", "/clusters/", "/changes/?inbox=all", "/tenants/", "/lint/", "/search/?q=c"]
)
def test_it_asks_the_database_as_often_for_many_as_for_few(
    place: Place, path: str, django_assert_max_num_queries
) -> None:  # type: ignore[no-untyped-def]
    fleet = Fleet.objects.get()
    for number in range(60):
        Cluster.objects.create(
            fleet=fleet,
            path=f"fleet/fleet-bootstrap/fleet-members/hub-cluster/c{number}.yaml",
            hub_name="hub-cluster",
            name=f"c{number}",
            tenant="tenant1",
            environment="dev",
            model="centralized",
        )
    tasks.refresh_standings()
    with django_assert_max_num_queries(45):
        assert place.get("requester", path).status_code == 200
