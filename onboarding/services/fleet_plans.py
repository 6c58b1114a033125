"""What a branch, a commit or some files would do to the whole fleet; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from onboarding.domain.errors import Transient
from onboarding.domain.fleet_plan import FleetPlan, plan_fleet
from onboarding.domain.live_sets import name_template, plain_name
from onboarding.domain.overlay import OverlaidSnapshot
from onboarding.domain.plans import Impact, PlanWarning
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.models import Fleet
from onboarding.ports import ChartRenderer, FleetRepository
from onboarding.services.hub_sets import HeldSets
from onboarding.services.layouts import layout_of


def plan_revision(
    *,
    fleet: Fleet,
    repository: FleetRepository,
    rev: str,
    seconds: float = float("inf"),
    renderer: ChartRenderer | None = None,
) -> FleetPlan:
    """What merging a branch or commit into the fleet's branch, as last fetched, would do.

    After `seconds` no further cluster is looked at. It is held against the ApplicationSets of each hub
    as it was last seen, or against those that `renderer` makes of the repository's own charts.

    Raises `Refused` where there is no such branch or commit, where it conflicts, and where a versions
    file cannot be read.
    """
    until = time.monotonic() + seconds
    before = repository.snapshot()
    after = repository.snapshot(repository.proposed(rev))
    files = repository.difference(before.commit, after.commit)
    if files is None:
        raise Transient("The branch moved meanwhile. Ask again.")
    return _plan(fleet, (before, after), files, renderer, go_on=lambda: time.monotonic() < until)


def plan_files(
    *,
    fleet: Fleet,
    repository: FleetRepository,
    files: Snapshot,
    renderer: ChartRenderer | None = None,
) -> FleetPlan:
    """What the files would do if they lay over the fleet's branch as last fetched; others stay."""
    before = repository.snapshot()
    changed = {
        path: file
        for path in files.paths()
        if (file := files.read(path)) and _differs(before, file)
    }
    after = OverlaidSnapshot(before, changed)
    return _plan(fleet, (before, after), changed, renderer, go_on=lambda: True)


def _plan(
    fleet: Fleet,
    snapshots: tuple[Snapshot, Snapshot],
    files: Collection[str],
    renderer: ChartRenderer | None,
    *,
    go_on: Callable[[], bool],
) -> FleetPlan:
    layout = layout_of(fleet)
    held = HeldSets(layout, renderer)
    found = plan_fleet(*snapshots, files, layout, go_on=go_on, sets_of=held.between(*snapshots))
    warnings = [
        *found.warnings,
        *held.warnings,
        *unnamed(((one.hub, one.cluster, one.impact) for one in found.moved), held),
    ]
    return replace(found, warnings=tuple(dict.fromkeys(warnings)))


def unnamed(moved: Iterable[tuple[str, str, Impact]], held: HeldSets) -> Iterator[PlanWarning]:
    """The sets whose Applications are called by a template, which is not evaluated for a whole fleet.

    `moved` is each cluster's hub and name, and what becomes of its Applications.
    """
    found = set()
    for hub, cluster, impact in moved:
        for each in (*impact.appear, *impact.disappear):
            if not each.from_hub:
                continue
            sets = {**held.by_hub[hub][0].by_name, **held.by_hub[hub][1].by_name}
            data = sets[each.component].data
            if name_template(data) and not plain_name(data, cluster):
                found.add(each.component)
    if found:
        yield PlanWarning(
            f"The Applications of {', '.join(sorted(found))} are called otherwise: their names are "
            "templates, which only the plan of a single change evaluates.",
            "name_not_evaluated",
        )


def _differs(before: Snapshot, file: SnapshotFile) -> bool:
    found = before.read(file.path)
    return found is None or found.blob != file.blob
