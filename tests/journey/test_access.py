"""Every address, asked by everybody: yes, no or absent, as docs/access.md says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver

from onboarding import tasks, wiring
from onboarding.domain.policy import Rule
from onboarding.models import (
    Adoption,
    ApplicationStatus,
    Bulk,
    BulkRow,
    Change,
    Cluster,
    ClusterPause,
    Delivery,
    Fleet,
    Grant,
    Hub,
    LintReport,
    Offboarding,
    PolicyRule,
    Rollout,
    RolloutRow,
    RolloutWave,
    ServiceAccount,
    ServiceToken,
    Webhook,
)
from onboarding.services import events
from tests.journey.conftest import HUB, Place, signed_in
from tests.people import give
from tests.roles_table import PEOPLE, table

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=3000)
GONE, THERE = "lighthouse-9", "lighthouse-7"
# Where an address that has parts leads; {…} are keys of rows of tenant1.
ADDRESSES = {
    "overview": "/",
    "cluster-list": "/clusters/",
    "cluster-csv": "/clusters/export.csv",
    "cluster-json": "/clusters/export.json",
    "application-list": "/applications/",
    "application-csv": "/applications/export.csv",
    "application-json": "/applications/export.json",
    "filter-save": "/filters/save/",
    "filter-remove": "/filters/1/remove/",
    "cluster-register": "/clusters/register/",
    "register-preview": "/clusters/register/preview/",
    "register-draft": "/clusters/register/draft/",
    "secret-check": "/clusters/register/secret/",
    "cluster-compare": "/clusters/compare/",
    "cluster-detail": "/clusters/{hub}/{cluster}/",
    "cluster-edit": "/clusters/{hub}/{cluster}/edit/",
    "cluster-offboard": "/clusters/{hub}/{cluster}/offboard/",
    "offboarding-pause": "/clusters/{hub}/{cluster}/offboard/pause/",
    "offboarding-resume": "/clusters/{hub}/{cluster}/offboard/resume/",
    "offboarding-stop": "/clusters/{hub}/{cluster}/offboard/stop/",
    "offboarding-give-up": "/clusters/{hub}/{cluster}/offboard/give-up/",
    "cluster-move": "/clusters/{hub}/{cluster}/move/",
    "cluster-pause": "/clusters/{hub}/{cluster}/pause/",
    "pause-end": "/clusters/{hub}/{cluster}/pause/end/",
    "drift-adopt": "/clusters/{hub}/{cluster}/drift/adopt/",
    "drift-reassert": "/clusters/{hub}/{cluster}/drift/reassert/",
    "inbox": "/inbox/",
    "change-list": "/changes/?inbox=all",
    "change-detail": "/changes/{change}/",
    "change-edit": "/changes/{change}/edit/",
    "change-approve": "/changes/{change}/approve/",
    "change-reject": "/changes/{change}/reject/",
    "change-withdraw": "/changes/{change}/withdraw/",
    "change-resubmit": "/changes/{change}/resubmit/",
    "change-retry": "/changes/{change}/retry/",
    "change-comment": "/changes/{change}/comment/",
    "change-evidence": "/changes/{change}/evidence.json",
    "draft-discard": "/changes/{change}/discard/",
    "rollout-list": "/rollouts/",
    "rollout-new": "/rollouts/new/",
    **{
        f"rollout-{verb}": f"/rollouts/{{rollout}}/{verb}/"
        for verb in ("approve", "reject", "pause", "continue", "skip", "revert", "stop")
    },
    "rollout-detail": "/rollouts/{rollout}/",
    "bulk-list": "/bulk/",
    "bulk-register": "/bulk/register/",
    "bulk-template": "/bulk/template.csv",
    "bulk-edit": "/bulk/edit/",
    "bulk-detail": "/bulk/{bulk}/",
    "bulk-refused": "/bulk/{bulk}/refused.csv",
    **{
        f"bulk-{verb}": f"/bulk/{{bulk}}/{verb}/"
        for verb in ("correct", "approve", "reject", "withdraw")
    },
    "change-plan": "/plan/",
    "release-list": "/releases/",
    "tenant-list": "/tenants/",
    "tenant-detail": "/tenants/{tenant}/",
    "layer-edit": "/layers/edit/",
    "layer-preview": "/layers/edit/preview/",
    "lint": "/lint/",
    "lint-json": "/lint/report.json",
    "lint-sarif": "/lint/report.sarif",
    "value-search": "/values/?q=labels",
    "search": "/search/?q=lighthouse",
    "live": "/live/",
    "system": "/system/",
    "audit": "/audit/",
    "audit-csv": "/audit/export.csv",
    "audit-json": "/audit/export.json",
    "audit-verify": "/audit/verify/",
    "mail-choice": "/account/mail/",
    "session-list": "/account/sessions/",
    "session-end": "/account/sessions/0/end/",
    "session-end-others": "/account/sessions/end/",
    "password-change": "/account/password/",
    "fleet-list": "/admin/fleets/",
    "fleet-add": "/admin/fleets/add/",
    "fleet-edit": "/admin/fleets/platform/",
    "fleet-test": "/admin/fleets/platform/test/",
    "fleet-adopt": "/admin/fleets/adopt/",
    "adoption-detail": "/admin/fleets/adopt/{adoption}/",
    "adoption-confirm": "/admin/fleets/adopt/{adoption}/confirm/",
    "hub-list": "/admin/hubs/",
    "hub-add": "/admin/hubs/add/",
    "hub-edit": "/admin/hubs/{hub}/",
    "hub-test": "/admin/hubs/{hub}/test/",
    "policy-list": "/admin/policies/",
    "policy-add": "/admin/policies/add/",
    "policy-edit": "/admin/policies/{policy}/",
    "policy-remove": "/admin/policies/{policy}/remove/",
    "fleet-stop": "/admin/fleets/platform/stop/",
    "fleet-go": "/admin/fleets/platform/go/",
    "webhook-list": "/admin/webhooks/",
    "webhook-add": "/admin/webhooks/add/",
    "webhook-edit": "/admin/webhooks/chat/",
    "webhook-test": "/admin/webhooks/chat/test/",
    "webhook-remove": "/admin/webhooks/chat/remove/",
    "role-list": "/admin/roles/?who=neighbour",
    "role-add": "/admin/roles/add/",
    "role-remove": "/admin/roles/{grant}/remove/",
    "token-list": "/admin/tokens/",
    "token-add": "/admin/tokens/add/",
    "token-revoke": "/admin/tokens/abcdef01/revoke/",
    "api-docs": "/api/",
}
# What a form sends, where without it the answer would be that it is no form of ours.
SENT = {"cluster-offboard": {"workloads": "keep"}, "cluster-pause": {"hours": "1"}}
# What programs ask: a session is no token, so that everybody is told the same, strangers, too.
API = {
    "api-register": "/api/v1/registrations",
    "api-edit": "/api/v1/clusters/hub-cluster/nobody/edits",
    "api-offboard": "/api/v1/clusters/hub-cluster/nobody/offboardings",
    "api-plan-registration": "/api/v1/registrations/plan",
    "api-plan-edit": "/api/v1/clusters/hub-cluster/nobody/edits/plan",
    "api-plan-offboarding": "/api/v1/clusters/hub-cluster/nobody/offboardings/plan",
    "api-revise": "/api/v1/changes/{change}/revisions",
    "api-plan-revision": "/api/v1/changes/{change}/revisions/plan",
    "api-withdraw": "/api/v1/changes/{change}/withdrawal",
    "api-change": "/api/v1/changes/{change}",
    "api-plan": "/api/v1/changes/{change}/plan",
    "api-wait": "/api/v1/changes/{change}/wait?until=decided",
    "api-clusters": "/api/v1/clusters",
    "api-cluster": "/api/v1/clusters/hub-cluster/nobody",
    "api-token": "/api/v1/token",
}


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@dataclass
class World:
    """A place where everything that an address can lead to is there, all of it of tenant1."""

    place: Place
    keys: dict[str, Any]

    def ask(self, who: str, name: str, method: str) -> HttpResponse:
        """One answer, after which everything is as it was."""
        client = self.place.clients[who]
        path = ADDRESSES[name].format(**self.keys)
        with transaction.atomic():
            answer = client.get(path) if method == "GET" else client.post(path, SENT.get(name, {}))
            transaction.set_rollback(True)
        return answer  # type: ignore[return-value]


@pytest.fixture
def change(place: Place) -> Change:
    """A change of tenant1 that waits for approval."""
    place.post("requester", "/clusters/register/", place.form())
    return Change.objects.get()


@pytest.fixture
def world(place: Place, change: Change, monkeypatch: pytest.MonkeyPatch) -> World:
    """Everything once, for tenant1; and two more people: one without a role, one of tenant2."""
    for name in ("none", "neighbour"):
        person = User.objects.create_user(name, f"{name}@example.com", "x")
        place.clients[name] = signed_in(person)
    give(person, "requester", tenant="tenant2")
    monkeypatch.setattr(wiring, "argocd", _unreachable)
    monkeypatch.setattr(wiring, "hub_reader", _unreachable)
    fleet, hub = Fleet.objects.get(), Hub.objects.get()
    requester = User.objects.get(username="requester")
    Change.objects.filter(pk=change.pk).update(cluster_name=THERE)
    Cluster.objects.create(
        fleet=fleet,
        path=f"fleet/fleet-bootstrap/fleet-members/{HUB}/{THERE}.yaml",
        hub_name=HUB,
        name=THERE,
        tenant="tenant1",
        environment="dev",
        model="centralized",
        addons_release="harbour-light",
    )
    Cluster.objects.create(
        fleet=fleet,
        path=f"fleet/fleet-bootstrap/fleet-members/{HUB}/own.yaml",
        hub_name=HUB,
        name="own",
        tenant="tenant2",
        environment="dev",
        model="centralized",
    )
    for cluster in (THERE, "own"):
        ApplicationStatus.objects.create(
            hub=hub,
            uid=cluster,
            name=f"{cluster}-addons",
            cluster_name=cluster,
            component=f"beacon-of-{cluster}",
            first_seen_at=NOW,
            seen_at=NOW,
        )
    Delivery.objects.create(
        change=change,
        fleet=fleet,
        digest="sha256:1",
        state="failed",
        reason=f"The remote refused {THERE}.",
        queued_at=NOW,
        due_at=NOW,
    )
    common = {"fleet": fleet, "hub": hub, "cluster_name": THERE, "change": change}
    Offboarding.objects.create(**common, created_at=NOW, note=f"About {THERE}.")
    ClusterPause.objects.create(
        **common, owner=requester, reason="Lantern work", until=LATER, created_at=NOW
    )
    bulk = Bulk.objects.create(
        fleet=fleet, kind="edit", title="Bulk of lighthouse", requester=requester, created_at=NOW
    )
    BulkRow.objects.create(
        bulk=bulk, number=1, cluster_name=THERE, is_checked=True, due_at=NOW, change=change
    )
    rollout = Rollout.objects.create(
        fleet=fleet,
        title="Rollout of lighthouse",
        label="addonsRelease",
        source="default",
        target="release1",
        requester=requester,
        created_at=NOW,
    )
    wave = RolloutWave.objects.create(rollout=rollout, number=1, name="Wave 1")
    RolloutRow.objects.create(wave=wave, hub=hub, cluster_name=THERE, change=change)
    adoption = Adoption.objects.create(
        actor=requester,
        name="other",
        repository_url="x",
        branch="main",
        created_at=NOW,
        seen_at=NOW,
    )
    Webhook.objects.create(name="chat", url="https://127.0.0.1/hook", topics=["failed"])
    service = User.objects.create_user("terraform")
    account = ServiceAccount.objects.create(user=service, created_at=NOW)
    ServiceToken.objects.create(
        account=account, prefix="abcdef01", digest="x", created_at=NOW, expires_at=LATER
    )
    LintReport.objects.create(fleet=fleet, made_at=NOW)
    events.record(
        verb="cluster.reasserted",
        message=f"Somebody asked about {THERE}.",
        at=NOW,
        fleet=fleet,
        cluster_name=THERE,
    )
    tasks.refresh_standings()
    policy = PolicyRule.objects.create(name="All", rule=Rule("All").to_data(), updated_at=NOW)
    keys = {
        "policy": policy.pk,
        "hub": HUB,
        "cluster": THERE,
        "tenant": "tenant1",
        "change": change.pk,
        "rollout": rollout.pk,
        "bulk": bulk.pk,
        "adoption": adoption.pk,
        "grant": Grant.objects.get(user=person).pk,
    }
    return World(place, keys)


def _unreachable(hub: Hub) -> Any:
    from onboarding.domain.errors import Transient

    raise Transient("The hub does not answer.")


def _word(answer: HttpResponse) -> str:
    return {403: "no", 404: "absent"}.get(answer.status_code, "yes")


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
    named = {name for name, _ in table("Addresses")}
    assert {one.name for one in patterns} - elsewhere == named | set(API)
    assert named == set(ADDRESSES)


def test_it_answers_everybody_as_the_table_says(world: World) -> None:
    expected = table("Addresses")
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for name, method in expected:
        found[name, method] = {who: _word(world.ask(who, name, method)) for who in PEOPLE}
    wrong = {key: (found[key], expected[key]) for key in expected if found[key] != expected[key]}
    assert not wrong


def test_it_answers_the_forbidden_as_the_absent(world: World) -> None:
    for (name, method), answers in table("Addresses").items():
        if answers["neighbour"] != "absent" or not re.search(r"\{", ADDRESSES[name]):
            continue
        forbidden = world.ask("neighbour", name, method)
        there = dict(world.keys)
        world.keys = dict.fromkeys(there, 10**6) | {
            "hub": HUB,
            "cluster": GONE,
            "tenant": "tenant9",
        }
        absent = world.ask("neighbour", name, method)
        world.keys = there
        assert _same(forbidden) == _same(absent), name
        assert forbidden.status_code == absent.status_code == 404, name


def _same(answer: HttpResponse) -> str:
    """The page without what differs each time that it is asked for."""
    text = answer.content.decode()
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", text)
    return re.sub(r'name="server-time" content="[^"]*"', "", text)


def test_it_tells_a_neighbour_nothing_of_others_on_any_page(world: World) -> None:
    """What an address says to who sees everything, and not to the neighbour, is told by its words."""
    words = re.compile(r"lighthouse-7|of lighthouse|tenant1|harbour-light|Lantern")
    seen = set()
    for (name, method), answers in table("Addresses").items():
        if method != "GET" or answers["neighbour"] != "yes" or name.startswith("api-"):
            continue
        told = world.place.clients["viewer"].get(ADDRESSES[name].format(**world.keys))
        if words.search(_text(told)):
            seen.add(name)
        answer = world.place.clients["neighbour"].get(ADDRESSES[name].format(**world.keys))
        assert answer.status_code in (200, 204), name
        found = words.findall(_text(answer))
        assert not found, (name, found)
    shown = {"overview", "cluster-list", "cluster-csv", "application-list", "change-list", "audit"}
    assert shown | {"search", "tenant-list", "bulk-list", "rollout-list"} <= seen


def _text(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())


def test_it_sends_strangers_to_sign_in(world: World) -> None:
    stranger = Client()
    for name, method in table("Addresses"):
        path = ADDRESSES[name].format(**world.keys)
        if method == "GET":
            answer = stranger.get(path)
            assert answer.status_code == 302, path
            assert answer["Location"].startswith("/login/")
        else:
            assert "Sign in" in stranger.post(path).content.decode(), path


def test_it_tells_who_has_no_role_whom_to_ask_and_lets_them_sign_out(world: World) -> None:
    answer = world.ask("none", "overview", "GET")
    assert "Ask an administrator" in answer.content.decode()
    assert "platform" not in answer.content.decode()
    assert world.place.clients["none"].post("/logout/").status_code == 302
    part = world.place.clients["neighbour"]
    Grant.objects.filter(user__username="neighbour").delete()
    assert part.get("/clusters/", headers={"HX-Request": "true"}).status_code == 403


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
