"""Two people, or two workers, at the same moment: one outcome, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.models import Approval, Change, Cluster, Delivery, Event, WriterLease
from onboarding.services import approvals, auditing, changes, events, withdrawals
from onboarding.services.delivery import deliveries, lapsing, settling, writer_lease
from onboarding.services.observing import standings
from tests import repositories
from tests.stage import COMMITTED, Stage, delivery_of, member, outcomes, state_of

pytestmark = pytest.mark.django_db(transaction=True)

Outcome = Any


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def at_once(*acts: Callable[[], Any]) -> list[Outcome]:
    """Let every act begin at the same moment, each with a connection of its own.

    Returns what each returned, or its refusal; any other exception fails the test.
    """
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Outcome:
        try:
            barrier.wait(20)
            return act()
        except Refused as refused:
            return refused
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def refusals(found: Sequence[Outcome]) -> list[Refused]:
    return [outcome for outcome in found if isinstance(outcome, Refused)]


def approve(stage: Stage, change: Change, who: Any) -> Callable[[], Approval]:
    return lambda: approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=who,
        clock=stage.clock,
        queue=stage.queue,
    )


def withdraw(stage: Stage, change: Change) -> Callable[[], Change]:
    return lambda: withdrawals.withdraw(
        change_id=change.pk, actor=stage.requester, clock=stage.clock
    )


def test_it_lets_one_of_many_approvers_decide(stage: Stage) -> None:
    people = [stage.person(f"approver-{number}", "approver") for number in range(4)]
    change = stage.submitted("spoke-a")

    found = at_once(*(approve(stage, change, who) for who in people))

    assert len(refusals(found)) == 3
    assert Delivery.objects.filter(change=change).count() == 1
    assert Event.objects.filter(change=change, verb="change.approved").count() == 1


def test_it_lets_an_approval_and_a_rejection_have_one_outcome(stage: Stage) -> None:
    other = stage.person("other", "approver")
    for number in range(4):
        change = stage.submitted(f"spoke-{number}")
        found = at_once(
            approve(stage, change, stage.approver),
            lambda change=change: approvals.reject(  # type: ignore[misc]
                change_id=change.pk,
                digest=change.plan_digest,
                actor=other,
                clock=stage.clock,
                reason="No.",
            ),
        )
        change.refresh_from_db()
        assert len(refusals(found)) == 1
        approved = change.state == DecisionState.APPROVED.value
        assert approved or change.state == DecisionState.REJECTED.value
        assert Delivery.objects.filter(change=change).count() == int(approved)


def test_it_lets_an_approval_and_a_withdrawal_have_one_outcome(stage: Stage) -> None:
    for number in range(4):
        change = stage.submitted(f"spoke-{number}")
        at_once(approve(stage, change, stage.approver), withdraw(stage, change))
        state = Change.objects.get(pk=change.pk).state
        open_ = Delivery.objects.filter(change=change, state=DeliveryState.QUEUED.value).count()
        assert (state, open_) in {
            (DecisionState.APPROVED.value, 1),
            (DecisionState.WITHDRAWN.value, 0),
        }


def test_it_lets_one_of_many_register_a_name(stage: Stage) -> None:
    people = [stage.person(f"requester-{number}", "requester") for number in range(4)]
    intent = stage.intent("spoke-a")

    def submit(who: Any) -> Callable[[], Change]:
        repository = stage.new_repository(f"mirror-of-{who}")
        repository.fetch()
        return lambda: changes.submit(
            fleet=stage.fleet,
            intent=intent,
            form_data={},
            actor=who,
            repository=repository,
            credentials=stage.secrets,
            clock=stage.clock,
        )

    found = at_once(*(submit(who) for who in people))

    assert len(refusals(found)) == 3
    assert Change.objects.filter(cluster_name="spoke-a").count() == 1


def test_it_keeps_one_chain_of_events(stage: Stage) -> None:
    def write() -> None:
        for _ in range(10):
            events.record(verb="test.written", message="One of many.", at=stage.clock.now())

    at_once(*[write] * 6)

    assert Event.objects.filter(verb="test.written").count() == 60
    assert auditing.verify().problem == ""


def test_it_gives_the_lease_to_one_of_many(stage: Stage) -> None:
    def acquire() -> writer_lease.Lease | None:
        return writer_lease.acquire(
            fleet_id=stage.fleet.pk, holder=threading.current_thread().name, seconds=20
        )

    for fence in (1, 2, 3):
        leases = [lease for lease in at_once(*[acquire] * 6) if lease]
        assert [lease.fence for lease in leases] == [fence]
        writer_lease.release(leases[0])


def test_it_writes_once_however_many_workers_wake(stage: Stage) -> None:
    asked = [stage.approved(f"spoke-{number}") for number in range(5)]
    workers = [stage.new_repository(f"mirror-of-worker-{number}") for number in range(6)]

    reports = at_once(*(lambda at=at: stage.deliver(at) for at in workers))  # type: ignore[misc]

    assert sum(len(report.committed) for report in reports) == 5
    assert [state_of(change) for change in asked] == [COMMITTED] * 5
    assert [outcomes(change) for change in asked] == [["committed"]] * 5
    assert len(stage.commits()) == 5
    assert not WriterLease.objects.exclude(holder="").exists()


def test_it_either_withdraws_or_writes(stage: Stage) -> None:
    worker = stage.new_repository("mirror-of-worker")
    for number in range(6):
        change = stage.approved(f"spoke-{number}")
        withdrawn, _ = at_once(withdraw(stage, change), lambda: stage.deliver(worker))
        stage.deliver(worker)
        state = Change.objects.get(pk=change.pk).state
        written = member(f"spoke-{number}") in stage.files()
        if isinstance(withdrawn, Refused):
            assert (state, written) == (DecisionState.APPROVED.value, True)
            assert delivery_of(change).state == DeliveryState.COMMITTED.value
        else:
            assert (state, written) == (DecisionState.WITHDRAWN.value, False)


def test_it_lapses_and_withdraws_without_a_deadlock(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = stage.new_repository("mirror-of-worker")
    change = stage.approved("spoke-a")
    repositories.commit(stage.bare, {member("spoke-a"): "tenant: theirs\n"})
    withdrawing, about_to_lapse = threading.Event(), threading.Event()
    stop, own = deliveries.stop_before_push, lapsing.own

    def stop_when_the_worker_is_at_it(**arguments: Any) -> None:
        withdrawing.set()
        about_to_lapse.wait(1)
        stop(**arguments)

    def own_and_say_so(*arguments: Any) -> Any:
        withdrawing.wait(5)
        found = own(*arguments)
        # Evaluated now, with its row lock, as the update that follows would.
        list(found.select_for_update())
        about_to_lapse.set()
        return found

    monkeypatch.setattr(deliveries, "stop_before_push", stop_when_the_worker_is_at_it)
    monkeypatch.setattr(lapsing, "own", own_and_say_so)
    at_once(withdraw(stage, change), lambda: stage.deliver(worker))
    change.refresh_from_db()
    assert change.state in {DecisionState.LAPSED.value, DecisionState.WITHDRAWN.value}
    assert Delivery.objects.get(change=change).state == DeliveryState.FAILED.value


def test_it_takes_a_delivery_once_where_a_push_begins(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL locks the change, too, where a row is updated twice: a withdrawal holds that."""
    changes_ = [stage.approved(f"spoke-{number}") for number in range(3)]
    begin, statements = settling.begin_push, []

    def watched(*arguments: Any, **options: Any) -> bool:
        with CaptureQueriesContext(connection) as captured:
            begun = begin(*arguments, **options)
        statements.extend(query["sql"] for query in captured)
        return begun

    monkeypatch.setattr(settling, "begin_push", watched)
    stage.deliver()
    of_deliveries = [sql for sql in statements if 'UPDATE "onboarding_delivery"' in sql]
    assert len(of_deliveries) == 1
    assert len({Delivery.objects.get(change=change).commit for change in changes_} - {""}) == 3


def test_it_wakes_no_worker_twice_for_nothing(stage: Stage) -> None:
    stage.approved("spoke-a")
    found = at_once(*[lambda: deliveries.sweep(queue=stage.queue, clock=stage.clock)] * 4)
    assert found == [1] * 4, "each of several beats may ring; the lease makes it harmless"
    stage.deliver()
    assert len(stage.commits()) == 1


@pytest.mark.parametrize("told", [False, True], ids=["the first time", "a later time"])
def test_it_lets_one_of_many_tell_the_whole_fleet(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    Cluster.objects.create(fleet=stage.fleet, path="a.yaml", hub_name="hub-a", name="spoke-a")
    if told:
        standings.keep_up(fleet=stage.fleet, clock=stage.clock)
        stage.clock.advance(600)
    begun = []
    monkeypatch.setattr(standings, "_CLUSTERS_PER_SECOND", 1 / 20)
    monkeypatch.setattr(standings, "recompute", lambda **_: begun.append(1) or 1)
    monkeypatch.setattr(standings, "follow", lambda **_: 0)

    at_once(*[lambda: standings.keep_up(fleet=stage.fleet, clock=stage.clock)] * 6)

    assert begun == [1]
