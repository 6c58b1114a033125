"""A plan as text for a terminal: what happens first, the worst at the top, then why, then the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onboarding.domain import diff
from onboarding.domain.plans import ApplicationForecast, Plan


def plan_text(plan: Plan, *, digest: str = "") -> str:
    """The plan in the order of its page: summary, warnings, Applications, labels, files."""
    lines = [_summary(plan), ""]
    lines += [f"! {warning.message}" for warning in plan.warnings]
    lines += _applications(plan)
    lines += _labels(plan)
    lines += ["", diff.unified(plan).rstrip("\n"), "", f"Planned on commit {plan.commit}."]
    if digest:
        lines.append(f"An approval holds for exactly this plan: {digest}")
    return "\n".join(lines) + "\n"


def _summary(plan: Plan) -> str:
    impact = plan.impact
    parts = [
        f"{sign}{len(found)} {word}"
        for sign, found, word in (
            ("-", impact.disappear, "disappear"),
            ("~", impact.change, "change"),
            ("+", impact.appear, "appear"),
        )
        if found
    ] or ["no Application is touched"]
    placement = plan.intent.placement
    head = f"{plan.intent.kind.capitalize()} {placement.cluster} on {placement.hub}"
    files = f"{len(plan.edits)} file{'' if len(plan.edits) == 1 else 's'}"
    return f"{head}: {', '.join(parts)}; {files}"


def _applications(plan: Plan) -> Iterator[str]:
    impact = plan.impact
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
    before, after = plan.labels_before.as_dict(), plan.labels_after.as_dict()
    lines = []
    for key in sorted(before.keys() | after.keys()):
        was, will = before.get(key), after.get(key)
        if was == will:
            continue
        label = plan.labels_after.get(key) or plan.labels_before.get(key)
        sign = "+" if was is None else "-" if will is None else "~"
        value = f"{was} -> {will}" if sign == "~" else will if will is not None else was
        lines.append(f"  {sign} {key}: {value}   ({label.origin if label else ''})")
    return ["", "Labels of the cluster secret:", *lines] if lines else []
