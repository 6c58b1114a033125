"""Layers to effective values with provenance, and the labels that follow from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onboarding.domain.components import catalogue_from_selectors, catalogue_from_wrapper
from onboarding.domain.errors import Refused
from onboarding.domain.hierarchy import resolve
from onboarding.domain.labels import edit_labels_text, predict_labels
from onboarding.domain.layout import TENANTS_LAYOUT, LayerName, LayerPath, Placement
from onboarding.domain.member import (
    DeploymentModel,
    edit_member_text,
    new_member_text,
    parse_member,
)
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.releases import parse_releases
from onboarding.domain.snapshot import RecordingSnapshot, SnapshotFile
from tests.fakes import MemorySnapshot

PLACEMENT = Placement(
    hub=HubName("hub-1"),
    cluster=ClusterName("spoke-1"),
    tenant=TenantName("team-a"),
    environment=Environment("dev"),
)
MEMBER = """\
# Owned by team-a.
tenant: "team-a"
clusterName: "spoke-1"
environment: "dev"
secretManagerSecretName: "fleet/spoke-1"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
costCentre: 4711
"""


def file(text: str, path: str = "values.yaml") -> SnapshotFile:
    return SnapshotFile(path, "0" * 40, text.encode())


def layers(*texts: str | None) -> list[tuple[LayerPath, SnapshotFile | None]]:
    names = list(LayerName)
    return [
        (
            LayerPath(names[number], f"{number}.yaml"),
            file(text, f"{number}.yaml") if text is not None else None,
        )
        for number, text in enumerate(texts)
    ]


def test_it_merges_maps_replaces_lists_and_lets_null_delete() -> None:
    found = resolve(
        layers("a: {x: 1, z: 2}\nl: [1, 2]\ngone: 1\n", None, "a: {z: 3}\nl: [9]\ngone: null\n")
    )
    assert found.values() == {"a": {"x": 1, "z": 3}, "l": [9]}
    leaf = found.get(("a", "z"))
    assert leaf is not None
    assert (leaf.value, leaf.origin.path, leaf.origin.line) == (3, "2.yaml", 1)
    assert [(value, origin.path) for value, origin in leaf.shadowed] == [(2, "0.yaml")]


def test_it_names_the_file_and_line_of_a_malformed_layer() -> None:
    with pytest.raises(Refused, match=r"0\.yaml.*line 2"):
        resolve(layers("a: b\n  c: [\n"))


def test_it_predicts_labels_with_their_origin() -> None:
    member = parse_member(file(MEMBER, "members/spoke-1.yaml"))
    resolved = resolve(layers('externalSecret:\n  labels:\n    addonsRelease: "default"\n'))
    labels = predict_labels(member, PLACEMENT, resolved)
    values = labels.as_dict()
    assert values["addonsRelease"] == "default"
    assert values["tenant"] == "team-a"
    assert values["use_remote_argo"] == "false"
    release = labels.get("addonsRelease")
    assert release is not None
    assert (release.origin.path, release.origin.line) == ("0.yaml", 3)
    assert "costCentre" not in values


def test_it_writes_a_pin_and_takes_it_back_leaving_the_rest() -> None:
    text = '# ours\nexternalSecret:\n  labels:\n    team: "x" # keep\n'
    pinned = edit_labels_text(text, {"addonsRelease": "default"})
    assert (
        pinned
        == '# ours\nexternalSecret:\n  labels:\n    team: "x" # keep\n    addonsRelease: "default"\n'
    )
    assert edit_labels_text(pinned, {"addonsRelease": None}) == text
    assert edit_labels_text(None, {"addonsRelease": None}) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("argocd.argoproj.io/secret-type", "x"),
        ("fleet_member", "hub-cluster"),
        ("tenant", "b"),
        ("team", "{{ .config }}"),
    ],
)
def test_it_refuses_reserved_keys_and_templates(key: str, value: str) -> None:
    with pytest.raises(Refused):
        edit_labels_text(None, {key: value})


def test_it_edits_a_member_and_leaves_what_it_does_not_know() -> None:
    before = parse_member(file(MEMBER))
    assert before.extra == {"costCentre": 4711}
    after = replace(before, model=DeploymentModel.DISTRIBUTED)
    assert edit_member_text(MEMBER, before, after) == MEMBER.replace(
        'use_remote_argo: "false"', 'use_remote_argo: "true"'
    )
    assert parse_member(file(new_member_text(before))).secret_name == "fleet/spoke-1"


def test_it_refuses_a_member_that_misses_a_key_and_names_it() -> None:
    with pytest.raises(Refused, match="secretManagerSecretName"):
        parse_member(file('tenant: "a"\nclusterName: "b"\nenvironment: "dev"\n', "m.yaml"))


VERSIONS = """\
releases:
  addons:
    - {type: default, version: 0.3.1}
    - {type: far, version: 1.0.0, repoURL: https://charts.example, chart: w}
"""
CATALOGUE = "components:\n  one: {group: addons, flag: enable_one, namespace: one, source: {path: charts/one}}\n"


def test_it_offers_a_component_as_soon_as_git_has_it() -> None:
    releases = parse_releases(file(VERSIONS), path="versions.yaml")
    path = f"{TENANTS_LAYOUT.wrapper}/values.yaml"
    one = catalogue_from_wrapper(
        releases, {"addons": "default"}, MemorySnapshot.of({path: CATALOGUE}), TENANTS_LAYOUT
    )
    more = (
        CATALOGUE
        + "  two: {group: addons, flag: enable_two, namespace: two, source: {path: charts/two}}\n"
    )
    two = catalogue_from_wrapper(
        releases, {"addons": "default"}, MemorySnapshot.of({path: more}), TENANTS_LAYOUT
    )
    assert one is not None
    assert two is not None
    assert [component.flag for component in one.components] == ["enable_one"]
    assert [component.flag for component in two.components] == ["enable_one", "enable_two"]


def test_it_asks_the_hubs_selectors_where_the_chart_is_elsewhere() -> None:
    releases = parse_releases(file(VERSIONS), path="versions.yaml")
    assert (
        catalogue_from_wrapper(releases, {"addons": "far"}, MemorySnapshot.of({}), TENANTS_LAYOUT)
        is None
    )
    selector = {"matchLabels": {"enable_one": "true", "addonsRelease": "far"}}
    live = catalogue_from_selectors(
        [
            {
                "metadata": {"name": "one"},
                "spec": {"generators": [{"clusters": {"selector": selector}}]},
            }
        ]
    )
    assert live.live
    assert [component.flag for component in live.components] == ["enable_one"]


def test_it_remembers_what_a_plan_read_and_found_absent() -> None:
    recording = RecordingSnapshot(MemorySnapshot.of({"a/x": "1"}))
    recording.read("a/x")
    recording.read("b")
    list(recording.paths("a"))
    assert set(recording.files_read) == {"a/x", "b"}
    assert recording.files_read["b"] == ""
    assert recording.folders_listed == {"a": ("a/x",)}


def test_files_of_one_content_are_told_apart() -> None:
    text = "externalSecret: {labels: {team: blue}}\n"
    layer, one, two = LayerPath(LayerName.SYSTEM, "x"), file(text, "a.yaml"), file(text, "b.yaml")
    origins = [resolve([(layer, each)]).leaves[0].origin for each in (one, two, one)]
    assert [str(origin) for origin in origins] == ["a.yaml:1", "b.yaml:1", "a.yaml:1"]
