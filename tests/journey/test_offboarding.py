"""A cluster leaves: asked for, approved once, and led step by step by what the hub shows."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from onboarding import tasks
from onboarding.domain.errors import Refused
from onboarding.domain.handover import HANDED_GROUPS
from onboarding.domain.leaving_evidence import NEVER_DELETED
from onboarding.models import (
    ApplicationStatus,
    Approval,
    Change,
    Delivery,
    Event,
    Fleet,
    HubWatch,
    Offboarding,
    OffboardingStep,
    Standing,
)
from onboarding.services import leaving_guard
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.leaving import ADD_ONS, MONITORING, OWN_VALUES, PAGE, Leaving
from tests.journey.test_registration import MEMBER, MEMBER_PATH

pytestmark = pytest.mark.parametrize("layout", ["tenants"])
MARKED = MEMBER + 'offboarding: "true"\n'
MARK, REMOVE = "Switch its flags off", "Remove its files"


@pytest.fixture
def leaving(place: Place) -> Leaving:
    """A registered cluster with three Applications on a hub that is watched."""
    found = Leaving(place)
    found.begin()
    return found


def under_way(leaving: Leaving, workloads: str = "remove") -> Change:
    """Asked for, approved, and the first commit is in Git."""
    assert leaving.ask(workloads).status_code == 302
    change = leaving.approve()
    leaving.deliver()
    leaving.lead()
    return change


# --- The question ---


def test_it_asks_first_what_becomes_of_the_workloads(leaving: Leaving) -> None:
    page = leaving.page().content.decode()
    assert "What shall become of the workloads?" in page
    assert 'name="confirm"' not in page
    assert not Change.objects.exists()


def test_it_names_everything_that_goes_away(leaving: Leaving) -> None:
    page = leaving.place.get("requester", f"{PAGE}?workloads=remove")
    words = reading.words(page)
    for name in (
        "cluster-info-spoke-a", "namespace-baseline-spoke-a", "monitoring-settings-spoke-a",
        "quota-defaults-spoke-a", "Application fleet-secret-spoke-a",
        "ExternalSecret cluster-spoke-a", "cluster secret of spoke-a", MEMBER_PATH, OWN_VALUES,
        "The way, in 2 commits", NEVER_DELETED,
    ):  # fmt: skip
        assert name in words, name
    assert "what it deployed stays" not in words
    kept = reading.words(leaving.place.get("requester", f"{PAGE}?workloads=keep"))
    assert kept.count("what it deployed stays") == 3
    assert "The way, in 3 commits" in kept


def test_it_wants_the_name_typed(leaving: Leaving) -> None:
    answer = leaving.ask(confirm="spoke-b")
    assert answer.status_code == 422
    assert "Type spoke-a to confirm" in answer.content.decode()
    assert not Change.objects.exists()
    assert not Offboarding.objects.exists()


def test_it_refuses_a_second_one(leaving: Leaving) -> None:
    assert leaving.ask().status_code == 302
    answer = leaving.ask()
    assert answer.status_code == 422
    assert "is open already" in answer.content.decode()
    assert Change.objects.count() == Offboarding.objects.count() == 1


def test_it_can_be_asked_for_again_after_a_rejection(leaving: Leaving) -> None:
    leaving.ask()
    change = Change.objects.get()
    data = {"digest": change.plan_digest, "reason": "Still needed."}
    leaving.place.post("approver", f"/changes/{change.pk}/reject/", data)
    assert leaving.ask().status_code == 302
    assert [one.state for one in Offboarding.objects.order_by("pk")] == ["stopped", "running"]


def test_it_refuses_a_repository_whose_charts_do_not_know_the_mark(leaving: Leaving) -> None:
    charts = {
        path: None
        for path in repositories.tree(leaving.place.bare)
        if path.startswith("charts/fleet-secret/")
    }
    repositories.commit(leaving.place.bare, charts)
    leaving.refresh()
    answer = leaving.ask()
    assert answer.status_code == 422
    assert "Nothing in charts/fleet-secret of this repository reads offboarding" in (
        reading.words(answer)
    )


# --- The whole way ---


def test_it_leaves_in_order_on_one_approval(leaving: Leaving) -> None:
    before = repositories.tree(leaving.place.bare)
    change = under_way(leaving)
    # Beside each plan that deletes something: the whole way, and the first commit.
    plan = leaving.place.get("approver", f"/changes/{change.pk}/")
    assert reading.words(plan).count(NEVER_DELETED) == 2
    assert leaving.has_file()
    assert repositories.tree(leaving.place.bare)[MEMBER_PATH].decode() == MARKED
    assert leaving.steps() == {MARK: "waiting", REMOVE: "todo"}

    # The hub has not looked yet: nothing more happens, however often it is asked.
    for _ in range(3):
        leaving.lead()
    assert Change.objects.count() == 1

    leaving.mark()
    leaving.seen()
    leaving.lead()
    assert "Still on the hub: cluster-info-spoke-a" in reading.words(leaving.page())
    assert leaving.has_file()
    for facts in leaving.applications.values():
        facts["deleting"] = True
    leaving.seen()
    leaving.lead()
    assert "Argo CD is taking away what" in reading.words(leaving.page())

    leaving.empty()
    leaving.lead()
    assert leaving.steps() == {MARK: "done", REMOVE: "waiting"}
    words = reading.words(leaving.page())
    assert "With their objects on the spoke: cluster-info-spoke-a" in words
    assert NEVER_DELETED in words
    leaving.deliver()
    after = repositories.tree(leaving.place.bare)
    assert before.keys() - after.keys() == {MEMBER_PATH, OWN_VALUES}
    assert all(after[path] == before[path] for path in after)
    # What proves a step is never said as if it had been seen.
    assert "Done when: Registration, ExternalSecret" in reading.words(leaving.page())
    leaving.lead()
    assert leaving.steps()[REMOVE] == "waiting"

    leaving.forget()
    leaving.lead()
    run = leaving.lead()
    assert run.state == "done"
    assert leaving.steps() == {MARK: "done", REMOVE: "done"}
    assert reading.verdict(leaving.page()) == "Gone"

    # One approval by one person, carried over to the step that it covered.
    second = Change.objects.latest("pk")
    assert second.pk != change.pk
    assert {one.user.username for one in Approval.objects.all()} == {"approver"}
    assert second.approvals.get().reason.startswith(f"Approved as a step of change #{change.pk}")
    assert leaving.subjects() == [MARK + ".", REMOVE + "."]
    assert Delivery.objects.filter(state="committed").count() == 2
    assert not Standing.objects.filter(name="spoke-a").exists()
    assert leaving.place.get("requester", f"/clusters/{HUB}/spoke-a/").status_code == 404


def test_it_keeps_what_runs_when_that_was_asked(leaving: Leaving) -> None:
    under_way(leaving, "keep")
    keep = "Have its Applications leave behind what they deployed"
    assert leaving.steps() == {keep: "waiting", MARK: "todo", REMOVE: "todo"}
    record = Offboarding.objects.get().change.plan["way"][0]
    leaving.labels = {one["key"]: one["value"] for one in record["labels_after"]}
    for name in record["impact"]["expected"]:
        group = "monitoring" if name == MONITORING else "addons"
        leaving.applications[name] = {"group": group, "cascades": True}
    leaving.seen()
    leaving.lead()
    # Marked on the hub, but an Application would still take its objects along.
    assert "would still delete its objects when it goes" in reading.words(leaving.page())
    assert Change.objects.count() == 1
    for facts in leaving.applications.values():
        facts["cascades"] = facts["group"] == "monitoring"
    leaving.seen()
    leaving.lead()
    leaving.deliver()
    leaving.lead()
    assert leaving.steps() == {keep: "done", MARK: "waiting", REMOVE: "todo"}
    leaving.empty()
    leaving.lead()
    words = reading.words(leaving.page())
    assert "Without them, so they stay on the spoke: cluster-info-spoke-a" in words
    assert "With their objects on the spoke: monitoring-settings-spoke-a." in words
    leaving.deliver()
    leaving.lead()
    leaving.forget()
    leaving.lead()
    assert leaving.lead().state == "done"
    assert len(leaving.subjects()) == 3


def follow(leaving: Leaving, record: dict[str, Any], groups: dict[str, str]) -> None:
    """The hub does what the plan of a step foresees."""
    leaving.labels = {one["key"]: one["value"] for one in record["labels_after"]}
    handed = leaving.labels.get("fleet_handover") == "true"
    leaving.applications = {
        name: {
            "group": groups.get(name, "fleet"),
            "cascades": not (handed and groups.get(name) in HANDED_GROUPS),
        }
        for name in record["impact"]["expected"]
    }
    leaving.seen()


@pytest.mark.parametrize("workloads", ["remove", "keep"])
def test_a_spoke_that_manages_itself_comes_back_first(place: Place, workloads: str) -> None:
    leaving = Leaving(place)
    leaving.begin(MEMBER.replace('"false"', '"true"'))
    change = under_way(leaving, workloads)
    way = change.plan["way"]
    assert [one["step"] for one in way] == ["keep", "hand_back", "centralize", "mark", "remove"]
    groups = {one["name"]: one["group"] for step in way for one in step["impact"]["appear"]}
    texts = []
    for number, record in enumerate(way[:-1]):
        texts.append(repositories.tree(place.bare)[MEMBER_PATH].decode())
        run = leaving.lead()
        assert run.steps.filter(done_at__isnull=False).count() == number
        follow(leaving, record, groups)
        leaving.lead()
        leaving.deliver()
        assert leaving.lead().steps.filter(done_at__isnull=False).count() == number + 1
    assert not leaving.has_file()
    leaving.forget()
    leaving.lead()
    assert leaving.lead().state == "done"

    # Its own Argo CD was there until the hub had what it deployed, and its flags went last.
    assert ['use_remote_argo: "true"' in text for text in texts] == [True, True, False, False]
    assert ['enable_remote_addons: "true"' in text for text in texts] == [True, False, False, False]
    assert ['handover: "true"' in text for text in texts] == [
        True, True, workloads == "keep", workloads == "keep",
    ]  # fmt: skip
    assert ['offboarding: "true"' in text for text in texts] == [False, False, False, True]
    gone = {one["name"] for one in way[2]["impact"]["disappear"]}
    assert "argo-cd-spoke-a" in gone
    # One approval, of all five commits.
    assert Change.objects.filter(kind="offboard").count() == 5
    assert {one.user.username for one in Approval.objects.all()} == {"approver"}
    assert not Change.objects.filter(kind="offboard", state="submitted").exists()


# --- From a terminal ---


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("offboard", HUB, "spoke-a", *arguments, stdout=out)
    return out.getvalue()


def test_it_is_asked_for_and_followed_from_a_terminal(leaving: Leaving) -> None:
    with pytest.raises(CommandError, match="No offboarding of spoke-a"):
        command()
    for wrong, why in (
        (("--remove", "--as", "requester"), "Type spoke-a to confirm"),
        (("--remove", "--confirm", "spoke-a"), "in whose name"),
        (("--remove", "--confirm", "spoke-a", "--as", "viewer"), "may not"),
    ):
        with pytest.raises(CommandError, match=why):
            command(*wrong)
    assert not Change.objects.exists()
    told = json.loads(command("--remove", "--confirm", "spoke-a", "--as", "requester", "--json"))
    assert (told["decision"], told["state"], told["workloads"]) == (
        "submitted",
        "submitted",
        "remove",
    )
    leaving.approve()
    leaving.deliver()
    leaving.lead()
    leaving.mark()
    leaving.seen()
    leaving.lead()
    text = command()
    assert text.startswith("spoke-a: running, change #")
    assert "[ ] Switch its flags off. Still on the hub: cluster-info-spoke-a" in text


# --- Interrupted ---


def test_it_goes_on_wherever_it_was_interrupted(
    leaving: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each act of the product is cut off in the middle once, and done again."""
    leaving.ask()
    leaving.approve()
    for _ in range(2):  # a message that comes twice
        leaving.deliver()
    for step in range(2):
        with monkeypatch.context() as cut:
            cut.setattr("onboarding.services.events.record", _die)
            leaving.empty() if step == 0 else leaving.forget()
            with pytest.raises(KeyboardInterrupt):
                leaving.lead()
        # The evidence was not written down without its event.
        assert OffboardingStep.objects.filter(done_at__isnull=False).count() == step
        with monkeypatch.context() as cut:
            cut.setattr("onboarding.services.offboarding_steps.follow_ups.carry_approval", _die)
            if step == 0:
                with pytest.raises(KeyboardInterrupt):
                    leaving.lead()
                # The step is done, its successor was not half made.
                assert Change.objects.count() == 1
        for _ in range(3):
            leaving.lead()
        leaving.deliver()
        leaving.lead()
    assert leaving.lead().state == "done"
    assert Change.objects.count() == 2
    assert len(leaving.subjects()) == 2


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("at", [0, 1])
def test_it_is_paused_and_resumed_at_each_step(leaving: Leaving, at: int) -> None:
    under_way(leaving)
    if at == 1:
        leaving.empty()
        leaving.lead()
        leaving.deliver()
        leaving.lead()
    answer = leaving.place.post("requester", f"{PAGE}pause/", {"reason": "Freeze until Monday."})
    assert answer.status_code == 302
    leaving.empty() if at == 0 else leaving.forget()
    for _ in range(2):
        leaving.lead()
    words = reading.words(leaving.page())
    assert "Freeze until Monday." in words
    assert OffboardingStep.objects.filter(done_at__isnull=False).count() == at
    assert Change.objects.count() == at + 1
    leaving.place.post("requester", f"{PAGE}resume/", {})
    leaving.lead()
    assert OffboardingStep.objects.filter(done_at__isnull=False).count() == at + 1


