"""An edit of a shared layer: the file's new text, every cluster that it moves, and no other."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from onboarding.domain.diff import commit_message, digest_data
from onboarding.domain.errors import Refused
from onboarding.domain.intents import EditLayer, LayerEdit, Scalar, intent_from_data
from onboarding.domain.layer_plan import plan_layer
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.plans import Plan
from onboarding.domain.secret_words import secret_problem
from tests.domain.test_fleet_plan import OWN, ROOT, SYSTEM_LABELS, files, labels, member
from tests.fakes import MemorySnapshot

__all__ = ["files"]

TENANT_LABELS = "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml"
PROD_LABELS = "addons/tenants/tenant1/environments/prod/fleet/fleet-secret/values.yaml"
METRICS = "addons/tenants/tenant1/defaults/metrics-server/values.yaml"


def edit(path: str, edits: Mapping[str, Scalar | None]) -> EditLayer:
    return EditLayer(path, tuple(LayerEdit(tuple(key.split(".")), to) for key, to in edits.items()))


def label(path: str, **edits: str | None) -> EditLayer:
    return edit(path, {f"externalSecret.labels.{key}": value for key, value in edits.items()})


def planned(files: Mapping[str, str | bytes], intent: EditLayer) -> Plan:
    return plan_layer(intent, MemorySnapshot.of(files), TENANTS_LAYOUT)


def digest(plan: Plan) -> dict[str, object]:
    return digest_data(
        plan,
        fleet="fleet",
        hub="",
        change_id="id",
        revision=1,
        requester="rita",
        editors=(),
        policy_version="2",
    )


def codes(plan: Plan) -> set[str]:
    return {one.code for one in plan.warnings}


def refusals(files: Mapping[str, str | bytes], intent: EditLayer) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        planned(files, intent)
    return {one.field: one.code for one in caught.value.refusals}


def test_it_moves_the_clusters_of_the_tenant_and_no_other(files: Mapping[str, str]) -> None:
    plan = planned(files, label(TENANT_LABELS, enable_external_secrets="true"))
    assert [one.cluster for one in plan.moved] == ["one", "two"]
    for one in plan.moved:
        assert one.labels == (("enable_external_secrets", None, "true"),)
    after = plan.edits[0].after
    assert after is not None
    assert '\n    enable_external_secrets: "true"\n' in after


def test_it_makes_a_file_that_is_missing(files: Mapping[str, str]) -> None:
    missing = {path: text for path, text in files.items() if path != PROD_LABELS}
    plan = planned(missing, label(PROD_LABELS, enable_external_secrets="true"))
    assert plan.edits[0].before is None
    assert plan.edits[0].after == labels(enable_external_secrets="true")


def test_it_says_which_applications_come_and_go(files: Mapping[str, str]) -> None:
    below = {TENANT_LABELS: labels(enable_kyverno="true")}
    plan = planned({**files, **below}, label(TENANT_LABELS, enable_kyverno="false"))
    gone = [one.name for one in plan.impact.disappear]
    assert gone == [one.name for moved in plan.moved for one in moved.impact.disappear]
    assert plan.destructive is bool(gone)


def test_it_keeps_every_byte_outside_the_edited_key(files: Mapping[str, str]) -> None:
    text = (
        "# Who may be asked: team one\r\nexternalSecret:\r\n  labels:\r\n"
        "    addonsRelease: 'default'   # why\r\n    owner: one # ours\r\n\r\n# the end"
    )
    plan = planned({**files, TENANT_LABELS: text}, label(TENANT_LABELS, addonsRelease="release1"))
    assert plan.edits[0].after == text.replace("'default'", '"release1"')


def test_it_says_that_a_covered_key_moves_nobody(files: Mapping[str, str]) -> None:
    """Every cluster says it itself, in its own file above the tenant's."""
    plan = planned(files, label(TENANT_LABELS, addonsRelease="release1"))
    assert plan.moved == ()
    assert {"no_cluster_moves", "covered"} <= codes(plan)
    said = " ".join(one.message for one in plan.warnings)
    assert OWN.format("tenant1", "one", "fleet/fleet-secret") in said
    assert OWN.format("tenant2", "three", "fleet/fleet-secret") not in said


def test_it_says_that_nobody_reads_a_layer_yet(files: Mapping[str, str]) -> None:
    path = TENANT_LABELS.replace("tenant1", "tenant9")
    plan = planned(files, label(path, enable_cert_manager="true"))
    assert plan.moved == ()
    (said,) = [one.message for one in plan.warnings if one.code == "no_cluster_moves"]
    assert "none reads this file" in said


def test_it_tells_each_value_that_changes_by_cluster_and_component(
    files: Mapping[str, str],
) -> None:
    plan = planned(files, edit(METRICS, {"replicas": 4, "deep.er": True}))
    assert [one.cluster for one in plan.moved] == ["one", "two"]
    for one in plan.moved:
        told = {(each.component, each.key): (each.before, each.after) for each in one.values}
        assert told[("metrics-server", "deep.er")] == (None, "true")
        assert told[("metrics-server", "replicas")][1] == "4"
        assert [after.component for _, after in one.impact.change] == ["metrics-server"]
    assert plan.edits[0].after == "deep:\n  er: true\nreplicas: 4\n"


