"""The effective values that we show are those that Helm, at the version of the hub, hands to the chart."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from textwrap import indent
from typing import Any

import pytest
import yaml

from onboarding.domain.component_values import ClusterView, component_values
from onboarding.domain.components import Component
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.member import DeploymentModel, FleetMember
from onboarding.domain.names import SecretName
from tests.domain.fleet_files import Repository, placement
from tests.template.generated_values import values_text
from tests.template.helm import Helm

PLACE = placement()
MEMBER = FleetMember(
    PLACE.tenant,
    PLACE.cluster,
    PLACE.environment,
    SecretName("fleet/spoke-1"),
    DeploymentModel.CENTRALIZED,
    False,
    False,
)
VIEW = ClusterView(MEMBER, {"tier": "gold"}, {"owner": "team-a"})
PROBE = "probe: {{ toJson .Values | quote }}\n"
CHART = "charts/probe"
LAYERS = [path.path for path in TENANTS_LAYOUT.layer_paths(PLACE, "probe", group="addons")]


class Probe:
    """A chart that tells what values it was given, by us and by Helm."""

    def __init__(self, helm: Helm, folder: Path) -> None:
        self.helm, self.folder, self.runs = helm, folder, 0

    def texts(self, defaults: str | None, layers: list[str | None]) -> dict[str, str]:
        files = {f"{CHART}/Chart.yaml": "apiVersion: v2\nname: probe\nversion: 1.0.0\n"}
        if defaults is not None:
            files[f"{CHART}/values.yaml"] = defaults
        found = zip(LAYERS, layers, strict=True)
        return files | {path: text for path, text in found if text is not None}

    def ours(self, files: dict[str, str], component: Component) -> dict[str, Any]:
        return component_values(component, VIEW, PLACE, Repository(files), TENANTS_LAYOUT).values()

    def theirs(self, files: dict[str, str], inline: dict[str, Any] | None) -> dict[str, Any]:
        self.runs += 1
        folder = self.folder / str(self.runs)
        for path, text in {**files, f"{CHART}/templates/probe.yaml": PROBE}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        there = [folder / path for path in LAYERS if path in files]
        found = self.helm.template(folder / CHART, values=there, data=inline, scratch=folder)
        told: dict[str, Any] = json.loads(found[0]["probe"])
        return told


@pytest.fixture(scope="module")
def probe(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    return Probe(helm, tmp_path_factory.mktemp("probe"))


def component(**catalogue: Any) -> Component:
    return Component("probe", "addons", "enable_probe", chart=CHART, **catalogue)


def exactly(value: Any) -> Any:
    """A value that is only equal to one of its own type: Python's True is 1, JSON's is not."""
    if isinstance(value, dict):
        return {key: exactly(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [exactly(inner) for inner in value]
    return ("boolean", value) if isinstance(value, bool) else value


def layers_of(random: Random) -> tuple[str | None, list[str | None]]:
    """The defaults of a chart and five layers, some of them absent."""
    layers: list[str | None] = [
        values_text(random) if random.random() < 0.7 else None for _ in LAYERS
    ]
    return values_text(random, nulls=0.05), layers


@pytest.mark.parametrize("batch", range(20))
def test_it_agrees_on_generated_layer_sets(probe: Probe, batch: int) -> None:
    """Twenty layer sets to a run of Helm, each below a key of its own, in every layer."""
    random = Random(f"below-{batch}")
    sets = [layers_of(random) for _ in range(20)]

    def together(texts: list[str | None]) -> str:
        below = [
            f"case{number}:\n{indent(text, '  ')}" if text else f"case{number}: {{}}\n"
            for number, text in enumerate(texts)
        ]
        return "".join(below)

    files = probe.texts(
        together([defaults for defaults, _ in sets]),
        [together([layers[level] for _, layers in sets]) for level in range(len(LAYERS))],
    )
    ours, theirs = probe.ours(files, component()), probe.theirs(files, None)
    assert set(ours) == set(theirs) == {f"case{number}" for number in range(20)}
    for case, told in theirs.items():
        assert exactly(ours[case]) == exactly(told), case


@pytest.mark.parametrize("seed", range(100))
def test_it_agrees_on_generated_layer_sets_of_whole_files(probe: Probe, seed: int) -> None:
    """Here the catalogue and the cluster's facts lie on top, and any file may be absent."""
    random = Random(f"whole-{seed}")
    defaults, layers = layers_of(random)
    fixed = yaml.safe_load('{a: 1, b: {c: "no", image: null}, x.y: [1, {z: 2}]}')
    fixed = {key: value for key, value in fixed.items() if random.random() < 0.5}
    facts = {"d": "name", "image": {"tag": "labels.tier", "gone": "labels.none"}}
    wanted = component(values=fixed, cluster_values=facts if random.random() < 0.5 else {})
    inline = dict(fixed)
    if wanted.cluster_values:
        inline |= {"d": "spoke-1", "image": {"tag": "gold", "gone": ""}}
    files = probe.texts(defaults if random.random() < 0.9 else None, layers)
    assert exactly(probe.ours(files, wanted)) == exactly(probe.theirs(files, inline or None))


