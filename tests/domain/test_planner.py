"""The plan: exactly what would be written, what follows, and every reason why not at once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding.domain.errors import Refused
from onboarding.domain.layout import ENVIRONMENTS_LAYOUT, TENANTS_LAYOUT, FleetLayout
from onboarding.domain.live_sets import KnownSets
from onboarding.domain.member import DeploymentModel
from onboarding.domain.planner import (
    Intent,
    Neighbours,
    Plan,
    ReadSet,
    blob_id,
    intent_from_data,
    plan,
)
from onboarding.domain.plans import with_folders
from tests.domain.fleet_files import (
    COMMIT,
    FILES,
    MEMBER,
    MEMBER_TEXT,
    PINS,
    REGISTERED,
    SYSTEM_LABELS,
    TENANT_LABELS,
    VERSIONS,
    Repository,
    edit,
    placement,
    register,
)

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOBODY = Neighbours()


def planned(
    intent: Intent,
    files: Mapping[str, str | bytes] = FILES,
    neighbours: Neighbours = NOBODY,
    layout: FleetLayout = TENANTS_LAYOUT,
    live_sets: tuple[Mapping[str, Any], ...] = (),
) -> Plan:
    return plan(intent, Repository(files), layout, neighbours, known=KnownSets(live_sets))


def refused(
    intent: Intent, files: Mapping[str, str | bytes] = FILES, neighbours: Neighbours = NOBODY
) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as caught:
        planned(intent, files, neighbours)
    for refusal in caught.value.refusals:
        assert refusal.message.endswith((".", "?")), refusal
    return [(one.field, one.code) for one in caught.value.refusals]


def names(forecasts: Any) -> list[str]:
    return [one.name for one in forecasts]


# Registering


def test_it_registers_with_one_file_where_nothing_is_pinned() -> None:
    found = planned(register(pins={"addonsRelease": None, "enable_cert_manager": None}))
    assert [edit.path for edit in found.edits] == [MEMBER]
    only = found.edits[0]
    assert (only.before, only.before_blob) == (None, "")
    assert 'clusterName: "spoke-1"' in only.after
    assert 'use_remote_argo: "false"' in only.after
    assert "addonsRelease" not in only.after
    assert found.commit == COMMIT
    assert found.labels_before.labels == ()
    assert found.labels_after.as_dict()["addonsRelease"] == "default"
    assert not found.destructive


def test_it_writes_a_pin_even_where_it_equals_what_is_inherited() -> None:
    found = planned(register(pins={"addonsRelease": "default", "enable_cert_manager": None}))
    assert [edit.path for edit in found.edits] == [MEMBER, PINS]
    assert found.edits[1].after == 'externalSecret:\n  labels:\n    addonsRelease: "default"\n'
    label = found.labels_after.get("addonsRelease")
    assert label is not None
    assert label.origin.path == PINS


def test_it_writes_the_same_bytes_when_the_intent_was_kept_and_read_back() -> None:
    pins = {"enable_metrics_server": "true", "addonsRelease": "default"}
    asked = register(pins=pins, options={"use_fleet_ack": "true", "githubSecret": "false"})
    kept = intent_from_data(json.loads(json.dumps(asked.to_data())))
    assert list(kept.pins) != list(asked.pins)
    assert planned(kept).edits == planned(asked).edits


def test_it_names_the_applications_that_appear() -> None:
    found = planned(register(pins={"enable_cert_manager": "true"}))
    assert names(found.impact.appear) == ["cert-manager-spoke-1", "metrics-server-spoke-1"]
    first = found.impact.appear[0]
    assert (first.version, first.destination, first.namespace) == (
        "1.15.0",
        "spoke-1",
        "cert-manager",
    )
    assert "enable_cert_manager is true and addonsRelease is default" in first.cause
    assert found.impact.complete
    assert found.impact.change == found.impact.disappear == ()


def test_it_computes_the_blob_ids_that_git_computes() -> None:
    found = planned(register(pins={"addonsRelease": "release1"}))
    for one in found.edits:
        git = subprocess.run(
            ["git", "hash-object", "--stdin"],
            input=one.after.encode(),
            capture_output=True,
            check=True,
        )
        assert git.stdout.decode().strip() == one.after_blob
    assert blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_it_writes_below_the_folders_of_the_other_layout() -> None:
    found = planned(register(pins={"addonsRelease": "release1"}), layout=ENVIRONMENTS_LAYOUT)
    assert [edit.path for edit in found.edits] == [
        MEMBER,
        "addons/tenants/team-a/environments/dev/clusters/spoke-1/fleet/fleet-secret/values.yaml",
    ]


def test_it_tells_of_labels_that_wait_for_the_name() -> None:
    left = {**FILES, PINS: 'externalSecret:\n  labels:\n    enable_cert_manager: "true"\n'}
    found = planned(register(), left)
    assert [one.code for one in found.warnings] == ["leftover_labels"]
    assert names(found.impact.appear) == ["cert-manager-spoke-1", "metrics-server-spoke-1"]


# Editing


def test_it_changes_only_the_keys_that_are_asked() -> None:
    found = planned(edit(model=DeploymentModel.DISTRIBUTED), REGISTERED)
    assert [one.path for one in found.edits] == [MEMBER]
    expected = MEMBER_TEXT.replace('use_remote_argo: "false"', 'use_remote_argo: "true"')
    assert found.edits[0].after == expected
    assert found.edits[0].before == MEMBER_TEXT
    assert found.edits[0].before_blob == blob_id(MEMBER_TEXT.encode())


def test_it_leaves_the_member_file_alone_where_only_a_pin_changes() -> None:
    found = planned(edit(pins={"addonsRelease": "release1"}), REGISTERED)
    assert [one.path for one in found.edits] == [PINS]
    before, after = found.impact.change[0]
    assert (before.name, before.version, after.version) == (
        "metrics-server-spoke-1",
        "3.12.1",
        "3.13.0",
    )
    assert found.impact.appear == found.impact.disappear == ()


def test_it_is_destructive_where_an_application_goes_away() -> None:
    found = planned(edit(pins={"enable_metrics_server": "false"}), REGISTERED)
    assert names(found.impact.disappear) == ["metrics-server-spoke-1"]
    assert found.impact.disappear[0].deletes_resources
    assert found.destructive


def test_it_goes_back_to_what_is_inherited() -> None:
    pinned = (
        "# ours\nexternalSecret:\n  labels:\n    addonsRelease: release1 # trial\n    other: x\n"
    )
    found = planned(edit(pins={"addonsRelease": None}), {**REGISTERED, PINS: pinned})
    assert found.edits[0].after == "# ours\nexternalSecret:\n  labels:\n    other: x\n"
    assert found.labels_before.as_dict()["addonsRelease"] == "release1"
    assert found.labels_after.as_dict()["addonsRelease"] == "default"


def test_it_leaves_labels_alone_that_are_not_named() -> None:
    pinned = 'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'
    found = planned(edit(pins={"enable_cert_manager": "true"}), {**REGISTERED, PINS: pinned})
    assert found.edits[0].after == pinned + '    enable_cert_manager: "true"\n'


def test_it_removes_an_option_that_is_not_asked_any_more() -> None:
    text = MEMBER_TEXT + 'use_fleet_ack: "true"\n'
    found = planned(edit(), {**REGISTERED, MEMBER: text})
    assert found.edits[0].after == MEMBER_TEXT


def test_it_keeps_monitoring_with_the_hub() -> None:
    found = planned(
        register(
            model=DeploymentModel.DISTRIBUTED,
            remote_addons=True,
            remote_resources=True,
            pins={"enable_prometheus": "true"},
        )
    )
    whose = {one.component: one.deployed_by.value for one in found.impact.appear}
    assert whose == {"metrics-server": "cluster", "prometheus": "hub"}


# Refusing


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        (register(pins={"addonsRelease": "nightly"}), [("addonsRelease", "unknown_channel")]),
        (register(pins={"resourcesRelease": "x"}), [("resourcesRelease", "unknown_channel")]),
        (register(remote_addons=True), [("remote_addons", "nobody_deploys")]),
        (register(remote_resources=True), [("remote_resources", "nobody_deploys")]),
        (register(secret_name=""), [("secret_name", "required")]),
        (register(secret_name="a{{b}}"), [("secret_name", "invalid_name")]),
        (register(pins={"enable_x": "{{ .config }}"}), [("enable_x", "template")]),
        (register(pins={"enable_x": "yes"}), [("enable_x", "invalid_flag")]),
        (register(pins={"tenant": "b"}), [("tenant", "reserved")]),
        (register(pins={"argocd.argoproj.io/x": "b"}), [("argocd.argoproj.io/x", "reserved")]),
        (register(pins={"a b": "c"}), [("labels", "invalid_name")]),
        (register(options={"use_fleet_ack": "{{x}}"}), [("use_fleet_ack", "template")]),
        (register(options={"use_fleet_ack": "a\nb"}), [("use_fleet_ack", "unsafe_value")]),
        (register(options={"use_remote_argo": "true"}), [("use_remote_argo", "unknown_option")]),
        (edit(), [("cluster", "not_registered")]),
    ],
)
def test_it_refuses_at_the_field(intent: Intent, expected: list[tuple[str, str]]) -> None:
    assert refused(intent) == expected


def test_it_refuses_everything_at_once() -> None:
    intent = register(
        secret_name="bad secret",
        remote_addons=True,
        options={"githubSecretName": "{{x}}"},
        pins={"addonsRelease": "nightly", "enable_x": "{{y}}"},
    )
    files = {**REGISTERED, TENANT_LABELS: "a: [", SYSTEM_LABELS: "b: {"}
    found = refused(intent, files, Neighbours(by_name={"SPOKE-1": "change #7"}))
    assert set(found) == {
        ("cluster", "duplicate"),
        ("secret_name", "invalid_name"),
        ("githubSecretName", "template"),
        ("remote_addons", "nobody_deploys"),
        ("enable_x", "template"),
        ("addonsRelease", "unknown_channel"),
        ("", "malformed_yaml"),
    }
    assert found.count(("", "malformed_yaml")) == 2
    assert found.count(("cluster", "duplicate")) == 1


def test_it_lists_the_channels_that_there_are() -> None:
    with pytest.raises(Refused, match="Choose one of: default, release1"):
        planned(register(pins={"addonsRelease": "nightly"}))


def test_it_refuses_a_name_whose_file_exists() -> None:
    assert refused(register(), REGISTERED) == [("cluster", "duplicate")]


@pytest.mark.parametrize("taken", ["spoke-1", "Spoke-1", "SPOKE-1"])
def test_it_refuses_a_name_that_is_taken_elsewhere(taken: str) -> None:
    neighbours = Neighbours(by_name={taken: "the cluster on hub hub-2"})
    with pytest.raises(Refused, match="the cluster on hub hub-2"):
        planned(register(), neighbours=neighbours)
    assert planned(edit(pins={"addonsRelease": "release1"}), REGISTERED, neighbours).edits


@pytest.mark.parametrize(
    "taken",
    [
        "fleet/spoke-1",
        "Fleet/Spoke-1",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:fleet/spoke-1-AbC123",
    ],
)
def test_it_refuses_a_secret_that_another_cluster_uses(taken: str) -> None:
    neighbours = Neighbours(by_secret={taken: "the cluster on hub hub-2"})
    assert refused(register(), neighbours=neighbours) == [("secret_name", "duplicate_secret")]
    # An edit that leaves the secret as it is has nothing new to answer for.
    assert planned(edit(pins={"addonsRelease": "release1"}), REGISTERED, neighbours).edits
    changed = edit(secret_name="fleet/other")
    elsewhere = Neighbours(by_secret={"fleet/other": "change #9"})
    assert refused(changed, REGISTERED, elsewhere) == [("secret_name", "duplicate_secret")]


def test_it_holds_the_placement_of_a_registered_cluster() -> None:
    moved = edit(placement=placement(tenant="team-b", environment="prod"))
    with pytest.raises(Refused) as caught:
        planned(moved, REGISTERED)
    assert [(one.field, one.code) for one in caught.value.refusals] == [
        ("tenant", "fixed"),
        ("environment", "fixed"),
    ]
    assert "fixed after registration: its values and labels lie" in str(caught.value)
    with pytest.raises(Refused, match="Name and hub are fixed after registration"):
        planned(edit(placement=placement(hub="hub-2")), REGISTERED)


def test_it_refuses_an_edit_that_changes_nothing() -> None:
    assert refused(edit(pins={"addonsRelease": None}), REGISTERED) == [("", "nothing_to_change")]


@pytest.mark.parametrize(
    ("path", "place"),
    [(MEMBER, "line 2"), (PINS, "line 2"), (TENANT_LABELS, "line 2"), (VERSIONS, "line 2")],
)
def test_it_names_the_place_of_malformed_yaml(path: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        planned(edit(pins={"enable_x": "true"}), {**REGISTERED, path: "a: 1\nb: [1,\n"})
    assert path in str(caught.value)
    assert "line" in str(caught.value)
    assert "column" in str(caught.value)


def test_it_is_not_hindered_by_a_malformed_neighbour() -> None:
    other = "fleet/fleet-bootstrap/fleet-members/hub-1/spoke-2.yaml"
    assert planned(register(), {**FILES, other: "a: ["}).edits


def test_it_says_that_a_repository_is_empty() -> None:
    with pytest.raises(Refused, match="empty: the branch has no commit") as caught:
        plan(register(), Repository({}, commit=""), TENANTS_LAYOUT, NOBODY)
    assert [one.code for one in caught.value.refusals] == ["empty_repository"]
    with pytest.raises(Refused, match=f"has no {VERSIONS}") as caught:
        planned(register(), {"README.md": "hello"})
    assert [one.code for one in caught.value.refusals] == ["no_versions_file"]


# Doubt


def test_it_warns_of_a_channel_that_the_versions_file_lacks() -> None:
    files = {**FILES, SYSTEM_LABELS: 'externalSecret:\n  labels:\n    addonsRelease: "old"\n'}
    found = planned(register(), files)
    assert [one.code for one in found.warnings] == ["unknown_channel", "no_channel"]
    assert found.impact.appear == ()
    flagged = planned(register(pins={"enable_metrics_server": "true"}), files)
    refusing = flagged.impact.appear[0]
    assert (refusing.name, refusing.refused) == ("metrics-server-spoke-1", True)
    assert "addonsRelease is 'old', which is no release" in refusing.cause


def test_it_refuses_a_member_that_the_chart_would_refuse() -> None:
    """While the chart refuses the member, the hub may still take the same commit's labels."""
    options = {
        "githubSecret": "true",
        "githubSecretName": "git/read",
        "use_external_secrets": "false",
    }
    intent = edit(model=DeploymentModel.DISTRIBUTED, options=options)
    assert refused(intent, REGISTERED) == [("use_external_secrets", "no_operator")]
    leaving = {**REGISTERED, MEMBER: MEMBER_TEXT + 'offboarding: "true"\n'}
    assert ("offboarding", "offboarding") in refused(
        edit(model=DeploymentModel.DISTRIBUTED), leaving
    )


