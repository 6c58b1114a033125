"""People who decide at the same moment, at two web processes, and press twice; and who may not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from celery import Celery
from django.contrib.auth.models import User

from onboarding.adapters.celery_queue import CeleryQueue
from onboarding.domain.errors import Transient
from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Approval, Change, Delivery
from tests.engines import redis_server
from tests.faults.browser import Browser
from tests.faults.installation import Installation, wait_until
from tests.faults.processes import Site
from tests.people import give
from tests.stage import COMMITTED, LAPSED, member, state_of

PATIENCE = 120.0


def real_engines(test: Callable[..., None]) -> Callable[..., None]:
    """For a test that needs PostgreSQL and Redis."""
    there = "TEST_DATABASE_URL" in os.environ
    return pytest.mark.services(pytest.mark.skipif(not there, reason="needs real engines")(test))


@pytest.fixture
def installation(site: Site, tmp_path: Path) -> Iterator[Installation]:
    with redis_server() as broker:
        site.queue = CeleryQueue(Celery("tests", broker=broker.url))  # type: ignore[assignment]
        installation = Installation(tmp_path, broker.url)
        yield installation
        installation.end()


def at_once(acts: list[Callable[[], int]]) -> list[int]:
    """What each was answered, all asked at the same moment."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], int]) -> int:
        barrier.wait(20)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def pressed(browser: Browser, change: Change, verb: str) -> Callable[[], int]:
    """Look at the page now, press its button when told."""
    send = browser.look(change)
    return lambda: send(verb)


def is_up(browser: Browser, change: Change) -> bool:
    try:
        browser.look(change)
    except Transient:
        return False
    return True


@real_engines
def test_every_change_has_one_outcome_however_many_decide_and_press_twice(
    site: Site, installation: Installation
) -> None:
    others = [site.person(name, "approver") for name in ("anna", "axel")]
    here, there = Browser(installation, site.approver), Browser(installation, others[0])
    axel = Browser(installation, others[1], beside=here)
    rita = Browser(installation, site.requester, beside=there)
    asked = [site.submitted(f"spoke-{number}") for number in range(4)]
    for browser in (here, there):
        wait_until(
            lambda browser=browser: is_up(browser, asked[0]),
            seconds=PATIENCE,
            otherwise=installation.said,
        )
    decided = [
        ["change-approve"] * 2 + ["change-approve"] * 2,
        ["change-approve", "change-reject", "change-approve", "change-reject"],
        ["change-approve", "change-approve", "change-reject", "change-withdraw"],
        ["change-reject", "change-reject", "change-withdraw", "change-withdraw"],
    ]
    for change, (one, two, three, four) in zip(asked, decided, strict=True):
        last = rita if four == "change-withdraw" else axel
        at_once(
            [
                pressed(here, change, one),
                pressed(there, change, two),
                pressed(axel, change, three),
                pressed(here, change, one),
                pressed(last, change, four),
                pressed(last, change, four),
            ]
        )
    for change in asked:
        change.refresh_from_db()
        approved = change.state == DecisionState.APPROVED.value
        verdicts = set(Approval.objects.filter(change=change).values_list("verdict", flat=True))
        assert change.state != DecisionState.SUBMITTED.value, "somebody decided"
        assert verdicts <= {"approve", "reject"}
        assert len(verdicts) <= 1, "and only so"
        assert Delivery.objects.filter(change=change, state="queued").count() == int(approved)
    installation.worker()
    installation.beat()
    approved = [one for one in asked if one.state == DecisionState.APPROVED.value]
    assert asked[0] in approved
    wait_until(
        lambda: all(state_of(change) == COMMITTED for change in approved),
        seconds=PATIENCE,
        otherwise=installation.said,
    )
    assert len(site.commits()) == len(approved)
    site.check()


@real_engines
def test_nobody_decides_what_they_took_part_in(site: Site, installation: Installation) -> None:
    give(site.requester, "approver")
    site.requester = User.objects.get(pk=site.requester.pk)
    change = site.submitted("spoke-a")
    rita = Browser(installation, site.requester)
    wait_until(lambda: is_up(rita, change), seconds=PATIENCE, otherwise=installation.said)
    arno = Browser(installation, site.approver, beside=rita)
    assert rita.look(change)("change-approve") == 422
    assert rita.look(change)("change-reject") == 422
    change.refresh_from_db()
    assert change.state == DecisionState.SUBMITTED.value
    assert not Approval.objects.exists()
    assert arno.look(change)("change-approve") == 302


def test_a_worker_asks_again_whether_who_approved_still_may(site: Site) -> None:
    change, other = site.approved("spoke-a"), site.approved("spoke-b")
    Approval.objects.filter(change=other).update(user=site.person("anna", "approver"))
    site.approver.grants.all().delete()
    site.work()

    assert (state_of(change), state_of(other)) == (LAPSED, COMMITTED)
    assert "arno does not count any more" in Change.objects.get(pk=change.pk).state_note
    assert site.files() == {member("spoke-b")}
    site.check()
