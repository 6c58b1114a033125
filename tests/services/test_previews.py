"""What would be written and what would follow: shown, refused with its reasons, and never stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.apps import apps

from onboarding.domain.errors import Refused
from onboarding.domain.names import HubName
from onboarding.domain.planner import EditCluster, Plan
from onboarding.models import Change, Cluster, Fleet, HubObject, HubWatch, Participant
from onboarding.ports import HubKind
from onboarding.services import hub_sets, previews
from onboarding.services.neighbours import neighbours
from tests import repositories
from tests.stage import Stage, member

PINS = "addons/tenants/team-a/clusters/spoke-1/fleet/fleet-secret/values.yaml"


def rows() -> dict[str, list[object]]:
    """Every row of ours, as it is."""
    models = apps.get_app_config("onboarding").get_models()
    return {
        model.__name__: list(model._default_manager.order_by("pk").values()) for model in models
    }


def look(stage: Stage, cluster: str = "spoke-1", kind: type | None = None) -> Plan:
    stage.repository.real.fetch()
    intent = stage.intent(cluster, kind) if kind else stage.intent(cluster)
    return previews.preview(fleet=stage.fleet, intent=intent, snapshot=stage.repository.snapshot())


def refusals(look_at: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as refused:
        look_at()
    return [(one.field, one.code) for one in refused.value.refusals]


def test_it_shows_the_file_that_would_be_written_and_stores_nothing(stage: Stage) -> None:
    before, tip = rows(), repositories.tip(stage.bare)
    plan = look(stage)
    (edit,) = plan.edits
    assert (edit.path, edit.before) == (member("spoke-1"), None)
    assert 'clusterName: "spoke-1"' in edit.after.splitlines()
    assert 'secretManagerSecretName: "fleet/spoke-1"' in edit.after.splitlines()
    assert plan.commit == tip
    assert plan.labels_before.as_dict() == {}
    assert plan.labels_after.as_dict()["addonsRelease"] == "default"
    assert rows() == before
    assert repositories.tip(stage.bare) == tip
    assert stage.files() == set()
    assert stage.queue.woken == []


def test_it_shows_an_edit_of_a_cluster_that_is_no_neighbour_of_itself(stage: Stage) -> None:
    repositories.commit(stage.bare, {member("spoke-1"): look(stage).edits[0].after})
    Cluster.objects.create(
        fleet=stage.fleet, path=member("spoke-1"), hub_name="hub-a", name="spoke-1",
        secret_name="fleet/spoke-1",
    )  # fmt: skip
    (edit,) = look(stage, kind=EditCluster).edits
    assert edit.path == PINS
    assert edit.before is None
    assert edit.after.splitlines()[-1].strip() == 'addonsRelease: "default"'
    change = stage.submitted("spoke-1", EditCluster)
    intent = stage.intent("spoke-1", EditCluster)
    taken = neighbours(fleet=stage.fleet, intent=intent, change=change)
    assert (taken.by_name, taken.by_secret) == ({}, {})
    other = Fleet.objects.create(name="fleet-b")
    Cluster.objects.filter(fleet=stage.fleet).update(fleet=other)
    taken = neighbours(fleet=stage.fleet, intent=intent, change=change)
    said = f"the cluster on hub hub-a ({member('spoke-1')} in fleet fleet-b)"
    assert (taken.by_name, taken.by_secret) == ({"spoke-1": said}, {"fleet/spoke-1": said})


def test_it_refuses_with_every_reason_at_its_field_and_stores_nothing(stage: Stage) -> None:
    intent = stage.intent("spoke-1")
    intent = replace(intent, secret_name="no secret!", remote_addons=True)
    stage.repository.real.fetch()
    before = rows()
    found = refusals(
        lambda: previews.preview(
            fleet=stage.fleet, intent=intent, snapshot=stage.repository.snapshot()
        )
    )
    assert {field for field, _ in found} == {"secret_name", "remote_addons"}
    assert rows() == before


def test_it_counts_open_changes_as_neighbours_but_never_the_change_itself(stage: Stage) -> None:
    change = stage.submitted("spoke-1")
    assert refusals(lambda: look(stage)) == [
        ("cluster", "duplicate"),
        ("secret_name", "duplicate_secret"),
    ]
    found = previews.preview_change(change=change, repository=stage.repository)
    assert [edit.path for edit in found.plan.edits] == [member("spoke-1")]
    Change.objects.filter(pk=change.pk).update(settled_at=stage.clock.now())
    assert [edit.path for edit in look(stage).edits] == [member("spoke-1")]


def test_it_gives_a_change_the_digest_that_is_approved_and_another_for_another_author(
    stage: Stage,
) -> None:
    change = stage.submitted("spoke-1")
    before = rows()
    assert previews.preview_change(change=change, repository=stage.repository).digest == (
        change.plan_digest
    )
    assert rows() == before
    Participant.objects.create(
        change=change, user=stage.person("eddi"), role=Participant.Role.AUTHOR
    )  # fmt: skip
    found = previews.preview_change(change=change, repository=stage.repository)
    assert found.digest != change.plan_digest
    assert found.plan.edits[0].after == change.plan["edits"][0]["after"]


def test_it_plans_a_change_at_the_commit_that_is_asked_for(stage: Stage) -> None:
    change = stage.submitted("spoke-1")
    stage.human(member("spoke-1"))()
    stage.repository.real.fetch()
    with pytest.raises(Refused, match=r"spoke-1"):
        previews.preview_change(change=change, repository=stage.repository)
    old = previews.preview_change(
        change=change, repository=stage.repository, commit=change.base_commit
    )
    assert (old.plan.commit, old.digest) == (change.base_commit, change.plan_digest)


def test_it_says_what_the_secret_may_decide_and_nobody_can_foresee(stage: Stage) -> None:
    codes = [one.code for one in look(stage).warnings]
    assert "set_by_secret" not in codes
    chart = "charts/fleet-secret/templates/secret.yaml"
    repositories.commit(stage.bare, {chart: "spec:\n  dataFrom:\n    - extract: {}\n"})
    (warning,) = [one for one in look(stage).warnings if one.code == "set_by_secret"]
    assert chart in warning.message


def test_it_reads_the_application_sets_of_the_named_hub_alone(stage: Stage) -> None:
    now = stage.clock.now()
    facts = {"metadata": {"name": "addons"}}
    for kind in (HubKind.APPLICATION_SETS, HubKind.APPLICATIONS):
        HubObject.objects.create(
            hub=stage.hub, kind=kind.value, uid=kind.value, name="addons", facts=facts,
            seen_at=now,
        )  # fmt: skip
    assert hub_sets.live_sets(hub_name=HubName("hub-a")) == (facts,)
    assert hub_sets.live_sets(hub_name=HubName("hub-b")) == ()


def test_it_tells_a_hub_that_was_seen_without_sets_from_one_that_was_not(stage: Stage) -> None:
    assert not hub_sets.sets_seen(hub_name="hub-a")
    watch = HubWatch.objects.create(hub=stage.hub, kinds={"applications": {"listed_at": "x"}})
    assert not hub_sets.sets_seen(hub_name="hub-a")
    watch.kinds = {HubKind.APPLICATION_SETS.value: {"listed_at": "2026-01-01T00:00:00+00:00"}}
    watch.save()
    assert hub_sets.sets_seen(hub_name="hub-a")
    assert not hub_sets.sets_seen(hub_name="hub-b")
