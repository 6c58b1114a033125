"""What a hub says of one Argo CD Application, read tolerantly from the Kubernetes object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from onboarding.domain.labels import SKIP_RECONCILE, is_paused

RUNNING = frozenset({"Running", "Terminating"})
"""The phases of an operation that is under way."""

FAILED = frozenset({"Failed", "Error"})
"""The phases of an operation that has ended without success."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of `status.conditions`; Argo CD's errors end in "Error", the rest are warnings."""

    type: str
    message: str

    @property
    def is_error(self) -> bool:
        """Whether Argo CD itself counts this condition as an error (`IsError`)."""
        return self.type.endswith("Error")


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """What a hub says of one Application, in Argo CD's own words; "" and None are "not said".

    `revisions` is what was last compared (`status.sync`), one per source; `operation_revisions`
    what the last operation applied, `operation_retries` how often that was begun anew after it failed,
    and `operation_outdated` that it applies other sources than the spec has now. `moved` is the part of
    its spec ("source" or "destination") that was changed since that comparison, `requested` that a sync
    was asked for which has not begun, `left_alone` that its annotation has Argo CD compare and sync
    nothing of it. `seen_at` is when our observer last knew this to be true.
    """

    name: str
    sync: str = ""
    health: str = ""
    health_message: str = ""
    revisions: tuple[str, ...] = ()
    operation_phase: str = ""
    operation_message: str = ""
    operation_revisions: tuple[str, ...] = ()
    operation_finished_at: datetime | None = None
    operation_retries: int = 0
    operation_outdated: bool = False
    reconciled_at: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    destination: str = ""
    namespace: str = ""
    version: str = ""
    application_set: str = ""
    deleting: bool = False
    moved: str = ""
    requested: bool = False
    left_alone: bool = False
    seen_at: datetime | None = None

    @property
    def operation_is_retried(self) -> bool:
        """Whether the operation has failed and is tried again, which Argo CD calls Running too."""
        return self.operation_phase == "Running" and self.operation_retries > 0

    @property
    def message(self) -> str:
        """The one text that explains this Application best: error, failed operation, health."""
        errors = [one.message for one in self.conditions if one.is_error and one.message]
        failed = self.operation_phase in FAILED or self.operation_is_retried
        operation = self.operation_message if failed else ""
        return next((text for text in (*errors, operation, self.health_message) if text), "")


def application_facts(
    data: Mapping[str, object], *, seen_at: datetime | None = None
) -> ApplicationFacts:
    """Read the facts of an Application from the object that the hub gives.

    `data` is the Kubernetes object as a plain map; anything may be missing or of a wrong type, and
    then counts as not said. `seen_at` is the observer's time. Never raises.
    """
    metadata, spec, status = (_map(data, key) for key in ("metadata", "spec", "status"))
    sync, health, operation = (_map(status, key) for key in ("sync", "health", "operationState"))
    destination = _map(spec, "destination")
    return ApplicationFacts(
        name=_text(metadata, "name"),
        sync=_text(sync, "status"),
        health=_text(health, "status"),
        health_message=_text(health, "message"),
        revisions=_revisions(sync),
        operation_phase=_text(operation, "phase"),
        operation_message=_text(operation, "message"),
        operation_revisions=_revisions(_map(operation, "syncResult"))
        or _revisions(_map(_map(operation, "operation"), "sync")),
        operation_finished_at=moment(operation.get("finishedAt")),
        operation_retries=_count(operation, "retryCount"),
        operation_outdated=_is_outdated(spec, operation),
        reconciled_at=moment(status.get("reconciledAt")),
        conditions=tuple(
            Condition(_text(one, "type"), _text(one, "message"))
            for one in _maps(status.get("conditions"))
        ),
        destination=_text(destination, "name") or _text(destination, "server"),
        namespace=_text(destination, "namespace"),
        version=_version(spec),
        application_set=_owner(metadata),
        deleting=bool(metadata.get("deletionTimestamp")),
        moved=_moved(spec, _map(sync, "comparedTo")),
        requested=bool(_map(data, "operation")) and _text(operation, "phase") not in RUNNING,
        left_alone=is_paused(_text(_map(metadata, "annotations"), SKIP_RECONCILE)),
        seen_at=seen_at,
    )


def _moved(spec: Mapping[str, object], compared: Mapping[str, object]) -> str:
    """Which part of the spec was changed since Argo CD last compared it; "" for none.

    Until it compares anew, its words are of what was asked for before. That is how Argo CD itself
    finds that it has to look again: `needRefreshAppStatus` of its controller.
    """
    if not compared:
        return ""
    key = "sources" if spec.get("sources") else "source"
    if spec.get(key) and _differ(spec.get(key), compared.get(key)):
        return "source"
    asked, has = _map(spec, "destination"), _map(compared, "destination")
    same = all(_text(asked, name) == _text(has, name) for name in ("name", "server", "namespace"))
    return "" if same or not has else "destination"


def _differ(asked: object, has: object) -> bool:
    return asked != has and _said(asked) != _said(has)


def _said(value: object) -> object:
    """The value without what Go leaves out when it writes: what is empty is as good as absent."""
    if isinstance(value, dict):
        parts = ((key, _said(each)) for key, each in value.items())
        return {key: each for key, each in parts if each}
    return [_said(each) for each in value] if isinstance(value, list) else value


def _map(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def _maps(data: object) -> tuple[Mapping[str, object], ...]:
    return (
        tuple(one for one in data if isinstance(one, dict))
        if isinstance(data, list | tuple)
        else ()
    )


def _text(data: Mapping[str, object], key: str) -> str:
    found = data.get(key)
    return found if isinstance(found, str) else ""


def _is_outdated(spec: Mapping[str, object], operation: Mapping[str, object]) -> bool:
    """Whether a sync that failed, or is tried again, is of sources that are not the spec's any more.

    Argo CD's automated sync takes the sources along and applies them in each retry, whatever the spec
    says by then: `autoSync` and `newSyncOperationResult` of its controller, 3.2.
    """
    applied = _map(_map(operation, "operation"), "sync")
    key = "sources" if spec.get("sources") else "source"
    given = "sources" if applied.get("sources") else "source"
    may_be = _text(operation, "phase") in {"Running", *FAILED}
    if not may_be or not isinstance(applied.get(given), dict | list):
        return False
    return key != given or _differ(spec.get(key), applied.get(given))


def _count(data: Mapping[str, object], key: str) -> int:
    found = data.get(key)
    return found if type(found) is int and found > 0 else 0


def moment(value: object) -> datetime | None:
    """An RFC 3339 time as Kubernetes writes it, in UTC; None where it is absent, says no zone or is none in UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _revisions(data: Mapping[str, object]) -> tuple[str, ...]:
    many = data.get("revisions")
    if isinstance(many, list | tuple) and many:
        return tuple(one for one in many if isinstance(one, str) and one)
    one = _text(data, "revision")
    return (one,) if one else ()


def _version(spec: Mapping[str, object]) -> str:
    """The chart's version where a source is a chart, else the first source's revision."""
    sources = _maps(spec.get("sources")) or _maps((spec.get("source"),))
    charts = [_text(one, "targetRevision") for one in sources if _text(one, "chart")]
    return next(iter(charts or [_text(one, "targetRevision") for one in sources]), "")


def _owner(metadata: Mapping[str, object]) -> str:
    owners = _maps(metadata.get("ownerReferences"))
    return next((_text(one, "name") for one in owners if one.get("kind") == "ApplicationSet"), "")
