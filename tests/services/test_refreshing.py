"""Refreshing: members and waiting plans follow the branch, whoever moved it; what cannot be read is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from onboarding.models import Change, Cluster, Event, Heartbeat
from onboarding.services import indexing, refreshing, waiting_plans
from tests import repositories
from tests.stage import Stage, member

pytestmark = pytest.mark.django_db

DEFAULTS = "addons/tenants/defaults/fleet/fleet-secret/values.yaml"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def refresh(stage: Stage) -> None:
    refreshing.refresh(fleet=stage.fleet, repository=stage.repository, clock=stage.clock)
    stage.fleet.refresh_from_db()


def test_it_leaves_a_sign_of_life(stage: Stage) -> None:
    refresh(stage)
    sign = Heartbeat.objects.get(part="index:fleet-a")
    assert (sign.at, sign.detail) == (stage.clock.now(), repositories.tip(stage.bare))


def test_it_keeps_a_plan_that_still_does_the_same(stage: Stage) -> None:
    change = stage.submitted("spoke-a")
    stage.human("README.md", "Other words.\n")()
    refresh(stage)
    after = Change.objects.get()
    assert (after.plan_digest, after.base_commit) == (
        change.plan_digest,
        repositories.tip(stage.bare),
    )
    assert not Event.objects.filter(verb="change.replanned").exists()


def test_it_makes_a_plan_anew_that_would_do_something_else(stage: Stage) -> None:
    change = stage.submitted("spoke-a")
    stage.human(DEFAULTS, 'externalSecret:\n  labels:\n    team: "x"\n')()
    refresh(stage)
    after = Change.objects.get()
    assert after.state == "submitted"
    assert after.plan_digest not in ("", change.plan_digest)
    event = Event.objects.get(verb="change.replanned")
    assert event.detail == {
        "from": change.plan_digest,
        "to": after.plan_digest,
        "commit": repositories.tip(stage.bare),
    }


def test_it_lets_nobody_approve_what_cannot_be_done_any_more(stage: Stage) -> None:
    stage.submitted("spoke-a")
    stage.human(member("spoke-a"), "tenant: theirs\n")()
    refresh(stage)
    after = Change.objects.get()
    assert (after.state, after.plan_digest) == ("submitted", "")
    assert member("spoke-a") in after.state_note


def test_it_leaves_what_is_decided(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    stage.human(DEFAULTS, 'externalSecret:\n  labels:\n    team: "x"\n')()
    refresh(stage)
    after = Change.objects.get()
    assert (after.state, after.plan_digest) == ("approved", change.plan_digest)


def test_it_says_when_the_repository_is_gone_and_keeps_what_it_knew(stage: Stage) -> None:
    stage.approved("spoke-a")
    stage.deliver()
    refresh(stage)
    assert Cluster.objects.count() == 1
    seen = Heartbeat.objects.get(part="index:fleet-a").at
    gone = stage.bare.rename(stage.bare.with_name("gone.git"))
    stage.clock.advance(60)
    refresh(stage)
    assert "does not exist" in stage.fleet.index_problem
    assert Cluster.objects.count() == 1
    assert Heartbeat.objects.get(part="index:fleet-a").at == seen
    gone.rename(stage.bare)
    refresh(stage)
    assert stage.fleet.index_problem == ""


def test_a_copy_that_is_older_brings_neither_a_plan_nor_the_index_back(stage: Stage) -> None:
    older = stage.new_repository("mirror-b")
    older.fetch()
    stage.human(DEFAULTS, 'externalSecret:\n  labels:\n    team: "x"\n')()
    change = stage.submitted("spoke-a")
    refresh(stage)
    tip = repositories.tip(stage.bare)
    assert stage.fleet.indexed_commit == change.base_commit == tip
    assert older.snapshot().commit != tip

    indexing.index(fleet=stage.fleet, repository=older, clock=stage.clock)
    stage.fleet.refresh_from_db()
    assert stage.fleet.indexed_commit == tip

    other = stage.new_repository("mirror-c")
    other.fetch()
    stage.human("README.md", "Other words.\n")()
    refresh(stage)
    change.refresh_from_db()
    digest, newest = change.plan_digest, change.base_commit
    assert (
        waiting_plans.replan(change=change, repository=other, clock=stage.clock).base_commit
        == newest
    )
    assert change.plan_digest == digest
    assert not Event.objects.filter(verb="change.replanned").exists()


def test_a_branch_that_was_rewritten_is_followed_all_the_same(stage: Stage) -> None:
    stage.human("README.md", "Soon gone.\n")()
    change = stage.submitted("spoke-a")
    refresh(stage)
    parent = repositories.git(stage.bare, "rev-parse", "main~1").strip()
    repositories.git(stage.bare, "update-ref", "refs/heads/main", parent)
    refresh(stage)
    change.refresh_from_db()
    assert change.base_commit == stage.fleet.indexed_commit == parent
