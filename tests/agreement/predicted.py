"""The product's side: what its plan of a registration says will come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.planner import ApplicationForecast, Neighbours, Plan, plan
from onboarding.domain.plans import blob_id
from onboarding.domain.snapshot import SnapshotFile
from onboarding.services.values import ClusterValues
from tests.agreement.facts import REGION, REVISION, URL, Application, ClusterFacts
from tests.agreement.situations import HUB, PROBE, Commit, Situation, text

TEMPLATE = Path(__file__).resolve().parents[2] / "onboarding/fleet_template"
PROBE_FILES = Path(__file__).parent / "probe"


class Files:
    """A snapshot of the template with files laid over it."""

    commit = "c" * 40

    def __init__(self, files: Mapping[str, str]) -> None:
        shipped = {str(file.relative_to(TEMPLATE)): file.read_bytes() for file in _below(TEMPLATE)}
        probe = {
            f"{PROBE}/{file.relative_to(PROBE_FILES)}": file.read_bytes()
            for file in _below(PROBE_FILES)
        }
        laid = {path: content.encode() for path, content in files.items()}
        self.contents: dict[str, bytes] = {**shipped, **probe, **laid}

    def read(self, path: str) -> SnapshotFile | None:
        content = self.contents.get(path)
        return None if content is None else SnapshotFile(path, blob_id(content), content)

    def paths(self, prefix: str = "") -> Iterable[str]:
        folder = f"{prefix}/" if prefix else ""
        return sorted(path for path in self.contents if path.startswith(folder))


def _below(folder: Path) -> Iterable[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


def before(commit: Commit) -> Files:
    """The repository before anybody joins: shared files, and those that wait for a cluster."""
    files = dict(commit.files)
    for situation in commit.situations:
        files |= situation.files
    return Files({path: text(tree) for path, tree in files.items()})


def planned(situation: Situation, snapshot: Files) -> Plan:
    """The plan that the product shows, and then writes."""
    return plan(situation.intent, snapshot, TENANTS_LAYOUT, Neighbours())


def facts(found: Plan, snapshot: Files, url: str = URL, revision: str = REVISION) -> ClusterFacts:
    """What a plan says of its cluster; `url` and `revision` are facts that Git lacks.

    The values are those that the page of effective values shows.
    """
    labels = found.labels_after
    if labels.problems:
        return ClusterFacts(refused="; ".join(labels.problems))
    if not found.impact.complete:
        raise AssertionError(f"The product cannot say what comes: {found.impact.note}")
    edited = {
        one.path: SnapshotFile(one.path, one.after_blob, one.after.encode()) for one in found.edits
    }
    shown = ClusterValues(
        hub_name=HUB,
        member_path=member_path(found),
        snapshot=snapshot,
        layout=TENANTS_LAYOUT,
        edited=edited,
    )
    told = {
        "repository.url": url,
        "repository.revision": revision,
        "annotations.fleet_aws_region": REGION,
    }
    return ClusterFacts(
        labels=labels.as_dict(),
        annotations={one.key: one.value for one in labels.annotations},
        applications={
            one.identity(): _application(one, _told(_values(shown, one), told))
            for one in found.impact.appear
        },
    )


def member_path(found: Plan) -> str:
    """The member file that a plan writes."""
    (path,) = [one.path for one in found.edits if "/fleet-members/" in one.path]
    return path


def _values(shown: ClusterValues, one: ApplicationForecast) -> Any:
    """The values of an Application; of one that only refuses, there are none to show."""
    if one.refused:
        return None
    found = shown.of(one.component)
    return found.values() if found else "not shown"


def _application(one: ApplicationForecast, values: Any) -> Application:
    return Application(
        name=one.name,
        component=one.component,
        group=one.group,
        version=one.version,
        destination=one.destination,
        namespace=one.namespace,
        project=one.project,
        chart=one.chart,
        repo_url=one.repo_url,
        deployed_by=one.deployed_by.value,
        values=values,
    )


def _told(values: Any, told: Mapping[str, str]) -> Any:
    """The values with the facts of the hub, which the product leaves as names."""
    if isinstance(values, Mapping):
        return {key: _told(value, told) for key, value in values.items()}
    return told.get(values, values) if isinstance(values, str) else values