def test_it_is_stopped_and_can_be_taken_up_again(leaving: Leaving) -> None:
    under_way(leaving)
    leaving.empty()
    leaving.lead()
    assert Change.objects.count() == 2
    assert leaving.place.post("requester", f"{PAGE}stop/", {"reason": ""}).status_code == 302
    assert Offboarding.objects.get().state == "running"
    leaving.place.post("requester", f"{PAGE}stop/", {"reason": "We keep it."})
    leaving.deliver()
    leaving.lead()
    assert leaving.has_file()
    assert len(leaving.subjects()) == 1
    # What is left is asked for anew, and needs an approval of its own.
    assert leaving.ask().status_code == 302
    change = Change.objects.latest("pk")
    assert [one["step"] for one in change.plan["way"]] == ["remove"]
    leaving.approve()
    leaving.deliver()
    assert not leaving.has_file()


# --- Stuck ---


def test_it_waits_for_a_hub_that_is_silent(leaving: Leaving) -> None:
    under_way(leaving)
    leaving.empty()
    old = timezone.now() - timedelta(minutes=9)
    kinds = {"applications": {"seen_at": old.isoformat()}}
    HubWatch.objects.update(kinds=kinds)
    OffboardingStep.objects.filter(number=0).update(begun_at=old - timedelta(minutes=1))
    leaving.lead()
    words = reading.words(leaving.page())
    assert "was last heard of 9 min" in words
    assert "goes on by itself when the hub answers" in words
    assert Change.objects.count() == 1
    leaving.seen()
    leaving.lead()
    assert Change.objects.count() == 2


