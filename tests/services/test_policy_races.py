"""Policies where people and workers act at the same moment: one outcome, on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Approval, Delivery, Event
from onboarding.services import approvals, changes, stopping
from tests.services.test_policies import Ruled
from tests.services.test_races import approve, at_once, refusals
from tests.stage import COMMITTED, member, outcomes, state_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(tmp_path: Path) -> Ruled:
    return Ruled(tmp_path)


def test_it_takes_two_of_many_who_approve_at_once(stage: Ruled) -> None:
    stage.rule(approvers=2)
    people = [stage.person(f"approver-{number}", "approver") for number in range(5)]
    for number in range(3):
        change = stage.submitted(f"spoke-{number}")
        found = at_once(*(approve(stage, change, who) for who in people))
        assert len(refusals(found)) == 3
        assert Approval.objects.filter(change=change).count() == 2
        assert Delivery.objects.filter(change=change).count() == 1
        assert Event.objects.filter(change=change, verb="change.approved").count() == 1
        assert Event.objects.filter(change=change, verb="change.approval_added").count() == 1


def test_it_counts_somebody_once_who_approves_twice_at_once(stage: Ruled) -> None:
    stage.rule(approvers=2)
    change = stage.submitted("spoke-a")
    found = at_once(*[approve(stage, change, stage.approver)] * 4)
    assert len(refusals(found)) == 3
    assert Approval.objects.filter(change=change).count() == 1
    assert not Delivery.objects.exists()


def test_a_second_approval_and_a_rejection_have_one_outcome(stage: Ruled) -> None:
    stage.rule(approvers=2)
    for number in range(3):
        change = stage.submitted(f"spoke-{number}")
        approve(stage, change, stage.approver)()
        found = at_once(
            approve(stage, change, stage.second),
            lambda change=change: approvals.reject(  # type: ignore[misc]
                change_id=change.pk,
                digest=change.plan_digest,
                actor=stage.lead,
                clock=stage.clock,
                reason="No.",
            ),
        )
        change.refresh_from_db()
        assert len(refusals(found)) == 1
        approved = change.state == DecisionState.APPROVED.value
        assert approved or change.state == DecisionState.REJECTED.value
        assert Delivery.objects.filter(change=change).count() == int(approved)


def test_a_second_approval_and_an_edit_have_one_outcome(stage: Ruled) -> None:
    """Whatever comes first: what is queued has two approvals of its very plan."""
    stage.rule(approvers=2)
    other = stage.person("rolf", "requester")
    editing = stage.new_repository("mirror-of-editor")
    for number in range(3):
        change = stage.submitted(f"spoke-{number}")
        approve(stage, change, stage.approver)()
        intent = stage.intent(f"spoke-{number}")
        editing.fetch()
        at_once(
            approve(stage, change, stage.second),
            lambda change=change, intent=intent: changes.revise(  # type: ignore[misc]
                change_id=change.pk,
                intent=intent,
                form_data={},
                actor=other,
                repository=editing,
                credentials=stage.secrets,
                clock=stage.clock,
            ),
        )
        change.refresh_from_db()
        queued = Delivery.objects.filter(change=change)
        of_plan = Approval.objects.filter(change=change, digest=change.plan_digest).count()
        assert change.state in {DecisionState.APPROVED.value, DecisionState.SUBMITTED.value}
        assert queued.count() == int(change.state == DecisionState.APPROVED.value)
        assert of_plan == (2 if queued.exists() else 0)


def test_it_stops_or_writes_and_tells_which(stage: Ruled) -> None:
    """Once `stop` has returned, nothing that it did not count reaches the remote."""
    worker = stage.new_repository("mirror-of-worker")
    for number in range(6):
        change = stage.approved(f"spoke-{number}")
        under_way, _ = at_once(stage.stop, lambda: stage.deliver(worker))
        written = member(f"spoke-{number}") in stage.files()
        state = state_of(change)
        assert written is (state == COMMITTED)
        stage.deliver(worker)
        assert (member(f"spoke-{number}") in stage.files()) is written
        if not written:
            assert under_way in (0, 1)
            assert set(outcomes(change)) <= {"stopped"}
        stage.go()
        stage.clock.advance(61)
        stage.deliver(worker)
        assert state_of(change) == COMMITTED
    assert not stopping.why_stopped(stage.fleet.pk)


def test_a_rule_and_a_delivery_have_one_outcome(stage: Ruled) -> None:
    """A rule that is saved while a worker writes holds for it or for the next one, never by half."""
    worker = stage.new_repository("mirror-of-worker")
    for number in range(4):
        change = stage.approved(f"spoke-{number}")
        at_once(lambda: stage.rule("two", approvers=2), lambda: stage.deliver(worker))
        written = member(f"spoke-{number}") in stage.files()
        change.refresh_from_db()
        if written:
            assert state_of(change) == COMMITTED
        else:
            stage.deliver(worker)
            change.refresh_from_db()
            assert change.state == DecisionState.SUBMITTED.value
            approve(stage, change, stage.second)()
            stage.deliver(worker)
            assert state_of(change) == COMMITTED
        stage.rule("two")
