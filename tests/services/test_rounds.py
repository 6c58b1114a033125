"""Rounds: what many rows have in common is read once, and forgotten with the round."""

from __future__ import annotations

from pathlib import Path

import pytest

from onboarding.domain.errors import Refused
from onboarding.services import rounds
from tests import repositories
from tests.stage import MEMBERS, Stage


def test_it_reads_once_in_a_round_and_each_time_outside() -> None:
    read: list[int] = []

    def ask() -> int:
        read.append(1)
        return len(read)

    assert [rounds.once("key", ask), rounds.once("key", ask)] == [1, 2]
    with rounds.begun():
        assert [rounds.once("key", ask), rounds.once("key", ask)] == [3, 3]
        assert rounds.once("another", ask) == 4
    with rounds.begun():
        assert rounds.once("key", ask) == 5
    assert not rounds.is_running()


def test_it_forgets_what_could_not_be_read() -> None:
    def refuse() -> str:
        raise Refused("Not now.")

    with rounds.begun():
        with pytest.raises(Refused):
            rounds.once("key", refuse)
        assert rounds.once("key", lambda: "now") == "now"


@pytest.mark.django_db
def test_the_tip_stays_in_a_round_and_moves_with_the_next(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.repository.fetch()
    path = f"{MEMBERS}/late.yaml"

    def seen() -> bool:
        found = rounds.repository("fleet", lambda: stage.repository)
        found.fetch()
        return found.snapshot().read(path) is not None

    with rounds.begun():
        assert not seen()
        repositories.commit(stage.bare, {path: "clusterName: late\n"})
        assert not seen()
    with rounds.begun():
        assert seen()
