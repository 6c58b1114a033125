"""Indexing: read every fleet member from Git into SQL, so that pages need no Git."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction

from onboarding.domain.components import chart_version
from onboarding.domain.errors import Refused
from onboarding.domain.hierarchy import resolve
from onboarding.domain.labels import ClusterLabels, Label, predict_labels
from onboarding.domain.layout import FleetLayout, LayerPath, Placement
from onboarding.domain.member import FleetMember, parse_member
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.models import Cluster, Fleet
from onboarding.ports import Clock, FleetRepository
from onboarding.services.layouts import layout_of

_COLUMNS = [
    "blob",
    "hub_name",
    "name",
    "tenant",
    "environment",
    "secret_name",
    "model",
    "remote_addons",
    "remote_resources",
    "addons_release",
    "resources_release",
    "monitoring_release",
    "fleet_release",
    "labels",
    "annotations",
    "problem",
    "fingerprint",
]
_INDEX = ["indexed_commit", "indexed_at", "index_problem", "chart_versions"]

Progress = Callable[[int, int], None]
"""Told how many members of how many are read."""

_PROGRESS_EVERY = 200


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one indexing found: the commit, and how many members were read anew, kept and removed."""

    commit: str
    read: int
    kept: int
    removed: int
    problems: int


def index(
    *,
    fleet: Fleet,
    repository: FleetRepository,
    clock: Clock,
    force: bool = False,
    progress: Progress | None = None,
) -> IndexReport:
    """Bring the fleet's member rows to the last fetched tip; unchanged members are not read again.

    A member file that cannot be read becomes a row with its problem and never hides the others.
    Where somebody else indexed the fleet meanwhile, what was read here is dropped, and it goes on
    from theirs. Returns what was done; raises what the repository raises.
    """
    fleet.refresh_from_db(fields=_INDEX)
    snapshot = repository.snapshot()
    if snapshot.commit == fleet.indexed_commit and not force and not fleet.index_problem:
        Fleet.objects.filter(pk=fleet.pk).update(indexed_at=clock.now())
        return IndexReport(snapshot.commit, 0, Cluster.objects.filter(fleet=fleet).count(), 0, 0)
    known = {row.path: row for row in Cluster.objects.filter(fleet=fleet)}
    reader = _MemberReader(fleet=fleet, layout=layout_of(fleet), snapshot=snapshot)
    paths = member_paths(reader.layout, snapshot)
    read = [row for row in _rows(reader, paths, known, progress) if row is not None]
    gone = [known[path].pk for path in known.keys() - set(paths)]
    if not _store(fleet, snapshot, read, gone, clock):
        return index(
            fleet=fleet, repository=repository, clock=clock, force=force, progress=progress
        )
    fleet.refresh_from_db(fields=_INDEX)
    return IndexReport(
        commit=snapshot.commit,
        read=len(read),
        kept=len(paths) - len(read),
        removed=len(gone),
        problems=Cluster.objects.filter(fleet=fleet).exclude(problem="").count(),
    )


def member_paths(layout: FleetLayout, snapshot: Snapshot) -> Sequence[str]:
    """The paths of all member files of a repository, whether they can be read or not."""
    return [
        path for path in snapshot.paths(layout.members_root()) if path.endswith((".yaml", ".yml"))
    ]


def _rows(
    reader: _MemberReader,
    paths: Sequence[str],
    known: dict[str, Cluster],
    progress: Progress | None,
) -> Iterator[Cluster | None]:
    for number, path in enumerate(paths):
        if progress and number % _PROGRESS_EVERY == 0:
            progress(number, len(paths))
        yield reader.read(path, known.get(path))
    if progress:
        progress(len(paths), len(paths))


def _store(
    fleet: Fleet,
    snapshot: Snapshot,
    read: Sequence[Cluster],
    gone: Sequence[int],
    clock: Clock,
) -> bool:
    """Write the rows in one transaction; False where somebody else moved the index meanwhile."""
    versions = _chart_versions(layout_of(fleet), snapshot)
    fresh = [row for row in read if row._state.adding]
    changed = [row for row in read if not row._state.adding]
    with transaction.atomic():
        mine = Fleet.objects.filter(pk=fleet.pk, indexed_commit=fleet.indexed_commit).update(
            indexed_commit=snapshot.commit,
            indexed_at=clock.now(),
            index_problem="",
            chart_versions=versions,
        )
        if not mine:
            return False
        Cluster.objects.bulk_create(fresh, batch_size=500)
        Cluster.objects.bulk_update(changed, _COLUMNS, batch_size=200)
        for start in range(0, len(gone), 500):
            Cluster.objects.filter(pk__in=gone[start : start + 500]).delete()
    return True


