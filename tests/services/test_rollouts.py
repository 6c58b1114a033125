"""Rollouts: one approval, wave after wave, stopped by one cluster, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from onboarding.domain.errors import Refused
from onboarding.domain.intents import intent_from_data
from onboarding.domain.outcome import OutcomeState
from onboarding.domain.rollout_waves import SplitBy, parse_waves
from onboarding.models import (
    Approval,
    Change,
    Cluster,
    Delivery,
    Event,
    Outcome,
    Rollout,
    RolloutRow,
    Standing,
)
from onboarding.services import (
    approvals,
    changes,
    indexing,
    refreshing,
    rollout_decisions,
    rollout_guard,
    rollout_steps,
    rollout_undo,
    rollout_verbs,
    rollouts,
    withdrawals,
)
from onboarding.services.rollouts import Asked
from tests import repositories
from tests.stage import MEMBERS, VERSIONS, Stage

pytestmark = pytest.mark.django_db

LABEL = "addonsRelease"
ENVIRONMENTS = ("dev", "qa", "staging", "prod")
CHANNELS = """\
releases:
  addons:
    - type: default
      version: 0.3.1
    - type: release1
      version: 0.4.0
"""
MEMBER = """\
clusterName: "{name}"
tenant: "team-a"
environment: "{environment}"
secretManagerSecretName: "fleet/{name}"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
"""


class Waves:
    """A fleet of clusters on `default`, and a hub that shows what a test says."""

    def __init__(self, stage: Stage, each: int) -> None:
        self.stage = stage
        names = [(f"{env}-{n:02}", env) for env in ENVIRONMENTS for n in range(each)]
        files: dict[str, str | bytes | None] = {
            f"{MEMBERS}/{name}.yaml": MEMBER.format(name=name, environment=env)
            for name, env in names
        }
        repositories.commit(stage.bare, files | {VERSIONS: CHANNELS})
        stage.repository.real.fetch()
        indexing.index(fleet=stage.fleet, repository=stage.repository, clock=stage.clock)
        self.names = [name for name, _ in names]
        self.ill: dict[str, str] = {}
        self.base = repositories.tip(stage.bare)

    def asked(self, **changed: Any) -> Asked:
        wanted: dict[str, Any] = {
            "label": LABEL,
            "source": "default",
            "target": "release1",
            "waves": parse_waves("\n".join(ENVIRONMENTS), soak=timedelta(minutes=10)),
            "by": SplitBy.ENVIRONMENT,
        }
        return Asked(**wanted | changed)

    def request(self, **changed: Any) -> Rollout:
        return rollouts.request(
            fleet=self.stage.fleet,
            asked=self.asked(**changed),
            title="Add-ons to release1",
            actor=self.stage.requester,
            repository=self.stage.repository,
            clock=self.stage.clock,
        )

    def approve(self, rollout: Rollout) -> Rollout:
        rollout_decisions.approve(
            rollout_id=rollout.pk,
            digest=rollouts.digest_of(rollout),
            actor=self.stage.approver,
            clock=self.stage.clock,
            queue=self.stage.queue,
        )
        rollout.refresh_from_db()
        return rollout

    def running(self, **changed: Any) -> Rollout:
        return self.approve(self.request(**changed))

    def look(self, seconds: float = 60) -> None:
        """The hub follows what is in Git, and the watcher writes down how every cluster is."""
        self.stage.clock.advance(seconds)
        now = self.stage.clock.now()
        for delivery in Delivery.objects.filter(state="committed"):
            Outcome.objects.update_or_create(
                delivery=delivery,
                defaults={"state": OutcomeState.AGREES.value, "since": now, "checked_at": now},
            )
        for cluster in Cluster.objects.all():
            state = self.ill.get(cluster.name, "healthy")
            Standing.objects.update_or_create(
                cluster=cluster,
                defaults={
                    "fleet": self.stage.fleet,
                    "hub_name": cluster.hub_name,
                    "name": cluster.name,
                    "state": state,
                    "sentence": "" if state == "healthy" else "web has 0 of 3 replicas.",
                    "seen_at": now,
                    "computed_at": now,
                },
            )

    def lead(self) -> Rollout:
        """The beat: lead it one step on, and write what was released."""
        rollout_steps.advance(
            fleet=self.stage.fleet,
            repository=self.stage.repository,
            clock=self.stage.clock,
            queue=self.stage.queue,
        )
        self.stage.deliver()
        indexing.index(
            fleet=self.stage.fleet, repository=self.stage.repository, clock=self.stage.clock
        )
        return Rollout.objects.latest("pk")

    def tick(self, seconds: float = 60) -> Rollout:
        self.look(seconds)
        return self.lead()

    def soaked(self) -> Rollout:
        """Ticks until the wave that runs has soaked and the next one is in Git."""
        for _ in range(12):
            rollout = self.tick()
        return rollout

    def moved(self) -> set[str]:
        """The clusters whose own file in Git says the new channel."""
        return {
            path.split("/")[4]
            for path in repositories.tree(self.stage.bare)
            if path.endswith("/fleet-secret/values.yaml")
            and "release1" in repositories.git(self.stage.bare, "show", f"main:{path}")
        }

    def of(self, *environments: str) -> set[str]:
        return {name for name in self.names if name.split("-")[0] in environments}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def fleet(stage: Stage) -> Waves:
    found = Waves(stage, each=2)
    found.look()
    return found


def act(fleet: Waves, verb: Callable[..., None], rollout: Rollout, **more: Any) -> Rollout:
    if verb in (rollout_verbs.go_on, rollout_verbs.skip, rollout_verbs.revert):
        more["queue"] = fleet.stage.queue
    more.setdefault("actor", fleet.stage.requester)
    verb(rollout_id=rollout.pk, clock=fleet.stage.clock, **more)
    rollout.refresh_from_db()
    return rollout


def test_it_asks_for_all_and_delivers_nothing(fleet: Waves) -> None:
    rollout = fleet.request()

    assert rollout.state == "proposed"
    assert [wave.rows.count() for wave in rollout.waves.all()] == [2, 2, 2, 2]
    assert fleet.lead().state == "proposed"
    assert fleet.moved() == set()
    assert not Delivery.objects.exists()


def test_it_takes_in_only_who_is_on_the_channel_and_in_a_wave(fleet: Waves) -> None:
    waves = parse_waves("dev", soak=timedelta())
    rollout = fleet.request(waves=waves)

    names = RolloutRow.objects.filter(wave__rollout=rollout).values_list("cluster_name", flat=True)
    assert set(names) == fleet.of("dev")
    assert {name for name, _ in rollout.left_out} == fleet.of("qa", "staging", "prod")


def test_it_moves_a_whole_fleet_wave_after_wave(fleet: Waves) -> None:
    rollout = fleet.running()
    assert fleet.moved() == set()

    for number in range(1, 5):
        assert fleet.moved() == fleet.of(*ENVIRONMENTS[: number - 1])
        rollout = fleet.tick() if number == 1 else fleet.soaked()
        assert fleet.moved() == fleet.of(*ENVIRONMENTS[:number])
    assert rollout.state == "running"
    rollout = fleet.soaked()

    assert rollout.state == "done"
    assert len(fleet.stage.commits()) == 1 + 8
    assert Approval.objects.count() == 8
    assert not RolloutRow.objects.filter(is_open=True).exists()


def test_it_waits_for_the_whole_soak(fleet: Waves) -> None:
    fleet.running()
    fleet.tick()
    fleet.tick()  # in Git, well from now on
    for _ in range(9):
        fleet.tick()
        assert fleet.moved() == fleet.of("dev")
    fleet.tick()
    assert fleet.moved() == fleet.of("dev", "qa")


def test_it_does_not_count_time_in_which_nobody_looked(fleet: Waves) -> None:
    rollout = fleet.running()
    fleet.tick()
    fleet.tick()
    fleet.stage.clock.advance(3600)

    rollout = fleet.lead()

    assert rollout.state == "paused"
    assert "Nobody has looked" in rollout.note
    assert fleet.moved() == fleet.of("dev")


def test_it_stops_sixty_clusters_at_the_one_that_degrades_and_takes_them_back(
    stage: Stage,
) -> None:
    fleet = Waves(stage, each=15)
    fleet.look()
    before = repositories.tree(stage.bare)
    assert len(fleet.names) == 60
    rollout = fleet.running()
    fleet.tick()
    fleet.soaked()
    assert fleet.moved() == fleet.of("dev", "qa")

    fleet.ill["qa-07"] = "degraded"
    rollout = fleet.tick()
    assert rollout.state == "paused"
    assert "qa-07: Degraded. web has 0 of 3 replicas." in rollout.note
    for _ in range(30):
        rollout = fleet.tick()
    assert rollout.state == "paused"
    assert fleet.moved() == fleet.of("dev", "qa")
    later = Delivery.objects.filter(change__cluster_name__in=fleet.of("staging", "prod"))
    assert not later.exists()

    act(fleet, rollout_verbs.revert, rollout)
    for _ in range(4):
        rollout = fleet.tick()
    assert rollout.state == "reverted"
    assert fleet.moved() == set()
    # Thirty there and thirty back, each a commit; of nobody else a byte.
    assert len(stage.commits()) == 1 + 30 + 30
    after = repositories.tree(stage.bare)
    touched = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path.split("/")[4] for path in touched} <= fleet.of("dev", "qa")
    assert all(path.endswith("fleet-secret/values.yaml") for path in touched)
    untouched = Change.objects.filter(cluster_name__in=fleet.of("staging", "prod"))
    assert set(untouched.values_list("state", flat=True)) == {"withdrawn"}


def undone(fleet: Waves, rollout: Rollout, **changed: Any) -> Rollout:
    return rollout_undo.request(
        **{
            "rollout_id": rollout.pk,
            "actor": fleet.stage.requester,
            "repository": fleet.stage.repository,
            "clock": fleet.stage.clock,
            **changed,
        }
    )


def finished(fleet: Waves) -> Rollout:
    fleet.running()
    for _ in range(6):
        rollout = fleet.soaked()
    assert rollout.state == "done"
    return rollout


def test_a_finished_rollout_is_taken_back_by_one_that_is_approved_as_others(fleet: Waves) -> None:
    before = repositories.tree(fleet.stage.bare)
    done = finished(fleet)
    fleet.ill = dict.fromkeys(fleet.names, "degraded")
    fleet.look()
    there = len(fleet.stage.commits())

    back = undone(fleet, done)
    assert (back.state, back.undoes, back.title) == ("proposed", done, f"Back: {done.title}")
    assert back.waves.get().rows.count() == 8
    for _ in range(3):
        fleet.tick()
    assert fleet.moved() == set(fleet.names), "nobody has approved it"
    with pytest.raises(Refused, match="may not approve"):
        rollout_decisions.approve(
            rollout_id=back.pk,
            digest=rollouts.digest_of(back),
            actor=fleet.stage.requester,
            clock=fleet.stage.clock,
            queue=fleet.stage.queue,
        )

    fleet.approve(back)
    fleet.tick()
    assert fleet.moved() == set()
    assert len(fleet.stage.commits()) == there + 8, "a commit for each"
    after = repositories.tree(fleet.stage.bare)
    left = {path for path in after if path not in before}
    assert all(path.endswith("fleet-secret/values.yaml") for path in left)
    assert {path: blob for path, blob in after.items() if path in before} == before
    assert fleet.tick().state == "running", "the ill have their time"
    fleet.ill = {}
    fleet.tick()
    back = fleet.tick()
    assert back.state == "done"
    done.refresh_from_db()
    assert done.state == "done", "what was is not told otherwise"


def test_a_way_back_leaves_out_who_has_gone_on_or_is_busy(fleet: Waves) -> None:
    done = finished(fleet)
    onward = CHANNELS + "    - type: release2\n      version: 0.5.0\n"
    pinned = 'externalSecret:\n  labels:\n    addonsRelease: "release2"\n'
    repositories.commit(
        fleet.stage.bare,
        {
            VERSIONS: onward,
            "addons/tenants/team-a/clusters/qa-00/fleet/fleet-secret/values.yaml": pinned,
            f"{MEMBERS}/qa-01.yaml": None,
        },
    )
    fleet.stage.repository.real.fetch()
    back = undone(fleet, done)
    assert dict(back.left_out) == {
        "qa-00": "It is on release2 by now.",
        "qa-01": "It is not in the fleet any more, or where your account may not ask for it.",
    }
    assert back.waves.get().rows.count() == 6
    with pytest.raises(Refused, match="another rollout that has not ended"):
        undone(fleet, done)
    assert Rollout.objects.count() == 2


def test_only_what_has_ended_and_moved_something_is_taken_back(fleet: Waves) -> None:
    rollout = fleet.running()
    with pytest.raises(Refused, match="has not ended"):
        undone(fleet, rollout)
    act(fleet, rollout_verbs.stop, rollout, reason="Not today.")
    with pytest.raises(Refused, match="No cluster of it is left"):
        undone(fleet, rollout)
    with pytest.raises(Refused, match="right to request"):
        undone(fleet, rollout, actor=fleet.stage.approver)
    assert Rollout.objects.count() == 1


@pytest.mark.parametrize("state", ["degraded", "unreachable", "stale", "failed"])
def test_it_stops_at_a_cluster_that_is_ill_before_its_wave(fleet: Waves, state: str) -> None:
    fleet.ill["dev-01"] = state
    fleet.look()
    fleet.running()

    rollout = fleet.tick()

    assert rollout.state == "paused"
    assert "dev-01" in rollout.note
    assert fleet.moved() == set()


def test_it_stops_at_a_cluster_that_does_not_become_well_in_time(fleet: Waves) -> None:
    fleet.running()
    fleet.tick()
    fleet.ill["dev-00"] = "deploying"
    for _ in range(14):
        assert fleet.tick().state == "running"
    for _ in range(3):
        rollout = fleet.tick()

    assert rollout.state == "paused"
    assert "dev-00: not well 15 minutes after" in rollout.note


def test_it_goes_on_without_regard_to_who_stopped_it(fleet: Waves) -> None:
    rollout = fleet.running()
    fleet.tick()
    fleet.ill["dev-00"] = "degraded"
    rollout = fleet.tick()
    assert rollout.state == "paused"

    rollout = act(fleet, rollout_verbs.go_on, rollout)
    assert (rollout.state, "dev-00" in rollout.note) == ("running", True)
    fleet.soaked()
    assert fleet.moved() == fleet.of("dev", "qa")

    # Another one stops it all the same.
    fleet.ill["qa-00"] = "degraded"
    assert fleet.tick().state == "paused"


def test_it_skips_the_wave_that_it_stands_at(fleet: Waves) -> None:
    rollout = fleet.running()
    fleet.ill["qa-00"] = "degraded"
    fleet.tick()
    rollout = fleet.soaked()
    assert (rollout.state, "qa-00" in rollout.note) == ("paused", True)

    rollout = act(fleet, rollout_verbs.skip, rollout)
    rollout = fleet.tick()

    assert rollout.state == "running"
    assert fleet.moved() == fleet.of("dev", "staging")
    skipped = Change.objects.filter(cluster_name__in=fleet.of("qa"))
    assert set(skipped.values_list("state", flat=True)) == {"withdrawn"}


def test_it_is_paused_and_continued_by_hand(fleet: Waves) -> None:
    rollout = fleet.running()
    rollout = act(fleet, rollout_verbs.pause, rollout, reason="Lunch.")
    assert fleet.tick().state == "paused"
    assert fleet.moved() == set()

    act(fleet, rollout_verbs.go_on, rollout)
    fleet.tick()
    assert fleet.moved() == fleet.of("dev")


def test_it_is_stopped_where_it_is(fleet: Waves) -> None:
    rollout = fleet.running()
    fleet.tick()
    rollout = act(fleet, rollout_verbs.stop, rollout, reason="Another plan.")
    fleet.soaked()

    assert (rollout.state, fleet.moved()) == ("stopped", fleet.of("dev"))
    states = Change.objects.filter(cluster_name__in=fleet.of("qa")).values_list("state", flat=True)
    assert set(states) == {"withdrawn"}


def test_it_lets_a_later_row_lapse_that_would_do_something_else(fleet: Waves) -> None:
    rollout = fleet.running()
    fleet.tick()
    repositories.commit(
        fleet.stage.bare,
        {"addons/tenants/team-a/clusters/qa-00/fleet/fleet-secret/values.yaml": PINNED},
    )
    fleet.tick()

    change = Change.objects.get(cluster_name="qa-00")
    assert change.state == "lapsed"
    assert "approve it again" in change.state_note
    others = Change.objects.exclude(pk=change.pk).values_list("state", flat=True)
    assert set(others) == {"approved"}
    rollout = fleet.soaked()
    assert (rollout.state, "qa-00" in rollout.note) == ("running", True)
    assert fleet.moved() == fleet.of("dev")

    refreshing.refresh(
        fleet=fleet.stage.fleet, repository=fleet.stage.repository, clock=fleet.stage.clock
    )
    change = changes.resubmit(
        change_id=change.pk,
        actor=fleet.stage.requester,
        repository=fleet.stage.repository,
        clock=fleet.stage.clock,
    )
    fleet.stage.approve(change)
    assert not Delivery.objects.filter(change=change).exists()  # its wave has not begun
    fleet.tick()
    assert fleet.moved() == fleet.of("dev", "qa")


PINNED = 'externalSecret:\n  labels:\n    enable_x: "true"\n'


def test_it_asks_for_an_approval_where_the_way_back_is_another_one(fleet: Waves) -> None:
    rollout = fleet.running()
    fleet.tick()
    path = "addons/tenants/team-a/clusters/dev-00/fleet/fleet-secret/values.yaml"
    text = repositories.git(fleet.stage.bare, "show", f"main:{path}")
    repositories.commit(fleet.stage.bare, {path: f'{text}\n    enable_x: "true"\n'})
    fleet.tick()
    act(fleet, rollout_verbs.revert, rollout)
    for _ in range(3):
        rollout = fleet.tick()

    assert rollout.state == "reverting"
    assert fleet.moved() == {"dev-00"}
    row = RolloutRow.objects.get(cluster_name="dev-00")
    assert row.revert is not None
    assert row.revert.state == "submitted"

    fleet.stage.approve(row.revert)
    for _ in range(2):
        rollout = fleet.tick()
    assert (rollout.state, fleet.moved()) == ("reverted", set())


def test_it_is_moved_on_once_by_two_workers(fleet: Waves) -> None:
    fleet.running()
    for _ in range(2):
        rollout_steps.advance(
            fleet=fleet.stage.fleet,
            repository=fleet.stage.repository,
            clock=fleet.stage.clock,
            queue=fleet.stage.queue,
        )

    assert Delivery.objects.count() == 2
    assert Event.objects.filter(verb="rollout.released").count() == 1


def test_it_writes_nothing_of_a_wave_that_has_not_begun(fleet: Waves) -> None:
    rollout = fleet.running()
    fleet.tick()
    held = Change.objects.get(cluster_name="qa-00")
    with pytest.raises(Refused, match="has not begun"):
        rollout_guard.refuse_early(change=held, held=rollout_guard.held([held.pk]))
    # Even where somebody puts it into the queue.
    now = fleet.stage.clock.now()
    Delivery.objects.create(
        change=held,
        fleet=fleet.stage.fleet,
        digest=held.plan_digest,
        state="queued",
        queued_at=now,
        due_at=now,
    )
    fleet.stage.deliver()
    assert fleet.moved() == fleet.of("dev")
    assert rollout.state == "running"


def test_a_plan_that_moves_while_it_is_compared_is_not_approved(
    fleet: Waves, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = fleet.request()
    seen = rollouts.digest_of(rollout)
    change = Change.objects.filter(rollout_row__isnull=False).earliest("pk")

    def compared(one: Rollout) -> str:
        Change.objects.filter(pk=change.pk).update(plan_digest="sha256:unseen")
        return seen

    monkeypatch.setattr(rollouts, "digest_of", compared)
    with pytest.raises(Refused):
        rollout_decisions.approve(
            rollout_id=rollout.pk,
            digest=seen,
            actor=fleet.stage.approver,
            clock=fleet.stage.clock,
            queue=fleet.stage.queue,
        )


def test_it_is_not_approved_by_who_asked_nor_as_another_plan(fleet: Waves) -> None:
    rollout = fleet.request()
    digest = rollouts.digest_of(rollout)

    def approve(actor: Any, digest: str) -> None:
        rollout_decisions.approve(
            rollout_id=rollout.pk,
            digest=digest,
            actor=actor,
            clock=fleet.stage.clock,
            queue=fleet.stage.queue,
        )

    for actor, seen in (
        (fleet.stage.requester, digest),
        (fleet.stage.person("both", "requester"), digest),
        (fleet.stage.approver, f"{digest}0"),
    ):
        with pytest.raises(Refused):
            approve(actor, seen)
    withdrawals.withdraw(
        change_id=Change.objects.earliest("pk").pk,
        actor=fleet.stage.requester,
        clock=fleet.stage.clock,
    )
    with pytest.raises(Refused, match="changed since"):
        approve(fleet.stage.approver, digest)
    assert not Approval.objects.exists()
    rollout.refresh_from_db()
    assert rollout.state == "proposed"


def test_it_ends_where_it_is_rejected(fleet: Waves) -> None:
    rollout = fleet.request()
    rollout_decisions.reject(
        rollout_id=rollout.pk,
        digest=rollouts.digest_of(rollout),
        actor=fleet.stage.approver,
        clock=fleet.stage.clock,
        reason="Not this week.",
    )

    rollout.refresh_from_db()
    assert rollout.state == "stopped"
    assert set(Change.objects.values_list("state", flat=True)) == {"rejected"}


def test_it_takes_a_cluster_into_one_rollout_at_a_time(fleet: Waves) -> None:
    rollout = fleet.request()
    with pytest.raises(Refused, match="another rollout"):
        fleet.request()
    row = RolloutRow.objects.filter(wave__rollout=rollout).first()
    assert row is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        Rollout.objects.filter(pk=rollout.pk).update(state="running")

    act(fleet, rollout_verbs.stop, rollout, reason="Anew.")
    assert fleet.request().state == "proposed"


def test_it_is_not_edited_row_by_row(fleet: Waves) -> None:
    fleet.request()
    change = Change.objects.earliest("pk")
    with pytest.raises(Refused, match="not edited"):
        changes.revise(
            change_id=change.pk,
            intent=intent_from_data(change.intent),
            form_data={},
            actor=fleet.stage.requester,
            repository=fleet.stage.repository,
            credentials=fleet.stage.secrets,
            clock=fleet.stage.clock,
        )


@pytest.mark.parametrize(
    "verb",
    [
        rollout_verbs.pause,
        rollout_verbs.go_on,
        rollout_verbs.skip,
        rollout_verbs.revert,
        rollout_verbs.stop,
    ],
)
def test_it_is_led_only_by_who_may_ask(fleet: Waves, verb: Callable[..., None]) -> None:
    rollout = fleet.running()
    more: dict[str, Any] = {"actor": fleet.stage.approver}
    if verb in (rollout_verbs.pause, rollout_verbs.stop):
        more["reason"] = "Why."
    with pytest.raises(Refused, match="right to request"):
        act(fleet, verb, rollout, **more)


def test_it_needs_a_handful_of_queries_for_any_number(
    fleet: Waves, django_assert_max_num_queries: Callable[[int], AbstractContextManager[Any]]
) -> None:
    fleet.running()
    fleet.tick()
    with django_assert_max_num_queries(20):
        rollout_steps.advance(
            fleet=fleet.stage.fleet,
            repository=fleet.stage.repository,
            clock=fleet.stage.clock,
            queue=fleet.stage.queue,
        )


def single(rollout: Rollout) -> Iterable[str]:
    return RolloutRow.objects.filter(wave__rollout=rollout).values_list("cluster_name", flat=True)


def test_it_lets_one_approval_of_a_row_not_deliver_it(fleet: Waves) -> None:
    rollout = fleet.request()
    assert set(single(rollout)) == set(fleet.names)
    change = Change.objects.get(cluster_name="prod-00")
    approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=fleet.stage.approver,
        clock=fleet.stage.clock,
        queue=fleet.stage.queue,
    )
    fleet.stage.deliver()
    assert fleet.moved() == set()
    fleet.approve(rollout)
    fleet.tick()
    assert fleet.moved() == fleet.of("dev")
