"""The demo hub's objects in the shape that Argo CD and the External Secrets Operator give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from onboarding.demo.hub_world import WantedApplication, WantedMember
from onboarding.domain.labels import SKIP_RECONCILE


class Stage(StrEnum):
    """How far a sync of the demo hub is; the last one depends on the Application's behaviour."""

    OUT_OF_SYNC = "out of sync"
    RUNNING = "running"
    PROGRESSING = "progressing"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Act:
    """Where one Application stands: all times are seconds since 1970.

    `commit` is the one that it was compared with, `synced` the one of its last sync: a commit that
    changes nothing of an Application is compared, and never synced.
    """

    stage: Stage
    created: float
    started: float
    finished: float
    reconciled: float
    fresh: bool
    commit: str
    synced: str
    behaviour: str
    number: int


def uid(hub: str, kind: str, name: str) -> str:
    """The UID of an object, the same in every run."""
    return str(uuid5(NAMESPACE_DNS, f"{hub}/{kind}/{name}.demo"))


def moment(seconds: float) -> str:
    """A time as Kubernetes writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def application(hub: str, namespace: str, wanted: WantedApplication, act: Act) -> dict[str, Any]:
    """One Application of Argo CD with everything that its status tells."""
    sources = _sources(wanted, act.commit)
    deleted = {"deletionTimestamp": moment(wanted.deleting)} if wanted.deleting else {}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": wanted.name,
            "namespace": namespace,
            "uid": uid(hub, "Application", wanted.name),
            "generation": act.number + 1,
            "creationTimestamp": moment(act.created),
            **deleted,
            "annotations": {SKIP_RECONCILE: "true" if wanted.paused else "false"},
            "labels": {
                "fleet/group": wanted.group,
                "fleet/component": wanted.component,
                "fleet/cluster": wanted.cluster,
                "fleet/tenant": wanted.tenant,
                "fleet/environment": wanted.environment,
                "fleet/release": wanted.release,
            },
            "ownerReferences": [
                {
                    "apiVersion": "argoproj.io/v1alpha1",
                    "kind": "ApplicationSet",
                    "name": wanted.application_set,
                    "uid": uid(hub, "ApplicationSet", wanted.application_set),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "finalizers": ["resources-finalizer.argocd.argoproj.io"] if wanted.cascades else [],
        },
        "spec": {
            "project": "fleet" if wanted.group == "fleet" else wanted.tenant,
            "destination": {"name": wanted.destination, "namespace": wanted.namespace},
            "sources": sources,
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["CreateNamespace=true", "ServerSideApply=true"],
            },
        },
        "status": _status(wanted, act, sources),
    }


def _sources(wanted: WantedApplication, commit: str) -> list[dict[str, Any]]:
    source: dict[str, Any] = {
        "repoURL": wanted.repo_url,
        "targetRevision": wanted.revision,
        "helm": {
            "releaseName": wanted.component,
            "ignoreMissingValueFiles": True,
            "valueFiles": [f"$values/{path}" for path in wanted.value_files],
        },
    }
    if wanted.values:
        source["helm"]["valuesObject"] = dict(wanted.values)
    source["chart" if wanted.chart else "path"] = wanted.chart or wanted.path
    return [
        source,
        {"repoURL": wanted.repo_url, "targetRevision": wanted.revision, "ref": "values"},
    ]


def _status(wanted: WantedApplication, act: Act, sources: list[dict[str, Any]]) -> dict[str, Any]:
    sync, health = _state(wanted, act)
    revisions, synced = (
        [wanted.revision if wanted.chart else commit, commit] for commit in (act.commit, act.synced)
    )
    destination = {"name": wanted.destination, "namespace": wanted.namespace}
    status: dict[str, Any] = {
        "reconciledAt": moment(act.reconciled),
        "sourceTypes": ["Helm", ""],
        "sync": {
            "status": sync,
            "revisions": revisions,
            "comparedTo": {"destination": destination, "sources": sources},
        },
        "health": {"status": health, "lastTransitionTime": moment(max(act.finished, act.created))},
        "conditions": _conditions(wanted, act),
        "resources": [] if wanted.problem else [_resource(wanted, sync, health)],
        "summary": {},
    }
    if operation := _operation(wanted, act, synced):
        status["operationState"] = operation
    if act.number and act.stage is not Stage.RUNNING and not wanted.problem:
        status["history"] = [
            {"id": act.number - 1, "deployedAt": moment(act.finished), "revisions": synced}
        ]
    return status


_ENDINGS: Mapping[str, tuple[str, str]] = {
    "degraded": ("Synced", "Degraded"),
    "progressing": ("Synced", "Progressing"),
    "out-of-sync": ("OutOfSync", "Healthy"),
    "sync-failed": ("OutOfSync", "Missing"),
    "missing": ("OutOfSync", "Missing"),
    "suspended": ("Synced", "Suspended"),
    "unknown": ("Unknown", "Unknown"),
    "unreachable": ("Unknown", "Unknown"),
}

RELABELLED = "relabelled"
ROTATED = "rotated"
DELETING = "deleting"
OF_SECRETS = frozenset({RELABELLED, ROTATED, DELETING})
BEHAVIOURS = frozenset(_ENDINGS) | OF_SECRETS
"""How an Application of the demo may be told to end; or that a cluster was labelled by hand, or has
credentials that were changed, or scheduled for deletion, since the hub fetched them."""
_BY_HAND: Mapping[str, str] = {"maintenance-window": "sunday"}


def _state(wanted: WantedApplication, act: Act) -> tuple[str, str]:
    if wanted.problem:
        return "Unknown", "Missing" if act.fresh else "Healthy"
    if act.stage in {Stage.OUT_OF_SYNC, Stage.RUNNING}:
        return "OutOfSync", "Missing" if act.fresh else "Healthy"
    if act.stage is Stage.PROGRESSING:
        return "Synced", "Progressing"
    return _ENDINGS.get(act.behaviour, ("Synced", "Healthy"))


def _conditions(wanted: WantedApplication, act: Act) -> list[dict[str, Any]]:
    kind, message = "ComparisonError", ""
    if wanted.problem:
        message = (
            "Failed to load target state: failed to generate manifest for source 1 of 2: "
            "rpc error: code = Unknown desc = failed to execute helm template command: "
            f"{wanted.problem}"
        )
    elif wanted.deleting:
        kind = "DeletionError"
        message = f"error getting cluster {wanted.destination}: dial tcp: i/o timeout"
    elif act.behaviour == "unreachable" and act.stage is Stage.SETTLED:
        message = "Failed to load live state: failed to get cluster info: dial tcp: i/o timeout"
    if not message:
        return []
    since = wanted.deleting or act.finished
    return [{"type": kind, "message": message, "lastTransitionTime": moment(since)}]


def _operation(wanted: WantedApplication, act: Act, revisions: list[str]) -> dict[str, Any] | None:
    if wanted.problem or act.stage is Stage.OUT_OF_SYNC:
        return None
    operation: dict[str, Any] = {
        "phase": "Running",
        "message": "waiting for healthy state of resources",
        "startedAt": moment(act.started),
        "operation": {
            "sync": {"revisions": revisions, "prune": True},
            "initiatedBy": {"automated": True},
            "retry": {"limit": 5},
        },
        "syncResult": {"revisions": revisions},
    }
    if act.stage is not Stage.RUNNING:
        failed = act.behaviour == "sync-failed"
        operation["phase"] = "Failed" if failed else "Succeeded"
        operation["finishedAt"] = moment(act.finished)
        operation["message"] = (
            "one or more objects failed to apply, reason: forbidden (retried 5 times)."
            if failed
            else "successfully synced (all tasks run)"
        )
    return operation


def _resource(wanted: WantedApplication, sync: str, health: str) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
        "namespace": wanted.namespace,
        "name": wanted.component,
        "status": sync,
        "health": {"status": health},
    }
    if wanted.component == "fleet-secret":
        resource.update(
            group="external-secrets.io", kind="ExternalSecret", name=f"cluster-{wanted.cluster}"
        )
    if health == "Degraded":
        resource["health"]["message"] = (
            f'Deployment "{wanted.component}" exceeded its progress deadline'
            if wanted.component != "fleet-secret"
            else "could not get secret data from provider"
        )
    return resource


def application_set(
    hub: str,
    namespace: str,
    document: Mapping[str, Any],
    *,
    created: float,
    problem: str,
    count: int,
) -> dict[str, Any]:
    """An ApplicationSet as the repository or the wrapper chart gives it, with its conditions."""
    name = document["metadata"]["name"]
    failed = bool(problem)
    up_to_date = {
        "type": "ResourcesUpToDate",
        "status": "False" if failed else "True",
        "reason": "ApplicationGenerationFromParamsError" if failed else "ApplicationSetUpToDate",
        "message": problem or "All applications have been generated successfully",
    }
    error = {
        "type": "ErrorOccurred",
        "status": "True" if failed else "False",
        "reason": up_to_date["reason"],
        "message": problem or "Successfully generated parameters for all Applications",
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {
            **document["metadata"],
            "namespace": namespace,
            "uid": uid(hub, "ApplicationSet", name),
            "generation": 1,
            "creationTimestamp": moment(created),
        },
        "spec": document.get("spec", {}),
        "status": {
            "conditions": [
                {**condition, "lastTransitionTime": moment(created)}
                for condition in (error, up_to_date)
            ],
            "resourcesCount": count,
        },
    }


def cluster(
    member: WantedMember,
    *,
    server: str,
    attempted: float,
    applications: int,
    fault: str = "",
) -> dict[str, Any]:
    """A registered cluster as Argo CD's API gives it, without any credential; `fault` is one of `BEHAVIOURS`."""
    state = {"status": "Successful", "message": "", "attemptedAt": moment(attempted)}
    if fault == "unreachable":
        state.update(
            status="Failed", message=f"failed to get cluster info: dial tcp {server}: i/o timeout"
        )
    elif not applications:
        state.update(
            status="Unknown", message="Cluster has no applications and is not being monitored."
        )
    version = "1.34" if state["status"] == "Successful" else ""
    return {
        "server": server,
        "name": member.cluster,
        "config": {"tlsClientConfig": {"insecure": False}},
        "connectionState": state,
        "serverVersion": version,
        "info": {
            "connectionState": state,
            "serverVersion": version,
            "cacheInfo": {},
            "applicationsCount": applications,
        },
        "labels": {**(_BY_HAND if fault == RELABELLED else {}), **member.labels},
        "annotations": dict(member.annotations),
    }