def test_it_tells_what_holds_a_stuck_finalizer(leaving: Leaving) -> None:
    under_way(leaving)
    leaving.mark()
    leaving.applications = {
        ADD_ONS[0]: {
            "deleting": True,
            "cascades": True,
            "conditions": [["DeletionError", "configmap cluster-info has a finalizer"]],
        }
    }
    leaving.seen()
    leaving.lead()
    words = reading.words(leaving.page())
    assert leaving.steps()[MARK] == "failed"
    assert "configmap cluster-info has a finalizer" in words
    assert (
        "kubectl -n argocd patch application cluster-info-spoke-a --type merge "
        """-p '{"metadata":{"finalizers":null}}'"""
    ) in words
    assert leaving.has_file()
    tasks.refresh_standings()
    standing = Standing.objects.get(name="spoke-a")
    assert standing.state == "leaving"
    assert "step 1 of 2" in standing.sentence
    assert "finalizer" in standing.advice


def unreachable(leaving: Leaving) -> None:
    """The flags are off, and Argo CD cannot reach the spoke to take anything away."""
    under_way(leaving)
    leaving.mark()
    leaving.connection = "Failed"
    for facts in leaving.applications.values():
        facts |= {"deleting": True, "cascades": True}
    leaving.seen()
    leaving.lead()


