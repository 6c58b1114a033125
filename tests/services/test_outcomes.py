"""After delivery the hub's doing is held against what was foreseen, and a difference is never hidden."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from onboarding import tasks, wiring
from onboarding.domain.errors import Refused
from onboarding.domain.outcome import PATIENCE
from onboarding.models import (
    ApplicationStatus,
    Approval,
    Change,
    Cluster,
    ClusterStatus,
    Delivery,
    Event,
    Fleet,
    HubWatch,
    Outcome,
)
from onboarding.services import approvals
from onboarding.services.observing import hub_parts, layer_outcomes, observations, outcomes
from tests.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def delivered(stage: Stage) -> Change:
    """A delivered registration, of which the hub has not been seen yet."""
    change = stage.approved("spoke-1")
    stage.deliver()
    assert change.plan["labels_after"]
    return change


def seen(stage: Stage, change: Change, *applications: str, **labels: str | None) -> None:
    """The hub was looked at now: it has the labels that were foreseen, but for those given."""
    now = stage.clock.now()
    HubWatch.objects.update_or_create(
        hub=stage.hub, defaults={"seen_at": now, "clusters_seen_at": now}
    )
    found = {one["key"]: one["value"] for one in change.plan["labels_after"]} | labels
    ClusterStatus.objects.update_or_create(
        hub=stage.hub,
        server="https://spoke-1",
        defaults={
            "name": "spoke-1",
            "labels": {key: value for key, value in found.items() if value is not None},
            "first_seen_at": now,
            "seen_at": now,
        },
    )
    ApplicationStatus.objects.all().delete()
    for name in applications:
        ApplicationStatus.objects.create(
            hub=stage.hub,
            uid=name,
            name=name,
            cluster_name="spoke-1",
            first_seen_at=now,
            seen_at=now,
        )


def checked(stage: Stage, change: Change) -> Outcome:
    outcomes.check(fleet=stage.fleet, clock=stage.clock)
    return Outcome.objects.get(delivery__change=change)


def test_it_waits_for_a_hub_that_was_not_seen_since(stage: Stage, delivered: Change) -> None:
    assert checked(stage, delivered).state == "waiting"
    seen(stage, delivered)
    Delivery.objects.update(committed_at=stage.clock.now())
    stage.clock.advance(PATIENCE.total_seconds() * 2)
    assert checked(stage, delivered).state == "waiting"


def test_it_settles_where_the_hub_does_what_was_foreseen(stage: Stage, delivered: Change) -> None:
    stage.clock.advance(5)
    seen(stage, delivered, "fleet-secret-spoke-1")
    assert checked(stage, delivered).state == "agrees"
    seen(stage, delivered, addonsRelease="other")
    stage.clock.advance(PATIENCE.total_seconds() * 2)
    assert checked(stage, delivered).state == "agrees"
    assert not Event.objects.filter(verb="outcome.differed").exists()


def test_it_shows_a_difference_until_it_is_gone(
    stage: Stage, delivered: Change, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.clock.advance(5)
    seen(stage, delivered, "surprise-spoke-1", addonsRelease="other", tenant=None)
    assert checked(stage, delivered).state == "waiting"
    stage.clock.advance(PATIENCE.total_seconds())
    seen(stage, delivered, "surprise-spoke-1", addonsRelease="other", tenant=None)
    found = checked(stage, delivered)
    assert found.state == "differs"
    assert found.differences == [
        "The label addonsRelease was foreseen as 'default'; it is 'other'.",
        "The label tenant was foreseen as 'team-a'; the cluster secret has none.",
    ] + (
        ["The Application surprise-spoke-1 is there and was not foreseen."]
        if delivered.plan["impact"]["complete"]
        else []
    )
    outcomes.check(fleet=stage.fleet, clock=stage.clock)
    assert Event.objects.filter(verb="outcome.differed", change=delivered).count() == 1
    Cluster.objects.create(
        fleet=stage.fleet, path="x.yaml", hub_name="hub-a", name="spoke-1", tenant="team-a"
    )
    monkeypatch.setattr(wiring, "clock", lambda: stage.clock)
    client.force_login(stage.approver)
    for path in (f"/changes/{delivered.pk}/", "/clusters/hub-a/spoke-1/"):
        assert b"The hub did something else than was foreseen" in client.get(path).content
    seen(stage, delivered)
    assert checked(stage, delivered).state == "agrees"
    assert b"The hub did what was foreseen" in client.get(f"/changes/{delivered.pk}/").content


def test_it_waits_until_the_values_that_were_written_are_compared(
    stage: Stage, delivered: Change
) -> None:
    """Nothing else of the Application moves: it is of the same version, Synced and Healthy of before."""
    path = delivered.plan["edits"][0]["path"]
    commit = Delivery.objects.get(change=delivered).commit
    committed = Delivery.objects.get(change=delivered).committed_at
    assert committed is not None

    def compared(*revisions: str, files: str = path, minutes: float = 0.2) -> str:
        seen(stage, delivered, "fleet-secret-spoke-1", "web")
        at = committed + timedelta(minutes=minutes)
        ApplicationStatus.objects.filter(name="web").update(
            facts={
                "value_files": ["$values/addons/defaults/web/values.yaml", f"$values/{files}"],
                "revisions": ["1.0.0", *revisions],
                "reconciled_at": at.isoformat(),
            }
        )
        Delivery.objects.filter(change=delivered).update(state="committed")
        Outcome.objects.all().delete()
        return checked(stage, delivered).state

    Change.objects.filter(pk=delivered.pk).update(
        plan={**delivered.plan, "impact": {**delivered.plan["impact"], "complete": False}}
    )
    stage.clock.advance(20)
    assert compared("b" * 40) == "waiting"
    assert compared(commit) == "agrees"
    # Another file than those that were written.
    assert compared("b" * 40, files="addons/others/values.yaml") == "agrees"
    # A later commit has it as well: that of another change, and what was indexed since.
    Fleet.objects.update(indexed_commit="d" * 40, indexed_at=stage.clock.now())
    assert compared("d" * 40) == "agrees"
    Fleet.objects.update(indexed_at=committed - timedelta(seconds=1))
    assert compared("d" * 40) == "waiting"
    # A commit of somebody else: by now no cache of the hub is as old as what was written.
    assert compared("d" * 40, minutes=6.1) == "agrees"
    stage.clock.advance(PATIENCE.total_seconds())
    assert compared("b" * 40) == "differs"
    assert Outcome.objects.get().differences == [
        "The Application web has not compared what was written yet."
    ]


def test_it_leaves_a_plan_that_a_later_one_took_over(stage: Stage, delivered: Change) -> None:
    Change.objects.filter(pk=delivered.pk).update(kind="edit")
    later = Delivery.objects.get(change=delivered)
    again = Change.objects.get(pk=delivered.pk)
    again.pk, again.uid = None, "00000000-0000-4000-8000-000000000001"
    again.save()
    later.pk, later.change = None, again
    later.committed_at = stage.clock.now()
    Delivery.objects.filter(change=delivered).update(committed_at=stage.clock.now() - PATIENCE)
    later.save()
    assert checked(stage, delivered).state == "superseded"
    assert Outcome.objects.get(delivery__change=again).state == "waiting"


def test_it_compares_many_by_a_few_questions(
    stage: Stage, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    changes = [stage.approved(f"spoke-{number}") for number in range(1, 9)]
    stage.deliver()
    outcomes.check(fleet=stage.fleet, clock=stage.clock)
    stage.clock.advance(5)
    seen(stage, changes[0], "fleet-secret-spoke-1")
    before = Outcome.objects.get(delivery__change=changes[1])
    stage.clock.advance(2)
    outcomes.check(fleet=stage.fleet, clock=stage.clock)
    stage.clock.advance(2)
    with django_assert_max_num_queries(8):
        assert outcomes.check(fleet=stage.fleet, clock=stage.clock) == 7
    assert Outcome.objects.filter(state="agrees").count() == 1
    after = Outcome.objects.get(delivery__change=changes[1])
    assert (after.state, after.since) == ("waiting", before.since)
    assert after.checked_at == stage.clock.now()


def test_it_comes_to_all_of_more_than_it_compares_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 4):
        stage.approved(f"spoke-{number}")
    stage.deliver()
    monkeypatch.setattr(outcomes, "_MOST", 2)
    for _ in range(2):
        stage.clock.advance(2)
        assert outcomes.check(fleet=stage.fleet, clock=stage.clock) == 2
    assert Outcome.objects.count() == 3


def test_one_of_two_who_see_a_difference_at_once_says_so(
    stage: Stage, delivered: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.clock.advance(PATIENCE.total_seconds() + 5)
    seen(stage, delivered, addonsRelease="other")
    looked_at = layer_outcomes.looked_at

    def while_another_looks(hub: str) -> datetime | None:
        monkeypatch.undo()
        outcomes.check(fleet=stage.fleet, clock=stage.clock)
        return looked_at(hub)

    monkeypatch.setattr(layer_outcomes, "looked_at", while_another_looks)
    assert checked(stage, delivered).state == "differs"
    assert Event.objects.filter(verb="outcome.differed").count() == 1


def test_what_is_settled_stays_so_whatever_a_slower_one_saw(
    stage: Stage, delivered: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.clock.advance(PATIENCE.total_seconds() + 5)
    seen(stage, delivered, addonsRelease="other")
    looked_at = layer_outcomes.looked_at

    def while_the_hub_follows(hub: str) -> datetime | None:
        monkeypatch.undo()
        seen(stage, delivered, "fleet-secret-spoke-1")
        assert checked(stage, delivered).state == "agrees"
        return looked_at(hub)

    monkeypatch.setattr(layer_outcomes, "looked_at", while_the_hub_follows)
    assert checked(stage, delivered).state == "agrees"
    assert not Event.objects.filter(verb="outcome.differed").exists()


@pytest.mark.parametrize(
    ("reason", "confirmed", "fields"),
    [
        ("", "", ["reason", "confirm"]),
        ("It is not used.", "spoke-2", ["confirm"]),
        ("", "spoke-1", ["reason"]),
    ],
)
def test_it_lets_nothing_go_without_a_reason_and_the_name(
    stage: Stage, reason: str, confirmed: str, fields: list[str]
) -> None:
    stage.approver = stage.person("dora", "removal_approver")
    change = stage.submitted("spoke-1")
    Change.objects.filter(pk=change.pk).update(destructive=True)
    with pytest.raises(Refused) as refused:
        approve(stage, change, reason, confirmed)
    assert [one.field for one in refused.value.refusals] == fields
    assert not Approval.objects.exists()
    assert not Delivery.objects.exists()


def test_it_lets_something_go_by_who_may(stage: Stage) -> None:
    change = stage.submitted("spoke-1")
    Change.objects.filter(pk=change.pk).update(destructive=True)
    with pytest.raises(Refused, match="right to approve destructive changes"):
        approve(stage, change, "It is not used.", "spoke-1")
    assert not Delivery.objects.exists()
    stage.approver = stage.person("dora", "removal_approver")
    approve(stage, change, "It is not used.", "spoke-1")
    assert Delivery.objects.get().change_id == change.pk


def approve(stage: Stage, change: Change, reason: str, confirmed: str) -> None:
    approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=stage.approver,
        clock=stage.clock,
        queue=stage.queue,
        reason=reason,
        confirmed=confirmed,
    )


def test_a_hub_that_shows_nothing_of_a_commit_is_told_of_it_once_more_ever_more_rarely(
    stage: Stage, delivered: Change
) -> None:
    told = list[int]()
    for second in range(0, int(PATIENCE.total_seconds()) + 20, 5):
        checked(stage, delivered)
        if outcomes.unheard(fleet=stage.fleet, clock=stage.clock):
            told.append(second)
        stage.clock.advance(5)
    assert told == [10, 30, 70, 150, 310]


def test_a_hub_that_is_away_is_told_as_soon_as_it_is_back(stage: Stage, delivered: Change) -> None:
    assert delivered.hub is not None
    watch = observations.claim(hub=delivered.hub, holder="watcher-1", clock=stage.clock)
    assert watch is not None
    hub_parts.report_problem(
        watch=watch, part="applicationsets", problem="It does not answer.", clock=stage.clock
    )
    for _ in range(20):
        stage.clock.advance(10)
        checked(stage, delivered)
        assert outcomes.unheard(fleet=stage.fleet, clock=stage.clock) == ()
    HubWatch.objects.update(kinds={})
    assert outcomes.unheard(fleet=stage.fleet, clock=stage.clock) == (delivered.pk,)


def test_a_hub_that_did_what_was_foreseen_is_not_told_again(
    stage: Stage, delivered: Change
) -> None:
    stage.clock.advance(60)
    seen(stage, delivered, "fleet-secret-spoke-1")
    assert checked(stage, delivered).state == "agrees"
    assert outcomes.unheard(fleet=stage.fleet, clock=stage.clock) == ()


def test_it_is_told_through_the_queue(
    stage: Stage, delivered: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "clock", lambda: stage.clock)
    monkeypatch.setattr(wiring, "queue", lambda: stage.queue)
    tasks.refresh_standings()
    stage.clock.advance(11)
    stage.queue.woken.clear()
    tasks.refresh_standings()
    tasks.refresh_standings()
    assert stage.queue.woken == [
        ("onboarding.tell_hub", {"change_id": delivered.pk, "again": True})
    ]
