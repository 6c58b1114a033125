"""The writer: all that is approved reaches the branch once, or says why not, whatever happens."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User

from onboarding.adapters.git.store import Store
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.planner import EditCluster
from onboarding.models import Change, Delivery, Event, Fleet, Participant, WriterLease
from onboarding.ports import CommitRequest
from onboarding.services import approvals, auditing, events, indexing, withdrawals
from onboarding.services.delivery import deliveries, writer_lease
from tests import repositories
from tests.stage import (
    COMMITTED,
    FAILED,
    FILES,
    LAPSED,
    PUSHING,
    QUEUED,
    VERSIONS,
    Stage,
    delivery_of,
    member,
    outcomes,
    state_of,
)

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The worker's process is gone: nothing of its code runs any more."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


# The straight way


def test_it_writes_one_commit_in_the_name_of_the_requester(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    audit_head = events.head()
    report = stage.deliver()
    assert report == deliveries.DeliveryReport(committed=(change.pk,))
    assert state_of(change) == COMMITTED
    assert stage.files() == {member("spoke-a")}
    tip = repositories.tip(stage.bare)
    shown = repositories.git(stage.bare, "log", "-1", "--format=%an|%ae|%(trailers)", "main")
    assert shown.splitlines() == [
        f"rita|rita@example.com|Change-Id: {change.uid}",
        "Requested-by: rita",
        "Approved-by: arno",
        f"Plan-Digest: {change.plan_digest}",
        f"Audit-Head: {audit_head}",
    ]
    delivery = delivery_of(change)
    assert (delivery.commit, delivery.committed_at) == (tip, stage.clock.now())
    assert change.settled_at == stage.clock.now()
    assert outcomes(change) == ["committed"]
    assert Event.objects.filter(change=change, verb="change.committed").count() == 1
    assert auditing.verify().problem == ""


def test_it_writes_each_change_as_a_commit_of_its_own_in_one_push(stage: Stage) -> None:
    asked = [stage.approved(f"spoke-{letter}") for letter in "abc"]
    assert stage.deliver().committed == tuple(change.pk for change in asked)
    assert [message.splitlines()[0] for message in stage.commits()] == [
        f"Register cluster spoke-{letter} on hub hub-a" for letter in "cba"
    ]
    assert stage.repository.pushes == [3]


def test_it_plans_each_change_on_the_tree_left_by_the_one_before(stage: Stage) -> None:
    stage.approved("spoke-a")
    stage.deliver()
    indexing.index(fleet=stage.fleet, repository=stage.repository, clock=stage.clock)
    first = stage.submitted("spoke-a", EditCluster)
    other = stage.approved("spoke-a", EditCluster)
    approvals.approve(
        change_id=first.pk,
        digest=first.plan_digest,
        actor=stage.approver,
        clock=stage.clock,
        queue=stage.queue,
    )
    report = stage.deliver()
    assert report.committed == (other.pk,)
    assert report.lapsed == (first.pk,), "the same edit is nothing to do the second time"
    assert len(stage.commits()) == 2


def test_it_does_nothing_when_run_again(stage: Stage) -> None:
    stage.approved("spoke-a")
    stage.deliver()
    tip = repositories.tip(stage.bare)
    assert stage.deliver() == deliveries.DeliveryReport()
    assert repositories.tip(stage.bare) == tip
    assert stage.repository.pushes == [1]


def test_it_leaves_changes_that_are_not_approved(stage: Stage) -> None:
    change = stage.submitted("spoke-a")
    assert stage.deliver() == deliveries.DeliveryReport()
    assert stage.files() == set()
    assert not Delivery.objects.filter(change=change).exists()


# Others at the same branch


def test_it_writes_on_top_of_what_people_pushed_meanwhile(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    stage.repository.before_push = stage.human("docs/notes.md")
    assert stage.deliver().committed == (change.pk,)
    assert stage.files() == {member("spoke-a"), "docs/notes.md"}
    assert outcomes(change) == ["moved", "committed"]


def test_it_sends_back_what_somebody_else_did_meanwhile(stage: Stage) -> None:
    change, other = stage.approved("spoke-a"), stage.approved("spoke-b")
    stage.repository.before_push = stage.human(member("spoke-a"), "tenant: theirs\n")
    report = stage.deliver()
    assert (report.committed, report.lapsed) == ((other.pk,), (change.pk,))
    assert state_of(change) == LAPSED
    assert repositories.tree(stage.bare)[member("spoke-a")] == b"tenant: theirs\n"
    assert member("spoke-a") in change.state_note
    assert change.settled_at is None, "a lapsed change can be asked for again"


def test_it_names_the_files_that_moved_under_an_approval(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    path = "addons/tenants/defaults/fleet/fleet-secret/values.yaml"
    stage.human(path, "externalSecret:\n  labels:\n    addonsRelease: default\n    team: x\n")()
    assert stage.deliver().lapsed == (change.pk,)
    assert path in change.deliveries.get().reason
    change.refresh_from_db()
    assert path in change.state_note
    assert VERSIONS not in change.state_note
    assert stage.files() == set()


def test_it_keeps_an_approval_when_files_moved_without_effect(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    text = str(FILES[VERSIONS])
    stage.human(VERSIONS, "# a comment\n" + text)()
    assert stage.deliver().committed == (change.pk,)


def test_it_sees_a_cluster_that_people_added_on_another_hub(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    theirs = "fleet/fleet-bootstrap/fleet-members/hub-b/spoke-a.yaml"
    stage.human(
        theirs,
        "tenant: team-b\nclusterName: spoke-a\nenvironment: dev\nsecretManagerSecretName: other\n"
        'use_remote_argo: "false"\n'
        'enable_remote_resources: "false"\nenable_remote_addons: "false"\n',
    )()
    assert stage.deliver().lapsed == (change.pk,)
    assert "hub-b" in Delivery.objects.get(change=change).reason
    assert stage.files() == {theirs}


def test_it_does_not_write_what_was_withdrawn_in_between(stage: Stage) -> None:
    change, other = stage.approved("spoke-a"), stage.approved("spoke-b")
    stage.repository.before_fetch = lambda: (
        withdrawals.withdraw(change_id=change.pk, actor=stage.requester, clock=stage.clock) and None
    )  # type: ignore[func-returns-value]
    assert stage.deliver().committed == (other.pk,)
    assert state_of(change) == (DecisionState.WITHDRAWN.value, DeliveryState.FAILED.value)
    assert stage.files() == {member("spoke-b")}


def test_it_drops_a_batch_that_lost_a_member_after_planning(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, other = stage.approved("spoke-a"), stage.approved("spoke-b")
    build = stage.repository.real.build

    def withdraw_after_build(base: str, request: CommitRequest) -> str:
        built = build(base, request)
        monkeypatch.undo()
        withdrawals.withdraw(change_id=change.pk, actor=stage.requester, clock=stage.clock)
        return built

    monkeypatch.setattr(stage.repository.real, "build", withdraw_after_build)
    assert stage.deliver().committed == (other.pk,)
    assert stage.files() == {member("spoke-b")}
    assert not Delivery.objects.get(change=change).attempts.exists()


def test_it_tries_no_push_of_what_it_has_no_room_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = stage.approved("spoke-a")
    with monkeypatch.context() as full:
        full.setattr(Store, "keep", Mock(side_effect=OSError(errno.ENOSPC, "No space left")))
        assert stage.deliver().waiting == (change.pk,)
    assert state_of(change) == QUEUED
    row = Delivery.objects.get(change=change)
    assert "cannot be written (No space left). Look at the disk of the worker" in row.reason
    assert not row.attempts.exists()
    stage.clock.advance(61)
    assert stage.deliver().committed == (change.pk,)


# Who may still approve


def test_it_asks_again_whether_the_approver_may(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    stage.approver.grants.all().delete()
    assert stage.deliver().lapsed == (change.pk,)
    assert state_of(change) == LAPSED
    assert "arno does not count any more" in change.state_note
    assert stage.files() == set()


def test_it_counts_no_approver_who_left(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    User.objects.filter(pk=stage.approver.pk).update(is_active=False)
    assert stage.deliver().lapsed == (change.pk,)
    assert stage.files() == set()


def test_it_counts_no_approver_who_is_an_author(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    Participant.objects.filter(change=change, user=stage.approver).update(role="author")
    assert stage.deliver().lapsed == (change.pk,)
    assert stage.files() == set()


def test_it_does_not_deliver_a_digest_that_nobody_approved(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    Delivery.objects.filter(change=change).update(digest="sha256:" + "0" * 64)
    assert stage.deliver().lapsed == (change.pk,)
    assert stage.files() == set()


# A worker that dies


def kill() -> None:
    raise Killed


def die(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a worker that is killed: not even its `finally` happens, the lease stays."""
    with monkeypatch.context() as patch:
        patch.setattr(writer_lease, "release", lambda lease: None)
        with pytest.raises(Killed):
            stage.deliver()