def test_it_waits_for_a_spoke_that_does_not_answer(leaving: Leaving) -> None:
    unreachable(leaving)
    words = reading.words(leaving.page("approver"))
    assert "Argo CD cannot reach spoke-a" in words
    assert "If the spoke is gone for good, give it up on this page." in words
    assert leaving.has_file()
    # It comes back: everything goes on.
    leaving.connection = "Successful"
    leaving.empty()
    leaving.lead()
    assert leaving.steps()[MARK] == "done"


def test_it_gives_a_spoke_up_that_is_gone_for_good(leaving: Leaving) -> None:
    unreachable(leaving)
    give_up = f"{PAGE}give-up/"
    for who, typed in (
        ("requester", {"reason": "Burnt down.", "confirm": "spoke-a"}),
        ("approver", {"reason": "", "confirm": "spoke-a"}),
        ("approver", {"reason": "Burnt down.", "confirm": "spoke"}),
    ):
        leaving.place.post(who, give_up, typed)
        assert Offboarding.objects.get().given_up_at is None
    page = leaving.page("approver")
    assert "Is the spoke gone for good?" in page.content.decode()
    typed = reading.form(page, give_up) | {"reason": "Burnt down.", "confirm": "spoke-a"}
    leaving.place.post("approver", give_up, typed)
    leaving.lead()
    leaving.deliver()
    assert not leaving.has_file()
    assert "Given up with the spoke" in reading.words(leaving.page())
    # With the cluster secret gone, Argo CD lets the Applications go. Until then it is not over.
    leaving.lead()
    assert leaving.lead().state == "running"
    leaving.forget()
    leaving.lead()
    assert leaving.lead().state == "done"
    assert Event.objects.filter(verb="offboarding.given_up").get().actor.username == "approver"


