"""Rows from what a hub says: only the facts that pages need, cleaned, the unreadable set aside.

One object that cannot be read or stored becomes a row that says so; it never stops the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, models

from onboarding.domain.applications import moment
from onboarding.domain.live_sets import RESOURCES_FINALIZER
from onboarding.domain.sync import ApplicationFacts, VerdictState, application_facts
from onboarding.models import ApplicationStatus, ClusterStatus, HubObject
from onboarding.ports import HubKind
from onboarding.services.observing.hub_text import as_list, as_map, clean, text
from onboarding.services.observing.upserts import upsert
from onboarding.services.observing.verdicts import UNREADABLE, conclude

REGISTRATION = "fleet-secret-"
"""The registration Application of a cluster is called this and the cluster's name."""

_CHUNK = 500
_LIST = 20
_SET_PARTS = ("goTemplate", "generators", "template", "templatePatch", "syncPolicy")
_FACTS_BYTES = 128 * 1024
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
Row = ApplicationStatus | HubObject
_COLUMNS: Mapping[type[Row], tuple[str, ...]] = {
    ApplicationStatus: (
        "name",
        "cluster_name",
        "component",
        "application_set",
        "sync",
        "health",
        "verdict",
        "reason",
        "version",
        "revision",
        "facts",
        "resource_version",
        "generation",
        "synced_at",
        "healthy_at",
        "seen_at",
    ),
    HubObject: (
        "kind",
        "name",
        "facts",
        "ready",
        "message",
        "resource_version",
        "generation",
        "seen_at",
        "changed_at",
    ),
}


_TELLING: Mapping[type[Row], tuple[str, ...]] = {
    ApplicationStatus: (
        "name",
        "cluster_name",
        "application_set",
        "sync",
        "verdict",
        "reason",
        "synced_at",
        "healthy_at",
    ),
    HubObject: ("name", "ready", "message", "changed_at"),
}
"""What of a row a cluster's standing is made of."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What one batch did: rows written, rows that were the same, objects without a name.

    `clusters` names those about which something was written that can change how they stand.
    """

    written: int = 0
    same: int = 0
    unreadable: int = 0
    clusters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Context:
    """What every row of a batch shares."""

    hub_id: int
    kind: HubKind
    generation: int
    now: datetime


def model_of(kind: HubKind) -> type[Row]:
    """The table that a kind's rows are in."""
    return ApplicationStatus if kind is HubKind.APPLICATIONS else HubObject


def rows_of(hub_id: int, kind: HubKind) -> models.QuerySet[Any]:
    """All rows of one kind of one hub."""
    if kind is HubKind.APPLICATIONS:
        return ApplicationStatus.objects.filter(hub_id=hub_id)
    return HubObject.objects.filter(hub_id=hub_id, kind=kind.value)


