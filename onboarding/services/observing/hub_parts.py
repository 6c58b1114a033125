"""The parts of a hub that are observed, each by its own loop: what keeps one from being, and that it works again."""

from __future__ import annotations

from onboarding.models import HubWatch
from onboarding.ports import Clock
from onboarding.services.observing.hub_text import as_map, text
from onboarding.services.observing.watches import Watch, writing


def report_problem(*, watch: Watch, part: str, problem: str, clock: Clock) -> None:
    """Say on the hub's row why one part ("applications", "clusters", ...) is not observed now."""
    with writing(watch) as row:
        entry = row.kinds.setdefault(part, {})
        entry["problem"] = text(problem)
        entry.setdefault("problem_since", clock.now().isoformat())
        row.problem = text(problem)
        row.problem_since = row.problem_since or clock.now()
        row.save(update_fields=["kinds", "problem", "problem_since"])


def forget_problem(*, watch: Watch, part: str) -> None:
    """Take back what was reported of a part that works again; it costs one look where nothing was."""
    kinds = HubWatch.objects.filter(hub_id=watch.hub_id).values_list("kinds", flat=True).first()
    if not as_map(as_map(kinds).get(part)).get("problem"):
        return
    with writing(watch) as row:
        mend(row, part)
        row.save(update_fields=["kinds", "problem", "problem_since"])


def mend(row: HubWatch, part: str) -> None:
    """Take a part's problem from the hub's row (not saved); that of another one may be left."""
    entry = row.kinds.setdefault(part, {})
    entry["problem"] = ""
    entry.pop("problem_since", None)
    left = [each["problem"] for each in row.kinds.values() if each.get("problem")]
    row.problem = left[0] if left else ""
    row.problem_since = row.problem_since if left else None
