"""A plan as text for a terminal: what happens first, the worst at the top, then why, then the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from onboarding.domain import diff
from onboarding.domain.intents import EditLayer
from onboarding.domain.labels import label_changes
from onboarding.domain.plans import ApplicationForecast, Impact, Plan


def plan_text(plan: Plan, *, digest: str = "") -> str:
    """The plan in the order of its page: summary, warnings, Applications, labels, files."""
    lines = [_summary(plan), ""]
    lines += [f"! {warning.message}" for warning in plan.warnings]
    lines += application_lines(plan.impact)
    lines += _labels(plan)
    told = basis(plan.impact.live_sets, plan.impact.rendered_by)
    lines += ["", diff.unified(plan).rstrip("\n"), "", told, f"Planned on commit {plan.commit}."]
    lines += _later(plan)
    lines.append(f"Content {diff.content_digest(plan)}")
    if digest:
        lines.append(f"An approval holds for exactly this plan: {digest}")
    return "\n".join(lines) + "\n"


def _later(plan: Plan) -> Iterator[str]:
    """The later commits of a cluster that leaves, each with what is waited for before it."""
    for before, one in pairwise(plan.way):
        yield f"\nThen, when this was seen: {before.step.proof}\n{one.step.words}:"
        yield from application_lines(one.plan.impact)
        yield diff.unified(one.plan).rstrip("\n")


def basis(live_sets: int, rendered_by: str) -> str:
    """What a plan rests on, as a sentence: the repository alone, the hub's sets, or rendered ones."""
    if not live_sets:
        return "Foreseen from the repository alone: no ApplicationSet of the hub has been seen."
    sets = "one ApplicationSet" if live_sets == 1 else f"{live_sets} ApplicationSets"
    if rendered_by:
        return (
            "Foreseen from the repository alone: no ApplicationSet of the hub has been seen, so "
            f"{rendered_by} rendered {sets} from the repository's own charts."
        )
    return f"Foreseen from the repository, and held against {sets} as the hub was last seen."


def _summary(plan: Plan) -> str:
    if isinstance(plan.intent, EditLayer):
        moved = len(plan.moved)
        words = "1 cluster moves" if moved == 1 else f"{moved} clusters move"
        return f"Edit {plan.intent.path}: {words}; {in_numbers(plan.impact)}"
    placement = plan.intent.placement
    head = f"{plan.intent.kind.capitalize()} {placement.cluster} on {placement.hub}"
    files = f"{len(plan.edits)} file{'' if len(plan.edits) == 1 else 's'}"
    return f"{head}: {in_numbers(plan.impact)}; {files}"


def in_numbers(*impacts: Impact) -> str:
    """How many Applications disappear, change and appear, in this order."""
    counts = [
        (sign, sum(len(getattr(one, word)) for one in impacts), word)
        for sign, word in (("-", "disappear"), ("~", "change"), ("+", "appear"))
    ]
    parts = [f"{sign}{count} {word}" for sign, count, word in counts if count]
    return ", ".join(parts) or "no Application is touched"


def application_lines(impact: Impact) -> Iterator[str]:
    """A line for each Application that disappears, changes or appears, with why."""
    for one in impact.disappear:
        gone = "its resources are deleted" if one.deletes_resources else "its resources stay"
        yield f"- {_named(one)}: {gone}. {one.cause}"
    for before, after in impact.change:
        moved = f" {before.version} -> {after.version}" if before.version != after.version else ""
        yield f"~ {after.name}{moved}: {after.cause}"
    for one in impact.appear:
        yield f"+ {_named(one)}: {one.cause}"
    if impact.note:
        yield f"? {impact.note}"


def _named(one: ApplicationForecast) -> str:
    return " ".join(part for part in (one.name, one.version) if part)


def _labels(plan: Plan) -> Sequence[str]:
    lines = []
    for key, was, will in label_changes(plan.labels_before, plan.labels_after):
        label = plan.labels_after.get(key) or plan.labels_before.get(key)
        lines.append(f"  {label_line(key, was, will)}   ({label.origin if label else ''})")
    return ["", "Labels of the cluster secret:", *lines] if lines else []


def label_line(key: str, was: str | None, will: str | None) -> str:
    """One label's change; None where it is not there."""
    sign = "+" if was is None else "-" if will is None else "~"
    value = f"{was} -> {will}" if sign == "~" else will if will is not None else was
    return f"{sign} {key}: {value}"
