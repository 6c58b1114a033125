"""What people and rules do to the branch while a worker writes: seen, said, and never overwritten."""

from __future__ import annotations

import pytest

from onboarding.domain.alarms import Alarm
from onboarding.domain.planner import EditCluster
from onboarding.models import Change, Event, Fleet
from onboarding.services import indexing, refreshing
from onboarding.services.delivery import deliveries
from tests import repositories
from tests.faults.processes import Site, Worker, at, pause
from tests.stage import (
    COMMITTED,
    FAILED,
    FILES,
    LAPSED,
    QUEUED,
    delivery_of,
    member,
    state_of,
)


def registered(site: Site, cluster: str) -> None:
    """A cluster in Git and in the index."""
    site.approved(cluster)
    site.work()
    site.repository.fetch()
    indexing.index(fleet=site.fleet, repository=site.repository, clock=site.clock)


def test_it_sends_back_an_edit_of_a_file_that_a_person_edits_before_the_push(site: Site) -> None:
    registered(site, "spoke-a")
    edit, other = site.approved("spoke-a", EditCluster), site.approved("spoke-b")
    path = delivery_of(edit).change.plan["edits"][0]["path"]
    by_hand = "# kept by hand\nexternalSecret:\n  labels:\n    team: platform\n"
    worker = Worker(site, at("before_push", pause))
    worker.wait_until_paused()
    pushed = repositories.commit(site.bare, {path: by_hand})
    worker.wake()
    assert worker.wait() == 0

    assert state_of(edit) == LAPSED
    assert path in Change.objects.get(pk=edit.pk).state_note
    assert state_of(other) == COMMITTED, "the other change of the batch is not held up"
    site.check(human={path: by_hand}, human_commits=(pushed,))


def test_it_keeps_an_approval_where_people_move_another_file(site: Site) -> None:
    change = site.approved("spoke-a")
    worker = Worker(site, at("before_push", pause))
    worker.wait_until_paused()
    pushed = repositories.commit(site.bare, {"docs/notes.md": "by hand\n"})
    worker.wake()
    assert worker.wait() == 0

    assert state_of(change) == COMMITTED
    assert site.attempts(change) == ["moved", "committed"]
    site.check(human={"docs/notes.md": "by hand\n"}, human_commits=(pushed,))


def test_it_writes_one_of_two_changes_of_a_batch_that_collide(site: Site) -> None:
    registered(site, "spoke-a")
    first = site.submitted("spoke-a", EditCluster)
    second = site.submitted("spoke-a", EditCluster)
    for change in (first, second):
        site.approve(change)
    site.work()

    assert state_of(first) == COMMITTED
    assert state_of(second) == LAPSED
    assert Change.objects.get(pk=second.pk).state_note != "", "why is said"
    site.check()


def test_it_refuses_the_second_cluster_of_a_name_that_came_meanwhile(site: Site) -> None:
    change = site.approved("spoke-a")
    elsewhere = member("spoke-a").replace("hub-a", "hub-b")
    text = 'tenant: "team-b"\nclusterName: "spoke-a"\nenvironment: "dev"\n'
    worker = Worker(site, at("before_push", pause))
    worker.wait_until_paused()
    pushed = repositories.commit(site.bare, {elsewhere: text})
    worker.wake()
    assert worker.wait() == 0

    assert state_of(change) == LAPSED
    assert member("spoke-a") not in site.files()
    site.check(human={elsewhere: text}, human_commits=(pushed,))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("Change-Id: {uid}\nPlan-Digest: {digest}", id="both-trailers"),
        pytest.param("Change-Id: {uid}\nPlan-Digest: sha256:0", id="another-plan"),
    ],
)
def test_it_takes_no_commit_for_its_own_because_of_its_trailer(site: Site, message: str) -> None:
    change = site.approved("spoke-a")
    worker = Worker(site, at("before_push", pause))
    worker.wait_until_paused()
    trailers = message.format(uid=change.uid, digest=change.plan_digest)
    forged = repositories.commit(
        site.bare, {"evil.yaml": "x: 1\n"}, message=f"Nice try\n\n{trailers}\n"
    )
    worker.wake()
    assert worker.wait() == 0

    assert state_of(change) == FAILED
    assert "does not do what was approved" in delivery_of(change).reason
    assert Event.objects.filter(change=change, verb="delivery.foreign_trailer").exists()
    assert member("spoke-a") not in site.files()
    site.check(human={"evil.yaml": "x: 1\n"}, human_commits=(forged,))


