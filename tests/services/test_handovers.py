"""A group changes hands only when its hub was told, and the approver hears what to wait for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.member import DeploymentModel
from onboarding.domain.planner import EditCluster
from onboarding.models import Approval, Change, ClusterStatus, Delivery, Fleet, Hub
from onboarding.services import changes, handovers
from tests import repositories
from tests.fakes import START
from tests.stage import Stage, member

HANDED = """\
tenant: "team-a"
clusterName: "spoke-1"
environment: "dev"
secretManagerSecretName: "fleet/spoke-1"
use_remote_argo: "true"
enable_remote_resources: "false"
enable_remote_addons: "false"
handover: "true"
"""
TOLD = {"fleet_handover": "true"}
BEFORE = {"use_remote_argo": "true", "enable_remote_addons": "false", **TOLD}
MOVED = {**BEFORE, "enable_remote_addons": "true"}


@pytest.fixture
def hub(db: None) -> Hub:
    fleet = Fleet.objects.create(name="fleet-a", repository_url="https://git.example/fleet.git")
    return Hub.objects.create(fleet=fleet, name="hub-a")


def move(stage: Stage) -> Change:
    """A request that the add-ons of spoke-1 go to its own Argo CD; Git has the handover."""
    repositories.commit(stage.bare, {member("spoke-1"): HANDED})
    stage.repository.real.fetch()
    intent = replace(
        stage.intent("spoke-1", EditCluster),
        model=DeploymentModel.DISTRIBUTED,
        remote_addons=True,
        options={"handover": "true"},
    )
    return changes.submit(
        fleet=stage.fleet,
        intent=intent,
        form_data={},
        actor=stage.requester,
        repository=stage.repository,
        credentials=stage.secrets,
        clock=stage.clock,
    )


def planned(hub: Hub, before: dict[str, str], after: dict[str, str]) -> Change:
    """A change of spoke-1's labels, not stored."""
    sides = {"labels_before": before, "labels_after": after}
    plan = {
        side: [{"key": key, "value": value} for key, value in labels.items()]
        for side, labels in sides.items()
    }
    return Change(fleet=hub.fleet, hub=hub, cluster_name="spoke-1", plan=plan)


def seen(hub: Hub, labels: dict[str, str], name: str = "spoke-1") -> ClusterStatus:
    return ClusterStatus.objects.create(
        hub=hub,
        name=name,
        server=f"https://{name}.example",
        labels=labels,
        first_seen_at=START,
        seen_at=START,
    )


def test_it_refuses_a_move_until_the_hub_is_seen_to_have_been_told(stage: Stage) -> None:
    change = move(stage)
    status = seen(stage.hub, {"enable_remote_addons": "false"})
    with pytest.raises(Refused) as caught:
        stage.approve(change)
    (refusal,) = caught.value.refusals
    assert refusal.message == (
        "The hub has not followed the handover of spoke-1 yet: its cluster secret has no "
        "fleet_handover. Approve when it has, or what runs there would be deleted."
    )
    assert refusal.code == "handover_not_seen"
    change.refresh_from_db()
    assert change.state == "submitted"
    assert not Approval.objects.exists()
    assert not Delivery.objects.exists()

    status.labels = TOLD
    status.save()
    assert stage.approve(change).state == "approved"
    assert Delivery.objects.get().state == "queued"


@pytest.mark.parametrize(
    "key", ["use_remote_argo", "enable_remote_addons", "enable_remote_resources"]
)
@pytest.mark.parametrize("to", ["own", "back"])
def test_it_asks_the_hub_of_every_group_in_both_directions(hub: Hub, key: str, to: str) -> None:
    seen(hub, {})
    hub_has, own_has = {**TOLD, key: "false"}, {**TOLD, key: "true"}
    sides = (hub_has, own_has) if to == "own" else (own_has, hub_has)
    with pytest.raises(Refused, match="has not followed the handover of spoke-1"):
        handovers.refuse_before_hub_follows(change=planned(hub, *sides))


@pytest.mark.parametrize("labels", [{}, {"fleet_handover": "false"}, {"fleet_handover": ""}])
def test_it_takes_only_a_true_handover_for_told(hub: Hub, labels: dict[str, str]) -> None:
    seen(hub, labels)
    with pytest.raises(Refused):
        handovers.refuse_before_hub_follows(change=planned(hub, BEFORE, MOVED))


def test_it_believes_neither_another_hub_nor_another_cluster(hub: Hub) -> None:
    seen(hub, TOLD, "spoke-0")
    seen(Hub.objects.create(fleet=hub.fleet, name="hub-0"), TOLD)
    seen(hub, {})
    with pytest.raises(Refused):
        handovers.refuse_before_hub_follows(change=planned(hub, BEFORE, MOVED))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, TOLD),
        (BEFORE, {**BEFORE, "addonsRelease": "release1"}),
        (MOVED, {key: value for key, value in MOVED.items() if key not in TOLD}),
        ({"enable_remote_addons": "false"}, {"enable_remote_addons": "true"}),
    ],
    ids=["handover_begins", "nothing_moves", "handover_ends", "no_handover"],
)
def test_it_holds_up_no_change_that_is_not_a_handed_over_move(
    hub: Hub, before: dict[str, str], after: dict[str, str]
) -> None:
    seen(hub, {})
    handovers.refuse_before_hub_follows(change=planned(hub, before, after))


def test_it_leaves_the_look_to_the_approver_where_nobody_observes_the_hub(stage: Stage) -> None:
    assert stage.approve(move(stage)).state == "approved"
    assert Delivery.objects.get().state == "queued"