def test_it_says_that_it_does_not_know_what_a_refused_cluster_has() -> None:
    files = {**REGISTERED, PINS: "externalSecret:\n  labels:\n    enable_cert_manager: true\n"}
    found = planned(edit(pins={"enable_cert_manager": "true"}), files)
    assert names(found.impact.appear) == ["cert-manager-spoke-1", "metrics-server-spoke-1"]
    assert not found.impact.complete
    assert "what the cluster has by now, only the hub can tell" in found.impact.note


FLEET_RELEASES = """\
  fleet:
    - type: "default"
      version: "0.3.1"
      values:
        components:
          argo-cd:
            group: fleet
            flag: use_remote_argo
            namespace: argocd
            source: {repoURL: "https://charts.example/argo", chart: argo-cd, version: "9.1.0"}
"""


@pytest.mark.parametrize(
    ("release", "deployed"), [('"default"', True), ("null", False), ('"unheard-of"', False)]
)
def test_it_deploys_from_the_cluster_only_where_a_release_brings_its_argo_cd(
    release: str, deployed: bool
) -> None:
    files = {
        **FILES,
        VERSIONS: FILES[VERSIONS] + FLEET_RELEASES,
        SYSTEM_LABELS: f"{FILES[SYSTEM_LABELS]}    fleetRelease: {release}\n",
    }
    found = planned(register(model=DeploymentModel.DISTRIBUTED, remote_addons=True), files)
    by = {one.component: one.deployed_by.value for one in found.impact.appear}
    assert by.get("metrics-server") == ("cluster" if deployed else None)


