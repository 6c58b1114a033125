"""What the hub did, held against what was foreseen: the preview's own test, made after each delivery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from onboarding.domain.plans import DeployedBy
from onboarding.domain.releases import RELEASE_LABELS

PATIENCE = timedelta(minutes=10)
"""How long after its commit a hub may still be on its way; later a difference is one."""

MOST_DIFFERENCES = 50


class OutcomeState(StrEnum):
    """Where the comparison stands. SUPERSEDED: another change of the cluster came in between."""

    WAITING = "waiting"
    AGREES = "agrees"
    DIFFERS = "differs"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Expected:
    """One Application that was foreseen: its version where a hub shows it, and its release channel."""

    version: str = ""
    release: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What a plan wrote to Git: `paths`, and `known` commits that have it, its own and later ones.

    From `certain_at` on whatever is compared was read after it: no cache of the hub is as old.
    """

    paths: frozenset[str]
    known: frozenset[str]
    certain_at: datetime


@dataclass(frozen=True, slots=True)
class Read:
    """Which files of the repository an Application reads, and what was compared last, and when."""

    paths: frozenset[str]
    revisions: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a plan foresaw of the hub: labels, Applications that come or change, and those that go.

    `everything` names all Applications of the cluster afterwards; None where not all were foreseen.
    `leaves`: the cluster is not registered afterwards; `labels_gone` are labels that it loses.
    `written`: what of it is read by Applications themselves, so that nothing else shows whether they did.
    """

    labels: Mapping[str, str]
    applications: Mapping[str, Expected] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    everything: frozenset[str] | None = None
    leaves: bool = False
    labels_gone: frozenset[str] = frozenset()
    written: Written | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a hub was last seen to have of a cluster; `labels` None: it is not registered.

    `read` says of each of its Applications what it read of Git.
    """

    labels: Mapping[str, str] | None
    applications: Mapping[str, Expected]
    read: Mapping[str, Read] = field(default_factory=dict)


def prediction_of(record: Mapping[str, Any]) -> Prediction:
    """The prediction in a stored plan (`services.plan_records`); only what the hub itself would show."""
    labels = {one["key"]: one["value"] for one in record["labels_after"]}
    impact = record["impact"]
    coming = [*impact["appear"], *(after for _, after in impact["change"])]
    everything = frozenset(impact.get("expected", ()))
    return Prediction(
        labels=labels,
        applications={
            one["name"]: Expected(
                one["version"] if one.get("repo_url") else "",
                labels.get(RELEASE_LABELS.get(one["group"], ""), ""),
            )
            for one in coming
            if one["deployed_by"] == DeployedBy.HUB.value
        },
        gone=frozenset(
            one["name"]
            for one in impact["disappear"]
            if one["deployed_by"] == DeployedBy.HUB.value and one["name"] not in everything
        ),
        everything=everything if impact["complete"] and "expected" in impact else None,
        leaves=bool(record.get("leaves")),
    )


def prediction_of_moved(one: Mapping[str, Any], impact: Mapping[str, Any]) -> Prediction:
    """What the plan of a shared layer foresaw of one cluster that it moves: only what changes.

    The rest of the cluster is not of that plan, so that another change beside it makes no difference.
    `one` and `impact` are as `services.plan_records.moved_of` gives them.
    """
    labels = {key: after for key, _, after in one["labels"] if after is not None}
    coming = [*impact["appear"], *(after for _, after in impact["change"])]
    return Prediction(
        labels=labels,
        applications={
            each["name"]: Expected(
                each["version"] if each.get("repo_url") else "",
                labels.get(RELEASE_LABELS.get(each["group"], ""), ""),
            )
            for each in coming
            if each["deployed_by"] == DeployedBy.HUB.value
        },
        gone=frozenset(
            each["name"]
            for each in impact["disappear"]
            if each["deployed_by"] == DeployedBy.HUB.value
        ),
        labels_gone=frozenset(key for key, _, after in one["labels"] if after is None),
    )


def differences(foreseen: Prediction, seen: Seen) -> tuple[str, ...]:
    """Each thing that is otherwise on the hub than was foreseen, as a sentence."""
    if foreseen.leaves:
        return () if seen.labels is None else ("The cluster is still registered on the hub.",)
    if seen.labels is None:
        return ("The cluster is not registered on the hub.",)
    found = [
        *_labels(foreseen.labels, seen.labels),
        *(
            f"The label {key} was foreseen to go and is still there."
            for key in sorted(foreseen.labels_gone & seen.labels.keys())
        ),
        *_applications(foreseen, seen),
        *_unread(foreseen.written, seen.read),
    ]
    return tuple(found[:MOST_DIFFERENCES])


def _labels(foreseen: Mapping[str, str], seen: Mapping[str, str]) -> Iterator[str]:
    for key, value in sorted(foreseen.items()):
        if key not in seen:
            yield f"The label {key} was foreseen as {value!r:.80}; the cluster secret has none."
        elif seen[key] != value:
            yield f"The label {key} was foreseen as {value!r:.80}; it is {seen[key]!r:.80}."


def _applications(foreseen: Prediction, seen: Seen) -> Iterator[str]:
    for name, expected in sorted(foreseen.applications.items()):
        found = seen.applications.get(name)
        if found is None:
            yield f"The Application {name} was foreseen and is not there."
            continue
        for word, wanted, has in (
            ("version", expected.version, found.version),
            ("release channel", expected.release, found.release),
        ):
            if wanted and has and wanted != has:
                yield f"The Application {name} was foreseen with {word} {wanted}; it has {has}."
    for name in sorted(foreseen.gone & set(seen.applications)):
        yield f"The Application {name} was foreseen to disappear and is still there."
    if foreseen.everything is not None:
        known = foreseen.everything | foreseen.gone
        for name in sorted(set(seen.applications) - known):
            yield f"The Application {name} is there and was not foreseen."


def _unread(written: Written | None, read: Mapping[str, Read]) -> Iterator[str]:
    """The Applications that read one of the written files and have compared nothing of it yet.

    What else they show is as it was: with another values file they are neither new nor of another
    version, and Synced and Healthy of the commit before.
    """
    if written is None:
        return
    for name, one in sorted(read.items()):
        is_certain = one.at is not None and one.at > written.certain_at
        if one.paths & written.paths and not is_certain and written.known.isdisjoint(one.revisions):
            yield f"The Application {name} has not compared what was written yet."


def judge(
    found: tuple[str, ...], *, committed_at: datetime, seen_at: datetime | None, now: datetime
) -> OutcomeState:
    """Where the comparison stands: silence of a hub is never agreement, nor is its first look."""
    if seen_at is None or seen_at <= committed_at:
        return OutcomeState.WAITING
    if not found:
        return OutcomeState.AGREES
    return OutcomeState.DIFFERS if now - committed_at > PATIENCE else OutcomeState.WAITING
