"""One object of a hub as a row: only the facts that pages need, cleaned; the unreadable set aside.

An object that cannot be read becomes a row that says so.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from onboarding.domain import applications, sync
from onboarding.domain.applications import moment
from onboarding.domain.live_sets import REFRESH_ANNOTATION, RESOURCES_FINALIZER
from onboarding.domain.sync import ApplicationFacts, VerdictState, application_facts
from onboarding.models import HubObject
from onboarding.ports import HubKind
from onboarding.services.observing import verdicts
from onboarding.services.observing.controller_watch import ALL_TRIED, Silence
from onboarding.services.observing.hub_text import as_list, as_map, clean, text
from onboarding.services.observing.verdicts import UNREADABLE, conclude

_LIST = 20
_SET_PARTS = ("goTemplate", "generators", "template", "templatePatch", "syncPolicy")
_FACTS_BYTES = 128 * 1024
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
READING = hashlib.sha256(
    b"".join(
        Path(str(code.__file__)).read_bytes()
        for code in (applications, sync, verdicts, sys.modules[__name__])
    )
).hexdigest()[:16]
"""How rows are made of what a hub says: another one after an upgrade that reads or judges otherwise.

A quiet object does not say anything new by itself, and its row would stay as it was made before.
"""


@dataclass(slots=True)
class ApplicationRow:
    """What an `ApplicationStatus` shall say, by the same names: to make a model of it takes ten times as long."""

    hub_id: int
    uid: str
    resource_version: str
    generation: int
    seen_at: datetime
    name: str
    first_seen_at: datetime
    cluster_name: str = ""
    component: str = ""
    application_set: str = ""
    sync: str = ""
    health: str = ""
    verdict: str = ""
    reason: str = ""
    version: str = ""
    revision: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    synced_at: datetime | None = None
    healthy_at: datetime | None = None


Row = ApplicationRow | HubObject


@dataclass(frozen=True, slots=True)
class Context:
    """What every row of a batch shares; `silence` says which Applications are not compared any more."""

    hub_id: int
    kind: HubKind
    generation: int
    now: datetime
    silence: Silence = ALL_TRIED


def row_for(
    context: Context, uid: str, item: Mapping[str, Any], old: Any, servers: Mapping[str, str]
) -> Row:
    """The row of one object; where it cannot be read, one that is unknown and says so.

    `servers` maps the API address that an Application may name to its cluster's name.
    """
    seen = {
        "hub_id": context.hub_id,
        "uid": uid,
        "resource_version": version_of(item),
        "generation": context.generation,
        "seen_at": context.now,
    }
    try:
        if context.kind is HubKind.APPLICATIONS:
            return _application(context, item, old, seen, servers)
        return _other(context, item, old, seen)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return _set_aside(context, item, old, seen)


def uid_of(item: Mapping[str, Any]) -> str:
    """What a row is keyed by: the object's UID, else its name; "" where it has neither."""
    metadata = as_map(item.get("metadata"))
    found, name = text(metadata.get("uid"), 100), text(metadata.get("name"), 90)
    return found or (f"name:{name}" if name else "")


def version_of(item: Mapping[str, Any]) -> str:
    """The object's resource version, "" where it says none."""
    return text(as_map(item.get("metadata")).get("resourceVersion"), 60)


def _application(
    context: Context,
    item: Mapping[str, Any],
    old: Any,
    seen: Mapping[str, Any],
    servers: Mapping[str, str],
) -> ApplicationRow:
    facts = application_facts(item, seen_at=context.now)
    labels = as_map(as_map(item.get("metadata")).get("labels"))
    commits = [one for one in facts.revisions if _COMMIT.fullmatch(one)]
    revision = text(next(iter(commits or facts.revisions), ""), 120)
    cluster = text(facts.destination, 253)
    cluster = servers.get(cluster, cluster)
    row = ApplicationRow(
        **seen,
        name=text(facts.name, 253),
        cluster_name=cluster,
        component=text(labels.get("fleet/component") or facts.application_set, 120),
        application_set=text(facts.application_set, 253),
        sync=text(facts.sync, 20),
        health=text(facts.health, 20),
        version=text(facts.version, 120),
        revision=revision,
        facts=_application_data(facts, item, labels),
        first_seen_at=old.first_seen_at if old else context.now,
        synced_at=old.synced_at if old and old.revision == revision else None,
        healthy_at=old.healthy_at if old else None,
    )
    conclude(row, facts, now=context.now, untried_since=context.silence.of(cluster))
    return row