def test_it_keeps_an_application_whose_release_becomes_unknown() -> None:
    """Argo CD lets it report an error and leaves everything on the cluster as it is."""
    versions = FILES[VERSIONS].replace('"default"', '"stable"', 1)
    pins = 'externalSecret:\n  labels:\n    addonsRelease: "stable"\n'
    files = {**REGISTERED, VERSIONS: versions, PINS: pins}
    found = planned(edit(pins={"addonsRelease": None}), files)
    assert found.impact.appear == found.impact.disappear == ()
    ((before, after),) = found.impact.change
    assert (before.name, before.refused) == ("metrics-server-spoke-1", False)
    assert (after.name, after.refused) == ("metrics-server-spoke-1", True)
    assert not found.destructive


def test_it_warns_of_a_flag_that_nothing_reads() -> None:
    found = planned(register(pins={"enable_nothing": "true"}))
    assert [one.code for one in found.warnings] == ["unknown_flag"]


def test_it_says_what_only_the_hub_can_confirm() -> None:
    versions = """\
releases:
  addons:
    - {type: default, version: "0.3.1", repoURL: "https://charts.example/fleet", chart: wrapper}
  monitoring:
    - {type: default, version: "0.1.0"}
"""
    live = {
        "metadata": {"name": "cert-manager"},
        "spec": {
            "generators": [
                {"clusters": {"selector": {"matchLabels": {"enable_cert_manager": "true"}}}}
            ]
        },
    }
    monitoring = {
        "metadata": {"name": "prometheus"},
        "spec": {
            "generators": [
                {"clusters": {"selector": {"matchLabels": {"monitoringRelease": "default"}}}}
            ]
        },
    }
    files = {**REGISTERED, VERSIONS: versions}
    found = planned(edit(pins={"enable_cert_manager": "true"}), files, live_sets=(live, monitoring))
    assert not found.impact.complete
    assert "only the hub can confirm" in found.impact.note
    assert [(one.name, one.from_hub) for one in found.impact.appear] == [
        ("cert-manager-spoke-1", True)
    ]
    assert "unknown_flag" not in [one.code for one in found.warnings]
    pins = {"enable_cert_manager": "true", "enable_dns": "true"}
    more = planned(edit(pins=pins), files, live_sets=(live, monitoring))
    assert [one.message for one in more.warnings if one.code == "unknown_flag"] == [
        "No ApplicationSet of the hub selects by enable_dns, and no component is enabled by it."
    ]
    alone = planned(edit(pins={"enable_cert_manager": "true"}), files)
    assert (alone.impact.appear, alone.impact.complete) == ((), False)