TRAPS = {
    "null where the chart has a default": ("a: {b: 1, c: 2}\n", ["a: {b: null}\n"]),
    "null where the chart has no default": ("a: {c: 2}\n", ["a: {b: null}\n"]),
    "null at the top, no default": ("c: 2\n", ["b: null\n"]),
    "null at the top": ("b: 2\n", ["b: ~\n"]),
    "null below a map that the chart has not": ("c: 1\n", ["a: {b: {d: null}}\n"]),
    "null below what the chart has as a scalar": ("a: text\n", ["a: {b: null, c: 1}\n"]),
    "null over a lower layer's map": ("a: {b: 1}\n", ["a: {c: 2}\n", "a: null\n"]),
    "null, then a map again": ("a: {b: 1}\n", ["a: null\n", "a: {c: 2}\n"]),
    "null in the chart": ("a: null\nb: {c: null}\n", ["b: {d: 1}\n"]),
    "null over null": ("a: {b: null}\n", ["a: {b: null}\n"]),
    "a chart without values": (None, ["a: null\nb: {c: null, d: 1}\n"]),
    "an empty map over a map": ("a: {b: 1}\n", ["a: {}\n"]),
    "an empty map over a scalar": ("a: 1\n", ["a: {}\n"]),
    "a map over a scalar of a layer": ("z: 1\n", ["a: 1\n", "a: {b: 2}\n"]),
    "a scalar over a map": ("a: {b: 1}\n", ["a: 5\n"]),
    "a list over a list": ("a: [1, 2, {b: 3}]\n", ["a: [{b: null}]\n"]),
    "an empty list": ("a: [1]\n", ["a: []\n"]),
    "every key of a map taken away": ("a: {b: 1}\n", ["a: {b: null}\n"]),
    "an empty file, and one of comments": ("a: 1\n", ["", "# nothing\n"]),
    "a null document": ("a: 1\n", ["null\n", "---\n"]),
    "keys that are not text": ("yes: 1\n012: 2\n1.5: 3\n", ["true: 4\n10: null\n"]),
    "large numbers": ("a: 9007199254740993\nb: 1e21\n", ["c: 9007199254740993\n"]),
    "merge keys": ("a: {b: 1}\n", ["x: &x {b: null, c: yes}\na:\n  <<: *x\n  d: 012\n"]),
    "a byte order mark": ("a: 1\n", ["\ufeffb: 2\n"]),
    "carriage returns": ("a: 1\r\nb: |\r\n  x\r\n", ["c: off\r\n"]),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_it_agrees_on_traps(probe: Probe, trap: str) -> None:
    defaults, layers = TRAPS[trap]
    files = probe.texts(defaults, [*layers, *[None] * (len(LAYERS) - len(layers))])
    assert exactly(probe.ours(files, component())) == exactly(probe.theirs(files, None))
