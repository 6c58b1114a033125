"""Rows from what a hub says: many objects held against the rows that there are, and written.

One object that cannot be stored becomes a row that says so; it never stops the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, models

from onboarding.domain.sync import VerdictState
from onboarding.models import ApplicationStatus, ClusterStatus, HubObject
from onboarding.ports import HubKind
from onboarding.services.observing.hub_text import as_map, text
from onboarding.services.observing.object_rows import (
    ApplicationRow,
    Context,
    Row,
    row_for,
    uid_of,
    version_of,
)
from onboarding.services.observing.upserts import upsert
from onboarding.services.observing.verdicts import UNREADABLE

REGISTRATION = "fleet-secret-"
"""The registration Application of a cluster is called this and the cluster's name."""

_CHUNK = 500
_COLUMNS: Mapping[type[Row], tuple[str, ...]] = {
    ApplicationRow: (
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
    ApplicationRow: (
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


def model_of(kind: HubKind) -> type[ApplicationStatus | HubObject]:
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


def clusters_of(row: Row | ApplicationStatus) -> frozenset[str]:
    """The clusters that an Application or ExternalSecret is about, by its destination or its name."""
    if not isinstance(row, HubObject):
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
                if isinstance(row, ApplicationRow):
                    row.verdict, row.reason = VerdictState.UNKNOWN.value, UNREADABLE
                    row.sync = row.health = row.version = row.revision = ""
                else:
                    row.ready, row.message = None, UNREADABLE
                _upsert([row])


def _upsert(rows: Sequence[Row]) -> None:
    if rows:
        kind = type(rows[0])
        model = HubObject if kind is HubObject else ApplicationStatus
        upsert(model, rows, unique=("hub", "uid"), columns=_COLUMNS[kind])


def older(version: str, than: str) -> bool:
    """Whether a resource version is older than another one of the same hub, where both are numbers.

    Source: Kubernetes made resource versions comparable (KEP-5504); any other form is taken as new.
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
