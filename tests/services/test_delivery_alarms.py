"""Delivered commits that somebody took out of the branch: said, and never written again by itself."""

from __future__ import annotations

import pytest

from onboarding.domain.alarms import Alarm
from onboarding.models import Change, Event
from onboarding.services.delivery import lost_commits
from tests import repositories
from tests.stage import COMMITTED, Stage, delivery_of, state_of


def watch(stage: Stage) -> int:
    return lost_commits.watch_history(
        fleet=stage.fleet,
        tip=stage.repository.fetch(),
        repository=stage.repository,
        clock=stage.clock,
    )


@pytest.fixture
def changes(stage: Stage) -> list[Change]:
    """Two delivered changes, each in a commit of its own."""
    found = []
    for name in ("spoke-a", "spoke-b"):
        found.append(stage.approved(name))
        stage.deliver()
    return found


def alarms(changes: list[Change]) -> list[str]:
    return [delivery_of(change).alarm for change in changes]


def test_it_is_quiet_while_all_commits_are_there(stage: Stage, changes: list[Change]) -> None:
    stage.human("README.md", "Other words.\n")()
    assert watch(stage) == 0
    assert alarms(changes) == ["", ""]
    assert not Event.objects.filter(verb="delivery.diverged").exists()


def test_it_names_only_what_is_missing_and_says_it_once(
    stage: Stage, changes: list[Change]
) -> None:
    kept, lost = (delivery_of(change).commit for change in changes)
    repositories.rewind(stage.bare, kept)
    assert watch(stage) == 1
    assert watch(stage) == 0
    assert alarms(changes) == ["", Alarm.DIVERGED.value]
    event = Event.objects.get(verb="delivery.diverged")
    assert (event.change, event.detail) == (changes[1], {"commit": lost})
    stage.deliver()
    assert repositories.tip(stage.bare) == kept, "nothing is written again"
    assert state_of(changes[1]) == COMMITTED


def test_it_ends_the_alarm_when_the_commit_is_back(stage: Stage, changes: list[Change]) -> None:
    tip = repositories.tip(stage.bare)
    repositories.rewind(stage.bare, delivery_of(changes[0]).commit)
    watch(stage)
    repositories.rewind(stage.bare, tip)
    assert watch(stage) == 0
    assert alarms(changes) == ["", ""]
