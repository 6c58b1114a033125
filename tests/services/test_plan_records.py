"""The kept plan: all that pages show, and what tells whether the repository moved under it."""

from __future__ import annotations

import json

from onboarding.domain import diff, planner
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.plans import Plan
from onboarding.models import Change
from onboarding.services import plan_records
from tests.domain.fleet_files import (
    COMMIT,
    FILES,
    MEMBER,
    PINS,
    SYSTEM_LABELS,
    Repository,
    register,
)


def plan(files: dict[str, str] | None = None) -> Plan:
    intent = register(pins={"addonsRelease": "release1"})
    snapshot = Repository({**FILES, **(files or {})})
    return planner.plan(intent, snapshot, TENANTS_LAYOUT, planner.Neighbours())


def test_it_keeps_the_whole_plan_as_plain_data() -> None:
    made = plan()
    kept = json.loads(json.dumps(plan_records.record(made)))
    assert kept["commit"] == COMMIT
    assert kept["patch"] == diff.unified(made)
    assert [edit["path"] for edit in kept["edits"]] == [edit.path for edit in made.edits]
    assert {edit["path"]: edit["after"] for edit in kept["edits"]}[MEMBER].startswith("tenant")
    pinned = next(label for label in kept["labels_after"] if label["key"] == "addonsRelease")
    assert (pinned["value"], pinned["path"], pinned["layer"]) == ("release1", PINS, "cluster")
    assert kept["labels_before"] == []
    assert [one["name"] for one in kept["impact"]["appear"]] == [
        one.name for one in made.impact.appear
    ]
    assert kept["impact"]["appear"]
    assert kept["impact"]["disappear"] == []


def test_it_keeps_beside_it_what_is_asked_for_alone() -> None:
    made = plan()
    columns = plan_records.columns(made)
    assert (columns["base_commit"], columns["destructive"]) == (COMMIT, False)
    assert columns["read_set"] == made.reads.to_data()


def test_it_knows_the_blobs_of_what_is_written() -> None:
    made = plan()
    change = Change(**plan_records.columns(made))
    assert plan_records.blobs(change) == {edit.path: ("", edit.after_blob) for edit in made.edits}
    assert plan_records.blobs(Change()) == {}


def test_it_names_the_paths_that_moved_and_no_other() -> None:
    change = Change(**plan_records.columns(plan()))
    assert plan_records.moved_paths(change, plan()) == ()
    assert plan_records.moved_paths(change, plan({"README.md": "Other words.\n"})) == ()
    moved = plan({SYSTEM_LABELS: FILES[SYSTEM_LABELS] + '    team: "x"\n'})
    assert plan_records.moved_paths(change, moved) == (SYSTEM_LABELS,)
