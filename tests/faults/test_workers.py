"""A worker that is killed, paused or doubled at any step: each change in one commit, or waiting."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Change, Delivery, DeliveryAttempt
from onboarding.services import events, withdrawals
from tests import repositories
from tests.faults.processes import Site, Worker, at, die, pause
from tests.stage import COMMITTED, QUEUED, Meddled, delivery_of, member, state_of

SIGKILLED, SIGKILL = -9, 9


def in_the_midst_of_a_transaction(repository: Meddled) -> None:
    """Die when the row says committed and its event is not yet written."""
    events.record_all = lambda _: die()  # type: ignore[assignment]  # in a process that dies of it


@pytest.mark.parametrize(
    ("meddle", "arrived"),
    [
        pytest.param(at("before_fetch", die), False, id="before-it-looks"),
        pytest.param(at("after_build", die), False, id="commit-built-but-not-recorded"),
        pytest.param(at("before_push", die), False, id="recorded-but-not-pushed"),
        pytest.param(at("after_push", die), True, id="pushed-but-not-written-down"),
        pytest.param(in_the_midst_of_a_transaction, True, id="half-a-transaction"),
    ],
)
def test_it_survives_a_worker_killed(
    site: Site, meddle: Callable[[Meddled], None], arrived: bool
) -> None:
    asked = [site.approved("spoke-a"), site.approved("spoke-b")]
    assert Worker(site, meddle).wait() == SIGKILLED
    assert bool(site.files()) is arrived
    for change in asked:
        # Nobody is told yet what the remote was not asked about.
        assert state_of(change)[1] != DeliveryState.FAILED.value

    site.work()
    assert len(site.commits()) == 2 * arrived, "the dead worker's lease still stands"
    site.lease_ends()
    site.work()

    assert [state_of(change) for change in asked] == [COMMITTED] * 2
    assert len(site.commits()) == 2
    site.check()


def test_it_survives_a_worker_killed_while_the_remote_takes_the_push(site: Site) -> None:
    change = site.approved("spoke-a")
    pid = site.folder / "pid"
    # The remote has the commit when its client dies.
    repositories.install_hook(site.bare, "post-receive", f"kill -{SIGKILL} $(cat {pid}); sleep 1")

    def tell_pid() -> None:
        pid.write_text(str(os.getpid()))

    assert Worker(site, at("before_push", tell_pid)).wait() == SIGKILLED
    assert state_of(change)[1] == DeliveryState.PUSHING.value
    repositories.remove_hook(site.bare, "post-receive")
    site.lease_ends()
    site.work()

    assert state_of(change) == COMMITTED
    assert site.attempts(change) == ["committed"]
    assert len(site.commits()) == 1
    site.check()


def test_it_survives_a_worker_killed_before_the_remote_takes_the_push(site: Site) -> None:
    change = site.approved("spoke-a")
    pid = site.folder / "pid"
    repositories.install_hook(site.bare, "pre-receive", f"kill -{SIGKILL} $(cat {pid}); exit 1")

    def tell_pid() -> None:
        pid.write_text(str(os.getpid()))

    assert Worker(site, at("before_push", tell_pid)).wait() == SIGKILLED
    repositories.remove_hook(site.bare, "pre-receive")
    site.lease_ends()
    site.work()

    assert state_of(change) == COMMITTED
    assert site.attempts(change) == ["absent", "committed"]
    site.check()


def test_it_fences_a_worker_that_slept_through_its_lease(site: Site) -> None:
    change = site.approved("spoke-a")
    base = repositories.tip(site.bare)
    sleeper = Worker(site, at("before_push", pause), push_seconds=0.5)
    sleeper.wait_until_paused()
    site.lease_ends()
    with pytest.raises(Refused) as refused:
        withdrawals.withdraw(change_id=change.pk, actor=site.requester, clock=site.clock)
    assert refused.value.refusals[0].code == "delivery_under_way"

    site.work()
    assert state_of(change) == COMMITTED
    with pytest.raises(Refused) as refused:
        withdrawals.withdraw(change_id=change.pk, actor=site.requester, clock=site.clock)
    assert refused.value.refusals[0].code == "delivered"
    # Somebody takes the commit away again, so that the sleeper's compare-and-swap would succeed.
    repositories.rewind(site.bare, base)
    time.sleep(0.5)
    sleeper.wake()
    assert sleeper.wait() == 0

    assert repositories.tip(site.bare) == base, "a late push brought back what a person removed"
    assert site.attempts(change) == ["absent", "committed"]


def test_it_writes_once_however_often_it_is_woken(site: Site) -> None:
    asked = [site.approved(f"spoke-{number}") for number in range(4)]
    workers = [Worker(site) for _ in range(5)]
    assert [worker.wait() for worker in workers] == [0] * 5

    site.work()
    assert [state_of(change) for change in asked] == [COMMITTED] * 4
    assert [site.attempts(change) for change in asked] == [["committed"]] * 4
    assert len(site.commits()) == 4
    site.check()


def test_it_keeps_time_by_the_database_whatever_its_own_clock_says(site: Site) -> None:
    hour = 3600.0
    change = site.approved("spoke-a")
    late = Worker(site, at("before_push", pause), wrong_clock=-2 * hour)
    late.wait_until_paused()
    early = Worker(site, wrong_clock=2 * hour)
    assert early.wait() == 0
    assert state_of(change)[1] == DeliveryState.PUSHING.value, "the lease is not over yet"
    late.wake()
    assert late.wait() == 0

    assert state_of(change) == COMMITTED
    assert site.attempts(change) == ["committed"]
    site.check()


def test_it_does_not_wait_for_hours_because_a_clock_was_wrong(site: Site) -> None:
    change = site.approved("spoke-a")
    repositories.install_hook(site.bare, "pre-receive", "exit 1")
    assert Worker(site, wrong_clock=7200.0).wait() == 0
    assert state_of(change) == QUEUED
    assert delivery_of(change).due_at > site.clock.now()
    repositories.remove_hook(site.bare, "pre-receive")
    site.work()

    assert state_of(change) == COMMITTED
    site.check()


def test_it_lets_nobody_wait_for_a_late_arrival_because_a_clock_was_wrong(site: Site) -> None:
    change = site.approved("spoke-a")
    repositories.install_hook(site.bare, "pre-receive", "exit 1")
    assert Worker(site, wrong_clock=7200.0).wait() == 0
    with pytest.raises(Refused) as refused:
        withdrawals.withdraw(change_id=change.pk, actor=site.requester, clock=site.clock)
    assert refused.value.refusals[0].code == "delivery_under_way"
    moments_ago = site.clock.now() - timedelta(seconds=16)
    DeliveryAttempt.objects.update(closed_at=moments_ago)  # what the passing of time does
    withdrawals.withdraw(change_id=change.pk, actor=site.requester, clock=site.clock)
    site.work()

    assert site.files() == set()
    site.check()


def test_it_shows_on_the_page_what_is_in_git(site: Site) -> None:
    change = site.approved("spoke-a")
    assert Worker(site, at("after_push", die)).wait() == SIGKILLED
    client = Client()
    client.force_login(User.objects.get(username="rita"))
    page = reverse("change-detail", args=[change.pk]) + "?tab=delivery"
    assert "Pushing" in client.get(page).content.decode()
    site.lease_ends()
    site.work()

    shown = client.get(page).content.decode()
    assert "Committed" in shown
    assert delivery_of(change).commit == repositories.tip(site.bare)
    assert repositories.tip(site.bare) in shown
    site.check()


# The database


def test_it_waits_for_a_locked_database(site: Site) -> None:
    change = site.approved("spoke-a")
    held = site.folder / "held"

    def hold_it(_: Meddled) -> None:
        with transaction.atomic():
            Delivery.objects.update(updated_at=site.clock.now())
            held.touch()
            time.sleep(1.5)

    holder = Worker(site, hold_it)
    while not held.exists():
        time.sleep(0.01)
    site.work()

    assert holder.wait() == 0
    assert state_of(change) == COMMITTED
    assert site.attempts(change) == ["committed"]
    site.check()


@pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="SQLite has no server to lose")
def test_it_survives_the_loss_of_its_database_connection(site: Site) -> None:
    change = site.approved("spoke-a")

    def lose_the_connection() -> None:
        with connection.cursor() as cursor, pytest.raises(Exception, match="terminating"):
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert Worker(site, at("after_push", lose_the_connection)).wait() == 1
    assert Change.objects.get(pk=change.pk).settled_at is None
    assert member("spoke-a") in site.files()
    site.lease_ends()
    site.work()

    assert state_of(change) == COMMITTED
    assert site.attempts(change) == ["committed"]
    site.check()
