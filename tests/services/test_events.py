"""The audit trail: what happened, by whom, and that nobody changed it afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from onboarding.models import Event, EventHead
from onboarding.services import auditing, events
from tests.fakes import START
from tests.stage import Stage


def told(*verbs: str) -> list[Event]:
    return [events.record(verb=verb, message=f"It {verb}.", at=START) for verb in verbs]


def test_it_chains_each_event_to_the_one_before(db: None) -> None:
    first, second = told("change.begun", "change.ended")
    assert (first.previous, second.previous) == ("", first.digest)
    head = EventHead.objects.get()
    assert (head.digest, head.count) == (second.digest, 2)
    assert auditing.verify().problem == ""


def test_it_says_whose_fleet_and_cluster_a_change_is(stage: Stage) -> None:
    change = stage.submitted("spoke-a")
    event = events.record(verb="change.seen", message="Seen.", at=START, change=change)
    assert (event.fleet, event.cluster_name, event.actor) == (stage.fleet, "spoke-a", None)


@pytest.mark.parametrize(
    "meddling",
    [
        {"message": "It never was."},
        {"verb": "change.other"},
        {"detail": {"commit": "abc"}},
        {"cluster_name": "spoke-b"},
        {"previous": "0" * 64},
        {"digest": "0" * 64},
    ],
)
def test_it_finds_the_first_event_that_was_changed(db: None, meddling: dict[str, Any]) -> None:
    _, second, _ = told("a.one", "a.two", "a.three")
    Event.objects.filter(pk=second.pk).update(**meddling)
    assert auditing.verify().first_bad == second.pk


def test_it_finds_that_an_event_is_missing(db: None) -> None:
    _, second, third = told("a.one", "a.two", "a.three")
    Event.objects.filter(pk=second.pk).delete()
    assert auditing.verify().first_bad == third.pk


def test_it_is_the_same_after_the_database_kept_it(stage: Stage) -> None:
    """The digest is over what is read back: people, times and data survive the round."""
    event = events.record(
        verb="change.seen", message="Seen: ü", at=START, actor=stage.requester,
        fleet=stage.fleet, detail={"b": [1, None], "a": "ü"},
    )  # fmt: skip
    assert events.digest_of(Event.objects.get(pk=event.pk)) == event.digest