class _MemberReader:
    """Reads members of one snapshot into rows; files that many members share are read once."""

    def __init__(self, *, fleet: Fleet, layout: FleetLayout, snapshot: Snapshot) -> None:
        self._fleet = fleet
        self.layout = layout
        self._snapshot = snapshot
        self._shared: dict[str, SnapshotFile | None] = {}
        self._last: tuple[Placement, list[tuple[LayerPath, SnapshotFile | None]]] | None = None

    def read(self, path: str, old: Cluster | None) -> Cluster | None:
        """The member's row, or None where nothing that it depends on has changed."""
        file = self._snapshot.read(path)
        if file is None:
            return None
        row = old or Cluster(fleet=self._fleet, path=path)
        if old and _is_usual(old) and old.fingerprint == self._fingerprint(old, file):
            return None
        self._reset(row, file)
        try:
            member = parse_member(file)
            self._describe(row, member)
        except Refused as refused:
            row.problem = str(refused)
        row.fingerprint = self._fingerprint(row, file)
        return row

    def _reset(self, row: Cluster, file: SnapshotFile) -> None:
        """What the path alone says, so that a broken file still has a place in the list."""
        hub, _, rest = file.path.removeprefix(self.layout.members_root() + "/").partition("/")
        row.blob, row.hub_name = file.blob, hub[:63]
        row.name = rest.rsplit("/", 1)[-1].rsplit(".", 1)[0][:63]
        row.tenant = row.environment = row.secret_name = row.model = row.problem = ""
        row.addons_release = row.resources_release = row.monitoring_release = row.fleet_release = ""
        row.remote_addons = row.remote_resources = False
        row.labels, row.annotations = {}, {}

    def _describe(self, row: Cluster, member: FleetMember) -> None:
        row.name, row.tenant, row.environment = member.cluster, member.tenant, member.environment
        row.secret_name, row.model = member.secret_name, member.model.value
        row.remote_addons, row.remote_resources = member.remote_addons, member.remote_resources
        labels = self._labels(row, member)
        row.labels = {label.key: _label_data(label) for label in labels.labels}
        row.annotations = {label.key: _label_data(label) for label in labels.annotations}
        values = labels.as_dict()
        row.addons_release = values.get("addonsRelease", "")
        row.resources_release = values.get("resourcesRelease", "")
        row.monitoring_release = values.get("monitoringRelease", "")
        row.fleet_release = values.get("fleetRelease", "")

    def _labels(self, row: Cluster, member: FleetMember) -> ClusterLabels:
        placement = member.placement(HubName(row.hub_name))
        return predict_labels(member, placement, resolve(self._layers(placement)))

    def _layers(self, placement: Placement) -> list[tuple[LayerPath, SnapshotFile | None]]:
        """The layers of a placement with their files; a member asks twice, for row and fingerprint."""
        if self._last is None or self._last[0] != placement:
            layers = [
                (layer, self._layer(layer.path)) for layer in self.layout.labels_paths(placement)
            ]
            self._last = placement, layers
        return self._last[1]

    def _layer(self, path: str) -> SnapshotFile | None:
        if path not in self._shared:
            self._shared[path] = self._snapshot.read(path)
        return self._shared[path]

    def _fingerprint(self, row: Cluster, file: SnapshotFile) -> str:
        """A hash over the blobs that the row was made from; equal hash, equal row."""
        digest = hashlib.sha256(file.blob.encode())
        try:
            placement = Placement(
                hub=HubName(row.hub_name),
                cluster=ClusterName(row.name),
                tenant=TenantName(row.tenant),
                environment=Environment(row.environment),
            )
        except Refused:
            return digest.hexdigest()
        for layer, found in self._layers(placement):
            digest.update(f"{layer.path}\0{found.blob if found else ''}\n".encode())
        return digest.hexdigest()


def _chart_versions(layout: FleetLayout, snapshot: Snapshot) -> dict[str, str]:
    """The versions of the charts that lie beside the wrapper chart: folder -> version."""
    beside = layout.wrapper.rpartition("/")[0]
    folders = {
        path.rpartition("/")[0] for path in snapshot.paths(beside) if path.endswith("/Chart.yaml")
    }
    found = {folder: chart_version(snapshot, folder) for folder in sorted(folders)}
    return {folder: version for folder, version in found.items() if version}


def _is_usual(row: Cluster) -> bool:
    """Whether its fingerprint says all: it was read, and its values are in the usual folders."""
    return not row.problem and "addons_repo_basepath" not in row.annotations


def _label_data(label: Label) -> dict[str, object]:
    return {
        "value": label.value,
        "path": label.origin.path,
        "line": label.origin.line,
        "layer": str(label.origin.layer),
        "shadowed": [
            {"value": value, "path": origin.path, "line": origin.line, "layer": str(origin.layer)}
            for value, origin in label.shadowed
        ],
    }
