"""What is usual: the median of what was seen, and nothing where nothing was."""

from __future__ import annotations

from datetime import timedelta

from onboarding.domain.durations import taken, usual
from onboarding.domain.progress import Timeline
from onboarding.domain.stages import Stage, Step, StepState


def test_it_is_the_median_of_each_stage_by_itself() -> None:
    past = [{Stage.SECRET: 4}, {Stage.SECRET: 600, Stage.SYNCED: 9}, {Stage.SECRET: 5}]
    assert usual(past) == {
        Stage.SECRET: timedelta(seconds=5),
        Stage.SYNCED: timedelta(seconds=9),
    }


def test_it_is_a_duration_that_was_seen_where_there_are_two() -> None:
    assert usual([{Stage.SECRET: 4}, {Stage.SECRET: 9}]) == {Stage.SECRET: timedelta(seconds=4)}


def test_it_knows_nothing_without_a_past() -> None:
    assert usual([]) == {}


def test_it_counts_only_stages_that_were_seen_to_take_time() -> None:
    steps = [Step(stage, "", StepState.TODO) for stage in Stage]
    steps[1] = Step(Stage.COMMITTED, "", StepState.DONE, took=timedelta(seconds=2.9))
    steps[2] = Step(Stage.NOTICED, "", StepState.DONE)
    told = Timeline(tuple(steps), None, "")  # type: ignore[arg-type]
    assert taken(told) == {Stage.COMMITTED: 2}
