"""How long the stages of an onboarding take, as rows with bars."""

from __future__ import annotations

from datetime import timedelta
from statistics import median_low

from onboarding.domain.stages import Stage
from onboarding.models import Fleet
from onboarding.services.observing import durations
from onboarding.views.pages import DurationRow


def durations_part(fleet: Fleet | None) -> tuple[DurationRow, ...]:
    """The stages that were gone through in the newest onboardings, in their order; none without history."""
    past = durations.recent(fleet) if fleet else ()
    seen = {stage: [one[stage] for one in past if stage in one] for stage in Stage}
    usual = {stage: median_low(found) for stage, found in seen.items() if found}
    longest = max(usual.values(), default=0)
    return tuple(
        DurationRow(
            title=stage.words,
            usual=timedelta(seconds=seconds),
            longest=timedelta(seconds=max(seen[stage])),
            count=len(seen[stage]),
            share=round(100 * seconds / longest) if longest else 0,
        )
        for stage, seconds in usual.items()
    )
