"""The rollout's state machine as tables: what was seen, and the next step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onboarding.domain.progress import ClusterState
from onboarding.domain.rollout import (
    Health,
    Move,
    RowFacts,
    RowState,
    WaveFacts,
    health_of,
    next_step,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PATIENCE = 15 * MINUTE
SOAK = 10 * MINUTE
HELD = RowFacts("spoke-b", RowState.HELD, health=Health.WELL, seen_at=NOW)
WELL = RowFacts(
    "spoke-a",
    RowState.IN_GIT,
    committed_at=NOW - 14 * MINUTE,
    health=Health.WELL,
    followed=True,
    seen_at=NOW,
    well_since=NOW - 12 * MINUTE,
)
FIRST = WaveFacts(1, "Wave 1", SOAK, (WELL,), released_at=NOW - 15 * MINUTE)
SECOND = WaveFacts(2, "Wave 2", SOAK, (HELD,))


def step(*waves: WaveFacts):  # type: ignore[no-untyped-def]
    return next_step(waves, patience=PATIENCE, now=NOW)


@pytest.mark.parametrize(
    ("rows", "there", "back"),
    [
        # Who is ill before its wave, or right after it, is why somebody goes back.
        ((replace(HELD, health=Health.BAD),), Move.PAUSE, Move.RELEASE),
        ((replace(WELL, health=Health.BAD, committed_at=NOW - MINUTE),), Move.PAUSE, Move.WAIT),
        # It has its time, and no more.
        ((replace(WELL, health=Health.BAD, committed_at=NOW - 16 * MINUTE),), Move.PAUSE, Move.PAUSE),
        ((replace(WELL, state=RowState.FAILED),), Move.PAUSE, Move.PAUSE),
        ((WELL,), Move.FINISH, Move.FINISH),
    ],
)  # fmt: skip
def test_a_way_back_begins_with_the_ill_and_gives_them_their_time(
    rows: tuple[RowFacts, ...], there: Move, back: Move
) -> None:
    released = None if rows[0].state is RowState.HELD else NOW - 15 * MINUTE
    wave = replace(FIRST, rows=rows, released_at=released)
    assert step(wave).move is there
    found = next_step((wave,), patience=PATIENCE, now=NOW, leads_back=True)
    assert found.move is back


def first(**values: object) -> WaveFacts:
    return replace(FIRST, rows=(replace(WELL, **values),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("waves", "move"),
    [
        # Nothing is released yet: the first wave begins; the gate of the first lets the second begin.
        ((replace(FIRST, rows=(HELD,), released_at=None), SECOND), Move.RELEASE),
        ((FIRST, SECOND), Move.RELEASE),
        ((FIRST,), Move.FINISH),
        # The gate: each of these alone keeps it shut.
        ((first(well_since=NOW - 9 * MINUTE), SECOND), Move.WAIT),
        ((first(well_since=None), SECOND), Move.WAIT),
        ((first(followed=False), SECOND), Move.WAIT),
        ((first(health=Health.MOVING), SECOND), Move.WAIT),
        ((first(state=RowState.ON_ITS_WAY, committed_at=None), SECOND), Move.WAIT),
        ((first(seen_at=None), SECOND), Move.WAIT),
        # Time in which its hub was not heard of does not count as soaked.
        ((first(seen_at=NOW - 3 * MINUTE), SECOND), Move.WAIT),
        ((first(seen_at=NOW - 2 * MINUTE), SECOND), Move.RELEASE),
        # What was seen before the commit says nothing of it.
        ((first(committed_at=NOW, seen_at=NOW), SECOND), Move.WAIT),
        # Troubles stop it at once.
        ((first(health=Health.BAD), SECOND), Move.PAUSE),
        ((first(differs="It has 1.2."), SECOND), Move.PAUSE),
        ((first(state=RowState.FAILED, committed_at=None), SECOND), Move.PAUSE),
        ((first(state=RowState.OPEN, committed_at=None), SECOND), Move.PAUSE),
        # Also in a wave that has passed.
        ((replace(first(health=Health.BAD), passed=True), SECOND), Move.PAUSE),
        # Not well in time.
        ((first(health=Health.MOVING, committed_at=NOW - 16 * MINUTE), SECOND), Move.PAUSE),
        ((first(followed=False, committed_at=NOW - 16 * MINUTE), SECOND), Move.PAUSE),
        (
            (
                replace(
                    first(state=RowState.ON_ITS_WAY, committed_at=None),
                    released_at=NOW - 16 * MINUTE,
                ),
                SECOND,
            ),
            Move.PAUSE,
        ),
        # Before a wave: nobody ill, everybody approved.
        ((FIRST, replace(SECOND, rows=(replace(HELD, health=Health.BAD),))), Move.PAUSE),
        ((FIRST, replace(SECOND, rows=(replace(HELD, state=RowState.OPEN),))), Move.WAIT),
        ((FIRST, replace(SECOND, rows=(replace(HELD, state=RowState.DROPPED),))), Move.RELEASE),
        # Excused and skipped are not asked about.
        ((first(health=Health.BAD, excused=True), SECOND), Move.RELEASE),
        ((replace(first(health=Health.BAD), skipped=True), SECOND), Move.RELEASE),
        ((FIRST, replace(SECOND, skipped=True)), Move.FINISH),
        (
            (FIRST, replace(SECOND, rows=(replace(HELD, health=Health.BAD, excused=True),))),
            Move.RELEASE,
        ),
    ],
)
def test_it_takes_the_next_step(waves: tuple[WaveFacts, ...], move: Move) -> None:
    found = step(*waves)

    assert found.move is move, found
    assert found.says
    assert (found.move is Move.PAUSE) == bool(found.troubles)
    assert (found.wave is not None) == (found.move is Move.RELEASE)


def test_it_never_begins_a_wave_before_the_one_before_has_passed() -> None:
    third = replace(SECOND, number=3, name="Wave 3")
    running = replace(SECOND, released_at=NOW - MINUTE, rows=(replace(WELL, well_since=NOW),))

    assert step(replace(FIRST, passed=True), running, third).move is Move.WAIT
    assert step(FIRST, SECOND, third).wave == 2


def test_it_names_who_stops_it_and_why() -> None:
    found = step(first(health=Health.BAD, health_says="Degraded: web has 0 of 3."), SECOND)

    assert [str(one) for one in found.troubles] == ["spoke-a: Degraded: web has 0 of 3."]
    assert "spoke-a" in found.says


def test_it_says_which_gates_are_open() -> None:
    assert step(FIRST, SECOND).passed == (1,)
    assert step(first(well_since=NOW), SECOND).passed == ()


@pytest.mark.parametrize("state", list(ClusterState))
def test_it_takes_only_healthy_for_well(state: ClusterState) -> None:
    assert (health_of(state) is Health.WELL) == (state is ClusterState.HEALTHY)


@pytest.mark.parametrize(
    "state", [ClusterState.DEGRADED, ClusterState.UNREACHABLE, ClusterState.STALE]
)
def test_it_takes_silence_for_as_bad_as_a_failure(state: ClusterState) -> None:
    assert health_of(state) is Health.BAD
