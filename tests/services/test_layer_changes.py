"""An edit of a shared layer on its way: approval, delivery, and what the hubs make of it by cluster."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.intents import EditLayer, LayerEdit
from onboarding.domain.outcome import PATIENCE
from onboarding.domain.planner import EditCluster
from onboarding.models import Approval, Change, ClusterStatus, Event, HubWatch, Outcome
from onboarding.services import changes, waiting_plans
from onboarding.services.observing import looking, outcomes
from tests import repositories
from tests.stage import COMMITTED, LAPSED, Stage, member, state_of

pytestmark = pytest.mark.django_db(transaction=True)

TENANT = "addons/tenants/team-a/defaults/fleet/fleet-secret/values.yaml"
TEXT = "# Team A's own.\nexternalSecret:\n  labels:\n    owner: 'team-a'   # ask them\n"


@pytest.fixture
def layers(stage: Stage) -> Stage:
    """Three clusters in Git: two of team-a, one of team-b."""
    repositories.commit(
        stage.bare,
        {
            member("one"): text("one"),
            member("two"): text("two"),
            member("other"): text("other", tenant="team-b"),
            TENANT: TEXT,
        },
    )
    return stage


def text(name: str, tenant: str = "team-a") -> str:
    return (
        f'tenant: "{tenant}"\nclusterName: "{name}"\nenvironment: "dev"\n'
        f'secretManagerSecretName: "fleet/{name}"\nuse_remote_argo: "false"\n'
        'enable_remote_resources: "false"\nenable_remote_addons: "false"\n'
    )


def intent(path: str = TENANT, **labels: str | None) -> EditLayer:
    return EditLayer(
        path,
        tuple(LayerEdit(("externalSecret", "labels", key), value) for key, value in labels.items()),
    )


def submitted(stage: Stage, asked: EditLayer | None = None) -> Change:
    stage.repository.real.fetch()
    return changes.submit(
        fleet=stage.fleet,
        intent=asked or intent(enable_metrics_server="true"),
        form_data={},
        actor=stage.requester,
        repository=stage.repository,
        credentials=stage.secrets,
        clock=stage.clock,
    )


def delivered(stage: Stage) -> Change:
    change = stage.approve(submitted(stage))
    stage.deliver()
    assert state_of(change) == COMMITTED
    return change


def seen(stage: Stage, *names: str, at_all: tuple[str, ...] = ("one", "two", "other")) -> None:
    """The hub was looked at now; the named clusters carry the new label."""
    now = stage.clock.now()
    HubWatch.objects.update_or_create(
        hub=stage.hub, defaults={"seen_at": now, "clusters_seen_at": now}
    )
    ClusterStatus.objects.all().delete()
    for name in at_all:
        ClusterStatus.objects.create(
            hub=stage.hub,
            name=name,
            server=f"https://{name}",
            labels={"enable_metrics_server": "true"} if name in names else {},
            first_seen_at=now,
            seen_at=now,
        )


def checked(stage: Stage, change: Change) -> Outcome:
    outcomes.check(fleet=stage.fleet, clock=stage.clock)
    return Outcome.objects.get(delivery__change=change)


def test_it_waits_for_approval_with_every_cluster_that_moves(layers: Stage) -> None:
    change = submitted(layers)
    assert (change.kind, change.hub, change.cluster_name) == ("layer", None, "")
    assert (change.tenant, change.environment, change.about) == ("team-a", "", "team-a")
    assert [one["cluster"] for one in change.plan["moved"]] == ["one", "two"]
    assert change.plan["moved"][0]["labels"] == [["enable_metrics_server", None, "true"]]
    assert str(change).endswith("team-a")


def test_it_is_written_as_one_commit_with_nothing_else_touched(layers: Stage) -> None:
    change = delivered(layers)
    after = repositories.tree(layers.bare)[TENANT]
    text = after.decode() if isinstance(after, bytes) else after
    assert text == TEXT + '    enable_metrics_server: "true"\n'
    (message, *_) = layers.commits()
    assert message.startswith(f"Edit {TENANT}\n\nMoves 2 clusters.\n")
    assert f"Change-Id: {change.uid}" in message


def test_its_approval_lapses_where_a_cluster_joins_the_layer(layers: Stage) -> None:
    change = layers.approve(submitted(layers))
    layers.human(member("three"), text("three"))()
    layers.deliver()
    assert state_of(change) == LAPSED
    waiting_plans.replan(change=change, repository=layers.repository, clock=layers.clock)
    assert [one["cluster"] for one in change.plan["moved"]] == ["one", "three", "two"]
    assert TENANT not in layers.commits()[0]


def test_its_approval_holds_where_a_cluster_of_another_tenant_joins(layers: Stage) -> None:
    change = layers.approve(submitted(layers))
    layers.human(member("four"), text("four", tenant="team-b"))()
    layers.deliver()
    assert state_of(change) == COMMITTED


def test_its_approval_lapses_where_the_layer_itself_was_edited(layers: Stage) -> None:
    change = layers.approve(submitted(layers))
    layers.human(TENANT, TEXT.replace("'team-a'", "'team-x'"))()
    layers.deliver()
    assert state_of(change) == LAPSED


def test_its_approval_lapses_where_a_cluster_now_says_it_itself(layers: Stage) -> None:
    change = layers.approve(submitted(layers))
    own = "addons/tenants/team-a/clusters/one/fleet/fleet-secret/values.yaml"
    layers.human(own, 'externalSecret:\n  labels:\n    enable_metrics_server: "false"\n')()
    layers.deliver()
    assert state_of(change) == LAPSED
    waiting_plans.replan(change=change, repository=layers.repository, clock=layers.clock)
    assert [one["cluster"] for one in change.plan["moved"]] == ["two"]


def test_its_approval_is_asked_again_where_the_layout_changed(layers: Stage) -> None:
    change = layers.approve(submitted(layers))
    layers.fleet.layout = "environments"
    layers.fleet.save(update_fields=["layout"])
    layers.deliver()
    assert state_of(change) == LAPSED


def test_two_edits_of_one_layer_are_both_written_or_asked_again(layers: Stage) -> None:
    first = layers.approve(submitted(layers))
    second = layers.approve(submitted(layers, intent(team="x")))
    layers.deliver()
    assert state_of(first) == COMMITTED
    assert state_of(second) == LAPSED


def test_it_is_refused_to_somebody_who_may_not_ask(layers: Stage) -> None:
    layers.requester = layers.person("vera")
    with pytest.raises(Refused) as caught:
        submitted(layers)
    assert caught.value.refusals[0].code == "forbidden"
    assert not Change.objects.exists()


def test_it_is_revised_on_its_own_file_alone(layers: Stage) -> None:
    change = submitted(layers)
    common = {
        "change_id": change.pk,
        "form_data": {},
        "actor": layers.requester,
        "repository": layers.repository,
        "credentials": layers.secrets,
        "clock": layers.clock,
    }
    revised = changes.revise(intent=intent(enable_metrics_server="false"), **common)
    assert revised.revision == 2
    other = TENANT.replace("team-a", "team-b")
    with pytest.raises(Refused):
        changes.revise(intent=intent(path=other, team="x"), **common)
    with pytest.raises(Refused):
        changes.revise(intent=layers.intent("one"), **common)


def test_its_requester_cannot_approve_it(layers: Stage) -> None:
    change = submitted(layers)
    layers.approver = layers.requester
    with pytest.raises(Refused):
        layers.approve(change)
    assert not Approval.objects.exists()


def test_it_counts_the_clusters_that_have_it(layers: Stage) -> None:
    change = delivered(layers)
    found = checked(layers, change)
    assert (found.state, found.agreeing, found.clusters) == ("waiting", 0, 2)
    layers.clock.advance(5)
    seen(layers, "one")
    found = checked(layers, change)
    assert (found.state, found.agreeing, found.clusters) == ("waiting", 1, 2)
    assert [one[1] for one in found.lacking] == ["two"]
    seen(layers, "one", "two")
    found = checked(layers, change)
    assert (found.state, found.agreeing, found.clusters) == ("agrees", 2, 2)
    assert found.lacking == []


def test_it_says_who_does_not_have_it_after_a_while(layers: Stage) -> None:
    change = delivered(layers)
    layers.clock.advance((PATIENCE + timedelta(seconds=5)).total_seconds())
    seen(layers, "one", at_all=("one",))
    found = checked(layers, change)
    assert (found.state, found.agreeing) == ("differs", 1)
    assert found.differences == ["two: The cluster is not registered on the hub."]
    assert Event.objects.filter(verb="outcome.differed", change=change).count() == 1


def test_a_cluster_that_was_edited_since_is_none_of_it_any_more(layers: Stage) -> None:
    change = delivered(layers)
    layers.clock.advance(5)
    layers.approved("two", EditCluster)
    layers.deliver()
    layers.clock.advance(5)
    seen(layers, "one")
    found = checked(layers, change)
    assert (found.state, found.agreeing, found.clusters) == ("agrees", 1, 1)


def test_a_later_edit_of_the_file_takes_its_place(layers: Stage) -> None:
    change = delivered(layers)
    layers.clock.advance(5)
    layers.approve(submitted(layers, intent(enable_metrics_server="false")))
    layers.deliver()
    assert checked(layers, change).state == "superseded"


def test_what_was_foreseen_of_a_cluster_before_is_superseded(layers: Stage) -> None:
    earlier = layers.approved("one", EditCluster)
    layers.deliver()
    layers.clock.advance(5)
    delivered(layers)
    assert checked(layers, earlier).state == "superseded"


def test_it_tells_every_hub_whose_clusters_move(layers: Stage) -> None:
    change = delivered(layers)
    assert [hub.name for hub in looking._hubs_of(change)] == ["hub-a"]
