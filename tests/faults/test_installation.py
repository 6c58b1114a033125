"""Celery's own workers and beats on real engines: a broker that is lost, doubled bells, a lost child."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from onboarding.adapters.celery_queue import CeleryQueue
from onboarding.domain.errors import Transient
from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Approval, Change, Delivery, Heartbeat
from tests import repositories
from tests.engines import Redis, redis_server
from tests.faults.browser import Browser
from tests.faults.installation import Installation, children, wait_until
from tests.faults.processes import Site
from tests.stage import COMMITTED, QUEUED, state_of

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="needs real engines"),
]

# A busy machine needs long to start a Python process; nothing here waits where there is no need.
PATIENCE = 120.0


STOP_IN_A_TRANSACTION = """
import os, signal, django
django.setup()
from django.db import transaction
from onboarding.models import EventHead
with transaction.atomic():
    EventHead.objects.select_for_update().get(pk=1)
    os.kill(os.getpid(), signal.SIGSTOP)
"""
"""As a worker leaves the end of the audit trail that is paused between two statements."""


@pytest.fixture
def broker() -> Iterator[Redis]:
    with redis_server() as server:
        yield server


@pytest.fixture
def installation(site: Site, broker: Redis, tmp_path: Path) -> Iterator[Installation]:
    site.queue = CeleryQueue(Celery("tests", broker=broker.url))  # type: ignore[assignment]
    installation = Installation(tmp_path, broker.url)
    yield installation
    installation.end()


def all_committed(installation: Installation, asked: list[Change]) -> None:
    """Wait until each is in Git."""
    wait_until(
        lambda: all(state_of(change) == COMMITTED for change in asked),
        seconds=PATIENCE,
        otherwise=installation.said,
    )


def test_it_goes_on_by_itself_when_the_broker_was_away_and_lost_everything(
    site: Site, broker: Redis, installation: Installation
) -> None:
    worker, beat = installation.worker(), installation.beat()
    before = site.approved("spoke-before")
    all_committed(installation, [before])
    broker.stop()
    during = [site.approved(f"spoke-during-{number}") for number in range(2)]
    assert [state_of(change) for change in during] == [QUEUED] * 2, "they wait, visibly"
    broker.start()
    broker.flush()
    all_committed(installation, [before, *during])

    assert worker.poll() is None, "nobody had to start the worker again"
    assert beat.poll() is None
    site.check()


def test_it_writes_once_with_two_beats_and_every_bell_rung_ten_times(
    site: Site, broker: Redis, installation: Installation
) -> None:
    for _ in range(2):
        installation.worker()
        installation.beat()
    asked = [site.approved(f"spoke-{number}") for number in range(4)]
    for _ in range(10):
        site.queue.wake("onboarding.deliver", fleet_id=site.fleet.pk)
        site.queue.wake("onboarding.sweep")
    all_committed(installation, asked)
    # Both beats were there, and what they rang was heard.
    swept = Heartbeat.objects.get(part="sweep").at
    wait_until(
        lambda: Heartbeat.objects.get(part="sweep").at > swept,
        seconds=PATIENCE,
        otherwise=installation.said,
    )

    assert [site.attempts(change) for change in asked] == [["committed"]] * 4
    assert len(site.commits()) == 4
    site.check()


def test_it_replaces_a_child_that_was_killed_in_the_midst_of_a_push(
    site: Site, installation: Installation
) -> None:
    taken, go = site.folder / "taken", site.folder / "go"
    # The remote waits inside the push until its client is dead, then takes it.
    repositories.install_hook(
        site.bare,
        "pre-receive",
        f"touch {taken}; until [ -e {go} ]; do sleep 0.05; done",
    )
    worker = installation.worker()
    installation.beat()
    change = site.approved("spoke-a")
    wait_until(taken.exists, seconds=PATIENCE, otherwise=installation.said)
    for child in children(worker):
        os.kill(child, signal.SIGKILL)
    go.touch()
    repositories.remove_hook(site.bare, "pre-receive")
    site.lease_ends()
    other = site.approved("spoke-b")
    all_committed(installation, [change, other])

    assert worker.poll() is None
    assert len(site.commits()) == 2
    site.check()


def test_it_pauses_with_a_broker_that_does_not_answer_and_goes_on_with_it(
    site: Site, broker: Redis, installation: Installation
) -> None:
    installation.worker()
    installation.beat()
    all_committed(installation, [site.approved("spoke-before")])
    broker.signal(signal.SIGSTOP)
    during = site.approved("spoke-during")
    broker.signal(signal.SIGCONT)
    all_committed(installation, [during])
    site.check()


def test_it_lets_nobody_wait_for_a_worker_that_stopped_in_a_transaction(
    site: Site, installation: Installation
) -> None:
    worker = installation.worker()
    installation.beat()
    before = site.approved("spoke-before")
    all_committed(installation, [before])
    stopped = installation.script(STOP_IN_A_TRANSACTION)
    wait_until(
        lambda: "State:\tT" in Path(f"/proc/{stopped.pid}/status").read_text(),
        seconds=PATIENCE,
        otherwise=installation.said,
    )
    other = site.approved("spoke-other")  # waits until the server ends that session
    all_committed(installation, [other])
    assert worker.poll() is None
    site.check()


def test_it_approves_wholly_or_not_at_all_when_the_web_process_is_killed(
    site: Site, installation: Installation
) -> None:
    browser = Browser(installation, site.approver)
    asked = [site.submitted(f"spoke-{number}") for number in range(4)]
    wait_until(lambda: answers(browser, asked[0]), seconds=PATIENCE, otherwise=installation.said)
    for number, change in enumerate(asked[1:]):
        browser.kill_while_it_answers(change, after=0.05 * number)
    approved = [change for change in asked if Delivery.objects.filter(change=change).exists()]
    for change in asked:
        change.refresh_from_db()
        decided = change.state == DecisionState.APPROVED.value
        assert decided is (change in approved), "a decision and its delivery are one"
        assert Approval.objects.filter(change=change).count() == int(decided)
    installation.worker()
    installation.beat()
    all_committed(installation, approved)
    site.check()


def answers(browser: Browser, change: Change) -> bool:
    """Whether the web process is up and takes an approval."""
    try:
        browser.approve(change)
    except Transient:
        return False
    return True
