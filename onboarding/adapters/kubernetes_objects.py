"""What is decoded of a hub's objects: only the fields that are needed, the rest is skipped unread.

An Application is ten kilobytes, of which one is needed. Decoding the rest as well is what makes a
first list of many thousands slow. An object that is not as Kubernetes or its custom resource
promises is read whole and slowly instead, so that one rotten object costs time and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec

from onboarding.ports import HubKind

DEEPEST = 100
"""Levels of an object below which nothing is read: no field that is needed lies as deep."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')


# Maps and not structs: what is decoded is handed on as it is, without being copied once more.
class _Owner(TypedDict, total=False):
    kind: str
    name: str


# Annotations may be large and may hold anything; one of them is needed.
_Annotations = TypedDict("_Annotations", {"argocd.argoproj.io/skip-reconcile": str}, total=False)


class _Metadata(TypedDict, total=False):
    name: str
    uid: str
    resourceVersion: str
    creationTimestamp: str
    deletionTimestamp: str
    labels: dict[str, str]
    annotations: _Annotations | None
    finalizers: list[str]
    ownerReferences: list[_Owner]


class _Condition(TypedDict, total=False):
    type: str
    status: str
    reason: str
    message: str
    lastTransitionTime: str


class _Helm(TypedDict, total=False):
    valueFiles: list[str]


class _Source(TypedDict, total=False):
    chart: str
    path: str
    targetRevision: str
    helm: _Helm | None


class _Destination(TypedDict, total=False):
    name: str
    server: str
    namespace: str


class _Asked(TypedDict, total=False):
    """What is to be deployed and where, as the spec asks for it or as it was compared."""

    destination: _Destination | None
    # Read by `_open`: most are the same twice over.
    source: msgspec.Raw
    sources: msgspec.Raw


class _Revisions(TypedDict, total=False):
    revision: str
    revisions: list[str]


class _Sync(_Revisions, total=False):
    status: str
    comparedTo: _Asked | None


class _Health(TypedDict, total=False):
    status: str
    message: str


class _Applied(_Revisions, total=False):
    # Read by `_open`, as those of `_Asked`.
    source: msgspec.Raw
    sources: msgspec.Raw


class _Operation(TypedDict, total=False):
    sync: _Applied | None


class _OperationState(TypedDict, total=False):
    phase: str
    retryCount: int
    message: str
    finishedAt: str
    syncResult: _Revisions | None
    operation: _Operation | None


class _ApplicationStatus(TypedDict, total=False):
    sync: _Sync | None
    health: _Health | None
    operationState: _OperationState | None
    reconciledAt: str
    conditions: list[_Condition]


class _Started(TypedDict, total=False):
    """An operation that was asked for: that there is one is all that is needed."""

    sync: dict[str, Any] | None
    initiatedBy: dict[str, Any] | None


class _Application(TypedDict, total=False):
    metadata: _Metadata | None
    spec: _Asked | None
    operation: _Started | None
    status: _ApplicationStatus | None


class _Remote(TypedDict, total=False):
    key: str


class _SecretData(TypedDict, total=False):
    remoteRef: _Remote | None


class _SecretDataFrom(TypedDict, total=False):
    extract: _Remote | None


class _Named(TypedDict, total=False):
    name: str


class _ExternalSecretSpec(TypedDict, total=False):
    data: list[_SecretData]
    dataFrom: list[_SecretDataFrom]
    target: _Named | None
    secretStoreRef: _Named | None
    refreshInterval: str


class _ExternalSecretStatus(TypedDict, total=False):
    conditions: list[_Condition]
    refreshTime: str
    syncedResourceVersion: str


class _ExternalSecret(TypedDict, total=False):
    metadata: _Metadata | None
    spec: _ExternalSecretSpec | None
    status: _ExternalSecretStatus | None


class _ListMetadata(msgspec.Struct):
    resourceVersion: str = ""
    # `continue` is a word of Python's
    more: str = msgspec.field(name="continue", default="")


class _Listed(msgspec.Struct):
    items: list[msgspec.Raw]
    metadata: _ListMetadata | None = None


class _Applications(msgspec.Struct):
    items: list[_Application]
    metadata: _ListMetadata | None = None


class _ExternalSecrets(msgspec.Struct):
    items: list[_ExternalSecret]
    metadata: _ListMetadata | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


