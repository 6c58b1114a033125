"""The labels and annotations that we foresee are those that Helm makes of charts/fleet-secret."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from onboarding.domain.hierarchy import resolve
from onboarding.domain.labels import HUB_REGION, predict_labels
from onboarding.domain.layout import TENANTS_LAYOUT, Placement
from onboarding.domain.member import parse_member
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from tests.domain.repository import file
from tests.template.helm import FleetCopy, RenderFailed
from tests.template.test_fleet_secret import DISTRIBUTED, MEMBER, metadata

PLACE = Placement(
    HubName("hub-a"), ClusterName("spoke-a"), TenantName("tenant1"), Environment("dev")
)
LAYERS = TENANTS_LAYOUT.labels_paths(PLACE)
REGION = "eu-west-1"
Found = tuple[dict[str, str], dict[str, str]] | None
"""Labels and annotations; None where nothing is rendered at all."""

# Each case: the labels of some layers by their number, and what the member file has more.
CASES: dict[str, tuple[dict[int, Any], dict[str, str]]] = {
    "no layer": ({}, {}),
    "one layer": ({0: {"addonsRelease": "default"}}, {}),
    "a higher layer wins": ({0: {"a": "1", "b": "1"}, 2: {"a": "2"}, 4: {"b": "3"}}, {}),
    "null takes away": ({0: {"a": "1"}, 3: {"a": None}}, {}),
    "null, and back again": ({0: {"a": "1"}, 2: {"a": None}, 4: {"a": "2"}}, {}),
    "an empty value": ({1: {"a": ""}}, {}),
    "a key with a prefix": ({1: {"example.com/team": "x"}}, {}),
    "labels are null": ({0: {"a": "1"}, 2: None}, {}),
    "a number is refused": ({1: {"a": 1}}, {}),
    "a boolean is refused": ({1: {"enable_x": True}}, {}),
    "a bad value that is overridden": ({0: {"a": 1}, 4: {"a": "1"}}, {}),
    "a map is refused": ({1: {"a": {"b": "c"}}}, {}),
    "a list is refused": ({1: {"a": ["b"]}}, {}),
    "a reserved key is refused": ({4: {"tenant": "other"}}, {}),
    "a reserved domain is refused": ({4: {"argocd.argoproj.io/x": "y"}}, {}),
    "a template is refused": ({4: {"a": "{{ .config }}"}}, {}),
    "a long value is refused": ({4: {"a": "x" * 64}}, {}),
    "a bad key is refused": ({4: {"-a": "x"}}, {}),
    "options are labels": ({}, {"use_fleet_ack": "true", "push_argo_secrets": "false"}),
    "base paths are annotations": ({}, {"resources_repo_basepath": "teams/resources"}),
    "a distributed cluster": ({0: {"a": "1"}}, DISTRIBUTED),
    "its own operator": ({}, {"use_external_secrets": "true"}),
    "Git credentials": ({}, {"githubSecret": "true", "githubSecretName": "git/token"}),
    "a handover": ({0: {"a": "1"}}, {"handover": "true"}),
    "a paused cluster": ({}, {"paused": "true"}),
    "a paused distributed cluster": ({}, DISTRIBUTED | {"paused": "true"}),
    "no pause": ({}, {"paused": "false"}),
    "a leaving cluster": ({0: {"a": "1"}}, {"offboarding": "true"}),
    "unknown keys": ({}, {"costCentre": "4711"}),
}


class Both:
    """One set of layers and one member file, read by us and by Helm."""

    def __init__(self, fleet: FleetCopy, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder

    def ours(self, layers: dict[int, str], member: dict[str, str]) -> Found:
        path = TENANTS_LAYOUT.member_path(PLACE.hub, PLACE.cluster)
        read = [
            (layer, file(layer.path, layers[number]) if number in layers else None)
            for number, layer in enumerate(LAYERS)
        ]
        found = predict_labels(
            parse_member(file(path, yaml.safe_dump(member))), PLACE, resolve(read)
        )
        annotations = {one.key: one.value for one in found.annotations}
        return None if found.problems else (found.as_dict(), annotations)

    def theirs(self, layers: dict[int, str], member: dict[str, str]) -> Found:
        files = []
        for number, text in sorted(layers.items()):
            files.append(self.folder / f"{number}.yaml")
            files[-1].write_text(text, encoding="utf-8")
        inline = {"memberFile": "spoke-a", "member": member, "region": REGION}
        chart = self.fleet.path("charts/fleet-secret")
        try:
            (made,) = self.fleet.helm.template(chart, values=files, data=inline)
        except RenderFailed:
            return None
        annotations = metadata(made, "annotations")
        if "githubSecret" in member:
            # Only the hub knows its region, so nobody can foresee it from Git.
            assert annotations.pop(HUB_REGION) == REGION
        return metadata(made), annotations


@pytest.fixture
def both(shipped: FleetCopy, tmp_path: Path) -> Both:
    return Both(shipped, tmp_path)


def text_of(labels: Any, annotations: Any = None) -> str:
    found = {"labels": labels} | ({} if annotations is None else {"annotations": annotations})
    return yaml.safe_dump({"externalSecret": found})


@pytest.mark.parametrize("name", CASES)
def test_it_foresees_what_helm_makes(both: Both, name: str) -> None:
    labels, more = CASES[name]
    layers = {number: text_of(found) for number, found in labels.items()}
    member = {**MEMBER, **more}
    theirs = both.theirs(layers, member)
    assert both.ours(layers, member) == theirs
    assert (theirs is None) is name.endswith("refused")


KEYS = ("addonsRelease", "enable_x", "enable_y", "team", "example.com/a", "a.b_c-d")
FINE = ("default", "release1", "true", "false", "", "v1.2", "A_b-c.9", "x" * 63)
ODD = (None, None, None, 7, 1.5, True, {"b": "c"}, ["b"], "two words", "{{ .x }}", "-x", "é")
ODD_KEYS = ("tenant", "fleet_member", "fleet/x", "kubernetes.io/x", "shard", "_a", "clusterName")
MORE = (
    {},
    {},
    {"use_fleet_ack": "true"},
    {"addons_repo_basepath": "teams/addons", "use_external_secrets": "true"},
    {"offboarding": "true"},
    {"handover": "true", "use_argocd_ingress": "false"},
)


def some_labels(random: Random, oddness: float) -> dict[str, Any]:
    keys = random.sample(KEYS, random.randint(0, len(KEYS)))
    if random.random() < oddness:
        keys.append(random.choice(ODD_KEYS))
    return {key: random.choice(ODD if random.random() < oddness else FINE) for key in keys}


def test_it_foresees_what_helm_makes_of_any_layers(both: Both) -> None:
    """Layers, labels and annotations at random; what one side refuses the other refuses, too."""
    rendered = refused = 0
    for seed in range(60):
        random = Random(seed)
        oddness = 0.0 if seed % 3 else 0.1
        layers = {
            number: text_of(some_labels(random, oddness), some_labels(random, oddness / 2))
            for number in range(len(LAYERS))
            if random.random() < 0.7
        }
        member = {**(MEMBER if seed % 4 else DISTRIBUTED), **random.choice(MORE)}
        if seed % 4 == 0:
            member.pop("offboarding", None)
        theirs = both.theirs(layers, member)
        assert both.ours(layers, member) == theirs, (seed, layers, member)
        rendered, refused = rendered + (theirs is not None), refused + (theirs is None)
    assert rendered > 35, rendered
    assert refused > 5, refused
