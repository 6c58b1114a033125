"""What is compared: one cluster as it comes to be, by whoever says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

URL = "https://git.example/fleet.git"
REVISION = "main"
REGION = "eu-central-1"


@dataclass(frozen=True)
class Application:
    """One Application of a cluster; `values` are what its chart's templates see."""

    name: str
    component: str
    group: str
    version: str
    destination: str
    namespace: str
    project: str
    chart: str
    repo_url: str
    deployed_by: str
    values: Any = None


@dataclass(frozen=True)
class ClusterFacts:
    """A cluster secret's labels and annotations, and all Applications of its components.

    `refused` is why there is no cluster secret; then nothing else is known.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    applications: Mapping[tuple[str, str], Application] = field(default_factory=dict)
    refused: str = ""


def differences(predicted: ClusterFacts, found: ClusterFacts) -> list[str]:
    """In what the two differ, a line each; none where the prediction holds."""
    if bool(predicted.refused) is not bool(found.refused):
        return [f"refused: predicted {predicted.refused!r}, found {found.refused!r}"]
    if found.refused:
        return []
    return [
        *_unlike("label", predicted.labels, found.labels),
        *_unlike("annotation", predicted.annotations, found.annotations),
        *_unlike("Application", _plain(predicted), _plain(found)),
    ]


def changes(before: ClusterFacts, after: ClusterFacts) -> frozenset[tuple[str, str]]:
    """The Applications that are there on one side alone, or otherwise."""
    old, new = before.applications, after.applications
    return frozenset(
        key
        for key in {*old, *new}
        if key not in old or key not in new or not _same(asdict(old[key]), asdict(new[key]))
    )


def _plain(facts: ClusterFacts) -> dict[str, dict[str, Any]]:
    return {f"{name} by the {by}": asdict(one) for (name, by), one in facts.applications.items()}


def _unlike(what: str, predicted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*predicted, *found}):
        here, there = predicted.get(key), found.get(key)
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            yield from _unlike(f"{what} {key}:", here, there)
        elif key not in predicted:
            yield f"{what} {key}: not predicted, found {there!r}"
        elif key not in found:
            yield f"{what} {key}: predicted {here!r}, not found"
        elif not _same(here, there):
            yield f"{what} {key}: predicted {here!r}, found {there!r}"


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON is: true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)