def test_it_doubts_labels_that_the_chart_refuses() -> None:
    files = {**FILES, TENANT_LABELS: "externalSecret:\n  labels:\n    enable_cert_manager: true\n"}
    found = planned(register(), files)
    assert "chart_refuses" in [one.code for one in found.warnings]
    assert not found.impact.complete


def test_it_changes_the_values_digest_with_the_values_alone() -> None:
    values = "addons/defaults/metrics-server/values.yaml"
    plain = planned(register(), {**FILES, values: "replicas: 1\n"}).impact.appear[0]
    comment = planned(register(), {**FILES, values: "# two\nreplicas: 1\n"}).impact.appear[0]
    other = planned(register(), {**FILES, values: "replicas: 2\n"}).impact.appear[0]
    assert plain.values_digest == comment.values_digest != other.values_digest
    broken = planned(register(), {**FILES, values: "replicas: [\n"})
    assert [one.code for one in broken.warnings] == ["values_unreadable"]
    assert broken.impact.appear[0].values_digest not in {plain.values_digest, ""}


# What it depends on


def test_it_knows_what_it_has_read() -> None:
    found = planned(register())
    assert found.reads.files[MEMBER] == ""
    assert found.reads.files[VERSIONS] == blob_id(FILES[VERSIONS].encode())
    assert found.reads.moved(Repository(FILES)) == ()
    assert found.reads.moved(Repository({**FILES, "README.md": "x"})) == ()
    moved = {**FILES, TENANT_LABELS: "# new\n", VERSIONS: FILES[VERSIONS] + "# more\n"}
    assert found.reads.moved(Repository(moved)) == (TENANT_LABELS, VERSIONS)
    assert ReadSet.from_data(found.reads.to_data()) == found.reads  # type: ignore[arg-type]
    assert ReadSet.from_data({}) == ReadSet()


