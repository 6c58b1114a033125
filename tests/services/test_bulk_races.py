"""Bulks while others act: no line is left unchecked, no change waits in a bulk that was withdrawn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from onboarding.domain.bulk_csv import PLACE, read
from onboarding.domain.errors import FleetError
from onboarding.models import Bulk, BulkRow, Change
from onboarding.services import bulks, changes, events
from tests.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True)

BEGUN_WITHIN = 20
MOST_A_LOCK_IS_HELD = 2


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def lines(*names: str) -> bytes:
    rows = [f"hub-a,{name},team-a,dev,fleet/{name}" for name in names]
    return "\n".join([",".join(PLACE), *rows]).encode()


def asked(stage: Stage, *names: str) -> Bulk:
    return bulks.register(
        fleet=stage.fleet,
        title="New spokes",
        table=read(lines(*names)),
        actor=stage.requester,
        clock=stage.clock,
        queue=stage.queue,
    )


def while_open(first: Callable[[threading.Event], Any], second: Callable[[], Any]) -> None:
    """Do the second while the transaction of the first is open; it sets the event where it is.

    `first` waits for a moment then: one that has to wait for its lock goes on after it.
    """
    begun = threading.Event()

    def run(act: Callable[[], Any]) -> None:
        try:
            act()
        except FleetError:
            pass
        finally:
            connections.close_all()

    def follow() -> None:
        assert begun.wait(BEGUN_WITHIN)
        second()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(run, lambda: first(begun)), pool.submit(run, follow)]:
            future.result()


def test_lines_that_come_while_a_bulk_is_proposed_are_checked_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk = asked(stage, "spoke-a")
    BulkRow.objects.update(is_checked=True, problems=[["tenant", "No."]])
    real = events.record

    def correct(begun: threading.Event) -> None:
        def slow(**options: Any) -> Any:
            if options["verb"] == "bulk.corrected":
                begun.set()
                threading.Event().wait(MOST_A_LOCK_IS_HELD)
            return real(**options)

        monkeypatch.setattr(events, "record", slow)
        bulks.correct(
            bulk_id=bulk.pk,
            table=read(lines("spoke-a", "spoke-b")),
            actor=stage.requester,
            clock=stage.clock,
            queue=stage.queue,
        )

    while_open(correct, lambda: bulks.propose_checked(clock=stage.clock))
    bulk.refresh_from_db()
    assert bulk.rows.filter(is_checked=False).count() == 2
    assert bulk.state == Bulk.State.CHECKING


def test_a_change_that_is_made_while_its_bulk_is_withdrawn_does_not_wait_on(stage: Stage) -> None:
    bulk = asked(stage, "spoke-a")
    row = bulk.rows.get()
    stage.repository.real.fetch()

    def check(begun: threading.Event) -> None:
        def also(change: Change) -> None:
            bulks.bind(row, change)
            begun.set()
            threading.Event().wait(MOST_A_LOCK_IS_HELD)

        changes.submit(
            fleet=stage.fleet,
            intent=stage.intent("spoke-a"),
            form_data={},
            actor=stage.requester,
            repository=stage.repository,
            credentials=stage.secrets,
            clock=stage.clock,
            also=also,
        )

    while_open(
        check, lambda: bulks.withdraw(bulk_id=bulk.pk, actor=stage.requester, clock=stage.clock)
    )
    bulk.refresh_from_db()
    assert bulk.state == Bulk.State.WITHDRAWN
    assert not Change.objects.filter(state="submitted").exists()
