"""The clusters that we say an edit of a layer moves are those whose secret Helm makes otherwise, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

import yaml

from onboarding.domain.intents import EditLayer, LayerEdit
from onboarding.domain.labels import LABELS_KEYS
from onboarding.domain.layer_plan import plan_layer
from onboarding.domain.layout import TENANTS_LAYOUT, Placement
from onboarding.domain.member import parse_member
from onboarding.domain.names import HubName
from tests.domain.fleet_files import FILES, VERSIONS
from tests.domain.repository import file
from tests.fakes import MemorySnapshot
from tests.template.helm import FleetCopy
from tests.template.test_fleet_secret import MEMBER, metadata

HUB = HubName("hub-a")
CLUSTERS = {
    "a-dev": ("tenant1", "dev"),
    "a-prod": ("tenant1", "prod"),
    "b-dev": ("tenant2", "dev"),
    "b-prod": ("tenant2", "prod"),
}
KEYS = ("addonsRelease", "enable_x", "enable_y", "team", "example.com/a")
VALUES = {"addonsRelease": ("default", "release1")}
FLAGS = ("true", "false")


def member(name: str) -> str:
    tenant, environment = CLUSTERS[name]
    own = {"clusterName": name, "tenant": tenant, "environment": environment}
    return yaml.safe_dump({**MEMBER, **own, "secretManagerSecretName": f"fleet/{name}"})


def member_path(name: str) -> str:
    return TENANTS_LAYOUT.members.format(hub=HUB, cluster=name)


def place(name: str) -> Placement:
    return parse_member(file(member_path(name), member(name))).placement(HUB)


def value(random: Random, key: str) -> str:
    return random.choice(VALUES.get(key, FLAGS))


def repository(random: Random) -> dict[str, str]:
    """Some layers of the four clusters, with labels at random."""
    files = {VERSIONS: FILES[VERSIONS]} | {member_path(name): member(name) for name in CLUSTERS}
    for name in CLUSTERS:
        for layer in TENANTS_LAYOUT.labels_paths(place(name)):
            if random.random() < 0.5:
                keys = random.sample(KEYS, random.randint(0, 3))
                labels = {key: value(random, key) for key in keys}
                files.setdefault(layer.path, yaml.safe_dump({"externalSecret": {"labels": labels}}))
    return files


def an_edit(random: Random, files: Mapping[str, str]) -> EditLayer:
    """A label of a shared layer set, changed or taken away."""
    shared = TENANTS_LAYOUT.labels_paths(place(random.choice(list(CLUSTERS))))[:-1]
    path = random.choice(shared).path
    found = yaml.safe_load(files.get(path, "")) or {}
    own = (found.get("externalSecret") or {}).get("labels") or {}
    if own and random.random() < 0.3:
        return EditLayer(path, (LayerEdit((*LABELS_KEYS, random.choice(sorted(own))), None),))
    key = random.choice(KEYS)
    others = [one for one in VALUES.get(key, FLAGS) if own.get(key) != one]
    return EditLayer(path, (LayerEdit((*LABELS_KEYS, key), random.choice(others)),))


def rendered(fleet: FleetCopy, folder: Path, files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The labels of each cluster's secret as Helm makes it."""
    found = {}
    for name in CLUSTERS:
        values = []
        for number, layer in enumerate(TENANTS_LAYOUT.labels_paths(place(name))):
            if layer.path in files:
                values.append(folder / f"{name}-{number}.yaml")
                values[-1].write_text(files[layer.path], encoding="utf-8")
        data = {"memberFile": name, "member": yaml.safe_load(member(name)), "region": "eu-west-1"}
        (made,) = fleet.helm.template(fleet.path("charts/fleet-secret"), values=values, data=data)
        found[name] = metadata(made)
    return found


def test_it_moves_whom_helm_moves(shipped: FleetCopy, tmp_path: Path) -> None:
    moved = still = 0
    for seed in range(10):
        random = Random(seed)
        files = repository(random)
        plan = plan_layer(an_edit(random, files), MemorySnapshot.of(files), TENANTS_LAYOUT)
        (edit,) = plan.edits
        before = rendered(shipped, tmp_path, files)
        after = rendered(shipped, tmp_path, {**files, edit.path: edit.after or ""})
        expected = {
            name: {
                (key, before[name].get(key), after[name].get(key))
                for key in before[name].keys() | after[name].keys()
                if before[name].get(key) != after[name].get(key)
            }
            for name in CLUSTERS
        }
        told = {one.cluster: set(one.labels) for one in plan.moved}
        assert told == {name: found for name, found in expected.items() if found}, seed
        moved, still = moved + len(told), still + (not told)
    assert moved > 8
    assert still
