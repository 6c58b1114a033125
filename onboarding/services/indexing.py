"""Indexing: read every fleet member from Git into SQL, so that pages need no Git."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models.fields.json import KT

from onboarding.domain.components import chart_version
from onboarding.domain.errors import Refused
from onboarding.domain.layout import LABELS_GROUP, FleetLayout
from onboarding.domain.readers import Readers
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Cluster, Fleet
from onboarding.ports import Clock, FleetRepository
from onboarding.services.layouts import layout_of
from onboarding.services.member_rows import MemberReader
from onboarding.services.observing import pulses
from onboarding.services.tips import tip_after

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
]
_INDEX = ["indexed_commit", "indexed_at", "index_problem", "chart_versions"]

Progress = Callable[[int, int], None]
"""Told how many members of how many are read."""

_PROGRESS_EVERY = 200
_MEMBER = (".yaml", ".yml")
_BASE = "addons_repo_basepath__value"


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
    """Bring the fleet's member rows to the last fetched tip; what no commit touched is not read again.

    What is read follows from the difference to the indexed commit; where that is not known any more,
    or with `force`, every member is read.

    A member file that cannot be read becomes a row with its problem and never hides the others.
    Where somebody else indexed the fleet meanwhile, what was read here is dropped, and it goes on
    from theirs. Returns what was done; raises what the repository raises, and `Refused` (code
    `emptied`) where a branch that had commits has none any more: then the rows stay as they were.
    """
    fleet.refresh_from_db(fields=_INDEX)
    snapshot = repository.snapshot(tip_after(fleet.indexed_commit, repository=repository))
    if not snapshot.commit and fleet.indexed_commit:
        raise emptied(fleet)
    known = Cluster.objects.filter(fleet=fleet)
    if snapshot.commit == fleet.indexed_commit and not force and not fleet.index_problem:
        Fleet.objects.filter(pk=fleet.pk).update(indexed_at=clock.now())
        return IndexReport(snapshot.commit, 0, known.count(), 0, 0)
    layout = layout_of(fleet)
    moved = None if force else repository.difference(fleet.indexed_commit, snapshot.commit)
    if moved is None:
        paths = member_paths(layout, snapshot)
        gone = set(known.values_list("path", flat=True)) - set(paths)
    else:
        paths = sorted(_touched(fleet, layout, moved.keys()))
        gone = set()
    reader = MemberReader(fleet=fleet, layout=layout, snapshot=snapshot)
    read = dict(_rows(reader, paths, progress))
    rows = [row for row in read.values() if row]
    gone |= {path for path, row in read.items() if row is None}
    removed = _store(fleet, snapshot, rows, gone, clock)
    if removed is None:
        return index(
            fleet=fleet, repository=repository, clock=clock, force=force, progress=progress
        )
    fleet.refresh_from_db(fields=_INDEX)
    return IndexReport(
        commit=snapshot.commit,
        read=len(rows),
        kept=known.count() - len(rows),
        removed=removed,
        problems=known.exclude(problem="").count(),
    )


def emptied(fleet: Fleet) -> Refused:
    """The refusal to take a branch that had commits and has none any more for a new fleet."""
    return Refused(
        f"Branch {fleet.branch} was at {fleet.indexed_commit[:10]} and has no commit any more. "
        "Nothing is written until it is restored, or an administrator enters another repository or "
        "branch.",
        code="emptied",
    )


def member_paths(layout: FleetLayout, snapshot: Snapshot) -> Sequence[str]:
    """The paths of all member files of a repository, whether they can be read or not."""
    return [path for path in snapshot.paths(layout.members_root()) if path.endswith(_MEMBER)]


def _touched(fleet: Fleet, layout: FleetLayout, moved: Collection[str]) -> set[str]:
    """The member files whose rows a difference concerns: they moved, or what decides their labels.

    A member that could not be read is read again, whatever moved: nobody knows what it needs.
    """
    root = f"{layout.members_root()}/".removeprefix("/")
    found = {path for path in moved if path.startswith(root) and path.endswith(_MEMBER)}
    readers: dict[str, Readers] = {}
    rows = Cluster.objects.filter(fleet=fleet).annotate(base=KT("annotations__" + _BASE))
    for path, tenant, environment, name, base, problem in rows.values_list(
        "path", "tenant", "environment", "name", "base", "problem"
    ):
        base = base or layout.bases[LABELS_GROUP]
        if base not in readers:
            readers[base] = Readers(layout, moved, base=base, component=layout.labels_component)
        if problem or readers[base].has(tenant=tenant, environment=environment, cluster=name):
            found.add(path)
    return found


def _rows(
    reader: MemberReader, paths: Sequence[str], progress: Progress | None
) -> Iterator[tuple[str, Cluster | None]]:
    for number, path in enumerate(paths):
        if progress and number % _PROGRESS_EVERY == 0:
            progress(number, len(paths))
        yield path, reader.read(path)
    if progress:
        progress(len(paths), len(paths))


def _store(
    fleet: Fleet,
    snapshot: Snapshot,
    rows: Sequence[Cluster],
    gone: Collection[str],
    clock: Clock,
) -> int | None:
    """Write the rows in one transaction; returns how many of `gone` there were.

    None where somebody else moved the index meanwhile.
    """
    versions = _chart_versions(layout_of(fleet), snapshot)
    doomed, removed = sorted(gone), 0
    with transaction.atomic():
        mine = Fleet.objects.filter(pk=fleet.pk, indexed_commit=fleet.indexed_commit).update(
            indexed_commit=snapshot.commit,
            indexed_at=clock.now(),
            moved_at=clock.now(),
            index_problem="",
            chart_versions=versions,
        )
        if not mine:
            return None
        Cluster.objects.bulk_create(
            rows,
            batch_size=500,
            update_conflicts=True,
            unique_fields=["fleet", "path"],
            update_fields=_COLUMNS,
        )
        for start in range(0, len(doomed), 500):
            found = Cluster.objects.filter(fleet=fleet, path__in=doomed[start : start + 500])
            removed += found.delete()[1].get(Cluster._meta.label, 0)
        if removed:  # their standings went with them
            pulses.beat(fleet=fleet)
    return removed


def _chart_versions(layout: FleetLayout, snapshot: Snapshot) -> dict[str, str]:
    """The versions of the charts that lie beside the wrapper chart: folder -> version."""
    beside = layout.wrapper.rpartition("/")[0]
    folders = {
        path.rpartition("/")[0] for path in snapshot.paths(beside) if path.endswith("/Chart.yaml")
    }
    found = {folder: chart_version(snapshot, folder) for folder in sorted(folders)}
    return {folder: version for folder, version in found.items() if version}
