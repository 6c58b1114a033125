"""Decisions: for exactly the plan that was shown, once, and never by an author."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from onboarding.domain.errors import Refused
from onboarding.models import Approval, Change, Delivery, Event, Participant
from onboarding.services import approvals, auditing, changes, decisions
from onboarding.services import rights as rights_module
from tests.stage import Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def approve(stage: Stage, change: Change, actor: User, digest: str | None = None) -> Approval:
    return approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest if digest is None else digest,
        actor=actor,
        clock=stage.clock,
        queue=stage.queue,
        reason="Looks right.",
    )


def reject(stage: Stage, change: Change, actor: User, reason: str = "Wrong tenant.") -> Approval:
    return approvals.reject(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=actor,
        clock=stage.clock,
        reason=reason,
    )


def refused(act: object, *arguments: object) -> str:
    with pytest.raises(Refused) as caught:
        act(*arguments)  # type: ignore[operator]
    return caught.value.refusals[0].code


def nothing_happened(change: Change) -> bool:
    """No decision, no delivery, no event, no approver, and the change waits as before."""
    change.refresh_from_db()
    return (
        change.state == "submitted"
        and not Approval.objects.exists()
        and not Delivery.objects.exists()
        and not Participant.objects.filter(role="approver").exists()
        and list(Event.objects.values_list("verb", flat=True)) == ["change.submitted"]
    )


def test_it_approves_and_queues_the_delivery_in_one_go(
    stage: Stage, django_capture_on_commit_callbacks
) -> None:  # type: ignore[no-untyped-def]
    change = stage.submitted("spoke-a")
    stage.clock.advance(60)
    with django_capture_on_commit_callbacks(execute=True):
        approval = approve(stage, change, stage.approver)
        assert stage.queue.woken == [], "nobody is woken for what may still be rolled back"
    assert (approval.verdict, approval.digest, approval.reason) == (
        "approve",
        change.plan_digest,
        "Looks right.",
    )
    change.refresh_from_db()
    assert (change.state, change.decided_at, change.settled_at) == (
        "approved",
        stage.clock.now(),
        None,
    )
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.digest, delivery.due_at) == (
        "queued",
        change.plan_digest,
        stage.clock.now(),
    )
    assert Participant.objects.get(role="approver").user == stage.approver
    assert Event.objects.latest("pk").verb == "change.approved"
    assert auditing.verify().problem == ""
    assert stage.queue.woken == [("onboarding.deliver", {"fleet_id": stage.fleet.pk})]
    assert stage.files() == set()


def test_it_rejects_for_a_reason_and_ends_there(stage: Stage) -> None:
    change = stage.submitted("spoke-a")
    reject(stage, change, stage.approver)
    change.refresh_from_db()
    assert (change.state, change.state_note) == ("rejected", "Wrong tenant.")
    assert change.settled_at == stage.clock.now()
    assert not Delivery.objects.exists()
    assert stage.queue.woken == []
    # The name is free again.
    assert stage.submitted("spoke-a").state == "submitted"


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_it_rejects_nothing_without_a_reason(stage: Stage, reason: str) -> None:
    change = stage.submitted("spoke-a")
    assert refused(reject, stage, change, stage.approver, reason) == "required"
    assert nothing_happened(change)


@pytest.mark.parametrize("digest", ["", "sha256:" + "0" * 64])
def test_it_takes_no_decision_on_another_plan(stage: Stage, digest: str) -> None:
    change = stage.submitted("spoke-a")
    assert refused(approve, stage, change, stage.approver, digest) == "stale_plan"
    assert nothing_happened(change)


@pytest.mark.parametrize(
    ("rights", "code"),
    [
        ((), "not_allowed"),
        (("requester",), "not_allowed"),
        (("administrator",), "not_allowed"),
    ],
)
def test_it_asks_for_the_right_to_approve(stage: Stage, rights: tuple[str, ...], code: str) -> None:
    change = stage.submitted("spoke-a")
    somebody = stage.person("sam", *rights)
    assert refused(approve, stage, change, somebody) == code
    assert refused(reject, stage, change, somebody) == code
    assert nothing_happened(change)


def test_it_never_lets_an_author_decide(stage: Stage) -> None:
    """Neither who asked, nor who edited it since, whatever rights they have."""
    both = ("requester", "approver", "administrator")
    stage.requester = stage.person("ria", *both)
    change = stage.submitted("spoke-a")
    assert refused(approve, stage, change, stage.requester) == "own_change"
    assert nothing_happened(change)

    editor = stage.person("ed", *both)
    changes.revise(
        change_id=change.pk,
        intent=stage.intent("spoke-a"),
        form_data={},
        actor=editor,
        repository=stage.repository,
        credentials=stage.secrets,
        clock=stage.clock,
    )
    change.refresh_from_db()
    assert refused(approve, stage, change, editor) == "own_change"
    assert refused(reject, stage, change, editor) == "own_change"
    assert not Approval.objects.exists()
    assert approve(stage, change, stage.approver).user == stage.approver


def test_it_approves_only_once(stage: Stage) -> None:
    change = stage.submitted("spoke-a")
    approve(stage, change, stage.approver)
    other = stage.person("olga", "approver")
    assert refused(approve, stage, change, other) == "wrong_state"
    assert refused(reject, stage, change, other) == "wrong_state"
    assert (Approval.objects.count(), Delivery.objects.count()) == (1, 1)


def test_it_is_overtaken_by_who_decides_while_it_decides(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the change and moving it somebody else rejects it: nothing is left of ours."""
    change = stage.submitted("spoke-a")
    before = rights_module.rights_of(stage.approver)

    def meanwhile(*_: object) -> object:
        Change.objects.filter(pk=change.pk).update(state="rejected")
        return before

    monkeypatch.setattr(decisions, "_rights_over", meanwhile)
    assert refused(approve, stage, change, stage.approver) == "raced"
    assert not Approval.objects.exists()
    assert not Delivery.objects.exists()