def store(context: Context, objects: Iterable[Mapping[str, Any]], *, ordered: bool) -> Stored:
    """Write objects of one kind; call it inside a transaction.

    `ordered` is a watch: an object that is older than its row is left out. A list is the truth and
    replaces whatever the row says. Rows that say the same are only marked as seen.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    unreadable = 0
    for item in objects:
        found = uid_of(item)
        if not found:
            unreadable += 1
        elif not (
            ordered and found in newest and older(version_of(item), version_of(newest[found]))
        ):
            newest[found] = item
    done = Stored(unreadable=unreadable)
    names = list(newest)
    for start in range(0, len(names), _CHUNK):
        chunk = {name: newest[name] for name in names[start : start + _CHUNK]}
        done = _store_chunk(context, chunk, done, ordered=ordered)
    return done


def _store_chunk(
    context: Context, chunk: Mapping[str, Mapping[str, Any]], before: Stored, *, ordered: bool
) -> Stored:
    rows = rows_of(context.hub_id, context.kind).filter(uid__among=chunk)
    known = {row.uid: row for row in rows.defer("facts")}
    servers = _server_names(context, chunk.values())
    changed: list[Row] = []
    same: list[int] = []
    clusters: set[str] = set()
    for name, item in chunk.items():
        old, version = known.get(name), version_of(item)
        if ordered and old is not None and older(version, old.resource_version):
            continue
        if old is not None and version and version == old.resource_version:
            same.append(old.pk)
            continue
        row = row_for(context, name, item, old, servers)
        changed.append(row)
        clusters |= _moved(row, old)
    _write(changed)
    if same:
        rows_of(context.hub_id, context.kind).filter(pk__among=same).update(
            seen_at=context.now, generation=context.generation
        )
    return Stored(
        before.written + len(changed),
        before.same + len(same),
        before.unreadable,
        before.clusters | clusters,
    )


def _moved(row: Row, old: Any) -> frozenset[str]:
    """The clusters that stand otherwise, or may, now that a row says something else than before."""
    columns = _TELLING[type(row)]
    if old is not None and all(getattr(row, name) == getattr(old, name) for name in columns):
        return frozenset()
    return clusters_of(row) | (clusters_of(old) if old is not None else frozenset())


def clusters_of(row: Row) -> frozenset[str]:
    """The clusters that an Application or ExternalSecret is about, by its destination or its name."""
    if isinstance(row, ApplicationStatus):
        about = {row.cluster_name} if row.cluster_name else set()
        if row.name.startswith(REGISTRATION):
            about.add(row.name.removeprefix(REGISTRATION))
        return frozenset(about)
    if row.kind == HubKind.EXTERNAL_SECRETS.value:
        return frozenset({row.name.removeprefix("cluster-").removeprefix(REGISTRATION)})
    return frozenset()


def _server_names(context: Context, items: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """Cluster names for the API addresses that Applications name instead of a cluster."""
    destinations = (as_map(as_map(item.get("spec")).get("destination")) for item in items)
    asked = {text(one.get("server"), 253) for one in destinations if one.get("server")}
    if not asked:
        return {}
    known = ClusterStatus.objects.filter(hub_id=context.hub_id, server__in=asked)
    return dict(known.values_list("server", "name"))


def name_destinations(hub_id: int, servers: Mapping[str, str]) -> None:
    """Put a cluster's name where its Applications were stored under its API address.

    They were seen before Argo CD said whose address that is; `servers` maps address to name.
    """
    rows = ApplicationStatus.objects.filter(hub_id=hub_id, cluster_name__among=servers)
    for server in set(rows.values_list("cluster_name", flat=True)):
        rows.filter(cluster_name=server).update(cluster_name=servers[server])


def row_for(
    context: Context, uid: str, item: Mapping[str, Any], old: Any, servers: Mapping[str, str]
) -> Row:
    """The row of one object; where it cannot be read, one that is unknown and says so.

    `servers` maps the API address that an Application may name to its cluster's name.
    """
    make: Callable[[Context, Mapping[str, Any], Any, Mapping[str, Any]], Row] = (
        _application if context.kind is HubKind.APPLICATIONS else _other
    )
    seen = {
        "hub_id": context.hub_id,
        "uid": uid,
        "resource_version": version_of(item),
        "generation": context.generation,
        "seen_at": context.now,
    }
    try:
        row = make(context, item, old, seen)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        row = _set_aside(context, item, old, seen)
    if isinstance(row, ApplicationStatus):
        row.cluster_name = servers.get(row.cluster_name, row.cluster_name)
    return row


def _write(rows: Sequence[Row]) -> None:
    """All rows in one statement; where the database refuses that, row by row, the bad one aside."""
    try:
        _upsert(rows)
    except (DatabaseError, ValueError):
        for row in rows:
            try:
                _upsert([row])
            except (DatabaseError, ValueError):
                row.facts = {}
                if isinstance(row, ApplicationStatus):
                    row.verdict, row.reason = VerdictState.UNKNOWN.value, UNREADABLE
                    row.sync = row.health = row.version = row.revision = ""
                else:
                    row.ready, row.message = None, UNREADABLE
                _upsert([row])


def _upsert(rows: Sequence[Row]) -> None:
    if rows:
        upsert(rows, unique=("hub", "uid"), columns=_COLUMNS[type(rows[0])])


def _application(
    context: Context, item: Mapping[str, Any], old: Any, seen: Mapping[str, Any]
) -> ApplicationStatus:
    facts = application_facts(item, seen_at=context.now)
    labels = as_map(as_map(item.get("metadata")).get("labels"))
    commits = [one for one in facts.revisions if _COMMIT.fullmatch(one)]
    revision = text(next(iter(commits or facts.revisions), ""), 120)
    # All columns are named: a default costs Django more than a value.
    row = ApplicationStatus(
        **seen,
        name=text(facts.name, 253),
        cluster_name=text(facts.destination, 253),
        component=text(labels.get("fleet/component") or facts.application_set, 120),
        application_set=text(facts.application_set, 253),
        sync=text(facts.sync, 20),
        health=text(facts.health, 20),
        verdict="",
        reason="",
        version=text(facts.version, 120),
        revision=revision,
        facts=_application_data(facts, item, labels),
        first_seen_at=old.first_seen_at if old else context.now,
        synced_at=old.synced_at if old and old.revision == revision else None,
        healthy_at=old.healthy_at if old else None,
    )
    conclude(row, facts, now=context.now)
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
        return ApplicationStatus(
            **seen,
            name=name,
            cluster_name=old.cluster_name if old else "",
            component=old.component if old else "",
            verdict=VerdictState.UNKNOWN.value,
            reason=UNREADABLE,
            first_seen_at=old.first_seen_at if old else context.now,
        )
    return HubObject(**seen, kind=context.kind.value, name=name, message=UNREADABLE)


def uid_of(item: Mapping[str, Any]) -> str:
    """What a row is keyed by: the object's UID, else its name; "" where it has neither."""
    metadata = as_map(item.get("metadata"))
    found, name = text(metadata.get("uid"), 100), text(metadata.get("name"), 90)
    return found or (f"name:{name}" if name else "")


def version_of(item: Mapping[str, Any]) -> str:
    """The object's resource version, "" where it says none."""
    return text(as_map(item.get("metadata")).get("resourceVersion"), 60)


def older(version: str, than: str) -> bool:
    """Whether a resource version is older than another one of the same hub, where both are numbers.

    Source: Kubernetes made resource versions comparable (KEP-5504); any other form is taken as new.
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
