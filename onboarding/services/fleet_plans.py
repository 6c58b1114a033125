"""What a branch, a commit or some files would do to the whole fleet; nothing is written."""

from __future__ import annotations

import time

from onboarding.domain.errors import Transient
from onboarding.domain.fleet_plan import FleetPlan, plan_fleet
from onboarding.domain.overlay import OverlaidSnapshot
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.models import Fleet
from onboarding.ports import FleetRepository
from onboarding.services.layouts import layout_of


def plan_revision(
    *, fleet: Fleet, repository: FleetRepository, rev: str, seconds: float = float("inf")
) -> FleetPlan:
    """What merging a branch or commit into the fleet's branch, as last fetched, would do.

    After `seconds` no further cluster is looked at.

    Raises `Refused` where there is no such branch or commit, where it conflicts, and where a versions
    file cannot be read.
    """
    until = time.monotonic() + seconds
    before = repository.snapshot()
    after = repository.snapshot(repository.proposed(rev))
    files = repository.difference(before.commit, after.commit)
    if files is None:
        raise Transient("The branch moved meanwhile. Ask again.")
    return plan_fleet(
        before, after, files.keys(), layout_of(fleet), go_on=lambda: time.monotonic() < until
    )


def plan_files(*, fleet: Fleet, repository: FleetRepository, files: Snapshot) -> FleetPlan:
    """What the files would do if they lay over the fleet's branch as last fetched; others stay."""
    before = repository.snapshot()
    changed = {
        path: file
        for path in files.paths()
        if (file := files.read(path)) and _differs(before, file)
    }
    after = OverlaidSnapshot(before, changed)
    return plan_fleet(before, after, changed.keys(), layout_of(fleet))


def _differs(before: Snapshot, file: SnapshotFile) -> bool:
    found = before.read(file.path)
    return found is None or found.blob != file.blob
