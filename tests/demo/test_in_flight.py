"""What is under way in the demo goes on as it would anywhere: its hub acts, the workers lead, nobody else does."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from onboarding import tasks, wiring
from onboarding.demo import data, in_flight
from onboarding.domain.progress import ClusterState
from onboarding.management.commands.demo import make_people
from onboarding.models import (
    Bulk,
    ClusterPause,
    Fleet,
    Offboarding,
    OffboardingStep,
    Rollout,
    RolloutRow,
    Standing,
)
from onboarding.services import bulks, offboarding
from tests import repositories
from tests.fakes import FakeQueue
from tests.journey.surroundings import (
    AWS_ENVIRONMENT,
    RunningHub,
    running_hub,
    secrets_manager,
    wait_for,
)

pytestmark = pytest.mark.django_db
MEMBERS = f"fleet/fleet-bootstrap/fleet-members/{data.HUB}"


@pytest.fixture
def hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, db: None
) -> Iterator[RunningHub]:
    """The demo after its first start, with its hub, and nobody yet who leads anything on."""
    settings.REPOSITORIES_FOLDER = tmp_path / "mirrors"
    monkeypatch.setattr(wiring, "_mirrors", {})
    monkeypatch.setattr(wiring, "_copies", {})
    queue = FakeQueue()
    monkeypatch.setattr(wiring, "queue", lambda: queue)
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    make_people(tmp_path)
    bare = data.prepare_repository(tmp_path)
    with (
        secrets_manager() as secrets,
        running_hub(
            bare, hub=data.HUB, layout="tenants", secrets=secrets, faults=data.FAULTS
        ) as found,
    ):
        secrets.forget()
        where = {"hub_url": found.address, "argocd_url": found.address}
        data.prepare(tmp_path, **where, aws_endpoint=secrets.endpoint)
        # A hub has had its Applications for long when one of its clusters leaves; this one begins empty.
        wait_for(lambda: found.applications(in_flight.LEAVES))
        yield found
        secrets.forget()


def lead_on() -> None:
    """What the demo's watcher, beat and workers do in a few seconds."""
    call_command("watch_hubs", once=True, stdout=io.StringIO())
    tasks.refresh_fleets()
    tasks.refresh_standings()
    for lead in (tasks.check_bulks, tasks.lead_rollouts, tasks.lead_offboardings, tasks.end_pauses):
        lead()
    tasks.sweep()
    queue: Any = wiring.queue()
    while queue.woken:
        name, identifiers = queue.woken.pop(0)
        getattr(tasks, name.removeprefix("onboarding."))(**identifiers)


def led_until(condition: Callable[[], Any]) -> Any:
    def found() -> Any:
        lead_on()
        return condition()

    return wait_for(found, seconds=90)


def standing(cluster: str) -> str:
    return Standing.objects.get(name=cluster).state


def test_its_rollout_stops_by_itself_at_the_cluster_that_degrades(
    hub: RunningHub, tmp_path: Path
) -> None:
    def paused() -> Rollout | None:
        return Rollout.objects.filter(state=Rollout.State.PAUSED).first()

    rollout = led_until(paused)
    assert in_flight.DEGRADES in rollout.note
    assert "Degraded" in rollout.note
    first, second, third = rollout.waves.order_by("number")
    assert first.passed_at
    assert second.released_at
    assert second.passed_at is None
    assert third.released_at is None
    assert set(RolloutRow.objects.filter(wave=second).values_list("cluster_name", flat=True)) == {
        in_flight.DEGRADES
    }
    assert standing(in_flight.DEGRADES) == ClusterState.DEGRADED.value
    # Its second wave is on the channel, in Git and on the hub; the third is nowhere.
    assert hub.labels(in_flight.DEGRADES)["addonsRelease"] == in_flight.CHANNEL
    held = set(RolloutRow.objects.filter(wave=third).values_list("cluster_name", flat=True))
    assert held == {"spoke-prod-shop-2", "spoke-prod-shop-3"}
    assert {hub.labels(name)["addonsRelease"] for name in held} == {"default"}
    written = repositories.tree(tmp_path / "fleet.git")
    assert not [path for path in written for name in held if f"clusters/{name}/" in path]


def test_its_offboarding_waits_for_evidence_until_the_spoke_is_given_up(
    hub: RunningHub, tmp_path: Path
) -> None:
    def stuck() -> OffboardingStep | None:
        return OffboardingStep.objects.filter(unreachable=True, done_at=None).first()

    step = led_until(stuck)
    assert "cannot reach spoke-dev-old" in step.says
    assert "give it up on this page" in step.remedy
    assert standing(in_flight.LEAVES) == ClusterState.LEAVING.value
    left = hub.applications(in_flight.LEAVES)
    assert left
    assert all(one["metadata"].get("deletionTimestamp") for one in left.values())
    assert f"{MEMBERS}/{in_flight.LEAVES}.yaml" in repositories.tree(tmp_path / "fleet.git")

    offboarding.give_up_spoke(
        offboarding_id=Offboarding.objects.get().pk,
        actor=User.objects.get(username="approver"),
        reason="It was switched off in spring.",
        confirmed=in_flight.LEAVES,
        clock=wiring.clock(),
    )
    led_until(lambda: Offboarding.objects.filter(state=Offboarding.State.DONE).exists())
    assert f"{MEMBERS}/{in_flight.LEAVES}.yaml" not in repositories.tree(tmp_path / "fleet.git")
    assert hub.applications(in_flight.LEAVES) == {}
    assert hub.labels(in_flight.LEAVES) == {}


def test_its_paused_cluster_is_left_alone_and_says_by_whom(hub: RunningHub) -> None:
    led_until(lambda: standing(in_flight.PAUSED) == ClusterState.PAUSED.value)
    pause = ClusterPause.objects.get()
    assert (pause.cluster_name, pause.owner.username) == (in_flight.PAUSED, "requester")
    assert pause.reason
    assert pause.until > wiring.clock().now()
    marks = {
        one["metadata"]["annotations"]["argocd.argoproj.io/skip-reconcile"]
        for one in hub.applications(in_flight.PAUSED).values()
    }
    assert marks == {"true"}
    assert Standing.objects.filter(state=ClusterState.PAUSED.value).count() == 1


def test_its_bulk_waits_for_approval_with_rows_that_were_refused(hub: RunningHub) -> None:
    led_until(lambda: Bulk.objects.filter(state=Bulk.State.PROPOSED).exists())
    bulk = Bulk.objects.get()
    assert set(bulks.undecided(bulk).values_list("cluster_name", flat=True)) == {
        "edge-prod-porto",
        "edge-prod-vienna",
        "edge-prod-dublin",
    }
    refused = {row.cluster_name: row.problems for row in bulk.rows.filter(change=None)}
    assert {name: problems[0][0] for name, problems in refused.items()} == {
        "edge-prod-riga": "addonsRelease",
        "edge-prod-madrid": "cluster",
        "edge-prod-malmö": "cluster",
    }
    assert bulk.fleet == Fleet.objects.get()