# A rewritten history


def test_it_alarms_and_writes_nothing_again_where_people_removed_a_commit(site: Site) -> None:
    base = repositories.tip(site.bare)
    removed = site.approved("spoke-a")
    site.work()
    ours = repositories.tip(site.bare)
    repositories.rewind(site.bare, base)
    refreshing.refresh(fleet=site.fleet, repository=site.repository, clock=site.clock)
    other = site.approved("spoke-b")
    site.work()

    assert delivery_of(removed).alarm == Alarm.DIVERGED.value
    assert state_of(other) == COMMITTED
    assert site.files() == {member("spoke-b")}, "what a person removed is not brought back"
    site.check(taken_back=(removed,))

    repositories.rewind(site.bare, ours)
    refreshing.refresh(fleet=site.fleet, repository=site.repository, clock=site.clock)
    assert delivery_of(removed).alarm == ""
    assert delivery_of(other).alarm == Alarm.DIVERGED.value
    site.check(taken_back=(other,))


def test_it_alarms_before_the_next_delivery_hides_what_people_removed(site: Site) -> None:
    base = repositories.tip(site.bare)
    removed = site.approved("spoke-a")
    site.work()
    repositories.rewind(site.bare, base)
    other = site.approved("spoke-b")
    site.work()

    assert state_of(other) == COMMITTED
    assert delivery_of(removed).alarm == Alarm.DIVERGED.value, "nobody else had looked meanwhile"
    assert delivery_of(other).alarm == ""
    assert Event.objects.filter(change=removed, verb="delivery.diverged").count() == 1
    site.check(taken_back=(removed,))


def test_it_alarms_whatever_time_a_worker_wrote_down(site: Site) -> None:
    early = site.approved("spoke-a")
    assert Worker(site, wrong_clock=7200.0).wait() == 0
    base = repositories.tip(site.bare)
    removed = site.approved("spoke-b")
    site.work()
    repositories.rewind(site.bare, base)
    refreshing.refresh(fleet=site.fleet, repository=site.repository, clock=site.clock)

    assert delivery_of(removed).alarm == Alarm.DIVERGED.value
    assert delivery_of(early).alarm == ""
    site.check(taken_back=(removed,))


def test_it_builds_on_what_a_person_left_who_rewrites_before_the_push(site: Site) -> None:
    base = repositories.tip(site.bare)
    repositories.commit(site.bare, {"secret.txt": "a leaked password\n"})
    change = site.approved("spoke-a")
    worker = Worker(site, at("before_push", pause))
    worker.wait_until_paused()
    repositories.rewind(site.bare, base)
    worker.wake()
    assert worker.wait() == 0

    assert state_of(change) == COMMITTED
    assert site.files() == {member("spoke-a")}, "the rewound commit stays removed"
    site.check(human_commits=(base,))


def test_it_waits_where_the_branch_is_deleted_before_the_push(site: Site) -> None:
    change = site.approved("spoke-a")
    site.repository.fetch()
    indexing.index(fleet=site.fleet, repository=site.repository, clock=site.clock)
    tip = repositories.tip(site.bare)
    worker = Worker(site, at("before_push", pause))
    worker.wait_until_paused()
    repositories.git(site.bare, "update-ref", "-d", "refs/heads/main")
    worker.wake()
    assert worker.wait() == 0
    assert state_of(change) == QUEUED
    assert "has no commit any more" in delivery_of(change).reason
    assert repositories.tip(site.bare) == ""

    repositories.rewind(site.bare, tip)
    site.all_is_due()
    site.work()
    assert state_of(change) == COMMITTED
    site.check(human_commits=(tip,))


