"""A plan as the database keeps it, so that pages show what was approved without asking Git again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from onboarding.domain import diff
from onboarding.domain.fleet_plan import FleetPlan
from onboarding.domain.intents import EditLayer, intent_from_data
from onboarding.domain.labels import ClusterLabels, Label
from onboarding.domain.leaving import LeaveStep
from onboarding.domain.plans import (
    ApplicationForecast,
    FileEdit,
    Impact,
    Moved,
    Plan,
    PlannedStep,
    PlanWarning,
    ReadSet,
)
from onboarding.models import Change


def columns(plan: Plan) -> dict[str, Any]:
    """The columns of `Change` that hold a plan: its commit, read set, content and whether it destroys."""
    return {
        "base_commit": plan.commit,
        "read_set": plan.reads.to_data(),
        "plan": record(plan),
        "destructive": plan.destructive,
    }


def record(plan: Plan) -> dict[str, Any]:
    """The plan's content as plain data: edits, patch, labels before and after, impact, warnings."""
    return {
        "commit": plan.commit,
        "content": diff.content_digest(plan),
        "patch": diff.unified(plan),
        "edits": [_edit(edit) for edit in plan.edits],
        "labels_before": _labels(plan.labels_before),
        "labels_after": _labels(plan.labels_after),
        "impact": impact_record(plan.impact),
        "warnings": _warnings(plan.warnings),
        **_leaving(plan),
        **_layer(plan),
    }


def _leaving(plan: Plan) -> dict[str, Any]:
    """What a cluster's way out adds: all its steps, and whether this commit ends its membership."""
    found: dict[str, Any] = {}
    if plan.way:
        found["way"] = [
            {
                "step": one.step.value,
                "substance": diff.substance(one.plan),
                **record(one.plan),
            }
            for one in plan.way
        ]
    step = plan.way[0].step if plan.way else getattr(plan.intent, "step", None)
    return found | ({"leaves": True} if step is LeaveStep.REMOVE else {})


def _layer(plan: Plan) -> dict[str, Any]:
    """What the edit of a shared layer adds: each cluster that moves.

    Of its Applications only the numbers, in the order in which the plan's impact has them.
    """
    if not isinstance(plan.intent, EditLayer):
        return {}
    return {
        "layout": plan.layout,
        "moved": [
            {
                "hub": one.hub,
                "cluster": one.cluster,
                "path": one.path,
                "labels": [list(label) for label in one.labels],
                "values": [[v.component, v.key, v.before, v.after] for v in one.values],
                "counts": [
                    len(one.impact.appear),
                    len(one.impact.change),
                    len(one.impact.disappear),
                ],
                "complete": one.impact.complete,
                "note": one.impact.note,
                "problem": one.problem,
            }
            for one in plan.moved
        ],
    }