def test_it_is_overtaken_by_a_new_plan_while_it_decides(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = stage.submitted("spoke-a")
    before = rights_module.rights_of(stage.approver)

    def meanwhile(*_: object) -> object:
        Change.objects.filter(pk=change.pk).update(plan_digest="sha256:another")
        return before

    monkeypatch.setattr(decisions, "_rights_over", meanwhile)
    assert refused(approve, stage, change, stage.approver) == "raced"
    assert not Delivery.objects.exists()


def test_it_asks_for_rights_again_at_each_decision(stage: Stage) -> None:
    change = stage.submitted("spoke-a")
    stage.approver.grants.all().delete()
    gone = User.objects.get(pk=stage.approver.pk)
    assert refused(approve, stage, change, gone) == "not_allowed"
    gone.is_active = False
    assert rights_module.rights_of(gone) == frozenset()
    assert nothing_happened(change)


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_it_asks_the_database_as_often_for_many_changes_as_for_two(
    stage: Stage, verdict: str
) -> None:
    counted = []
    for some in ("a", "bc", "defghi"):
        rows = [stage.submitted(f"spoke-{letter}") for letter in some]
        with CaptureQueriesContext(connection) as asked, transaction.atomic():
            if verdict == "approve":
                count = approvals.approve_all(
                    rows, actor=stage.approver, clock=stage.clock, queue=stage.queue
                )
            else:
                count = approvals.reject_all(
                    rows, actor=stage.approver, clock=stage.clock, reason="Not these."
                )
        assert count == len(some)
        counted.append(len(asked))
    assert counted[1] == counted[2]
    assert Approval.objects.filter(verdict=verdict).count() == 9
    assert Event.objects.filter(verb__in=["change.approved", "change.rejected"]).count() == 9
    assert auditing.verify().problem == ""