def _application_data(
    facts: ApplicationFacts, item: Mapping[str, Any], labels: Mapping[str, Any]
) -> dict[str, Any]:
    spec = as_map(item.get("spec"))
    sources = [*as_list(spec.get("sources")), spec.get("source")]
    files = [
        file
        for source in sources
        for file in as_list(as_map(as_map(source).get("helm")).get("valueFiles"))
    ]
    return {
        "health_message": text(facts.health_message),
        "revisions": [text(one, 120) for one in facts.revisions[:_LIST]],
        "operation_phase": text(facts.operation_phase, 40),
        "operation_message": text(facts.operation_message),
        "operation_revisions": [text(one, 120) for one in facts.operation_revisions[:_LIST]],
        "operation_finished_at": _moment(facts.operation_finished_at),
        "operation_retries": facts.operation_retries,
        "operation_outdated": facts.operation_outdated,
        "reconciled_at": _moment(facts.reconciled_at),
        "conditions": [[text(one.type, 80), text(one.message)] for one in facts.conditions[:_LIST]],
        "destination": text(facts.destination, 500),
        "namespace": text(facts.namespace, 253),
        "deleting": facts.deleting,
        "moved": facts.moved,
        "requested": facts.requested,
        "left_alone": facts.left_alone,
        "created_at": text(as_map(item.get("metadata")).get("creationTimestamp"), 40),
        "release": text(labels.get("fleet/release"), 63),
        "group": text(labels.get("fleet/group"), 63),
        "cluster": text(labels.get("fleet/cluster"), 63),
        "path": text(next((one for one in map(_chart_folder, sources) if one), ""), 300),
        "cascades": any(
            text(one).startswith(RESOURCES_FINALIZER)
            for one in as_list(as_map(item.get("metadata")).get("finalizers"))
        ),
        "value_files": [text(file, 300) for file in files[:40]],
    }


def _chart_folder(source: Any) -> Any:
    """The folder of the repository that a source deploys; "" where it is a chart from elsewhere."""
    found = as_map(source)
    return "" if found.get("chart") else found.get("path", "")


def _other(
    context: Context, item: Mapping[str, Any], old: Any, seen: Mapping[str, Any]
) -> HubObject:
    metadata, spec = as_map(item.get("metadata")), as_map(item.get("spec"))
    labels = {
        text(key, 317): text(value, 63)
        for key, value in list(as_map(metadata.get("labels")).items())[:_LIST]
    }
    facts: dict[str, Any] = {
        "metadata": {"name": text(metadata.get("name"), 253), "labels": labels}
    }
    conditions = {
        text(one.get("type"), 80): one
        for one in map(as_map, as_list(as_map(item.get("status")).get("conditions")))
    }
    if context.kind is HubKind.APPLICATION_SETS:
        wanted = conditions.get("ErrorOccurred", {})
        ready = None if not wanted else wanted.get("status") != "True"
        facts["spec"] = {key: spec[key] for key in _SET_PARTS if key in spec}
        facts["asked"] = text(as_map(metadata.get("annotations")).get(REFRESH_ANNOTATION), 40)
    else:
        wanted = conditions.get("Ready", {})
        ready = None if not wanted else wanted.get("status") == "True"
    facts["reason"] = text(wanted.get("reason"), 80)
    if context.kind is HubKind.EXTERNAL_SECRETS:
        facts["secrets"] = sorted(_remote_keys(spec))[:_LIST]
        facts["target"] = text(as_map(spec.get("target")).get("name"), 253)
        facts["refresh_interval"] = text(spec.get("refreshInterval"), 40)
        status = as_map(item.get("status"))
        facts["fetched_at"] = text(status.get("refreshTime"), 40)
        facts["fetched_version"] = text(status.get("syncedResourceVersion"), 120)
        facts["store"] = text(as_map(spec.get("secretStoreRef")).get("name"), 253)
    # An ApplicationSet's generators and template are kept whole, so only they can be too large.
    if len(json.dumps(facts, allow_nan=False)) > _FACTS_BYTES:
        raise ValueError("too large")
    changed = wanted.get("lastTransitionTime")
    return HubObject(
        **seen,
        kind=context.kind.value,
        name=text(metadata.get("name"), 253),
        facts=clean(facts),
        ready=ready,
        message=text(wanted.get("message")),
        changed_at=moment(changed) or (old.changed_at if old else None),
    )


def _remote_keys(spec: Mapping[str, Any]) -> set[str]:
    one_by_one = (as_map(as_map(one).get("remoteRef")) for one in as_list(spec.get("data")))
    whole = (as_map(as_map(one).get("extract")) for one in as_list(spec.get("dataFrom")))
    return {text(one.get("key"), 600) for one in (*one_by_one, *whole) if one.get("key")}


def _set_aside(context: Context, item: Mapping[str, Any], old: Any, seen: Mapping[str, Any]) -> Row:
    name = text(as_map(item.get("metadata")).get("name"), 253)
    if context.kind is HubKind.APPLICATIONS:
        return ApplicationRow(
            **seen,
            name=name,
            cluster_name=old.cluster_name if old else "",
            component=old.component if old else "",
            verdict=VerdictState.UNKNOWN.value,
            reason=UNREADABLE,
            first_seen_at=old.first_seen_at if old else context.now,
        )
    return HubObject(**seen, kind=context.kind.value, name=name, message=UNREADABLE)


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
