"""Rows as plain data for programs: a change, its plan, a cluster. Times are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from onboarding import wiring
from onboarding.domain.lifecycle import DecisionState, DeliveryState, who_acts_next
from onboarding.domain.plans import Plan
from onboarding.domain.progress import ClusterState
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.models import Change, Cluster, Delivery, Offboarding, Standing
from onboarding.services import plan_records
from onboarding.services.observing import outcomes
from onboarding.services.shown import NOBODY_LOOKED, state_of

Told = dict[str, Any]

_IN_GIT = (DeliveryState.COMMITTED.value, DeliveryState.MERGED_DIFFERENTLY.value)


def delivery_of(change: Change) -> Delivery | None:
    """What became of the approval that stands; None where there is none."""
    if change.state != DecisionState.APPROVED.value:
        return None
    return change.deliveries.order_by("-pk").first()


def change_told(change: Change) -> Told:
    """Where a change stands: decision, delivery, and whether the hub did what was foreseen."""
    delivery = delivery_of(change)
    return {
        "number": change.pk,
        "id": str(change.uid),
        "kind": change.kind,
        "fleet": change.fleet.name,
        "hub": change.hub.name if change.hub else "",
        "cluster": change.cluster_name,
        "tenant": change.tenant,
        "environment": change.environment,
        "state": change.state,
        "waits_for": _waits_for(change, delivery),
        "note": change.state_note,
        "revision": change.revision,
        "digest": change.plan_digest,
        "destructive": change.destructive,
        "requested_by": change.requester.get_username(),
        "submitted_at": _time(change.submitted_at),
        "decided_at": _time(change.decided_at),
        "settled_at": _time(change.settled_at),
        "delivery": _delivery(delivery),
        "hub_follows": _outcome(delivery),
        "offboarding": _offboarding(change),
        "page": wiring.page_of_change(change.pk),
    }


def plan_told(change: Change) -> Told:
    """The plan that is shown and approved: files, labels, Applications, warnings."""
    return {
        "change": change.pk,
        "digest": change.plan_digest,
        "commit": change.base_commit,
        "destructive": change.destructive,
        "problem": "" if change.plan_digest else change.state_note,
        **_content(change.plan),
    }


def dry_run_told(plan: Plan) -> Told:
    """A plan that nobody asked for, in the same words; its digest, which has who asks, is not there yet."""
    return {
        "change": None,
        "digest": "",
        "commit": plan.commit,
        "destructive": plan.destructive,
        "problem": "",
        **_content(plan_records.record(plan)),
    }


def _content(plan: Mapping[str, Any]) -> Told:
    impact = plan.get("impact", {})
    return {
        "content": plan.get("content", ""),
        "patch": plan.get("patch", ""),
        "files": [_file(edit) for edit in plan.get("edits", ())],
        "labels": [
            {
                "key": one["key"],
                "value": str(one["value"]),
                "path": one["path"],
                "line": one["line"],
            }
            for one in plan.get("labels_after", ())
        ],
        "applications": {
            "appear": [_forecast(one) for one in impact.get("appear", ())],
            "change": [_forecast(after) for _, after in impact.get("change", ())],
            "disappear": [_forecast(one) for one in impact.get("disappear", ())],
        },
        "warnings": [
            {"message": one["message"], "code": one["code"]} for one in plan.get("warnings", ())
        ],
        "moves": [{"hub": one["hub"], "cluster": one["cluster"]} for one in plan.get("moved", ())],
        "steps": [one["step"] for one in plan.get("way", ())],
    }


def cluster_told(standing: Standing, now: datetime) -> Told:
    """How a cluster stands, as the lists show it: stale where nobody looked lately."""
    state = state_of(standing, now)
    unseen = state is ClusterState.STALE and standing.state != ClusterState.STALE.value
    pinned = set(standing.overrides)
    return {
        "fleet": standing.fleet.name,
        "hub": standing.hub_name,
        "cluster": standing.name,
        "tenant": standing.tenant,
        "environment": standing.environment,
        "model": standing.model,
        "state": state.value,
        "says": NOBODY_LOOKED if unseen else standing.sentence,
        "advice": "" if unseen else standing.advice,
        "stage": standing.stage,
        "in_git": standing.cluster_id is not None,
        "change": standing.change_id,
        "since": _time(standing.since),
        "seen_at": _time(standing.seen_at),
        "as_of": _time(standing.computed_at),
        "channels": [
            {"label": label, "value": value, "pinned": label in pinned}
            for group, label in RELEASE_LABELS.items()
            if (value := getattr(standing, f"{group}_release"))
        ],
        "applications": {
            "total": standing.applications,
            "synced": standing.synced,
            "healthy": standing.healthy,
        },
        "drifted_labels": standing.drift,
    }


def untold(cluster: Cluster) -> Told:
    """A cluster that Git has and that nobody looked at yet."""
    standing = Standing(
        fleet=cluster.fleet,
        cluster=cluster,
        hub_name=cluster.hub_name,
        name=cluster.name,
        tenant=cluster.tenant,
        environment=cluster.environment,
        model=cluster.model,
        state=ClusterState.STALE.value,
        sentence=NOBODY_LOOKED,
        computed_at=cluster.fleet.indexed_at or wiring.clock().now(),
        **{f"{group}_release": getattr(cluster, f"{group}_release") for group in RELEASE_LABELS},
    )
    return cluster_told(standing, wiring.clock().now())


def _waits_for(change: Change, delivery: Delivery | None) -> str:
    """One sentence: whom or what it waits for."""
    if delivery is None:
        return who_acts_next(DecisionState(change.state))
    if delivery.state in _IN_GIT:
        return "Nobody: it is in Git. The hub follows."
    return delivery.reason or who_acts_next(DecisionState.APPROVED)


def _delivery(delivery: Delivery | None) -> Told | None:
    if delivery is None:
        return None
    return {
        "state": delivery.state,
        "commit": delivery.commit if delivery.state in _IN_GIT else "",
        "reason": delivery.reason,
        "tries": delivery.tries,
        "committed_at": _time(delivery.committed_at),
    }


def _outcome(delivery: Delivery | None) -> Told | None:
    outcome = outcomes.outcome_of(delivery=delivery)
    if outcome is None:
        return None
    return {"state": outcome.state, "differences": list(outcome.differences)}


def _offboarding(change: Change) -> Told | None:
    if change.kind != Change.Kind.OFFBOARD:
        return None
    run = Offboarding.objects.filter(change=change).prefetch_related("steps").first()
    return run_told(run) if run else None


def run_told(run: Offboarding) -> Told:
    """A cluster's way out: what is wanted of it, and each step with what was seen."""
    return {
        "state": run.state,
        "workloads": "keep" if run.keep else "remove",
        "note": run.note,
        "ended_at": _time(run.ended_at),
        "steps": [
            {
                "step": one.step,
                "title": one.get_step_display(),
                "change": one.change_id,
                "says": one.says,
                "remedy": one.remedy,
                "stuck": one.stuck,
                "done_at": _time(one.done_at),
            }
            for one in run.steps.all()
        ],
    }


def _file(edit: Mapping[str, Any]) -> Told:
    words = {(False, True): "added", (True, False): "removed", (True, True): "changed"}
    return {
        "path": edit["path"],
        "change": words.get((edit["before"] is not None, edit["after"] is not None), "changed"),
    }


def _forecast(one: Mapping[str, Any]) -> Told:
    names = ("name", "component", "group", "version", "destination", "namespace")
    return {name: str(one[name] or "") for name in names} | {
        "deletes_resources": bool(one["deletes_resources"])
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