def lease_ends(stage: Stage) -> None:
    WriterLease.objects.filter(fleet=stage.fleet).update(until=datetime(2020, 1, 1, tzinfo=UTC))
    stage.clock.advance(30)


@pytest.mark.parametrize("step", ["before_fetch", "before_push", "after_push"])
def test_it_goes_on_where_a_killed_worker_stopped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    asked = [stage.approved("spoke-a"), stage.approved("spoke-b")]
    setattr(stage.repository, step, kill)
    die(stage, monkeypatch)
    assert stage.deliver().busy, "the dead worker's lease still stands"
    lease_ends(stage)
    report = stage.deliver(stage.new_repository("mirror-b"))
    assert report.committed == tuple(change.pk for change in asked)
    assert [state_of(change) for change in asked] == [COMMITTED] * 2
    assert len(stage.commits()) == 2
    assert stage.files() == {member("spoke-a"), member("spoke-b")}


def test_it_asks_the_remote_before_it_writes_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = stage.approved("spoke-a")
    stage.repository.after_push = kill
    die(stage, monkeypatch)
    assert state_of(change) == PUSHING
    stage.human("docs/notes.md")()
    lease_ends(stage)
    other = stage.new_repository("mirror-b")
    assert stage.deliver(other).committed == (change.pk,)
    assert other.pushes == []
    assert outcomes(change) == ["committed"]
    assert delivery_of(change).commit == repositories.git(stage.bare, "rev-parse", "main~1")