def test_it_gives_no_spoke_up_that_answers(leaving: Leaving) -> None:
    under_way(leaving)
    typed = {"reason": "In a hurry.", "confirm": "spoke-a"}
    leaving.place.post("approver", f"{PAGE}give-up/", typed)
    assert Offboarding.objects.get().given_up_at is None


# --- What must not happen ---


def test_it_writes_no_removal_while_an_application_is_there(leaving: Leaving) -> None:
    under_way(leaving)
    leaving.empty()
    leaving.lead()
    # Between the plan and the push an Application comes back.
    leaving.applications = {ADD_ONS[0]: {"cascades": True}}
    leaving.seen()
    leaving.deliver()
    assert leaving.has_file()
    delivery = Delivery.objects.latest("pk")
    assert delivery.state == "queued"
    assert "cluster-info-spoke-a is still on hub hub-cluster" in delivery.reason
    leaving.lead()
    assert "cluster-info-spoke-a is still on hub" in reading.words(leaving.page())
    leaving.applications = {}
    leaving.seen()
    Delivery.objects.update(due_at=timezone.now())
    leaving.deliver()
    assert not leaving.has_file()


def test_it_plans_no_removal_while_an_application_is_there(place: Place) -> None:
    leaving = Leaving(place)
    leaving.begin(MARKED)
    answer = leaving.ask()
    assert answer.status_code == 422
    assert "are still on hub hub-cluster" in reading.words(answer)
    leaving.empty()
    assert leaving.ask().status_code == 302