@pytest.mark.parametrize(
    ("moved", "depends"),
    [
        ("a/one.yaml", True),
        ("a/one.yaml/now-a-folder", True),
        ("a/two.yaml", False),
        ("b/new.yaml", True),
        ("b/below/new.yaml", True),
        ("bb/new.yaml", False),
    ],
)
def test_it_knows_without_reading_what_cannot_have_moved(moved: str, depends: bool) -> None:
    reads = ReadSet(files={"a/one.yaml": "1"}, folders={"b": ("b/old.yaml",)})
    assert reads.depends_on(with_folders([moved])) is depends
    assert ReadSet(folders={"": ()}).depends_on(with_folders([moved]))


PIN_KEYS = ["addonsRelease", "enable_metrics_server", "enable_cert_manager"]
PIN_SETS = st.fixed_dictionaries(
    {},
    optional={
        "addonsRelease": st.sampled_from([None, "default", "release1"]),
        "enable_metrics_server": st.sampled_from([None, "true", "false"]),
        "enable_cert_manager": st.sampled_from([None, "true", "false"]),
    },
)


@CALM
@given(PIN_SETS, PIN_SETS)
def test_it_has_nothing_to_do_after_its_own_edits(
    first: dict[str, str | None], second: dict[str, str | None]
) -> None:
    files: dict[str, str | bytes] = dict(FILES)
    for number, (make, pins) in enumerate(((register, first), (edit, second), (edit, second))):
        try:
            found = planned(make(pins=pins), files)
        except Refused as caught:
            codes = [one.code for one in caught.refusals]
            assert (codes, number > 0) == (["nothing_to_change"], True)
            continue
        assert number < 2, "the same edit twice must find nothing to do"
        files |= {one.path: one.after for one in found.edits}
        after = found.labels_after.as_dict()
        assert all(after[key] == value for key, value in pins.items() if value is not None)
        enabled = sum(
            after.get(f"enable_{name}") == "true" for name in ("metrics_server", "cert_manager")
        )
        assert len(found.impact.appear) <= enabled


@pytest.mark.parametrize(
    "intent", [register(pins={"a": None, "b": "c"}, options={"use_fleet_ack": "true"}), edit()]
)
def test_it_keeps_an_intent_as_data(intent: Intent) -> None:
    assert intent_from_data(intent.to_data()) == intent


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "drop", "format": 1},
        {**register().to_data(), "format": 2},
        {key: value for key, value in register().to_data().items() if key != "model"},
        {**register().to_data(), "model": "sideways"},
        {**register().to_data(), "pins": 7},
    ],
)
def test_it_refuses_data_of_another_shape(data: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        intent_from_data(data)
    assert caught.value.refusals[0].code == "unknown_intent"


def test_it_parses_the_names_of_stored_data_again() -> None:
    with pytest.raises(Refused, match="lowercase"):
        intent_from_data({**register().to_data(), "cluster": "../x"})
