"""Troubles with a remote that a person has to end: each has a name and says what to do."""

from __future__ import annotations

import pytest

from onboarding.domain.alarms import Alarm, of_refusal

LOCK = "The push was refused: cannot lock ref 'refs/heads/main'"
HOOK = "The push was refused: pre-receive hook declined"


@pytest.mark.parametrize(
    ("said", "tries", "alarm"),
    [
        (LOCK, 1, Alarm.NONE),
        (LOCK, 2, Alarm.NONE),
        (LOCK, 3, Alarm.REMOTE_LOCK),
        ("unable to create '/srv/main.lock': File exists", 3, Alarm.REMOTE_LOCK),
        ("Unable to lock main.lock", 9, Alarm.REMOTE_LOCK),
        ("failed to update ref", 3, Alarm.REMOTE_LOCK),
        (HOOK, 1, Alarm.POLICY),
        ("The remote did not answer.", 99, Alarm.NONE),
        ("", 3, Alarm.NONE),
    ],
)
def test_it_names_a_refusal_by_its_words(said: str, tries: int, alarm: Alarm) -> None:
    assert of_refusal(said, tries=tries) is alarm


@pytest.mark.parametrize("alarm", Alarm)
def test_it_says_what_a_person_does(alarm: Alarm) -> None:
    assert bool(alarm.word) is bool(alarm.advice) is (alarm is not Alarm.NONE)