def test_an_application_that_calls_its_cluster_by_the_address_counts_too(place: Place) -> None:
    leaving = Leaving(place)
    leaving.begin(MARKED)
    leaving.mark()
    leaving.applications = {ADD_ONS[0]: {"cascades": True}}
    leaving.seen()
    # It was seen before the cluster was, so that nobody could tell the cluster's name.
    ApplicationStatus.objects.filter(name=ADD_ONS[0]).update(cluster_name="https://a")
    answer = leaving.ask()
    assert answer.status_code == 422
    assert f"{ADD_ONS[0]} is still on hub hub-cluster" in reading.words(answer)


def test_it_asks_again_where_a_later_step_is_not_what_was_approved(leaving: Leaving) -> None:
    under_way(leaving)
    repositories.commit(leaving.place.bare, {OWN_VALUES: "info: {own: 'changed by hand'}\n"})
    leaving.empty()
    leaving.lead()
    child = Change.objects.latest("pk")
    assert child.state == "submitted"
    assert not child.approvals.exists()
    leaving.deliver()
    leaving.lead()
    assert leaving.has_file()
    assert "needs an approval of its own" in reading.words(leaving.page())
    typed = {"digest": child.plan_digest, "reason": "Fine.", "confirm": "spoke-a"}
    leaving.place.post("approver", f"/changes/{child.pk}/approve/", typed)
    leaving.deliver()
    assert not leaving.has_file()


def test_it_writes_no_step_for_an_offboarding_that_ended(leaving: Leaving) -> None:
    under_way(leaving)
    leaving.empty()
    leaving.lead()
    child = Change.objects.latest("pk")
    Offboarding.objects.update(ended_at=timezone.now())
    with pytest.raises(Refused, match="has ended"):
        leaving_guard.refuse_out_of_order(change=child)
    leaving.deliver()
    assert leaving.has_file()


def test_it_cannot_be_edited_meanwhile(leaving: Leaving) -> None:
    edit = f"/clusters/{HUB}/spoke-a/edit/"
    assert leaving.place.get("requester", edit).status_code == 200
    under_way(leaving)
    why = "spoke-a is leaving the fleet (change #"
    assert why in leaving.place.get("requester", edit).content.decode()
    asked = {"editing_hub": HUB, "editing_name": "spoke-a", "model": "centralized"}
    answer = leaving.place.post("requester", edit, asked)
    assert answer.status_code == 422
    assert why in answer.content.decode()
    page = reading.words(leaving.place.get("requester", f"/clusters/{HUB}/spoke-a/"))
    assert "It is leaving the fleet, so it cannot be edited." in page
    assert Change.objects.filter(kind="edit").count() == 0
    tasks.refresh_standings()
    assert Standing.objects.get(name="spoke-a").state == "leaving"


def test_it_is_shown_as_leaving_when_git_has_it_no_more(leaving: Leaving) -> None:
    under_way(leaving)
    leaving.empty()
    leaving.lead()
    leaving.deliver()
    leaving.lead()
    tasks.refresh_standings()
    standing = Standing.objects.get(name="spoke-a")
    assert (standing.state, standing.cluster) == ("leaving", None)
    leaving.forget()
    leaving.lead()
    leaving.lead()
    tasks.refresh_standings()
    assert not Standing.objects.filter(name="spoke-a").exists()


def test_it_follows_a_removal_that_somebody_made_by_hand(leaving: Leaving) -> None:
    under_way(leaving)
    repositories.commit(leaving.place.bare, {MEMBER_PATH: None})
    leaving.empty()
    leaving.lead()
    leaving.lead()
    assert Change.objects.count() == 1
    leaving.forget()
    leaving.lead()
    assert leaving.lead().state == "done"


def test_it_shows_the_whole_way_to_the_approver(leaving: Leaving) -> None:
    leaving.ask()
    change = Change.objects.get()
    words = reading.words(leaving.place.get("approver", f"/changes/{change.pk}/"))
    assert "Offboard spoke-a" in words
    assert "The way, in 2 commits" in words
    assert MEMBER_PATH in words
    assert change.destructive
    assert leaving.place.get("requester", f"/changes/{change.pk}/edit/").status_code == 200
    assert "An offboarding is not edited" in reading.words(
        leaving.place.get("requester", f"/changes/{change.pk}/edit/")
    )
    assert Fleet.objects.count() == 1
