"""Bulks between a read and a write: nothing unseen, nothing stuck, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from onboarding import wiring
from onboarding.domain.bulk_csv import read
from onboarding.domain.errors import Refused
from onboarding.models import Approval, Bulk, BulkRow, Change, Delivery
from onboarding.services import bulks
from tests.journey.conftest import Place
from tests.journey.test_bulk import HEAD, check, line, results, send


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def before_second(table: str, act: Callable[[], Any]) -> AbstractContextManager[Any]:
    """Let somebody act once, right before a table is asked for the second time."""
    asked: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if table in sql and sql.startswith("SELECT"):
            asked.append(sql)
            if len(asked) == 2:
                act()
        return execute(sql, params, many, context)

    return connection.execute_wrapper(wrapper)


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_plan_that_moves_while_it_is_decided_on_is_not_decided(place: Place, verb: str) -> None:
    send(place, line(place, "spoke-a"), line(place, "spoke-b"))
    check()
    bulk = Bulk.objects.get()
    seen = bulks.digest_of(bulk)
    moved = bulk.rows.get(cluster_name="spoke-b").change
    assert moved is not None

    def move() -> None:
        Change.objects.filter(pk=moved.pk).update(plan_digest="sha256:" + "0" * 64)

    known: dict[str, Any] = {"queue": place.queue} if verb == "approve" else {}
    with before_second('"onboarding_change"', move), pytest.raises(Refused):
        getattr(bulks, verb)(
            bulk_id=bulk.pk,
            digest=seen,
            actor=User.objects.get(username="approver"),
            clock=wiring.clock(),
            reason="As agreed.",
            **known,
        )
    assert not Approval.objects.exists()
    assert not Delivery.objects.exists()
    bulk.refresh_from_db()
    assert bulk.state == Bulk.State.PROPOSED


def test_a_line_without_a_name_takes_the_place_of_no_other(place: Place) -> None:
    nameless = line(place, "spoke-x").replace(",spoke-x,", ",,")
    send(place, line(place, "spoke-a"), nameless, nameless.replace("spoke-x", "spoke-y"))
    check()
    bulk = Bulk.objects.get()
    before = set(bulk.rows.filter(change=None).values_list("number", flat=True))
    assert before == {3, 4}
    table = read("\n".join([HEAD, line(place, "spoke-a"), nameless]).encode())
    bulks.correct(
        bulk_id=bulk.pk,
        table=table,
        actor=bulk.requester,
        clock=wiring.clock(),
        queue=place.queue,
    )
    assert set(bulk.rows.filter(change=None).values_list("number", flat=True)) == {3, 4}


def test_the_file_of_what_was_refused_is_taken_again_as_it_is(place: Place) -> None:
    bad = line(place, "spoke-c").replace("tenant1", "Tenant One")
    send(place, line(place, "spoke-a"), bad)
    check()
    bulk = Bulk.objects.get()
    answer = place.get("requester", f"/bulk/{bulk.pk}/refused.csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    mended = text.replace("Tenant One", "tenant1")
    place.post("requester", f"/bulk/{bulk.pk}/correct/", {"text": mended})
    check()
    assert results(bulk) == {"spoke-a": "submitted", "spoke-c": "submitted"}


def test_nothing_waits_in_a_bulk_that_was_withdrawn(place: Place) -> None:
    send(place, line(place, "spoke-a"))
    bulk = Bulk.objects.get()
    place.post("requester", f"/bulk/{bulk.pk}/withdraw/", {})
    page = place.get("viewer", f"/bulk/{bulk.pk}/").context["page"]
    assert not page.is_moving


def test_as_many_as_are_offered_can_be_ticked(place: Place) -> None:
    form = {"cluster": [str(number) for number in range(1000)], "title": "All"}
    answer = place.clients["requester"].post("/bulk/edit/", form)
    assert answer.status_code == 422


def test_a_row_is_asked_again_where_its_bulk_is_being_decided_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(place, line(place, "spoke-a"))
    bulk = Bulk.objects.get()
    real = Bulk.objects.select_for_update

    def locked(**options: Any) -> Any:
        if options.get("nowait"):
            raise OperationalError("could not obtain lock on row")
        return real(**options)

    with monkeypatch.context() as deciding:
        deciding.setattr(Bulk.objects, "select_for_update", locked)
        check()
    assert results(bulk) == {"spoke-a": "unchecked"}
    assert not Change.objects.exists()
    BulkRow.objects.update(due_at=wiring.clock().now())
    check()
    assert results(bulk) == {"spoke-a": "submitted"}
