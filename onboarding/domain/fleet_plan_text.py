"""A fleet's plan as text for a terminal: in numbers first, then each cluster that moves."""

from __future__ import annotations

from collections.abc import Iterator

from onboarding.domain.fleet_plan import ClusterPlan, FleetPlan
from onboarding.domain.plan_text import application_lines, in_numbers, label_line


def fleet_plan_text(plan: FleetPlan) -> str:
    """The plan in the order of its page: summary, what only the hub can tell, clusters."""
    lines = [fleet_summary(plan), ""]
    lines += [f"! {warning.message}" for warning in plan.warnings]
    lines += [f"? {path}: only the hub can tell what follows from it." for path in plan.unforeseen]
    for cluster in plan.moved:
        lines += ["", *_cluster(cluster)]
    lines += [
        "",
        fleet_basis(plan),
        f"From commit {plan.base}" + (f" to {plan.commit}." if plan.commit else "."),
    ]
    return "\n".join(lines) + "\n"


def fleet_summary(plan: FleetPlan) -> str:
    """The whole plan in one sentence."""
    count, moved = len(plan.files), len(plan.moved)
    applications = in_numbers(*(one.impact for one in plan.moved))
    return (
        f"{count} file{'' if count == 1 else 's'} differ{'s' if count == 1 else ''}: {moved} of "
        f"{plan.clusters} clusters move{'s' if moved == 1 else ''}; {applications}"
    )


def fleet_basis(plan: FleetPlan) -> str:
    """What the plan rests on, as a sentence: which hubs were seen, and what was rendered."""
    if not plan.held:
        return "Foreseen from the repository alone: no ApplicationSet of a hub has been seen."
    parts = [
        f"{count} ApplicationSet{'' if count == 1 else 's'} "
        + (
            f"that {engine} rendered for {hub} from the repository's own charts"
            if engine
            else f"of {hub} as it was last seen"
        )
        for hub, count, engine in plan.held
    ]
    return f"Foreseen from the repository, and held against {', '.join(parts)}."


def _cluster(plan: ClusterPlan) -> Iterator[str]:
    yield f"{plan.hub}/{plan.cluster}: {in_numbers(plan.impact)}"
    if plan.problem:
        yield f"  ! {plan.problem}"
    if plan.leaves:
        yield f"  - {leaving(plan)}"
    yield from (f"  {line}" for line in application_lines(plan.impact))
    yield from (f"  label {label_line(*one)}" for one in plan.labels)


def leaving(plan: ClusterPlan) -> str:
    """What it means that a member file goes."""
    return (
        f"{plan.path} goes. As shipped, registration then takes nothing away: the cluster secret "
        "stays, and all that runs there; only the hub can tell."
    )
