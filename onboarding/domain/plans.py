"""A plan: exactly what would be written, and what the hub would then do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from onboarding.domain.intents import AnyIntent, EditLayer, Intent, LeaveFleet
from onboarding.domain.labels import ClusterLabels
from onboarding.domain.leaving import LeaveStep
from onboarding.domain.snapshot import Snapshot, SnapshotFile


def blob_id(content: bytes) -> str:
    """Git's id of a file's content: SHA-1 of "blob <length>", a zero byte and the bytes."""
    header = b"blob %d\x00" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def canonical_json(data: object) -> bytes:
    """One byte sequence for equal data: sorted keys, no white space, UTF-8, no float specials.

    `data` is made of maps with text keys, lists, text, whole numbers, booleans and None.
    Raises `ValueError` for numbers that JSON does not have.
    """
    text = json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def sha256(data: object) -> str:
    """SHA-256 of canonical JSON, written `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(canonical_json(data)).hexdigest()}"


@dataclass(frozen=True, slots=True)
class FileEdit:
    """One file as it is and as it shall be (None: absent), with Git's ids of both ("": absent)."""

    path: str
    before_blob: str
    after_blob: str
    before: str | None
    after: str | None


class DeployedBy(StrEnum):
    """Whose Argo CD makes an Application."""

    HUB = "hub"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class ApplicationForecast:
    """One Application of the cluster as it is predicted.

    `values_digest` stands for the values that its component gets for this cluster: those of the
    layers, those that the catalogue fixes, and those taken from the cluster itself. `project` is
    Argo CD's. `refused`: its release is unknown, so it leaves what is on the cluster as it is and
    reports that. `deletes_resources` is meant of one that disappears. `from_hub`: predicted from
    ApplicationSets (the hub's, or rendered ones), because no catalogue could say; such a one is never
    part of a digest.
    """

    name: str
    component: str
    group: str
    version: str
    destination: str
    namespace: str
    cause: str
    chart: str = ""
    repo_url: str = ""
    deployed_by: DeployedBy = DeployedBy.HUB
    values_digest: str = ""
    deletes_resources: bool = False
    from_hub: bool = False
    project: str = ""
    refused: bool = False

    def identity(self) -> tuple[str, str]:
        """What makes two forecasts the same Application: its name and whose it is."""
        return (self.name, self.deployed_by.value)

    def substance(self) -> tuple[str, ...]:
        """What makes an Application another one than before; not the words about it."""
        return (
            self.version,
            self.destination,
            self.namespace,
            self.chart,
            self.repo_url,
            self.values_digest,
        )


@dataclass(frozen=True, slots=True)
class Impact:
    """Which of a cluster's Applications appear, change (before, after) and disappear.

    `complete` is false where a part could not be computed from Git; `note` then says which.
    `live_sets` is the number of ApplicationSets that were asked too: the hub's, or those that
    `rendered_by` made of the repository's charts; `expected` the names of all that the hub's Argo CD
    has on the cluster afterwards.
    """

    appear: tuple[ApplicationForecast, ...] = ()
    change: tuple[tuple[ApplicationForecast, ApplicationForecast], ...] = ()
    disappear: tuple[ApplicationForecast, ...] = ()
    complete: bool = True
    note: str = ""
    live_sets: int = 0
    rendered_by: str = ""
    expected: tuple[str, ...] = ()

    @property
    def destructive(self) -> bool:
        """Whether something that runs would go away."""
        return bool(self.disappear)


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """Something that does not stop the plan, and that a reviewer should know."""

    message: str
    code: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class ReadSet:
    """What a plan depends on: path -> blob id ("" absent), and folder -> the paths below it."""

    files: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def moved(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The paths and folders that differ in this snapshot from when the plan was made."""
        files = [path for path, blob in self.files.items() if _blob(snapshot.read(path)) != blob]
        folders = [
            folder
            for folder, paths in self.folders.items()
            if tuple(snapshot.paths(folder)) != paths
        ]
        return tuple(sorted({*files, *folders}))

    def depends_on(self, paths: Collection[str]) -> bool:
        """Whether a difference in these paths may move anything of it; `paths` has their folders too.

        False is certain, and found without reading anything; `with_folders` gives such paths.
        """
        return any(known in paths for known in (*self.files, *self.folders))

    def to_data(self) -> dict[str, object]:
        """The read set as plain data for the database."""
        return {
            "files": dict(self.files),
            "folders": {folder: list(paths) for folder, paths in self.folders.items()},
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Mapping[str, object]]) -> ReadSet:
        """Read back what `to_data` wrote; an empty map is an empty read set."""
        folders = data.get("folders", {})
        return cls(
            files={path: str(blob) for path, blob in data.get("files", {}).items()},
            folders={
                folder: tuple(str(path) for path in paths)
                for folder, paths in folders.items()
                if isinstance(paths, list | tuple)
            },
        )


def with_folders(paths: Iterable[str]) -> set[str]:
    """Paths, and every folder above them; "" is the whole tree."""
    found = set()
    for path in paths:
        while path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


def _blob(file: SnapshotFile | None) -> str:
    return file.blob if file else ""


LabelChange = tuple[str, str | None, str | None]
"""A label's key, and its value before and after; None where it is not there."""


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One effective value of a component on a cluster, before and after, as JSON; None: not there."""

    component: str
    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """One cluster that the plan of a shared layer moves. `problem`: why it cannot be told how."""

    hub: str
    cluster: str
    path: str
    labels: tuple[LabelChange, ...] = ()
    impact: Impact = field(default_factory=Impact)
    values: tuple[ValueChange, ...] = ()
    problem: str = ""

    @property
    def by_git(self) -> bool:
        """Whether the repository alone says that it moves, without what a hub was seen to have."""
        found = self.impact
        told = (*found.appear, *(one for _, one in found.change), *found.disappear)
        return bool(self.labels or self.problem or any(not one.from_hub for one in told))


@dataclass(frozen=True, slots=True)
class Plan:
    """What an intent comes to on one commit: edits, labels before and after, Applications.

    `way` are all steps of a cluster that leaves, in order; the plan is that of the first. `moved`
    are the clusters that the plan of a shared layer moves: its `impact` is that of all of them
    together, and its labels are those of each; `layout` stands for the fleet's layout then.
    """

    commit: str
    intent: AnyIntent
    edits: tuple[FileEdit, ...]
    labels_before: ClusterLabels
    labels_after: ClusterLabels
    impact: Impact
    warnings: tuple[PlanWarning, ...] = ()
    reads: ReadSet = field(default_factory=ReadSet)
    way: tuple[PlannedStep, ...] = ()
    moved: tuple[Moved, ...] = ()
    layout: str = ""

    @property
    def of_cluster(self) -> Intent:
        """The intent of a plan that is of one cluster; that of a shared layer is of many."""
        if isinstance(self.intent, EditLayer):
            raise TypeError("The plan of a shared layer is of no single cluster.")
        return self.intent

    @property
    def destructive(self) -> bool:
        """Whether something that runs would go away, or a cluster leaves the fleet."""
        return self.impact.destructive or isinstance(self.intent, LeaveFleet)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One commit of a cluster's way out of the fleet, planned on what the steps before leave."""

    step: LeaveStep
    plan: Plan


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Which cluster names and secrets are taken, each with where, in words ("change #7, ...").

    Of Git at the tip on all hubs, and of open changes; without the cluster or change that is being
    planned itself.
    """

    by_name: Mapping[str, str] = field(default_factory=dict)
    by_secret: Mapping[str, str] = field(default_factory=dict)
