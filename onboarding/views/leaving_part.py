"""A cluster's whole way out of the fleet as pages show it, from the plan that a change keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onboarding.domain.leaving import LeaveStep
from onboarding.services.observing.leaving import external_secrets_of
from onboarding.services.observing.observation_rows import REGISTRATION
from onboarding.views.pages import LeavingPlan, LeavingStep
from onboarding.views.plan_page import plan_from_record


def leaving_plan(record: Mapping[str, Any], name: str) -> LeavingPlan | None:
    """The whole way of a stored plan, with all that goes away; None where it is no way out."""
    way: Sequence[Mapping[str, Any]] = record.get("way", ())
    steps, taken, left, files = [], [], [], []
    for one in way:
        plan = plan_from_record(one)
        if plan is None:
            continue
        step = LeaveStep(one["step"])
        steps.append(LeavingStep(step.words, step.proof, plan.files, plan.impact, plan.patch))
        taken += [row.name for row in plan.impact.disappear if row.deletes_resources]
        left += [row.name for row in plan.impact.disappear if not row.deletes_resources]
        files += [edit["path"] for edit in one["edits"] if edit["after"] is None]
    if not steps:
        return None
    whole = plan_from_record(record)
    return LeavingPlan(
        steps=tuple(steps),
        taken=tuple(dict.fromkeys(taken)),
        left=tuple(dict.fromkeys(one for one in left if one not in taken)),
        objects=(
            f"Application {REGISTRATION}{name}",
            f"ExternalSecret {external_secrets_of(name)[0]}",
            f"cluster secret of {name}",
        ),
        files=tuple(files),
        notices=whole.notices if whole else (),
    )
