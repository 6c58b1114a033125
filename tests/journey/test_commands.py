"""`manage.py register` and `status`: what the API does, in a terminal, with the same refusals."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from onboarding import tasks, wiring
from onboarding.domain.errors import Transient
from onboarding.domain.tokens import Verb
from onboarding.models import Change, Fleet, Standing
from onboarding.services import service_tokens
from tests.fakes import FakeClock
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_api import approve, body, in_git, program, told


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def run(*arguments: object, status: int = 0) -> str:
    """What a command prints; `status` is how it has to end."""
    out = io.StringIO()
    if not status:
        call_command(*map(str, arguments), stdout=out)
        return out.getvalue()
    with pytest.raises(CommandError) as ended:
        call_command(*map(str, arguments), stdout=out)
    assert ended.value.returncode == status, ended.value
    return f"{out.getvalue()}{ended.value}"


@pytest.fixture
def file(place: Place, tmp_path: Path) -> Path:
    """What is asked for, in a file."""
    found = tmp_path / "spoke-a.yaml"
    found.write_text(yaml.safe_dump(body(place) | {"remote_addons": False}))
    return found


def test_it_registers_what_the_api_registers(place: Place, file: Path) -> None:
    asked = json.loads(run("register", file, "--as", "requester", "--json"))
    change = Change.objects.get()
    assert (asked["number"], asked["state"]) == (change.pk, "submitted")
    assert asked["requested_by"] == "requester"
    place.post("requester", f"/changes/{change.pk}/withdraw/", {})
    by_api = told(program().post("/api/v1/registrations", body(place)), 201)
    assert Change.objects.get(pk=by_api["number"]).intent == change.intent
    assert set(by_api) == set(asked)


def test_it_tells_the_same_to_people(place: Place, file: Path) -> None:
    said = run("register", file, "--as", "requester")
    change = Change.objects.get()
    assert said.startswith(f"#{change.pk} register spoke-a on {HUB}: submitted\n")
    assert "Somebody who did not write it approves or rejects it." in said
    approve(place, change)
    tasks.deliver(fleet_id=change.fleet_id)
    said = run("status", "--change", change.pk)
    assert "approved" in said
    assert "Commit " in said


def test_it_plans_and_registers_from_one_file(place: Place, file: Path) -> None:
    assert "Register spoke-a" in run("plan", "--file", file)
    assert not Change.objects.exists()
    run("register", file, "--as", "requester")
    assert "Register spoke-a" in run("plan", Change.objects.get().pk)


def test_a_plan_of_a_file_is_what_its_request_comes_to(
    place: Place, file: Path, tmp_path: Path
) -> None:
    dry = json.loads(run("plan", "--file", file, "--json"))
    assert not Change.objects.exists()
    asked = json.loads(run("register", file, "--as", "requester", "--json"))
    real = json.loads(run("plan", asked["number"], "--json"))
    assert dry | {"digest": asked["digest"]} == real
    assert f"Content {real['content']}" in run("plan", asked["number"])

    wish = tmp_path / "wish.yaml"
    wish.write_text(yaml.safe_dump({"revision": 1, "pins": {"addonsRelease": "release1"}}))
    dry = json.loads(run("plan", asked["number"], "--file", wish, "--json"))
    assert Change.objects.get().revision == 1
    revised = json.loads(run("revise", asked["number"], wish, "--as", "requester", "--json"))
    assert (revised["revision"], revised["state"]) == (2, "submitted")
    assert json.loads(run("plan", asked["number"], "--json"))["content"] == dry["content"]
    assert "has revision 2 by now" in run(
        "revise", asked["number"], wish, "--as", "requester", status=1
    )
    wish.write_text("revision: x\n")
    assert "must be a number" in run("revise", asked["number"], wish, "--as", "requester", status=1)


def test_it_plans_edits_and_offboardings_of_a_file(place: Place, tmp_path: Path) -> None:
    in_git(place)
    wish = tmp_path / "wish.yaml"

    def planned(status: int = 0, **said: Any) -> str:
        wish.write_text(yaml.safe_dump({"hub": HUB, "cluster": "spoke-a", **said}))
        return run("plan", "--file", wish, status=status)

    pins = {"addonsRelease": "release1"}
    assert planned(kind="edit", pins=pins).startswith("Edit spoke-a on ")
    assert "tenant: A registered cluster keeps it" in planned(1, kind="edit", tenant="x", pins=pins)
    assert planned(kind="offboard", workloads="keep").startswith("Offboard spoke-a on ")
    assert "keep or remove" in planned(1, kind="offboard")
    assert "Choose register" in planned(1, kind="move")
    assert "no cluster nobody" in planned(1, kind="edit", cluster="nobody")
    assert not Change.objects.exists()


def test_it_withdraws_for_an_author_alone(place: Place, file: Path) -> None:
    number = json.loads(run("register", file, "--as", "requester", "--json"))["number"]
    editor = User.objects.create_user("editor")
    editor.groups.add(Group.objects.get(name="Requesters"))
    assert "Only the people who wrote" in run("withdraw", number, "--as", "editor", status=1)
    assert "as USER" in run("withdraw", number, status=1)
    said = json.loads(run("withdraw", number, "--as", "requester", "--json"))
    assert (said["number"], said["state"]) == (number, "withdrawn")
    assert "cannot be withdrawn now" in run("withdraw", number, "--as", "requester", status=1)
    assert "no change #99" in run("withdraw", 99, "--as", "requester", status=1)


@pytest.mark.parametrize(
    ("change", "who", "field"),
    [
        ({"cluster": "Bad Name"}, "requester", "cluster"),
        ({"hub": "nowhere"}, "requester", "hub"),
        ({"colour": "red"}, "requester", "colour"),
        ({"pins": "x"}, "requester", "pins"),
        ({"pins": {"enable_nothing": True}}, "requester", "pins.enable_nothing"),
        ({}, "nobody", ""),
        ({}, "viewer", ""),
        ({}, "robot", ""),
    ],
)
def test_it_refuses_at_the_field(
    place: Place, file: Path, change: dict[str, Any], who: str, field: str
) -> None:
    service_tokens.issue(
        name="robot",
        verbs=list(Verb),
        fleets=list(Fleet.objects.all()),
        days=1,
        actor=None,
        clock=FakeClock(datetime.now(UTC)),
    )
    file.write_text(yaml.safe_dump(body(place) | change))
    said = run("register", file, "--as", who, "--json", status=1)
    document, _, words = said.partition("\nRefused:\n")
    assert [one["field"] for one in json.loads(document)["refused"]] == [field]
    assert words
    assert not Change.objects.exists()


def test_it_says_where_a_file_cannot_be_read(place: Place, tmp_path: Path) -> None:
    assert "cannot be read: No such file" in run(
        "register", tmp_path / "none", "--as", "requester", status=1
    )
    (tmp_path / "list").write_text("- 1\n")
    assert "must be a map" in run("register", tmp_path / "list", "--as", "requester", status=1)


def test_it_ends_with_another_code_where_another_try_is_worth_it(
    place: Place, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(fleet: Fleet, *, max_age: float = 0) -> None:
        raise Transient("The remote does not answer.")

    monkeypatch.setattr(wiring, "current_repository", away)
    assert "does not answer" in run("register", file, "--as", "requester", status=3)


def test_it_waits_and_says_by_its_code_how_that_ended(place: Place, file: Path) -> None:
    wait = ("--wait", "approved", "--timeout", 0)
    said = run("register", file, "--as", "requester", "--json", *wait, status=4)
    change = Change.objects.get()
    document, brace, words = said.rpartition("}\n")
    assert json.loads(document + brace)["reached"] is False
    assert f"Change #{change.pk} is not approved after 0 seconds." == words
    gone = run("status", "--change", change.pk, "--wait", "gone", status=1)
    assert "Wait for healthy" in gone
    page = place.get("approver", f"/changes/{change.pk}/")
    decided = reading.decision(page) | {"reason": "Not now."}
    place.post("approver", f"/changes/{change.pk}/reject/", decided)
    said = run("status", "--change", change.pk, *wait, status=5)
    assert "will never be approved" in said
    assert "Not now." in said
    assert run("status", "--change", change.pk, "--wait", "decided").startswith(f"#{change.pk}")


def test_it_tells_of_clusters(place: Place) -> None:
    in_git(place)
    tasks.refresh_standings()
    assert "spoke-a on hub-cluster: " in run("status")
    assert [one["cluster"] for one in json.loads(run("status", "--json"))["clusters"]] == [
        "spoke-a"
    ]
    (one,) = json.loads(run("status", HUB, "spoke-a", "--json"))["clusters"]
    assert one == told(program().get(f"/api/v1/clusters/{HUB}/spoke-a"))
    Standing.objects.all().delete()
    assert "stale" in run("status", HUB, "spoke-a")
    assert "no such cluster" in run("status", HUB, "nobody", status=1)
    assert "Name a hub and a cluster" in run("status", HUB, status=2)
    assert "--change NUMBER" in run("status", "--wait", "healthy", status=2)
    assert "no change #99" in run("status", "--change", 99, status=1)


def test_a_draft_is_its_authors_alone(place: Place) -> None:
    place.post("requester", "/clusters/register/draft/", {"cluster": "half"})
    assert "There is no change" in run("status", "--change", Change.objects.get().pk, status=1)
