"""The API: every verb, what it refuses, and that it never decides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client

from onboarding import tasks
from onboarding.api import reading as reading_api
from onboarding.domain.tokens import Verb
from onboarding.models import (
    Change,
    Cluster,
    Delivery,
    Fleet,
    Grant,
    Hub,
    IdempotencyKey,
    Offboarding,
    Outcome,
    ServiceToken,
    Standing,
)
from onboarding.services import service_tokens
from tests import repositories
from tests.fakes import FakeClock
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_registration import MEMBER, MEMBER_PATH

REGISTRATIONS = "/api/v1/registrations"
CLUSTER = f"/api/v1/clusters/{HUB}/spoke-a"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@dataclass
class Program:
    """A program with a token."""

    text: str

    def get(self, path: str, **query: Any) -> HttpResponse:
        return Client().get(path, query, headers=self.headers())  # type: ignore[return-value]

    def post(self, path: str, body: Any, key: str = "k1", **headers: str) -> HttpResponse:
        sent = {**self.headers(), "Idempotency-Key": key, **headers}
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        return Client().post(path, text, content_type="application/json", headers=sent)  # type: ignore[return-value]

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}


def program(
    verbs: Sequence[Verb] = tuple(Verb), fleets: Sequence[Fleet] = (), name: str = "terraform"
) -> Program:
    issued = service_tokens.issue(
        name=name,
        verbs=verbs,
        fleets=fleets or list(Fleet.objects.filter(name="platform")),
        days=30,
        actor=None,
        clock=FakeClock(datetime.now(UTC)),
    )
    return Program(issued.text)


def body(place: Place, cluster: str = "spoke-a", **changes: Any) -> dict[str, Any]:
    return place.form(cluster) | {"pins": {"addonsRelease": "default"}} | changes


def errors(answer: HttpResponse) -> dict[str, str]:
    """Field -> code of a problem document."""
    assert answer["Content-Type"] == "application/problem+json"
    found = json.loads(answer.content)
    assert found["status"] == answer.status_code
    assert found["detail"]
    return {one["field"]: one["code"] for one in found["errors"]}


def told(answer: HttpResponse, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    found: dict[str, Any] = json.loads(answer.content)
    return found


def in_git(place: Place, text: str = MEMBER) -> Cluster:
    repositories.commit(place.bare, {MEMBER_PATH: text})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get(name="platform").pk)
    return Cluster.objects.get()


def approve(place: Place, change: Change) -> None:
    page = place.get("approver", f"/changes/{change.pk}/")
    answer = place.post("approver", f"/changes/{change.pk}/approve/", reading.decision(page))
    assert answer.status_code == 302


# --- Asking ---


def test_it_registers_a_cluster_that_people_then_approve(place: Place) -> None:
    caller = program()
    answer = caller.post(REGISTRATIONS, body(place))
    found = told(answer, 201)
    change = Change.objects.get()
    assert answer["Location"] == f"/api/v1/changes/{change.pk}"
    assert found["number"] == change.pk
    assert (found["state"], found["requested_by"]) == ("submitted", "terraform")
    assert found["digest"] == change.plan_digest
    assert found["delivery"] is None
    assert change.intent["pins"]["addonsRelease"] == "default"

    plan = told(caller.get(f"/api/v1/changes/{change.pk}/plan"))
    assert plan["digest"] == change.plan_digest
    assert '+clusterName: "spoke-a"' in plan["patch"]
    assert {"path": MEMBER_PATH, "change": "added"} in plan["files"]
    assert plan["applications"]["appear"]

    # The page of the form shows what the program said, to whoever edits it.
    assert "spoke-a" in place.get("requester", f"/changes/{change.pk}/edit/").content.decode()
    approve(place, change)
    tasks.deliver(fleet_id=change.fleet_id)
    found = told(caller.get(f"/api/v1/changes/{change.pk}"))
    assert (found["state"], found["delivery"]["state"]) == ("approved", "committed")
    assert found["delivery"]["commit"] == repositories.git(place.bare, "rev-parse", "main").strip()
    assert "Requested-by: terraform" in repositories.log(place.bare)[0]


def test_it_registers_what_a_form_of_the_same_words_registers(place: Place) -> None:
    form = place.form() | {"pin_addonsRelease": "default", "remote_resources": "on"}
    form |= {"model": "distributed", "githubSecretName": "github"}
    place.post("requester", "/clusters/register/", form)
    by_hand = Change.objects.get()
    place.post("requester", f"/changes/{by_hand.pk}/withdraw/", {})
    asked = body(place, model="distributed", remote_resources=True)
    told(program().post(REGISTRATIONS, asked | {"options": {"githubSecretName": "github"}}), 201)
    by_program = Change.objects.latest("pk")
    assert by_program.intent == by_hand.intent | {
        "pins": {**by_hand.intent["pins"], "addonsRelease": "default"}
    }
    assert by_program.plan["edits"] == by_hand.plan["edits"]
    assert by_program.form_data.items() <= {**form, "remote_resources": "on"}.items()


def test_it_edits_only_what_is_said(place: Place) -> None:
    in_git(place, MEMBER.replace("centralized", "centralized"))
    change = Change.objects.get(
        pk=told(program().post(f"{CLUSTER}/edits", {"pins": {"addonsRelease": "release1"}}), 201)[
            "number"
        ]
    )
    assert change.kind == "edit"
    assert change.intent["pins"]["addonsRelease"] == "release1"
    (edit,) = change.plan["edits"]
    assert "release1" in edit["after"]
    assert edit["path"] != MEMBER_PATH, "the member file says what it said"


def test_it_asks_that_a_cluster_leaves(place: Place) -> None:
    in_git(place)
    caller = program()
    asked = {"workloads": "keep", "confirm": "spoke-a"}
    found = told(caller.post(f"{CLUSTER}/offboardings", asked), 201)
    assert found["kind"] == "offboard"
    assert found["offboarding"]["workloads"] == "keep"
    assert Offboarding.objects.get().change_id == found["number"]
    plan = told(caller.get(f"/api/v1/changes/{found['number']}/plan"))
    assert plan["steps"][-1] == "remove"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"cluster": "Not A Name"}, {"cluster": "refused"}),
        ({"tenant": "{{ x }}"}, {"tenant": "refused"}),
        ({"secret_name": "a\nb"}, {"secret_name": "refused"}),
        ({"secret_name": "fleet/unknown"}, {"secret_name": "secret_absent"}),
        ({"hub": "elsewhere"}, {"hub": "no_hub"}),
        ({"model": "other"}, {"model": "invalid_choice"}),
        ({"server": "ftp://x"}, {"server": "refused"}),
        ({"pins": {"addonsRelease": "none"}}, {"pins.addonsRelease": "invalid_choice"}),
        ({"pins": {"enable_nothing": "true"}}, {"pins.enable_nothing": "unknown_label"}),
        ({"pins": {"fleet_member": "x"}}, {"pins.fleet_member": "unknown_label"}),
        ({"options": {"nonsense": "x"}}, {"options.nonsense": "unknown_option"}),
        ({"options": {"handover": "true"}}, {"options.handover": "unknown_option"}),
        ({"options": {"githubSecret": "maybe"}}, {"options.githubSecret": "invalid_choice"}),
        ({"more": 1}, {"more": "extra_forbidden"}),
        ({"pins": {"addonsRelease": 3}}, {"pins.addonsRelease": "string_type"}),
        ({"cluster": ""}, {"cluster": "string_too_short"}),
    ],
)
def test_it_refuses_at_the_field(
    place: Place, change: dict[str, Any], wrong: dict[str, str]
) -> None:
    place.form("spoke-a")
    answer = program().post(REGISTRATIONS, body(place) | change)
    assert answer.status_code == 422
    assert errors(answer) == wrong
    assert not Change.objects.exists()
    assert not IdempotencyKey.objects.exists(), "nothing was written, so the key is free"


def test_it_refuses_what_a_plan_refuses(place: Place) -> None:
    in_git(place)
    caller = program()
    taken = caller.post(REGISTRATIONS, body(place, secret_name="fleet/spoke-a"))
    assert taken.status_code == 422
    assert errors(taken)["cluster"] == "duplicate"
    fixed = caller.post(f"{CLUSTER}/edits", {"tenant": "other"})
    assert errors(fixed) == {"tenant": "extra_forbidden"}
    nothing = caller.post(f"{CLUSTER}/edits", {})
    assert nothing.status_code == 422
    assert list(errors(nothing)) == [""]
    typed = caller.post(f"{CLUSTER}/offboardings", {"workloads": "keep", "confirm": "other"})
    assert errors(typed) == {"confirm": "confirm"}
    chosen = caller.post(f"{CLUSTER}/offboardings", {"workloads": "burn", "confirm": "spoke-a"})
    assert errors(chosen) == {"workloads": "invalid_choice"}
    assert not Change.objects.exists()


# --- Idempotency ---


def test_it_answers_the_same_to_the_same_key_and_body(place: Place) -> None:
    caller, asked = program(), body(place)
    first = caller.post(REGISTRATIONS, asked, key="terraform:spoke-a")
    again = caller.post(
        REGISTRATIONS, json.dumps(asked, indent=3, sort_keys=True), key="terraform:spoke-a"
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert json.loads(first.content) == json.loads(again.content)
    assert (first["Idempotent-Replayed"], again["Idempotent-Replayed"]) == ("false", "true")
    # Another token of the same service goes on where the first ended; another service does not.
    second = program()
    assert json.loads(second.post(REGISTRATIONS, asked, key="terraform:spoke-a").content) == (
        json.loads(first.content)
    )
    other = program(name="pipeline").post(REGISTRATIONS, asked, key="terraform:spoke-a")
    assert other.status_code == 422
    assert Change.objects.count() == 1


def test_it_refuses_another_body_under_the_same_key(place: Place) -> None:
    in_git(place)
    caller = program()
    told(caller.post(REGISTRATIONS, body(place, "spoke-b")), 201)
    for path, asked in (
        (REGISTRATIONS, body(place, "spoke-c")),
        (f"{CLUSTER}/edits", {"pins": {"addonsRelease": "release1"}}),
        (f"{CLUSTER}/offboardings", {"workloads": "keep", "confirm": "spoke-a"}),
    ):
        answer = caller.post(path, asked)
        assert answer.status_code == 409
        assert errors(answer) == {"Idempotency-Key": "key_reused"}
    assert Change.objects.count() == 1


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 201])
def test_it_asks_for_a_key_that_can_be_kept(place: Place, key: str) -> None:
    answer = program().post(REGISTRATIONS, body(place), key=key)
    assert answer.status_code == 422
    assert set(errors(answer)) == {"Idempotency-Key"}
    assert not Change.objects.exists()


# --- Reading ---


def test_it_lists_and_filters_clusters(place: Place) -> None:
    fleet = Fleet.objects.get()
    now = datetime.now(UTC)
    for number in range(5):
        cluster = Cluster.objects.create(
            fleet=fleet, path=f"{number}.yaml", hub_name=HUB, name=f"c{number}", tenant="t"
        )
        Standing.objects.create(
            fleet=fleet,
            cluster=cluster,
            hub_name=HUB,
            name=f"c{number}",
            tenant="t" if number else "other",
            state="healthy",
            addons_release="default",
            computed_at=now - timedelta(minutes=3 if number == 4 else 0),
        )
    caller = program()

    def names(**query: Any) -> list[str]:
        return [one["cluster"] for one in told(caller.get("/api/v1/clusters", **query))["clusters"]]

    assert names() == [f"c{number}" for number in range(5)]
    assert names(tenant="other") == ["c0"]
    assert names(state="healthy") == ["c0", "c1", "c2", "c3"]
    assert names(state="stale") == ["c4"], "what nobody looked at is never called healthy"
    assert names(fleet="nowhere") == []
    first = told(caller.get("/api/v1/clusters", limit=3))
    rest = told(caller.get("/api/v1/clusters", limit=3, after=first["next"]))
    assert [one["cluster"] for one in rest["clusters"]] == ["c3", "c4"]
    assert rest["next"] is None
    stale = rest["clusters"][1]
    assert (stale["state"], stale["advice"]) == ("stale", "")
    assert stale["channels"] == [{"label": "addonsRelease", "value": "default", "pinned": False}]
    assert told(caller.get(f"/api/v1/clusters/{HUB}/c1"))["state"] == "healthy"


def test_it_tells_of_a_cluster_that_nobody_looked_at_yet(place: Place) -> None:
    in_git(place)
    Standing.objects.all().delete()
    found = told(program().get(CLUSTER))
    assert (found["state"], found["in_git"]) == ("stale", True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"after": -1}, "after"),
        ({"state": "well"}, "state"),
        ({"tenant": "\x00"}, "tenant"),
    ],
)
def test_it_refuses_a_filter_that_is_none(place: Place, query: dict[str, Any], field: str) -> None:
    answer = program().get("/api/v1/clusters", **query)
    assert answer.status_code == 422
    assert list(errors(answer)) == [field]


def test_it_says_what_a_token_is(place: Place) -> None:
    found = told(program([Verb.READ]).get("/api/v1/token"))
    assert (found["service"], found["verbs"], found["fleets"]) == (
        "terraform",
        ["read"],
        ["platform"],
    )


# --- Waiting ---


def wait(caller: Program, number: int, until: str, timeout: int = 0) -> dict[str, Any]:
    return told(caller.get(f"/api/v1/changes/{number}/wait", until=until, timeout=timeout))


def test_it_waits_no_longer_than_it_was_told(place: Place) -> None:
    caller = program()
    number = told(caller.post(REGISTRATIONS, body(place)), 201)["number"]
    for until in ("decided", "approved", "committed", "healthy"):
        found = wait(caller, number, until)
        assert (found["reached"], found["over"]) == (False, False)
    assert found["change"]["state"] == "submitted"
    answer = caller.get(f"/api/v1/changes/{number}/wait", until="gone")
    assert errors(answer) == {"until": "impossible"}
    for query, field in (
        ({"until": "tomorrow"}, "until"),
        ({"until": "decided", "timeout": 61}, "timeout"),
        ({}, "until"),
    ):
        assert list(errors(caller.get(f"/api/v1/changes/{number}/wait", **query))) == [field]


def test_it_tells_at_once_that_nothing_more_comes(place: Place) -> None:
    caller = program()
    number = told(caller.post(REGISTRATIONS, body(place)), 201)["number"]
    change = Change.objects.get()
    page = place.get("approver", f"/changes/{number}/")
    decided = reading.decision(page) | {"reason": "Not now."}
    place.post("approver", f"/changes/{number}/reject/", decided)
    found = wait(caller, number, "committed", timeout=60)
    assert (found["reached"], found["over"]) == (False, True)
    assert found["change"]["note"] == "Not now."
    assert wait(caller, number, "decided")["reached"]
    change.refresh_from_db()
    assert change.state == "rejected"


def test_healthy_is_said_only_of_a_hub_that_followed(place: Place) -> None:
    caller = program()
    number = told(caller.post(REGISTRATIONS, body(place)), 201)["number"]
    change = Change.objects.get()
    approve(place, change)
    assert wait(caller, number, "approved")["reached"]
    tasks.deliver(fleet_id=change.fleet_id)
    tasks.refresh_fleet(fleet_id=change.fleet_id)
    assert wait(caller, number, "committed")["reached"]
    now = datetime.now(UTC)
    delivery = Delivery.objects.get()
    Standing.objects.all().delete()
    Outcome.objects.all().delete()
    standing = Standing.objects.create(
        fleet=change.fleet,
        cluster=Cluster.objects.get(),
        hub_name=HUB,
        name="spoke-a",
        state="healthy",
        seen_at=now,
        computed_at=now,
    )

    def healthy() -> bool:
        found = wait(caller, number, "healthy")
        assert found["change"]["cluster_state"]["cluster"] == "spoke-a"
        return bool(found["reached"])

    assert not healthy(), "nothing was held against the plan yet"
    outcome = Outcome.objects.create(delivery=delivery, state="waiting", since=now, checked_at=now)
    assert not healthy(), "the hub has not followed"
    Outcome.objects.update(state="differs")
    assert not healthy(), "the hub did something else"
    Outcome.objects.update(state="agrees")
    assert healthy()
    for column, at in (
        ("seen_at", delivery.committed_at - timedelta(seconds=1)),  # type: ignore[operator]
        ("computed_at", outcome.since - timedelta(seconds=1)),
    ):
        Standing.objects.filter(pk=standing.pk).update(**{column: at})
        assert not healthy(), f"{column} is from before"
        Standing.objects.filter(pk=standing.pk).update(seen_at=now, computed_at=now)
    Standing.objects.update(state="degraded")
    assert not healthy()


# --- Who may what ---


def test_it_answers_who_has_no_token_that_counts_alike(place: Place) -> None:
    caller = program()
    expired = program()
    ServiceToken.objects.filter(prefix=expired.text[4:12]).update(
        created_at=datetime.now(UTC) - timedelta(days=2),
        expires_at=datetime.now(UTC) - timedelta(days=1),
    )
    revoked = program()
    service_tokens.revoke(prefix=revoked.text[4:12], actor=None, clock=FakeClock(datetime.now(UTC)))
    bodies = set()
    for text in ("", "x", "fui_", caller.text[:-1], expired.text, revoked.text):
        for answer in (
            Program(text).get("/api/v1/clusters"),
            Program(text).post(REGISTRATIONS, body(place)),
            Program(text).get("/api/v1/changes/1/wait", until="decided"),
        ):
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"].startswith("Bearer")
            bodies.add(answer.content)
    assert len(bodies) == 1
    assert place.get("administrator", "/api/v1/clusters").status_code == 401, (
        "a session is no token"
    )
    assert not Change.objects.exists()


CALLS: list[tuple[str, str, Mapping[str, Any] | None]] = [
    ("read", "/api/v1/clusters", None),
    ("read", CLUSTER, None),
    ("read", "/api/v1/changes/1", None),
    ("read", "/api/v1/changes/1/plan", None),
    ("read", "/api/v1/changes/1/wait?until=decided", None),
    ("register", REGISTRATIONS, {"hub": HUB, "cluster": "a", "tenant": "t", "environment": "dev",
                                 "secret_name": "s"}),
    ("edit", f"{CLUSTER}/edits", {}),
    ("offboard", f"{CLUSTER}/offboardings", {"workloads": "keep", "confirm": "spoke-a"}),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "path", "asked"), CALLS)
def test_a_token_does_only_what_it_is_for(
    place: Place, verb: str, path: str, asked: Mapping[str, Any] | None
) -> None:
    caller = program([one for one in Verb if one.value != verb])
    answer = caller.get(path) if asked is None else caller.post(path, asked)
    assert answer.status_code == 403
    assert errors(answer) == {"": "verb"}
    assert not Change.objects.exists()


def test_what_a_token_does_not_reach_does_not_exist_for_it(place: Place) -> None:
    in_git(place)
    number = told(program().post(REGISTRATIONS, body(place, "spoke-b")), 201)["number"]
    elsewhere = Fleet.objects.create(name="other", repository_url="https://git.example.com/o.git")
    Hub.objects.create(fleet=elsewhere, name="hub-o")
    stranger = program(fleets=[elsewhere], name="stranger")
    assert told(stranger.get("/api/v1/clusters"))["clusters"] == []
    for forbidden, absent in (
        (CLUSTER, f"/api/v1/clusters/{HUB}/nobody"),
        (f"/api/v1/changes/{number}", "/api/v1/changes/99999"),
        (f"/api/v1/changes/{number}/plan", "/api/v1/changes/99999/plan"),
        (
            f"/api/v1/changes/{number}/wait?until=decided",
            "/api/v1/changes/99999/wait?until=decided",
        ),
    ):
        one, other = stranger.get(forbidden), stranger.get(absent)
        assert (one.status_code, one.content) == (other.status_code, other.content)
        assert one.status_code == 404
    for verb, asked in (
        ("edits", {"model": "distributed"}),
        ("offboardings", {"workloads": "keep", "confirm": "spoke-a"}),
    ):
        one = stranger.post(f"{CLUSTER}/{verb}", asked)
        other = stranger.post(f"/api/v1/clusters/{HUB}/nobody/{verb}", asked)
        assert (one.status_code, one.content) == (404, other.content)
    one = stranger.post(REGISTRATIONS, body(place, "spoke-c"))
    other = stranger.post(REGISTRATIONS, body(place, "spoke-c", hub="hub-nowhere"))
    assert errors(one) == errors(other) == {"hub": "no_hub"}
    assert Change.objects.count() == 1


def test_a_draft_of_a_person_is_nobody_elses(place: Place) -> None:
    place.post("requester", "/clusters/register/draft/", {"cluster": "half"})
    assert program().get(f"/api/v1/changes/{Change.objects.get().pk}").status_code == 404


def test_no_address_decides(place: Place) -> None:
    caller = program()
    number = told(caller.post(REGISTRATIONS, body(place)), 201)["number"]
    change = Change.objects.get()
    decided = {"digest": change.plan_digest, "reason": "x", "confirm": "spoke-a"}
    for path in ("approve", "approval", "reject", "approvals", "decide"):
        assert caller.post(f"/api/v1/changes/{number}/{path}", decided).status_code == 404
    # The pages know no token: they ask to sign in.
    page = Client().post(f"/changes/{number}/approve/", decided, headers=caller.headers())
    assert b"Sign in" in page.content
    change.refresh_from_db()
    assert change.state == "submitted"


# --- Limits ---


def test_it_bounds_bodies_and_asks_for_their_length(place: Place) -> None:
    caller = program()
    large = caller.post(REGISTRATIONS, json.dumps(body(place) | {"x": "y" * 70_000}))
    assert (large.status_code, errors(large)) == (413, {})
    chunked = {"CONTENT_LENGTH": "", "Transfer-Encoding": "chunked"}
    assert caller.post(REGISTRATIONS, body(place), **chunked).status_code == 411
    nothing = caller.post(REGISTRATIONS, "", CONTENT_LENGTH="")
    assert nothing.status_code == 422
    assert not Change.objects.exists()
    assert caller.post(REGISTRATIONS, "{").status_code == 400
    assert caller.post(REGISTRATIONS, "[]").status_code == 422
    assert not Change.objects.exists()


def test_it_says_in_the_same_way_that_an_address_or_method_is_wrong(place: Place) -> None:
    caller = program()
    for path in ("/api/v1/", "/api/v1/nothing", "/api/v2/clusters", "/api/v1/changes/x"):
        assert errors(caller.get(path)) == {}
        assert caller.get(path).status_code == 404
    wrong = caller.post("/api/v1/clusters", {})
    assert (wrong.status_code, errors(wrong)) == (405, {})
    assert wrong["Allow"] == "GET"
    assert caller.get(REGISTRATIONS)["Allow"] == "POST"


def test_it_holds_back_a_token_that_asks_too_often(place: Place, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    caller, other = program(), program(name="other")
    with time_machine.travel(datetime(2026, 12, 1, 9, 0, 20, tzinfo=UTC), tick=False) as at:
        answers = [caller.get("/api/v1/token").status_code for _ in range(4)]
        assert answers == [200, 200, 200, 429]
        held = caller.get("/api/v1/token")
        assert (held["Retry-After"], errors(held)) == ("40", {})
        assert other.get("/api/v1/token").status_code == 200
        at.shift(40)
        assert caller.get("/api/v1/token").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/clusters", CLUSTER, "/api/v1/changes/{change}"])
def test_it_asks_the_database_as_often_for_many_as_for_few(
    place: Place, path: str, django_assert_max_num_queries
) -> None:  # type: ignore[no-untyped-def]
    caller = program()
    number = told(caller.post(REGISTRATIONS, body(place)), 201)["number"]
    fleet, now = Fleet.objects.get(), datetime.now(UTC)
    for name in (*(f"c{one}" for one in range(60)), "spoke-a"):
        Standing.objects.create(
            fleet=fleet, hub_name=HUB, name=name, state="healthy", computed_at=now
        )
    with django_assert_max_num_queries(7):
        assert caller.get(path.format(change=number)).status_code == 200


def test_it_lets_a_bounded_number_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = program()
    number = told(caller.post(REGISTRATIONS, body(place)), 201)["number"]
    monkeypatch.setattr(reading_api, "_MOST_WAITING", 1)
    for _ in range(3):
        assert not wait(caller, number, "decided")["reached"]
    monkeypatch.setattr(reading_api, "_MOST_WAITING", 0)
    answer = caller.get(f"/api/v1/changes/{number}/wait", until="decided", timeout=0)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


# --- What its service was given ---


def test_it_reaches_only_the_tenant_that_its_service_was_given(place: Place) -> None:
    in_git(place)
    tasks.refresh_standings()
    caller = program()
    made = told(caller.post(REGISTRATIONS, body(place, "spoke-b")), 201)
    Grant.objects.filter(user__username="terraform").update(tenant="tenant2")
    there = f"/api/v1/changes/{made['number']}"
    for path in (there, f"{there}/plan", f"{there}/wait?until=decided", CLUSTER):
        nowhere = path.replace(there, "/api/v1/changes/999999").replace("spoke-a", "nobody")
        forbidden, absent = caller.get(path), caller.get(nowhere)
        assert forbidden.status_code == absent.status_code == 404, path
        assert forbidden.content == absent.content
    assert told(caller.get("/api/v1/clusters"))["clusters"] == []
    assert caller.post(f"{CLUSTER}/edits", {"pins": {}}).status_code == 404
    refused = caller.post(REGISTRATIONS, body(place, "spoke-c"), key="k2")
    assert refused.status_code in (403, 422)
    assert "tenant1/dev" in json.loads(refused.content)["detail"]
    assert Change.objects.filter(cluster_name="spoke-c").count() == 0
    Grant.objects.filter(user__username="terraform").delete()
    assert told(caller.get("/api/v1/token"))["fleets"] == []
