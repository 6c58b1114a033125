"""What a branch, a commit or some files would do to the whole fleet; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from onboarding.domain.errors import Transient
from onboarding.domain.fleet_plan import FleetPlan, plan_fleet
from onboarding.domain.labels import CHART_PATH
from onboarding.domain.live_sets import KnownSets, name_template, plain_name
from onboarding.domain.overlay import OverlaidSnapshot
from onboarding.domain.plans import PlanWarning
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.models import Fleet
from onboarding.ports import ChartRenderer, FleetRepository
from onboarding.services.layouts import layout_of
from onboarding.services.previews import live_sets, sets_seen
from onboarding.services.renderings import NO_RENDERER, Renderings


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
    warnings: list[PlanWarning] = []

    held: dict[str, tuple[KnownSets, KnownSets]] = {}

    def sets_of(hub: str) -> tuple[KnownSets, KnownSets]:
        live, asked = live_sets(hub_name=hub), sets_seen(hub_name=hub)
        sides = [
            Renderings(snapshot=one, layout=layout, hub_name=hub, renderer=renderer or NO_RENDERER)
            for one in snapshots
        ]
        now, later = (one.known(live, asked=asked) for one in sides)
        warnings.extend(warning for one in sides for warning in one.warnings)
        if any(one.has_own_labels for one in sides):
            warnings.append(_OWN_LABELS)
        held[hub] = now, later
        return now, later

    found = plan_fleet(*snapshots, files, layout, go_on=go_on, sets_of=sets_of)
    warnings += _unnamed(found, held)
    return replace(found, warnings=tuple(dict.fromkeys([*found.warnings, *warnings])))


def _unnamed(
    plan: FleetPlan, held: Mapping[str, tuple[KnownSets, KnownSets]]
) -> Iterator[PlanWarning]:
    """The sets whose Applications are called by a template, which is not evaluated for a whole fleet."""
    found = set()
    for one in plan.moved:
        sets = {**held[one.hub][0].by_name, **held[one.hub][1].by_name}
        for each in (*one.impact.appear, *one.impact.disappear):
            data = sets[each.component].data if each.from_hub else {}
            if name_template(data) and not plain_name(data, one.cluster):
                found.add(each.component)
    if found:
        yield PlanWarning(
            f"The Applications of {', '.join(sorted(found))} are called otherwise: their names are "
            "templates, which only the plan of a single change evaluates.",
            "name_not_evaluated",
        )


_OWN_LABELS = PlanWarning(
    f"{CHART_PATH} is this repository's own, and labels are foreseen as if it were the shipped one: only "
    "the hub can confirm them. The plan of a single change renders it.",
    "labels_rendered",
    CHART_PATH,
)


def _differs(before: Snapshot, file: SnapshotFile) -> bool:
    found = before.read(file.path)
    return found is None or found.blob != file.blob