# Of ApplicationSets, which are few, the generators and the template are needed whole.
_NEEDED: Mapping[HubKind, msgspec.json.Decoder[Any]] = {
    HubKind.APPLICATIONS: msgspec.json.Decoder(_Application),
    HubKind.EXTERNAL_SECRETS: msgspec.json.Decoder(_ExternalSecret),
}
# A page whose objects are all as promised is read in one go, any other one object by object.
_PAGES: Mapping[HubKind, msgspec.json.Decoder[Any]] = {
    HubKind.APPLICATIONS: msgspec.json.Decoder(_Applications),
    HubKind.EXTERNAL_SECRETS: msgspec.json.Decoder(_ExternalSecrets),
}
_SOURCES: Mapping[str, msgspec.json.Decoder[Any]] = {
    "source": msgspec.json.Decoder(_Source | None),
    "sources": msgspec.json.Decoder(list[_Source] | None),
}
_LISTED = msgspec.json.Decoder(_Listed)
_EVENT = msgspec.json.Decoder(_Event)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list as it was read; `items` is None where the answer has none."""

    items: tuple[Mapping[str, Any], ...] | None
    continue_token: str
    resource_version: str


def read_page(kind: HubKind, content: bytes) -> Listed:
    """Read one page of a kind; what is no object is an empty map.

    Raises ValueError where the content is not JSON.
    """
    items: tuple[Mapping[str, Any], ...]
    try:
        page = _PAGES[kind].decode(content)
        items = tuple(page.items)
        if kind is HubKind.APPLICATIONS:
            for item in items:
                _open(item)
    except (KeyError, msgspec.MsgspecError, RecursionError):
        try:
            page = _LISTED.decode(content)
        except (msgspec.MsgspecError, RecursionError):
            return _read_page_slowly(content)
        items = tuple(_object(kind, raw) for raw in page.items)
    metadata = page.metadata or _ListMetadata()
    return Listed(items, metadata.more, metadata.resourceVersion)


def read_event(kind: HubKind, line: bytes) -> tuple[Any, Mapping[str, Any]]:
    """Read one event of a watch: its type, whatever that is, and its object.

    Raises ValueError where the line is not JSON.
    """
    try:
        event = _EVENT.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        found = _map(json.loads(shallow(line)))
        return found.get("type"), _map(found.get("object"))
    needed = kind if event.type != "ERROR" else None
    return event.type, _object(needed, event.object)


def shallow(content: bytes) -> bytes:
    """JSON without what lies deeper than `DEEPEST` levels; null stands in its place.

    Kubernetes takes objects that are nested ten thousand levels deep, Python reads no thousand.
    """
    kept = bytearray()
    depth, start = 0, 0
    for token in _TOKEN.finditer(content):
        mark = token[0]
        if mark in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept += content[start : token.start()] + b"null"
        elif mark in b"]}":
            depth -= 1
            if depth == DEEPEST:
                start = token.end()
    return bytes(kept + content[start:]) if kept else content


def _object(kind: HubKind | None, raw: msgspec.Raw) -> Mapping[str, Any]:
    decoder = _NEEDED.get(kind) if kind else None
    if decoder is not None:
        try:
            found = _map(decoder.decode(raw))
            if kind is HubKind.APPLICATIONS:
                _open(found)
            return found
        except (msgspec.MsgspecError, RecursionError):
            pass  # not as its custom resource promises: read it whole, whatever it is
    return _map(json.loads(shallow(bytes(raw))))


def _open(application: Mapping[str, Any]) -> None:
    """Read the sources of an Application, in place: of its spec, as compared, and of a sync that failed.

    Nearly always they are the same, byte for byte: then they are read once, and only what is needed of
    them. Raises ValueError or `MsgspecError` where they are not as promised.
    """
    status = application.get("status") or {}
    operation = status.get("operationState") or {}
    applied = (operation.get("operation") or {}).get("sync") or {}
    phase = operation.get("phase")
    failed = phase in ("Failed", "Error") or (phase == "Running" and operation.get("retryCount"))
    places = [application.get("spec") or {}, (status.get("sync") or {}).get("comparedTo") or {}]
    if failed:
        places.append(applied)
    for key, decoder in _SOURCES.items():
        given = [(where, raw) for where in places if (raw := where.get(key)) is not None]
        if len({bytes(raw) for _, raw in given}) == 1:
            read = decoder.decode(given[0][1])
            for where, _ in given:
                where[key] = read
        else:
            for where, raw in given:
                where[key] = json.loads(shallow(bytes(raw)))
        if not failed:
            applied.pop(key, None)


def _read_page_slowly(content: bytes) -> Listed:
    page = _map(json.loads(shallow(content)))
    metadata, items = _map(page.get("metadata")), page.get("items")
    return Listed(
        tuple(_map(item) for item in items) if isinstance(items, list) else None,
        str(metadata.get("continue") or ""),
        str(metadata.get("resourceVersion") or ""),
    )


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
