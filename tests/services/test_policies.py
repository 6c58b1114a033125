"""Approval policies at work: several approvals, groups, expiry, freezes and the stop switch, until Git."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from onboarding.domain import freezes
from onboarding.domain.errors import Refused
from onboarding.domain.policy import Rule
from onboarding.models import Approval, Change, Delivery, Event, Fleet, PolicyRule, StopSwitch
from onboarding.services import approvals, auditing, changes, follow_ups, policies, stopping
from tests import repositories
from tests.people import give
from tests.stage import COMMITTED, FAILED, LAPSED, QUEUED, Stage, member, outcomes, state_of

pytestmark = pytest.mark.django_db

RECALLED = ("submitted", "failed")


class Ruled(Stage):
    """A stage with an administrator who makes rules, and a second and third approver."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.admin = self.person("ada", "administrator")
        self.second = self.person("berta", "approver")
        self.lead = self.person("lea", "approver")
        self.lead.groups.add(Group.objects.create(name="sre-leads"))

    def rule(self, name: str = "dev", **demands: Any) -> PolicyRule:
        row = PolicyRule.objects.filter(name=name).first()
        rule = Rule(name, **demands)
        return policies.save(rule=rule, actor=self.admin, clock=self.clock, row=row)

    def approves(self, change: Change, who: User) -> Approval:
        change.refresh_from_db()
        self.clock.advance(1)
        return approvals.approve(
            change_id=change.pk,
            digest=change.plan_digest,
            actor=who,
            clock=self.clock,
            queue=self.queue,
        )

    def stop(self, reason: str = "Outage.") -> int:
        return stopping.stop(fleet=self.fleet, reason=reason, actor=self.admin, clock=self.clock)

    def go(self) -> int:
        return stopping.go(fleet=self.fleet, actor=self.admin, clock=self.clock, queue=self.queue)


@pytest.fixture
def stage(tmp_path: Path) -> Ruled:
    return Ruled(tmp_path)


