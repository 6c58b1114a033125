"""The product's side: what its plan of a registration says will come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.names import HubName
from onboarding.domain.planner import ApplicationForecast, Intent, Neighbours, Plan, plan
from onboarding.domain.plans import blob_id
from onboarding.domain.snapshot import SnapshotFile
from onboarding.services.values import ClusterValues
from tests.agreement.facts import REGION, REVISION, URL, Application, ClusterFacts
from tests.agreement.situations import HUB, PROBE, Commit, text
from tests.repositories import TEMPLATE

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
        self.contents: Mapping[str, bytes] = {**shipped, **probe, **laid}

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> Files:
        """The repository with exactly these files."""
        found = cls({})
        found.contents = contents
        return found

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


def planned(intent: Intent, snapshot: Files) -> Plan:
    """The plan that the product shows, and then writes."""
    return plan(intent, snapshot, TENANTS_LAYOUT, Neighbours())


@dataclass(frozen=True)
class Step:
    """One commit of many plans: the repository as it is then, and what is said of each cluster."""

    contents: Mapping[str, bytes]
    facts: Mapping[str, ClusterFacts]
    changed: Mapping[str, frozenset[tuple[str, str]]]
    """The Applications of each cluster that appear, change or disappear."""


def steps(commit: Commit, url: str = URL) -> tuple[Step, Step]:
    """What comes when all clusters join in one commit, and when all are changed in the next."""
    empty = before(commit)
    joined = _step([one.intent for one in commit.situations], empty, {}, url)
    changes = [one.then for one in commit.situations if one.then is not None]
    return joined, _step(changes, Files.of(joined.contents), joined.facts, url)


def _step(
    intents: Sequence[Intent], snapshot: Files, earlier: Mapping[str, ClusterFacts], url: str
) -> Step:
    plans = {str(one.placement.cluster): planned(one, snapshot) for one in intents}
    edits = {edit.path: edit.after.encode() for one in plans.values() for edit in one.edits}
    return Step(
        contents={**snapshot.contents, **edits},
        facts={
            **earlier,
            **{
                name: facts(one, snapshot, earlier.get(name), url=url)
                for name, one in plans.items()
            },
        },
        changed={name: _changed(one) for name, one in plans.items()},
    )


def _changed(found: Plan) -> frozenset[tuple[str, str]]:
    if found.labels_after.problems:
        return frozenset()
    impact = found.impact
    changed = (*impact.appear, *(after for _, after in impact.change), *impact.disappear)
    return frozenset(one.identity() for one in changed)


def facts(
    found: Plan,
    snapshot: Files,
    earlier: ClusterFacts | None = None,
    *,
    url: str = URL,
    revision: str = REVISION,
) -> ClusterFacts:
    """What a plan says that its cluster, which was so `earlier`, will be.

    `url` and `revision` are facts that Git lacks. The values are those that the page of effective
    values shows; what neither appears nor changes nor disappears stays as it was.
    """
    labels, impact = found.labels_after, found.impact
    if labels.problems:
        return earlier or ClusterFacts(refused="; ".join(labels.problems))
    if not impact.complete and not found.labels_before.problems:
        raise AssertionError(f"The product cannot say what comes: {impact.note}")
    shown = ClusterValues(
        hub_name=HUB,
        member_path=str(TENANTS_LAYOUT.member_path(HubName(HUB), found.intent.placement.cluster)),
        snapshot=snapshot,
        layout=TENANTS_LAYOUT,
        edited={
            one.path: SnapshotFile(one.path, one.after_blob, one.after.encode())
            for one in found.edits
        },
    )
    told = {
        "repository.url": url,
        "repository.revision": revision,
        "annotations.fleet_aws_region": REGION,
    }
    gone = {one.identity() for one in impact.disappear}
    kept = {} if earlier is None else earlier.applications
    made = (*impact.appear, *(after for _, after in impact.change))
    return ClusterFacts(
        labels=labels.as_dict(),
        annotations={one.key: one.value for one in labels.annotations},
        applications={
            **{key: one for key, one in kept.items() if key not in gone},
            **{one.identity(): _application(one, _told(_values(shown, one), told)) for one in made},
        },
    )


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