# Rules of the server


def test_it_ends_visibly_what_a_rule_of_the_server_refuses(site: Site) -> None:
    change, other = site.approved("spoke-a"), site.approved("spoke-b")
    pushes = site.folder / "pushes"
    repositories.install_hook(
        site.bare,
        "pre-receive",
        f"echo >> {pushes}; while read old new ref; do git diff --name-only $old $new "
        "| grep -q spoke-a && { echo 'spoke-a is reserved for team b' >&2; exit 1; }; done; exit 0",
    )
    for _ in range(8):
        site.all_is_due()
        site.work()

    assert state_of(other) == COMMITTED, "one refused change does not hold up the others"
    assert state_of(change) == FAILED
    assert "spoke-a is reserved for team b" in delivery_of(change).reason
    assert delivery_of(change).alarm == Alarm.POLICY.value
    assert pushes.read_text().count("\n") <= 12, "no storm on a server that refuses"
    tried = len(site.attempts(change))
    site.all_is_due()
    site.work()
    assert len(site.attempts(change)) == tried, "an end is an end until a person tries again"
    site.check()

    repositories.remove_hook(site.bare, "pre-receive")
    deliveries.try_again(
        delivery_id=delivery_of(change).pk,
        actor=site.requester,
        clock=site.clock,
        queue=site.queue,
    )
    site.work()
    assert state_of(change) == COMMITTED
    site.check()


def test_it_pushes_no_more_often_than_the_host_allows(site: Site) -> None:
    Fleet.objects.update(pushes_per_minute=2)
    pushes = site.folder / "pushes"
    repositories.install_hook(site.bare, "pre-receive", f"echo >> {pushes}")
    asked = []
    for number in range(4):
        asked.append(site.approved(f"spoke-{number}"))
        site.work()

    assert [state_of(change) for change in asked] == [COMMITTED] * 2 + [QUEUED] * 2
    assert pushes.read_text().count("\n") == 2
    assert "at most 2 pushes a minute" in delivery_of(asked[-1]).reason
    site.all_is_due()
    site.work()
    assert pushes.read_text().count("\n") == 2, "being asked again is no reason to push"
    Fleet.objects.update(pushes_per_minute=3)
    site.all_is_due()
    site.work()

    assert [state_of(change) for change in asked] == [COMMITTED] * 4
    assert pushes.read_text().count("\n") == 3, "what waited goes together"
    site.check()


# What is in the repository already


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("clusterName: [\n", id="no-yaml"),
        pytest.param('clusterName: "a"\nclusterName: "b"\n', id="a-key-twice"),
        pytest.param("x: " + "a" * 3_000_000 + "\n", id="three-megabytes"),
    ],
)
def test_it_delivers_beside_a_broken_member(site: Site, broken: str) -> None:
    path = member("spoke-broken")
    pushed = repositories.commit(site.bare, {path: broken})
    change = site.approved("spoke-a")
    site.work()

    assert state_of(change) == COMMITTED
    site.check(human={path: broken}, human_commits=(pushed,))


def test_it_lapses_where_a_person_moves_a_file_that_the_plan_has_read(site: Site) -> None:
    change = site.approved("spoke-a")
    path = "addons/tenants/defaults/fleet/fleet-secret/values.yaml"
    moved = {path: "externalSecret:\n  labels:\n    addonsRelease: default\n    team: x\n"}
    worker = Worker(site, at("before_push", pause))
    worker.wait_until_paused()
    pushed = repositories.commit(site.bare, moved)
    worker.wake()
    assert worker.wait() == 0

    assert state_of(change) == LAPSED
    assert path in Change.objects.get(pk=change.pk).state_note
    assert set(repositories.tree(site.bare)) == set(FILES)
    site.check(human=moved, human_commits=(pushed,))
