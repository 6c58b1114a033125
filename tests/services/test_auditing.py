"""The audit trail as a whole: whether it is whole, what of it fits, and the evidence of one change."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder

from onboarding.models import Delivery, Event, EventHead
from onboarding.services import auditing, events
from tests.fakes import START
from tests.stage import Stage


def told(*verbs: str) -> list[Event]:
    return [events.record(verb=verb, message=f"It {verb}.", at=START) for verb in verbs]


def test_a_whole_trail_is_told_by_its_length_and_end(db: None) -> None:
    assert auditing.verify() == auditing.Verification(0, "")
    _, last = told("a.one", "a.two")
    assert auditing.verify() == auditing.Verification(2, last.digest)


def test_it_names_the_first_event_that_was_changed(db: None) -> None:
    _, second, third = told("a.one", "a.two", "a.three")
    Event.objects.filter(pk__in=[second.pk, third.pk]).update(message="Nothing happened.")
    found = auditing.verify()
    assert (found.first_bad, found.events) == (second.pk, 1)
    assert f"Event {second.pk} " in found.problem
    assert "was changed after it was written" in found.problem


def test_it_names_the_event_after_one_that_was_removed(db: None) -> None:
    _, second, third = told("a.one", "a.two", "a.three")
    Event.objects.filter(pk=second.pk).delete()
    found = auditing.verify()
    assert found.first_bad == third.pk
    assert "removed" in found.problem


def test_it_sees_that_the_end_was_removed(db: None) -> None:
    first, second, third = told("a.one", "a.two", "a.three")
    Event.objects.filter(pk__in=[second.pk, third.pk]).delete()
    found = auditing.verify()
    assert (found.events, found.head, found.first_bad) == (1, first.digest, None)
    assert "3 were recorded" in found.problem


def test_a_commit_contradicts_a_trail_that_was_cut_with_its_recorded_end(db: None) -> None:
    first, second = told("a.one", "a.two")
    heads = [("c" * 40, second.digest), ("b" * 40, first.digest), ("a" * 40, "")]
    assert not auditing.verify(heads_in_git=heads).problem
    Event.objects.filter(pk=second.pk).delete()
    EventHead.objects.update(digest=first.digest, count=1)
    assert not auditing.verify().problem
    assert "Commit cccccccccc names the head" in auditing.verify(heads_in_git=heads).problem


def test_each_commit_names_the_end_of_the_trail(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    before = set(Event.objects.values_list("digest", flat=True))
    stage.deliver()
    delivery = Delivery.objects.get(change=change)
    (commit,) = stage.repository.find("Change-Id", str(change.uid), since="", tip=delivery.commit)
    assert commit.trailers["Audit-Head"] in before
    approved = Event.objects.get(change=change, verb="change.approved")
    named = Event.objects.get(digest=commit.trailers["Audit-Head"])
    assert named.pk >= approved.pk


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 4),
        ({"text": "spoke-b"}, 1),
        ({"text": "SEEN"}, 2),
        ({"noun": "hub"}, 1),
        ({"who": "rita"}, 1),
        ({"since": START + timedelta(hours=1)}, 2),
        ({"until": START + timedelta(hours=1)}, 2),
        ({"noun": "hub", "who": "rita"}, 0),
    ],
)
def test_it_finds_what_fits(stage: Stage, asked: dict[str, Any], count: int) -> None:
    Event.objects.all()._raw_delete("default")
    later = START + timedelta(hours=2)
    events.record(verb="hub.configured", message="The hub.", at=START)
    events.record(verb="change.seen", message="Seen.", at=START, actor=stage.requester)
    events.record(verb="change.seen", message="Seen again.", at=later, cluster_name="spoke-bc")
    events.record(verb="fleet.configured", message="The fleet.", at=later)
    found = list(auditing.found(**asked))
    assert len(found) == count
    assert found == sorted(found, key=lambda event: -event.pk)


def test_the_evidence_of_a_change_is_one_file(
    stage: Stage, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    change = stage.approved("spoke-a")
    stage.deliver()
    change.refresh_from_db()
    with django_assert_max_num_queries(14):
        found = auditing.evidence(change, at=START)
    read = json.loads(json.dumps(found, cls=DjangoJSONEncoder))
    assert read["change"]["cluster"] == "spoke-a"
    assert read["request"]["cluster"] == "spoke-a"
    assert [one["path"] for one in read["plan"]["edits"]]
    (decision,) = read["decisions"]
    assert (decision["who"], decision["digest"]) == ("arno", read["plan"]["digest"])
    (delivery,) = read["deliveries"]
    assert delivery["commit"] == Delivery.objects.get().commit
    assert [one["outcome"] for one in delivery["attempts"]] == ["committed"]
    verbs = [one["verb"] for one in read["trail"]["events"]]
    assert verbs[0] == "change.submitted"
    assert "change.committed" in verbs
    assert read["trail"]["head"] == events.head()
