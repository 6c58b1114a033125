"""The audit trail's page, files, command and the evidence of a change."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from onboarding import tasks, wiring
from onboarding.models import Change, Delivery, Event, EventHead
from onboarding.services import events
from tests import repositories
from tests.journey.conftest import Place
from tests.journey.test_registration import approved, asked


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def committed(place: Place, django_capture_on_commit_callbacks: Callable[..., Any]) -> Change:
    change = asked(place)
    with django_capture_on_commit_callbacks(execute=True):
        approved(place, change)
    tasks.deliver(fleet_id=change.fleet_id)
    change.refresh_from_db()
    return change


def text(place: Place, path: str, who: str = "viewer") -> str:
    return place.get(who, path).content.decode()


def test_it_shows_what_happened_newest_first(place: Place, committed: Change) -> None:
    page = place.get("viewer", "/audit/").context["page"]
    assert [row.number for row in page.rows] == sorted(
        (row.number for row in page.rows), reverse=True
    )
    assert page.count == Event.objects.count()
    assert {"requester", "approver", "Fleet UI"} <= {row.who for row in page.rows}
    assert page.head == events.head()
    assert f"change {committed.pk}" in text(place, "/audit/")


@pytest.mark.parametrize(
    ("query", "verbs"),
    [
        ("who=approver", {"change.approved"}),
        ("noun=delivery", set()),
        ("q=nowhere-to-be-found", set()),
        ("change=%23{change}&q=approved", {"change.approved"}),
        ("change=99999999999999999999999", set()),
        ("until=2001-01-01", set()),
    ],
)
def test_it_filters(place: Place, committed: Change, query: str, verbs: set[str]) -> None:
    answer = place.get("viewer", f"/audit/?{query.format(change=committed.pk)}")
    assert {row.verb for row in answer.context["page"].rows} == verbs
    if not verbs:
        assert "No event matches" in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "Not a day"),
        ("until=2026-13-45", "Not a day"),
        ("change=x", "Not the number of a change"),
    ],
)
def test_it_says_at_the_field_what_it_could_not_read(place: Place, query: str, said: str) -> None:
    page = text(place, f"/audit/?{query}")
    assert said in page
    assert query.split("=")[1] in page


def test_it_goes_through_a_long_trail_by_place(
    place: Place, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    place.get("viewer", "/audit/")
    for number in range(120):
        events.record(verb="hub.told", message=f"Told {number}.", at=wiring.clock().now())
    with django_assert_max_num_queries(10):
        page = place.get("viewer", "/audit/?noun=hub").context["page"]
    seen = [row.message for row in page.rows]
    while page.older_url:
        page = place.get("viewer", page.older_url).context["page"]
        seen += [row.message for row in page.rows]
    assert seen == [f"Told {number}." for number in reversed(range(120))]
    assert place.get("viewer", page.newest_url).context["page"].rows[0].message == "Told 119."


def test_it_goes_away_as_a_file(place: Place, committed: Change) -> None:
    events.record(verb="hub.told", message="=1+1", at=wiring.clock().now())
    rows = list(csv.DictReader(io.StringIO(_file(place, "/audit/export.csv"))))
    assert len(rows) == Event.objects.count()
    assert rows[0]["message"] == "'=1+1"
    told = json.loads(_file(place, f"/audit/export.json?change={committed.pk}"))
    assert {row["change"] for row in told["audit"]} == {committed.pk}
    assert told["audit"][0]["previous"]


def _file(place: Place, path: str) -> str:
    answer = place.get("viewer", path)
    content: bytes = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    return content.decode()


def test_an_administrator_has_the_chain_verified(place: Place, committed: Change) -> None:
    assert "Verify the chain" not in text(place, "/audit/")
    assert place.post("viewer", "/audit/verify/", {}).status_code == 403
    place.post("administrator", "/audit/verify/", {})
    assert "The trail is whole" in text(place, "/audit/", "administrator")
    Event.objects.filter(verb="change.approved").update(message="Nobody did.")
    place.post("administrator", "/audit/verify/", {})
    assert "was changed after it was written" in text(place, "/audit/", "administrator")


def test_the_command_holds_the_trail_against_git(
    place: Place, committed: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("verify_audit")
    assert "The trail is whole" in capsys.readouterr().out
    call_command("verify_audit", "--json")
    assert json.loads(capsys.readouterr().out)["problem"] == ""
    # Somebody takes the approval and all that follows away, and the recorded end with it.
    first = Event.objects.order_by("pk").first()
    assert first is not None
    Event.objects.exclude(pk=first.pk)._raw_delete("default")
    EventHead.objects.update(digest=first.digest, count=1)
    call_command("verify_audit", "--without-git")
    with pytest.raises(CommandError, match=Delivery.objects.get().commit[:10]):
        call_command("verify_audit")


def test_a_person_who_writes_the_trailer_by_hand_raises_no_alarm(
    place: Place, committed: Change
) -> None:
    repositories.commit(place.bare, {"note": "x\n"}, message=f"Note\n\nAudit-Head: {'f' * 64}")
    call_command("verify_audit")


def test_a_change_gives_its_evidence(place: Place, committed: Change) -> None:
    assert f"/changes/{committed.pk}/evidence.json" in text(
        place, f"/changes/{committed.pk}/?tab=evidence"
    )
    answer = place.get("viewer", f"/changes/{committed.pk}/evidence.json")
    told = json.loads(answer.content)
    assert told["deliveries"][0]["commit"] == Delivery.objects.get().commit
    assert told["decisions"][0]["who"] == "approver"
    assert answer["Content-Disposition"].startswith("attachment")
    assert place.get("viewer", "/changes/987654/evidence.json").status_code == 404
