"""Dry runs, revisions and withdrawals by programs: the plan that would be, and what is one's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onboarding import tasks
from onboarding.domain.tokens import Verb
from onboarding.models import (
    Bulk,
    Change,
    Cluster,
    Event,
    Fleet,
    Grant,
    IdempotencyKey,
    Offboarding,
    Participant,
)
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_api import (
    CLUSTER,
    REGISTRATIONS,
    Program,
    approve,
    body,
    errors,
    in_git,
    program,
    told,
)
from tests.journey.test_registration import MEMBER, MEMBER_PATH


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def recorded() -> tuple[int, ...]:
    """How much is kept of all that asking leaves behind."""
    rows = (Change, Participant, Event, IdempotencyKey, Offboarding, Bulk)
    return tuple(model.objects.count() for model in rows)


def asked(caller: Program, place: Place, **changes: Any) -> Change:
    return Change.objects.get(
        pk=told(caller.post(REGISTRATIONS, body(place, **changes)), 201)["number"]
    )


OF_THE_CHANGE = ("change", "digest")


@pytest.mark.parametrize(
    ("where", "sent"),
    [
        (REGISTRATIONS, None),
        (f"{CLUSTER}/edits", {"pins": {"addonsRelease": "release1"}}),
        (f"{CLUSTER}/offboardings", {"workloads": "remove", "confirm": "spoke-a"}),
    ],
    ids=["registration", "edit", "offboarding"],
)
def test_a_dry_run_tells_the_plan_and_records_nothing(
    place: Place, where: str, sent: dict[str, Any] | None
) -> None:
    if sent:
        in_git(place)
    caller = program()
    sent = sent or body(place)
    before, log = recorded(), repositories.log(place.bare)
    only = {key: value for key, value in sent.items() if key != "confirm"}
    dry = told(caller.post(f"{where}/plan", only))
    assert (dry["change"], dry["digest"], dry["problem"]) == (None, "", "")
    assert dry["patch"]
    assert dry["applications"]
    assert (recorded(), repositories.log(place.bare)) == (before, log)
    number = told(caller.post(where, sent), 201)["number"]
    real = told(caller.get(f"/api/v1/changes/{number}/plan"))
    assert real["digest"] == Change.objects.get(pk=number).plan_digest
    assert {**dry, **{key: real[key] for key in OF_THE_CHANGE}} == real
    assert dry["content"].startswith("sha256:")
    assert bool(dry["steps"]) == where.endswith("offboardings")


def test_the_content_moves_with_what_is_asked_for_and_with_what_follows(place: Place) -> None:
    in_git(place)
    caller = program()

    def content(**sent: Any) -> str:
        found: str = told(caller.post(f"{CLUSTER}/edits/plan", sent))["content"]
        return found

    first = content(pins={"addonsRelease": "release1"})
    assert content(pins={"addonsRelease": "release1"}) == first
    assert content(pins={"enable_metrics_server": "true"}) != first
    told(caller.post(f"{CLUSTER}/offboardings/plan", {"workloads": "keep"}))
    keep = told(caller.post(f"{CLUSTER}/offboardings/plan", {"workloads": "keep"}))["content"]
    assert (
        told(caller.post(f"{CLUSTER}/offboardings/plan", {"workloads": "remove"}))["content"]
        != keep
    )


def test_a_dry_run_is_refused_as_the_request_would_be(place: Place) -> None:
    in_git(place)
    caller = program()
    wrong = body(place) | {"cluster": "Bad Name", "pins": {"enable_nothing": "true"}}
    by_request = errors(caller.post(REGISTRATIONS, wrong))
    assert errors(caller.post(f"{REGISTRATIONS}/plan", wrong)) == by_request
    assert set(by_request) == {"cluster", "pins.enable_nothing"}
    taken = body(place)
    assert errors(caller.post(f"{REGISTRATIONS}/plan", taken)) == errors(
        caller.post(REGISTRATIONS, taken)
    )
    absent = body(place, "spoke-b") | {"secret_name": "fleet/never-made"}
    found = errors(caller.post(f"{REGISTRATIONS}/plan", absent))
    assert found == errors(caller.post(REGISTRATIONS, absent)) != {}
    told(caller.post(f"{CLUSTER}/offboardings", {"workloads": "keep", "confirm": "spoke-a"}), 201)
    again = caller.post(f"{CLUSTER}/offboardings/plan", {"workloads": "keep"})
    assert errors(again) == {"": "already_leaving"}
    assert errors(caller.post(f"{CLUSTER}/offboardings/plan", {"workloads": "x"})) == {
        "workloads": "invalid_choice"
    }


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        (f"{REGISTRATIONS}/plan", Verb.REGISTER),
        (f"{CLUSTER}/edits/plan", Verb.EDIT),
        (f"{CLUSTER}/offboardings/plan", Verb.OFFBOARD),
    ],
)
def test_a_dry_run_needs_the_verb_of_the_request(place: Place, path: str, verb: Verb) -> None:
    in_git(place)
    sent = {
        Verb.REGISTER: body(place, "spoke-b"),
        Verb.EDIT: {"pins": {"addonsRelease": "release1"}},
        Verb.OFFBOARD: {"workloads": "keep"},
    }[verb]
    others = [one for one in Verb if one is not verb]
    answer = program(others, name="others").post(path, sent)
    assert (answer.status_code, errors(answer)) == (403, {"": "verb"})
    told(program([verb], name="one").post(path, sent))


def test_a_dry_run_tells_nothing_of_where_its_service_may_not_ask(place: Place) -> None:
    in_git(place)
    caller = program()
    Grant.objects.filter(user__username="terraform").update(tenant="another")
    where = {"tenant": "tenant1"}
    answer = caller.post(f"{REGISTRATIONS}/plan", body(place, "spoke-b") | where)
    assert (answer.status_code, errors(answer)) == (403, {"": "forbidden"})
    assert caller.post(f"{CLUSTER}/edits/plan", {"pins": {}}).status_code == 404
    assert caller.post(f"{CLUSTER}/offboardings/plan", {"workloads": "keep"}).status_code == 404


def test_it_revises_a_registration_of_its_own(place: Place) -> None:
    caller = program()
    change = asked(caller, place)
    first = change.plan_digest
    sent = {"revision": change.revision, "pins": {"addonsRelease": "release1"}}
    dry = told(caller.post(f"/api/v1/changes/{change.pk}/revisions/plan", sent))
    change.refresh_from_db()
    assert (change.revision, change.plan_digest) == (1, first), "a dry run moves nothing"
    answer = caller.post(f"/api/v1/changes/{change.pk}/revisions", sent, key="k2")
    found = told(answer, 201)
    assert (found["number"], found["revision"], found["state"]) == (change.pk, 2, "submitted")
    assert found["digest"] != first
    real = told(caller.get(f"/api/v1/changes/{change.pk}/plan"))
    assert real["content"] == dry["content"]
    change.refresh_from_db()
    assert change.intent["pins"]["addonsRelease"] == "release1"
    assert change.intent["tenant"] == body(place)["tenant"], "what was not said stays"

    again = caller.post(f"/api/v1/changes/{change.pk}/revisions", sent, key="k2")
    assert again["Idempotent-Replayed"] == "true"
    assert json.loads(again.content) == found
    late = caller.post(f"/api/v1/changes/{change.pk}/revisions", sent, key="k3")
    assert (late.status_code, errors(late)) == (409, {"revision": "raced"})
    late = caller.post(f"/api/v1/changes/{change.pk}/revisions/plan", sent)
    assert (late.status_code, errors(late)) == (409, {"revision": "raced"})
    assert Change.objects.get().revision == 2

    inherited = {"revision": 2, "pins": {"addonsRelease": None}, "environment": "prod"}
    told(caller.post(f"/api/v1/changes/{change.pk}/revisions", inherited, key="k4"), 201)
    change.refresh_from_db()
    assert change.intent["pins"]["addonsRelease"] is None
    assert change.environment == "prod"


def test_it_edits_other_labels_and_a_revision_keeps_them(place: Place) -> None:
    in_git(place)
    caller = program()
    sent: dict[str, Any] = {"labels": {"team": "payments"}}
    number = told(caller.post(f"{CLUSTER}/edits", sent), 201)["number"]
    more = {"revision": 1, "pins": {"addonsRelease": "release1"}}
    told(caller.post(f"/api/v1/changes/{number}/revisions", more, key="k2"), 201)
    patch = told(caller.get(f"/api/v1/changes/{number}/plan"))["patch"]
    assert '+    team: "payments"' in patch
    assert '+    addonsRelease: "release1"' in patch
    wrong = {"labels": {"addonsRelease": "x", "fleet_member": "y", "a b": "z", "team": "{{ x }}"}}
    found = errors(caller.post(f"{CLUSTER}/edits/plan", wrong))
    assert set(found) == {
        "labels.addonsRelease",
        "labels.fleet_member",
        "labels.a b",
        "labels.team",
    }


def test_a_revised_edit_keeps_what_others_changed_meanwhile(place: Place) -> None:
    in_git(place)
    caller = program()
    sent = {"pins": {"addonsRelease": "release1"}}
    number = told(caller.post(f"{CLUSTER}/edits", sent), 201)["number"]
    repositories.commit(
        place.bare, {MEMBER_PATH: MEMBER.rstrip("\n") + '\nremote_resources: "true"\n'}
    )
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    more = {"revision": 1, "pins": {"enable_metrics_server": "true"}}
    told(caller.post(f"/api/v1/changes/{number}/revisions", more, key="k2"), 201)
    change = Change.objects.get(pk=number)
    pins = {key: value for key, value in change.intent["pins"].items() if value}
    assert pins == {"addonsRelease": "release1", "enable_metrics_server": "true"}
    fixed = {"revision": 2, "tenant": "other", "cluster": "spoke-b"}
    assert errors(caller.post(f"/api/v1/changes/{number}/revisions", fixed, key="k3")) == {
        "tenant": "fixed",
        "cluster": "fixed",
    }
    member = {one["path"]: one["after"] for one in change.plan["edits"]}.get(MEMBER_PATH)
    assert member is None, "the other's edit of the member file is left alone"


def test_it_withdraws_its_own(place: Place) -> None:
    caller = program()
    change = asked(caller, place)
    path = f"/api/v1/changes/{change.pk}/withdrawal"
    found = told(caller.post(path, {}, key="k2"), 201)
    assert (found["number"], found["state"]) == (change.pk, "withdrawn")
    again = caller.post(path, {}, key="k2")
    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    late = caller.post(path, {}, key="k3")
    assert (late.status_code, errors(late)) == (409, {"": "wrong_state"})
    late = caller.post(f"/api/v1/changes/{change.pk}/revisions", {"revision": 1}, key="k4")
    assert (late.status_code, errors(late)) == (409, {"": "wrong_state"})
    late = caller.post(f"/api/v1/changes/{change.pk}/revisions/plan", {"revision": 1})
    assert (late.status_code, errors(late)) == (409, {"": "wrong_state"})
    assert not IdempotencyKey.objects.filter(key__in=["k3", "k4"]).exists()
    assert Event.objects.filter(verb="change.withdrawn").count() == 1
    told(caller.post(REGISTRATIONS, body(place), key="k5"), 201)


def test_it_takes_back_no_change_that_is_in_git(place: Place) -> None:
    caller = program()
    change = asked(caller, place)
    approve(place, change)
    tasks.deliver(fleet_id=change.fleet_id)
    for verb, sent in (("withdrawal", {}), ("revisions", {"revision": 1})):
        answer = caller.post(f"/api/v1/changes/{change.pk}/{verb}", sent, key=verb)
        assert answer.status_code in (409, 422), answer.content
    change.refresh_from_db()
    assert (change.state, change.revision) == ("approved", 1)


def test_it_touches_nothing_of_others(place: Place) -> None:
    in_git(place)
    place.post("requester", "/clusters/register/", place.form("spoke-b"))
    theirs = Change.objects.get()
    caller = program()
    other = asked(program(name="other"), place, cluster="spoke-c")
    for change in (theirs, other):
        for verb, sent in (
            ("withdrawal", {}),
            ("revisions", {"revision": 1}),
            ("revisions/plan", {"revision": 1}),
        ):
            answer = caller.post(f"/api/v1/changes/{change.pk}/{verb}", sent, key="x")
            assert (answer.status_code, errors(answer)) == (403, {"": "not_yours"})
        change.refresh_from_db()
        assert (change.state, change.revision) == ("submitted", 1)
    assert caller.post("/api/v1/changes/999/withdrawal", {}, key="x").status_code == 404
    blind = program([Verb.READ, Verb.EDIT], name="other")
    answer = blind.post(f"/api/v1/changes/{other.pk}/withdrawal", {}, key="x")
    assert (answer.status_code, errors(answer)) == (403, {"": "verb"})
    assert Cluster.objects.filter(hub_name=HUB).count() == 1


def test_who_approved_the_old_revision_approved_nothing(place: Place) -> None:
    """The page of an approver who looked before shows another digest than the change has now."""
    caller = program()
    change = asked(caller, place)
    page = place.get("approver", f"/changes/{change.pk}/")
    sent = {"revision": 1, "pins": {"addonsRelease": "release1"}}
    told(caller.post(f"/api/v1/changes/{change.pk}/revisions", sent, key="k2"), 201)
    place.post("approver", f"/changes/{change.pk}/approve/", reading.decision(page))
    change.refresh_from_db()
    assert change.state == "submitted"
