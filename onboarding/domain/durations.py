"""How long the stages of an onboarding take, and what is usual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from statistics import median_low

from onboarding.domain.progress import Timeline
from onboarding.domain.stages import Stage


def taken(told: Timeline) -> Mapping[Stage, int]:
    """The whole seconds that each reached stage took; a stage that was not seen is not in it."""
    return {
        step.stage: int(step.took.total_seconds()) for step in told.steps if step.took is not None
    }


def usual(past: Iterable[Mapping[Stage, int]]) -> Mapping[Stage, timedelta]:
    """The median of each stage over past onboardings; a stage that nobody went through is not in it.

    The median, because one cluster that waited a night for its secret says nothing of the next. Of
    an even number the lower one: a duration that was really seen.
    """
    found: dict[Stage, list[int]] = {}
    for one in past:
        for stage, seconds in one.items():
            found.setdefault(stage, []).append(seconds)
    return {stage: timedelta(seconds=median_low(seconds)) for stage, seconds in found.items()}