def moved_of(record: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each cluster that the kept plan of a shared layer moves, with what becomes of its Applications."""
    impact = record.get("impact", {})
    at = [0, 0, 0]
    for one in record.get("moved", ()):
        ends = [start + count for start, count in zip(at, one["counts"], strict=True)]
        parts = zip(("appear", "change", "disappear"), at, ends, strict=True)
        own = {word: impact[word][start:end] for word, start, end in parts}
        yield one, {**own, "complete": one["complete"], "note": one["note"]}
        at = ends


def record_of_fleet(plan: FleetPlan) -> dict[str, Any]:
    """A fleet's plan as plain data: the files, and each cluster that moves."""
    return {
        "base": plan.base,
        "commit": plan.commit,
        "files": list(plan.files),
        "unforeseen": list(plan.unforeseen),
        "clusters": plan.clusters,
        "left_out": plan.left_out,
        "held": [
            {"hub": hub, "application_sets": count, "rendered_by": engine}
            for hub, count, engine in plan.held
        ],
        "moved": [
            {
                "hub": one.hub,
                "cluster": one.cluster,
                "path": one.path,
                "labels": [
                    {"key": key, "before": was, "after": will} for key, was, will in one.labels
                ],
                "impact": impact_record(one.impact),
                "problem": one.problem,
                "leaves": one.leaves,
            }
            for one in plan.moved
        ],
        "warnings": _warnings(plan.warnings),
    }


def blobs(change: Change) -> dict[str, tuple[str, str]]:
    """What the commit of the kept plan changes: path -> (blob before, blob after), "" for absent."""
    return {
        edit["path"]: (edit["before_blob"], edit["after_blob"])
        for edit in change.plan.get("edits", ())
    }


def kept_plan(change: Change) -> Plan:
    """The kept plan as far as it is written to Git: its edits, the Applications and steps that it names."""
    impact = change.plan.get("impact", {})
    kept = Plan(
        commit=change.base_commit,
        intent=intent_from_data(change.intent),
        edits=tuple(FileEdit(**edit) for edit in change.plan.get("edits", ())),
        labels_before=ClusterLabels(labels=(), annotations=()),
        labels_after=ClusterLabels(labels=(), annotations=()),
        impact=Impact(
            appear=tuple(map(_named, impact.get("appear", ()))),
            change=tuple(
                (_named(before), _named(after)) for before, after in impact.get("change", ())
            ),
            disappear=tuple(map(_named, impact.get("disappear", ()))),
        ),
        reads=ReadSet.from_data(change.read_set),
    )
    if isinstance(kept.intent, EditLayer):
        moved = tuple(
            Moved(one["hub"], one["cluster"], one["path"]) for one in change.plan.get("moved", ())
        )
        return replace(kept, moved=moved, layout=str(change.plan.get("layout", "")))
    way = change.plan.get("way", ())
    return replace(kept, way=tuple(PlannedStep(LeaveStep(one["step"]), kept) for one in way))


def moved_paths(change: Change, plan: Plan) -> tuple[str, ...]:
    """The paths that `plan` found otherwise than the plan that is kept with the change, sorted."""
    before, now = ReadSet.from_data(change.read_set), plan.reads
    files = {path for path, blob in before.files.items() if now.files.get(path, blob) != blob}
    folders = {
        path for path, found in before.folders.items() if now.folders.get(path, found) != found
    }
    return tuple(sorted(files | folders))


def impact_record(impact: Impact) -> dict[str, Any]:
    """What follows for a cluster's Applications, as plain data."""
    return {
        "appear": [_forecast(one) for one in impact.appear],
        "change": [[_forecast(before), _forecast(after)] for before, after in impact.change],
        "disappear": [_forecast(one) for one in impact.disappear],
        "complete": impact.complete,
        "note": impact.note,
        "live_sets": impact.live_sets,
        "rendered_by": impact.rendered_by,
        "expected": list(impact.expected),
    }


def _warnings(warnings: Sequence[PlanWarning]) -> list[dict[str, str]]:
    return [
        {"message": warning.message, "code": warning.code, "path": warning.path}
        for warning in warnings
    ]


def _edit(edit: FileEdit) -> dict[str, Any]:
    return {
        "path": edit.path,
        "before_blob": edit.before_blob,
        "after_blob": edit.after_blob,
        "before": edit.before,
        "after": edit.after,
    }


def _named(one: Mapping[str, Any]) -> ApplicationForecast:
    """An Application as the commit message names it."""
    return ApplicationForecast(
        name=one["name"],
        component=one["component"],
        group=one["group"],
        version=one["version"],
        destination=one["destination"],
        namespace=one["namespace"],
        cause=one["cause"],
        from_hub=one["from_hub"],
    )


def _labels(labels: ClusterLabels) -> list[dict[str, Any]]:
    return [_label(label) for label in labels.labels]


def _label(label: Label) -> dict[str, Any]:
    return {
        "key": label.key,
        "value": label.value,
        "path": label.origin.path,
        "line": label.origin.line,
        "layer": str(label.origin.layer),
    }


def _forecast(one: ApplicationForecast) -> dict[str, Any]:
    return {
        "name": one.name,
        "component": one.component,
        "group": one.group,
        "version": one.version,
        "repo_url": one.repo_url,
        "destination": one.destination,
        "namespace": one.namespace,
        "cause": one.cause,
        "deployed_by": one.deployed_by.value,
        "deletes_resources": one.deletes_resources,
        "from_hub": one.from_hub,
    }