def refused(act: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(Refused) as caught:
        act(*arguments, **named)
    return caught.value.refusals[0].code


def wanted(change: Change) -> set[str]:
    return set(change.wanted_groups.values_list("name", flat=True))


# How many, and who


def test_it_waits_until_as_many_approved_as_the_rule_wants(stage: Ruled) -> None:
    stage.rule(approvers=2)
    change = stage.submitted("spoke-a")

    stage.approves(change, stage.approver)

    change.refresh_from_db()
    assert change.state == "submitted"
    assert not Delivery.objects.exists()
    assert "1 of 2 approvals" in Event.objects.latest("pk").message
    assert stage.deliver().committed == ()

    stage.approves(change, stage.second)

    assert stage.deliver().committed == (change.pk,)
    assert state_of(change) == COMMITTED
    [message] = stage.commits()
    assert "Approved-by: arno" in message
    assert "Approved-by: berta" in message
    assert auditing.verify().problem == ""


def test_it_counts_nobody_twice(stage: Ruled) -> None:
    stage.rule(approvers=2)
    change = stage.submitted("spoke-a")
    stage.approves(change, stage.approver)
    assert refused(stage.approves, change, stage.approver) == "already_decided"
    assert Approval.objects.count() == 1
    assert not Delivery.objects.exists()


def test_an_edit_drops_the_approvals_so_far(stage: Ruled) -> None:
    stage.rule(approvers=2)
    change = stage.submitted("spoke-a")
    stage.approves(change, stage.approver)
    other = stage.person("rolf", "requester")
    changes.revise(
        change_id=change.pk,
        intent=stage.intent("spoke-a"),
        form_data={},
        actor=other,
        repository=stage.repository,
        credentials=stage.secrets,
        clock=stage.clock,
    )
    stage.approves(change, stage.second)
    change.refresh_from_db()
    assert change.state == "submitted", "arno's approval was of the plan before the edit"
    assert not Delivery.objects.exists()
    # Of this plan he has not approved yet.
    stage.approves(change, stage.approver)
    assert stage.deliver().committed == (change.pk,)


def test_one_rejection_ends_it_whoever_approved(stage: Ruled) -> None:
    stage.rule(approvers=2)
    change = stage.submitted("spoke-a")
    stage.approves(change, stage.approver)
    approvals.reject(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=stage.second,
        clock=stage.clock,
        reason="No.",
    )
    assert refused(stage.approves, change, stage.lead) == "wrong_state"
    assert not Delivery.objects.exists()


def test_it_wants_somebody_of_the_group(stage: Ruled) -> None:
    stage.rule(approvers=2, groups=("sre-leads",))
    change = stage.submitted("spoke-a")
    assert wanted(change) == set(), "the first of two may be anybody"
    stage.approves(change, stage.approver)
    assert wanted(change) == {"sre-leads"}

    with pytest.raises(Refused, match=r"It needs 1 more approval, from sre-leads\."):
        stage.approves(change, stage.second)
    assert not Approval.objects.filter(user=stage.second).exists()

    stage.approves(change, stage.lead)
    change.refresh_from_db()
    assert change.state == "approved"


def test_it_is_complete_once_an_approver_joins_the_group(stage: Ruled) -> None:
    stage.rule(approvers=2, groups=("sre-leads",))
    change = stage.submitted("spoke-a")
    stage.approves(change, stage.approver)
    stage.rule(approvers=1, groups=("sre-leads",))
    assert approvals.complete(clock=stage.clock, queue=stage.queue) == 0
    stage.approves(change, stage.lead)
    assert state_of(change) == QUEUED

    other = stage.submitted("spoke-b")
    stage.rule("more", approvers=2)
    stage.approves(other, stage.lead)
    # A right that comes back makes an approval count again.
    stage.lead.grants.all().delete()
    stage.approves(other, stage.second)
    other.refresh_from_db()
    assert other.state == "submitted"
    give(stage.lead, "approver")
    assert approvals.complete(clock=stage.clock, queue=stage.queue) == 1
    assert state_of(other) == QUEUED
    assert approvals.complete(clock=stage.clock, queue=stage.queue) == 0


# Between approval and delivery


def test_a_rule_that_became_stricter_lets_it_wait_again(stage: Ruled) -> None:
    change = stage.approved("spoke-a")
    stage.rule("two", approvers=2)

    assert stage.deliver().recalled == (change.pk,)

    assert state_of(change) == RECALLED
    assert change.state_note == "It needs 1 more approval by the rule “two”."
    assert Event.objects.latest("pk").verb == "change.recalled"
    assert stage.files() == set()

    stage.approves(change, stage.second)
    assert stage.deliver().committed == (change.pk,)
    assert state_of(change) == COMMITTED
    assert Delivery.objects.filter(change=change).count() == 1


def test_a_rule_that_became_looser_takes_nothing_back(stage: Ruled) -> None:
    row = stage.rule(approvers=2, groups=("sre-leads",))
    change = stage.submitted("spoke-a")
    policies.remove(row=row, actor=stage.admin, clock=stage.clock)
    stage.approves(change, stage.approver)
    change.refresh_from_db()
    assert change.state == "submitted"
    # What was approved by the stricter rule is written by the looser one.
    stage.approves(change, stage.lead)
    assert stage.deliver().committed == (change.pk,)


def test_what_was_recalled_stays_asked_for(stage: Ruled) -> None:
    change = stage.approved("spoke-a")
    row = stage.rule("two", approvers=2)
    stage.deliver()
    policies.remove(row=row, actor=stage.admin, clock=stage.clock)
    assert approvals.complete(clock=stage.clock, queue=stage.queue) == 0
    stage.approves(change, stage.second)
    assert stage.deliver().committed == (change.pk,)


def test_a_right_that_one_of_two_lost_lets_it_wait_again(stage: Ruled) -> None:
    stage.rule(approvers=2)
    change = stage.submitted("spoke-a")
    stage.approves(change, stage.approver)
    stage.approves(change, stage.second)
    stage.approver.grants.all().delete()

    assert stage.deliver().recalled == (change.pk,)

    assert state_of(change) == RECALLED
    assert "The approval by arno does not count any more" in change.state_note
    assert stage.files() == set()


def test_a_rule_is_asked_again_right_before_the_push(stage: Ruled) -> None:
    """It became stricter after the worker had checked, and before it pushed."""
    change = stage.approved("spoke-a")
    stage.repository.before_fetch = lambda: setattr(
        stage.repository, "before_fetch", lambda: stage.rule("two", approvers=2) and None
    )
    assert stage.deliver().recalled == (change.pk,)
    assert stage.files() == set()
    assert not stage.repository.pushes


def test_an_approval_expires(stage: Ruled) -> None:
    stage.rule(expires_after=timedelta(hours=2))
    change = stage.approved("spoke-a")
    Approval.objects.update(created_at=stage.clock.now())
    stage.clock.advance(2 * 3600)

    assert stage.deliver().lapsed == (change.pk,)

    assert state_of(change) == LAPSED
    assert "it is older than 2 hours" in change.state_note
    assert stage.files() == set()

    changes.resubmit(
        change_id=change.pk,
        actor=stage.requester,
        repository=stage.repository,
        clock=stage.clock,
    )
    stage.approves(change, stage.approver)
    Approval.objects.filter(digest=Change.objects.get().plan_digest).update(
        created_at=stage.clock.now()
    )
    assert stage.deliver().committed == (change.pk,)


def test_an_approval_that_expired_while_it_waits_can_be_given_again(stage: Ruled) -> None:
    stage.rule(approvers=2, expires_after=timedelta(hours=2))
    change = stage.submitted("spoke-a")
    stage.approves(change, stage.approver)
    Approval.objects.update(created_at=stage.clock.now() - timedelta(hours=3))
    stage.approves(change, stage.approver)
    assert Approval.objects.get().created_at == stage.clock.now()


def test_somebody_else_can_approve_after_every_approval_became_void(stage: Ruled) -> None:
    change = stage.approved("spoke-a")
    stage.approver.grants.all().delete()
    assert stage.deliver().lapsed == (change.pk,)
    changes.resubmit(
        change_id=change.pk,
        actor=stage.requester,
        repository=stage.repository,
        clock=stage.clock,
    )
    stage.approves(change, stage.second)
    assert stage.deliver().committed == (change.pk,)


# Freezes


def now_frozen(stage: Ruled, hours: int = 3) -> tuple[freezes.Freeze, ...]:
    begins, ends = stage.clock.now(), stage.clock.now() + timedelta(hours=hours)
    return (freezes.parse(f"{begins:%Y-%m-%d %H:%M} - {ends:%Y-%m-%d %H:%M} UTC"),)


def test_it_waits_for_the_end_of_a_freeze_and_is_written_after_it(stage: Ruled) -> None:
    change, free = stage.approved("spoke-a"), stage.approved("spoke-b")
    Change.objects.filter(pk=free.pk).update(environment="prod")
    stage.rule("frozen", environments=("dev",), freezes=now_frozen(stage))

    report = stage.deliver()

    assert (report.waiting, report.committed) == ((change.pk,), (free.pk,))
    assert state_of(change) == QUEUED
    row = Delivery.objects.get(change=change)
    assert row.reason.startswith("A freeze holds until ")
    assert row.tries == 0

    stage.clock.advance(2 * 3600)
    assert stage.deliver().waiting == (change.pk,)
    stage.clock.advance(3600)
    assert stage.deliver().committed == (change.pk,)


def test_a_freeze_that_is_lifted_holds_nothing(stage: Ruled) -> None:
    change = stage.approved("spoke-a")
    row = stage.rule("frozen", freezes=now_frozen(stage))
    stage.deliver()
    policies.remove(row=row, actor=stage.admin, clock=stage.clock)
    stage.clock.advance(61)
    assert stage.deliver().committed == (change.pk,)


def test_a_freeze_that_begins_while_it_is_built_holds_it(stage: Ruled) -> None:
    change = stage.approved("spoke-a")
    windows = now_frozen(stage)
    stage.repository.before_fetch = lambda: setattr(
        stage.repository, "before_fetch", lambda: stage.rule("f", freezes=windows) and None
    )
    assert stage.deliver().waiting == (change.pk,)
    assert state_of(change) == QUEUED
    assert stage.files() == set()


# The stop switch


def test_nothing_leaves_while_it_is_stopped(stage: Ruled) -> None:
    asked = [stage.approved(f"spoke-{number}") for number in range(3)]
    assert stage.stop("Outage in the region.") == 0

    assert set(stage.deliver().waiting) == {change.pk for change in asked}
    stage.clock.advance(3600)
    stage.deliver()

    assert [state_of(change) for change in asked] == [QUEUED] * 3
    assert stage.files() == set()
    row = Delivery.objects.filter(change=asked[0]).get()
    assert row.reason.startswith("ada stopped every delivery: Outage in the region.")

    assert stage.go() == 3
    assert len(stage.deliver().committed) == 3
    verbs = Event.objects.filter(verb__startswith="fleet.").values_list("verb", "actor__username")
    assert list(verbs) == [("fleet.stopped", "ada"), ("fleet.resumed", "ada")]


def test_it_stops_between_the_record_and_the_push(stage: Ruled, monkeypatch: Any) -> None:
    change = stage.approved("spoke-a")
    real = stopping.hold
    monkeypatch.setattr(stopping, "hold", lambda fleet_id: real(fleet_id) and _stops(stage))
    stage.deliver()
    assert not stage.repository.pushes
    assert stage.files() == set()
    assert state_of(change) == QUEUED
    assert outcomes(change) == ["stopped"]
    monkeypatch.undo()
    stage.go()
    assert stage.deliver().committed == (change.pk,)


def _stops(stage: Ruled) -> bool:
    StopSwitch.objects.update(stopped_at=stage.clock.now(), by="ada", reason="Now.")
    return True


def test_it_stops_in_the_middle_of_many(stage: Ruled) -> None:
    """What is pushed when it is stopped arrives, and is known to; the rest stays."""
    first = stage.approved("spoke-a")
    later: list[Change] = []

    def meanwhile() -> None:
        later.append(stage.approved("spoke-b"))
        assert stage.stop() == 1

    stage.repository.before_push = meanwhile
    assert stage.deliver().committed == (first.pk,)
    assert state_of(later[0]) == QUEUED
    assert stage.files() == {member("spoke-a")}


def test_it_stops_what_a_refused_push_would_try_again(stage: Ruled) -> None:
    one, other = stage.approved("spoke-a"), stage.approved("spoke-b")

    def meanwhile() -> None:
        repositories.commit(stage.bare, {"by-hand.yaml": "a: 1\n"})
        stage.stop()

    stage.repository.before_push = meanwhile
    stage.deliver()
    assert [state_of(change) for change in (one, other)] == [QUEUED] * 2
    assert len(stage.repository.pushes) == 1
    assert stage.files() == {"by-hand.yaml"}


def test_only_an_administrator_stops_and_says_why(stage: Ruled) -> None:
    arguments = {"fleet": stage.fleet, "clock": stage.clock}
    assert refused(stopping.stop, actor=stage.approver, reason="x", **arguments) == "not_allowed"
    assert refused(stopping.stop, actor=stage.admin, reason="  ", **arguments) == "required"
    stage.stop()
    assert refused(stage.stop) == "wrong_state"
    go = {**arguments, "queue": stage.queue}
    assert refused(stopping.go, actor=stage.requester, **go) == "not_allowed"
    stage.go()
    assert refused(stage.go) == "wrong_state"
    assert not StopSwitch.objects.exclude(stopped_at=None).exists()


def test_saving_a_fleet_does_not_lift_a_stop(stage: Ruled) -> None:
    read_before = Fleet.objects.get(pk=stage.fleet.pk)
    stage.stop()
    read_before.save()
    assert stopping.why_stopped(stage.fleet.pk)


# What acts by itself


def test_what_follows_by_itself_waits_where_its_approvals_are_too_few(stage: Ruled) -> None:
    parent = stage.approved("spoke-a")
    stage.deliver()
    stage.rule(approvers=2)
    child = Change.objects.get(pk=parent.pk)
    child.pk, child.uid, child.state = None, "0" * 32, "submitted"
    child.kind, child.settled_at = "edit", None
    child.save()
    follow_ups.carry_approval(
        parent=parent, change=child, part="a step", at=stage.clock.now(), queue=stage.queue
    )
    child.refresh_from_db()
    assert (child.state, child.state_note) == ("submitted", "It needs 1 more approval.")
    assert not Delivery.objects.filter(change=child).exists()


# Rules


def test_only_an_administrator_makes_rules(stage: Ruled) -> None:
    rule = Rule("x", approvers=2)
    made = {"rule": rule, "clock": stage.clock}
    assert refused(policies.save, actor=stage.approver, **made) == "not_allowed"
    assert not PolicyRule.objects.exists()
    row = policies.save(actor=stage.admin, **made)
    assert refused(policies.save, actor=stage.admin, **made) == "duplicate"
    gone = {"row": row, "clock": stage.clock}
    assert refused(policies.remove, actor=stage.requester, **gone) == "not_allowed"
    event = Event.objects.get(verb="policy.saved")
    assert event.detail["after"]["approvers"] == 2
    assert event.detail["before"] is None


def test_it_says_anew_whose_approval_waiting_changes_need(stage: Ruled) -> None:
    change = stage.submitted("spoke-a")
    stage.rule(groups=("sre-leads",))
    assert wanted(change) == {"sre-leads"}


def test_a_failed_delivery_is_no_way_around_a_rule(stage: Ruled) -> None:
    change = stage.approved("spoke-a")
    Delivery.objects.update(state="failed", reason="The disk was full.")
    assert state_of(change) == FAILED
    stage.rule(approvers=2)
    Delivery.objects.update(state="queued", due_at=stage.clock.now())
    assert stage.deliver().recalled == (change.pk,)