def test_it_wakes_for_what_a_dead_worker_left(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.approved("spoke-a")
    stage.repository.after_push = kill
    die(stage, monkeypatch)
    stage.queue.woken.clear()
    assert deliveries.sweep(queue=stage.queue, clock=stage.clock) == 0, "somebody may be at it"
    lease_ends(stage)
    assert deliveries.sweep(queue=stage.queue, clock=stage.clock) == 1
    assert stage.queue.woken == [("onboarding.deliver", {"fleet_id": stage.fleet.pk})]


def test_it_believes_the_remote_not_the_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = stage.approved("spoke-a")
    push = stage.repository.real.push

    def lost(base: str, tip: str, *, timeout: float, not_after: float) -> str:
        push(base, tip, timeout=timeout, not_after=not_after)
        return "The push failed."

    monkeypatch.setattr(stage.repository.real, "push", lost)
    assert stage.deliver().committed == (change.pk,)
    assert len(stage.commits()) == 1


def test_it_finds_a_push_that_arrived_late(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    change = stage.approved("spoke-a")
    push = stage.repository.real.push
    late: list[tuple[str, str]] = []

    def slow(base: str, tip: str, **_: float) -> str:
        late.append((base, tip))
        return "The push was stopped after 15 seconds without an end."

    monkeypatch.setattr(stage.repository.real, "push", slow)
    report = stage.deliver()
    assert (report.committed, report.waiting) == ((), (change.pk,))
    assert state_of(change) == QUEUED
    monkeypatch.undo()
    push(*late[0], timeout=15)
    stage.clock.advance(5)
    assert stage.deliver().committed == (change.pk,)
    assert len(stage.commits()) == 1


def test_it_stops_a_worker_whose_lease_was_taken(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    second = stage.new_repository("mirror-b")
    reports: list[deliveries.DeliveryReport] = []

    def sleep_through_the_lease() -> None:
        lease_ends(stage)
        reports.append(stage.deliver(second))

    stage.repository.before_push = sleep_through_the_lease
    assert stage.deliver().busy
    assert reports == [deliveries.DeliveryReport(committed=(change.pk,))]
    assert state_of(change) == COMMITTED
    assert len(stage.commits()) == 1


def test_it_lets_a_paused_worker_write_nothing_late(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    second = stage.new_repository("mirror-b")

    def sleep_before_recording() -> None:
        lease_ends(stage)
        second.before_push = kill
        with pytest.raises(Killed):
            stage.deliver(second)

    stage.repository.before_fetch = sleep_before_recording
    assert stage.deliver().busy
    delivery = delivery_of(change)
    assert (delivery.fence, delivery.state) == (2, DeliveryState.PUSHING.value)
    assert stage.files() == set()
    stage.deliver()
    assert state_of(change) == COMMITTED
    assert len(stage.commits()) == 1


def test_it_lets_only_one_worker_write(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    reports: list[deliveries.DeliveryReport] = []
    second = stage.new_repository("mirror-b")
    stage.repository.before_push = lambda: reports.append(stage.deliver(second))
    assert stage.deliver().committed == (change.pk,)
    assert reports == [deliveries.DeliveryReport(busy=True)]
    assert second.pushes == []


def test_it_takes_what_was_approved_while_it_worked(stage: Stage) -> None:
    first = stage.approved("spoke-a")
    later: list[Change] = []
    stage.repository.after_push = lambda: later.append(stage.approved("spoke-b"))
    assert stage.deliver().committed == (first.pk, later[0].pk)


# Withdrawing


def test_it_takes_nothing_back_while_a_push_is_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = stage.approved("spoke-a")
    stage.repository.after_push = kill
    die(stage, monkeypatch)
    with pytest.raises(Refused) as refused:
        withdrawals.withdraw(change_id=change.pk, actor=stage.requester, clock=stage.clock)
    assert refused.value.refusals[0].code == "delivery_under_way"
    lease_ends(stage)
    stage.deliver()
    with pytest.raises(Refused):
        withdrawals.withdraw(change_id=change.pk, actor=stage.requester, clock=stage.clock)
    assert state_of(change) == COMMITTED


def test_it_takes_nothing_back_while_a_push_may_arrive_late(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    repositories.install_hook(stage.bare, "pre-receive", "echo 'Not today' >&2; exit 1")
    stage.deliver()
    assert state_of(change) == QUEUED
    with pytest.raises(Refused) as refused:
        withdrawals.withdraw(change_id=change.pk, actor=stage.requester, clock=stage.clock)
    assert "may still arrive" in str(refused.value)
    stage.clock.advance(16)
    withdrawals.withdraw(change_id=change.pk, actor=stage.requester, clock=stage.clock)
    repositories.remove_hook(stage.bare, "pre-receive")
    stage.clock.advance(60)
    assert stage.deliver() == deliveries.DeliveryReport()
    assert stage.files() == set()


# A remote that refuses


def test_it_gives_up_after_bounded_tries_with_the_servers_words(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    repositories.install_hook(stage.bare, "pre-receive", "echo 'Only signed commits' >&2; exit 1")
    stage.deliver()
    waiting = delivery_of(change)
    assert waiting.due_at > stage.clock.now()
    assert "Only signed commits" in waiting.reason
    stage.until_settled()
    assert state_of(change) == FAILED
    failed = delivery_of(change)
    assert "Only signed commits" in failed.reason
    assert outcomes(change) == ["refused"] * 8
    assert len(stage.repository.pushes) == 8
    assert Event.objects.filter(change=change, verb="delivery.failed").count() == 1
    assert stage.files() == set()


def test_it_tries_a_failed_delivery_again_when_asked(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    repositories.install_hook(stage.bare, "pre-receive", "exit 1")
    stage.until_settled()
    repositories.remove_hook(stage.bare, "pre-receive")
    with pytest.raises(Refused):
        deliveries.try_again(
            delivery_id=delivery_of(change).pk,
            actor=stage.approver,
            clock=stage.clock,
            queue=stage.queue,
        )
    deliveries.try_again(
        delivery_id=delivery_of(change).pk,
        actor=stage.requester,
        clock=stage.clock,
        queue=stage.queue,
    )
    assert stage.deliver().committed == (change.pk,)
    with pytest.raises(Refused):
        deliveries.try_again(
            delivery_id=delivery_of(change).pk,
            actor=stage.requester,
            clock=stage.clock,
            queue=stage.queue,
        )


def test_it_finds_the_one_change_that_is_refused(stage: Stage) -> None:
    asked = [stage.approved(f"spoke-{number}") for number in range(7)]
    bad = asked[4]
    repositories.install_hook(
        stage.bare,
        "pre-receive",
        "while read old new ref; do git diff --name-only $old $new | grep -q spoke-4 && "
        "{ echo 'spoke-4 is reserved' >&2; exit 1; }; done; exit 0",
    )
    report = stage.deliver()
    assert set(report.committed) == {change.pk for change in asked if change != bad}
    assert report.waiting[-1] == bad.pk
    assert "spoke-4 is reserved" in delivery_of(bad).reason
    assert member("spoke-4") not in stage.files()
    assert len(stage.commits()) == 6


def test_it_does_not_storm_a_branch_that_refuses_everything(stage: Stage) -> None:
    asked = [stage.approved(f"spoke-{number}") for number in range(20)]
    repositories.install_hook(stage.bare, "pre-receive", "echo 'Protected branch' >&2; exit 1")
    report = stage.deliver()
    assert len(stage.repository.pushes) <= 12
    assert set(report.waiting) == {change.pk for change in asked}
    for change in asked:
        assert "Protected branch" in delivery_of(change).reason
        assert delivery_of(change).due_at > stage.clock.now()
    assert Delivery.objects.filter(state=DeliveryState.PUSHING.value).count() == 0


def test_it_keeps_to_the_hosts_pace(stage: Stage) -> None:
    Fleet.objects.filter(pk=stage.fleet.pk).update(pushes_per_minute=1)
    stage.approved("spoke-a")
    stage.deliver()
    waiting = stage.approved("spoke-b")
    assert stage.deliver().waiting == (waiting.pk,)
    assert "at most 1 pushes a minute" in delivery_of(waiting).reason
    stage.clock.advance(61)
    assert stage.deliver().committed == (waiting.pk,)


# A remote that is away, emptied, rewritten, forged


def test_it_waits_visibly_for_a_remote_that_is_gone(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    away = stage.bare.rename(stage.bare.with_suffix(".away"))
    assert stage.deliver().waiting == (change.pk,)
    assert state_of(change) == QUEUED
    waiting = delivery_of(change)
    assert "does not exist or this account may not read it" in waiting.reason
    assert waiting.due_at > stage.clock.now()
    assert outcomes(change) == []
    stage.until_settled(3)
    assert state_of(change) == QUEUED, "waiting for a remote never gives up by itself"
    away.rename(stage.bare)
    stage.clock.advance(61)
    assert stage.deliver().committed == (change.pk,)
    assert delivery_of(change).reason == ""


def test_it_leaves_a_push_open_while_the_remote_cannot_be_asked(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    away = stage.bare.with_suffix(".away")
    stage.repository.after_push = lambda: stage.bare.rename(away) and None  # type: ignore[func-returns-value]
    stage.deliver()
    assert state_of(change) == PUSHING
    assert outcomes(change) == [""]
    assert "does not exist" in delivery_of(change).reason
    away.rename(stage.bare)
    stage.clock.advance(61)
    assert deliveries.sweep(queue=stage.queue, clock=stage.clock) == 1
    assert stage.deliver().committed == (change.pk,)
    assert len(stage.commits()) == 1


def test_it_writes_nothing_into_a_branch_that_was_emptied(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    stage.repository.fetch()
    indexing.index(fleet=stage.fleet, repository=stage.repository, clock=stage.clock)
    repositories.git(stage.bare, "update-ref", "-d", "refs/heads/main")
    assert stage.deliver().waiting == (change.pk,)
    assert "has no commit any more" in delivery_of(change).reason
    assert repositories.tip(stage.bare) == ""


def test_it_sends_back_what_needs_a_fleet_in_an_empty_repository(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    # Nobody has indexed this fleet since it was configured anew, so it was not emptied: it is empty.
    Fleet.objects.update(indexed_commit="")
    repositories.git(stage.bare, "update-ref", "-d", "refs/heads/main")
    assert stage.deliver().lapsed == (change.pk,)
    assert "no commit yet" in Delivery.objects.get(change=change).reason
    assert repositories.tip(stage.bare) == ""


def test_it_writes_onto_a_rewritten_history_only_what_still_holds(stage: Stage) -> None:
    first = repositories.tip(stage.bare)
    stage.human("secret.txt", "removed: later\n")()
    change = stage.approved("spoke-a")
    repositories.rewind(stage.bare, first)
    assert stage.deliver().committed == (change.pk,)
    assert "secret.txt" not in stage.files(), "what was removed is not brought back"


def test_it_raises_an_alarm_over_a_foreign_trailer(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    forged = f"Nice try\n\nChange-Id: {change.uid}\nPlan-Digest: {change.plan_digest}\n"
    stage.repository.before_push = lambda: (  # type: ignore[assignment]
        repositories.commit(stage.bare, {"evil.yaml": "x: 1\n"}, message=forged)
    )
    report = stage.deliver()
    assert (report.committed, report.failed) == ((), (change.pk,))
    assert state_of(change) == FAILED
    assert outcomes(change) == ["foreign"]
    assert "does not do what was approved" in delivery_of(change).reason
    assert Event.objects.filter(change=change, verb="delivery.foreign_trailer").count() == 1
    assert stage.files() == {"evil.yaml"}


def test_it_accepts_its_own_commit_rebased_by_somebody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = stage.approved("spoke-a")
    stage.repository.after_push = kill
    die(stage, monkeypatch)
    ours = repositories.tip(stage.bare)
    message = repositories.log(stage.bare)[0]
    content = repositories.tree(stage.bare)[member("spoke-a")]
    repositories.rewind(stage.bare, repositories.git(stage.bare, "rev-parse", "main~1"))
    stage.human("docs/notes.md")()
    theirs = repositories.commit(stage.bare, {member("spoke-a"): content}, message=message)
    lease_ends(stage)
    assert stage.deliver().committed == (change.pk,)
    assert delivery_of(change).commit == theirs != ours


def test_it_does_not_let_one_broken_change_hold_up_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = stage.approved("spoke-a"), stage.approved("spoke-b")
    Change.objects.filter(pk=broken.pk).update(intent={"format": 99})
    assert stage.deliver().committed == (other.pk,)
    assert state_of(broken)[1] == DeliveryState.FAILED.value


# The bell


def test_it_sweeps_only_what_is_due(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    Delivery.objects.filter(change=change).update(due_at=stage.clock.now() + timedelta(seconds=9))
    stage.queue.woken.clear()
    assert deliveries.sweep(queue=stage.queue, clock=stage.clock) == 0
    stage.clock.advance(10)
    assert deliveries.sweep(queue=stage.queue, clock=stage.clock) == 1
    stage.deliver()
    assert deliveries.sweep(queue=stage.queue, clock=stage.clock) == 0