def test_it_removes_a_key_and_leaves_a_file_that_sets_nothing(files: Mapping[str, str]) -> None:
    before = labels(enable_external_secrets="true")
    plan = planned(
        {**files, TENANT_LABELS: before}, label(TENANT_LABELS, enable_external_secrets=None)
    )
    assert [one.labels for one in plan.moved] == [(("enable_external_secrets", "true", None),)] * 2
    after = plan.edits[0].after
    assert after is not None
    assert "enable" not in after


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_it_edits_a_file_that_sets_nothing(files: Mapping[str, str], text: str) -> None:
    plan = planned({**files, TENANT_LABELS: text}, label(TENANT_LABELS, enable_x="true"))
    after = plan.edits[0].after
    assert after is not None
    assert after.startswith(text)
    assert 'enable_x: "true"' in after


def test_it_refuses_a_file_that_cannot_be_read(files: Mapping[str, str]) -> None:
    intent = label(TENANT_LABELS, enable_x="true")
    for broken in ("a: [\n", "just text\n", "- a\n", b"\xff\xfe"):
        assert refusals({**files, TENANT_LABELS: broken}, intent)


def test_it_refuses_what_is_no_shared_layer(files: Mapping[str, str]) -> None:
    own = OWN.format("tenant1", "one", "fleet/fleet-secret")
    assert refusals(files, label(own, enable_x="true")) == {"path": "one_cluster"}
    assert refusals(files, label("README.md", enable_x="true")) == {"path": "no_layer"}
    assert refusals(files, label("../x/values.yaml", enable_x="true")) == {"path": "no_layer"}
    assert refusals(files, edit(TENANT_LABELS, {})) == {"": "nothing_to_change"}


def test_it_refuses_each_bad_label_at_its_key(files: Mapping[str, str]) -> None:
    asked = {
        "addonsRelease": "release99",
        "enable_x": "yes",
        "tenant": "other",
        "a b": "x",
        "team": "{{ .config }}",
        "long": "x" * 64,
    }
    assert refusals(files, label(TENANT_LABELS, **asked)) == {
        "addonsRelease": "unknown_channel",
        "enable_x": "invalid_flag",
        "tenant": "reserved",
        "a b": "invalid_name",
        "team": "template",
        "long": "invalid_name",
    }
    other = edit(TENANT_LABELS, {"externalSecret.name": "x"})
    assert refusals(files, other) == {"externalSecret.name": "no_label"}


def test_it_refuses_values_that_look_like_a_secret(files: Mapping[str, str]) -> None:
    asked: dict[str, Scalar | None] = {
        "auth.password": "hunter2",
        "env.githubToken": "abc",
        "config.key": "AKIAABCDEFGHIJKLMNOP",
        "config.url": "postgres://app:pw@db/x",
    }
    assert set(refusals(files, edit(METRICS, asked)).values()) == {"secret"}
    fine: dict[str, Scalar | None] = {
        "auth.existingSecret": "in-the-cluster",
        "auth.secretName": "in-the-cluster",
        "auth.passwordSecretRef": "db",
        "token.enabled": True,
        "maxTokens": 5,
    }
    assert planned(files, edit(METRICS, fine)).edits


def test_the_sentence_on_a_secret_does_not_say_it() -> None:
    assert "hunter2" not in secret_problem(("password",), "hunter2")


def test_it_refuses_to_change_nothing(files: Mapping[str, str]) -> None:
    before = {**files, TENANT_LABELS: labels(enable_x="true")}
    files = {path: text for path, text in files.items() if path != TENANT_LABELS}
    assert refusals(before, label(TENANT_LABELS, enable_x="true")) == {"": "nothing_to_change"}
    assert refusals(files, label(TENANT_LABELS, enable_x=None)) == {"": "nothing_to_change"}


def test_its_digest_covers_each_cluster_that_moves(files: Mapping[str, str]) -> None:
    intent = label(TENANT_LABELS, enable_external_secrets="true")
    before = planned(files, intent)
    joined = {**files, f"{ROOT}/new.yaml": member("one", clusterName="new")}
    after = planned(joined, intent)
    assert [one.cluster for one in after.moved] == ["new", "one", "two"]
    assert before.reads.moved(MemorySnapshot.of(joined))
    assert digest(before) != digest(after)


def test_its_digest_stays_where_a_cluster_of_another_tenant_joins(files: Mapping[str, str]) -> None:
    intent = label(TENANT_LABELS, enable_external_secrets="true")
    before = planned(files, intent)
    joined = {**files, f"{ROOT}/new.yaml": member("three", clusterName="new")}
    assert before.reads.moved(MemorySnapshot.of(joined)), "so it is planned anew"
    assert digest(before) == digest(planned(joined, intent))


def test_it_moves_the_fleet_by_the_lowest_layer(files: Mapping[str, str]) -> None:
    plan = planned(files, label(SYSTEM_LABELS, brandNew="yes"))
    assert {one.cluster for one in plan.moved} == {"one", "two", "three", "four"}


def test_it_moves_one_environment_alone(files: Mapping[str, str]) -> None:
    scope = TENANTS_LAYOUT.parse_layer_path(PROD_LABELS)
    assert scope is not None
    plan = planned(files, label(PROD_LABELS, enable_external_secrets="true"))
    assert [one.cluster for one in plan.moved] == ["two"]


def test_its_commit_says_what_it_moves(files: Mapping[str, str]) -> None:
    plan = planned(files, label(TENANT_LABELS, enable_external_secrets="true"))
    message = commit_message(
        plan, change_id="id", requester="rita", approvers=["arno"], digest="sha256:1"
    )
    assert message.startswith(f"Edit {TENANT_LABELS}\n\nMoves 2 clusters.\n")


def test_its_intent_comes_back_from_the_database() -> None:
    intent = edit(METRICS, {"a.b": 3, "c": True, "d": "text", "e": None})
    assert intent_from_data(intent.to_data()) == intent
    with pytest.raises(Refused):
        intent_from_data({"format": 1, "kind": "layer", "path": METRICS})
