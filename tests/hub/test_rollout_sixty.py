"""A rollout over 60 clusters in 4 waves on a real hub: one degrades in wave 2. It stops, goes back, moves no other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tests.hub.harness import eventually
from tests.hub.kube import MERGE, Manifest
from tests.hub.product import House
from tests.hub.test_bulk import PLACE, decide
from tests.hub.test_bulk import says as bulk_says
from tests.hub.test_offboarding import files, identities
from tests.hub.test_rollout import CLUSTER_INFO, ask, channel, press, says
from tests.hub.test_rollout_stops import AGENT, SHIPPED_WITH_RELEASE1

NAMES = [f"spoke-{number:02d}" for number in range(1, 61)]
WAVES = [NAMES[first : first + 15] for first in range(0, 60, 15)]
BROKEN = WAVES[1][6]
"""The one cluster that what release1 delivers does not come up on."""
CONFIG = "charts/cluster-info/templates/configmap.yaml"
NAMESPACE = "cluster-info"


def register_all(house: House) -> None:
    """All of them by one file and one approval, on the default channel, with one component."""
    pins = CLUSTER_INFO | {"pin_addonsRelease": "default"}
    lines = [",".join((*PLACE, *(pin.removeprefix("pin_") for pin in pins)))]
    for name in NAMES:
        spoke = house.hub.new_spoke(name)
        house.hub.store_credentials(f"fleet/{name}", spoke.credentials)
        place = (house.fleet.name, name, "tenant1", "prod", f"fleet/{name}")
        lines.append(",".join((*place, *pins.values())))
    answer = house.product.person("requester").send(
        "/bulk/register/", {"title": "Sixty spokes", "text": "\n".join(lines)}, having="text"
    )
    path = answer.url.removeprefix(house.product.ports.web_url)
    bulk_says(house, path, "60 of 60 checked", "60 of 60 wait for approval", seconds=180)
    decide(house, path)
    for name in NAMES:
        house.healthy(name, 600)


def one_object_each(house: House) -> None:
    """All simulated spokes are one API server: each cluster's objects carry its name.

    With release1 an agent comes to one cluster alone, where nobody will start it.
    """
    config = (house.fleet.work / CONFIG).read_text()
    agent = SHIPPED_WITH_RELEASE1.replace(
        "if .Values.showRelease", f'if and .Values.showRelease (eq .Values.cluster "{BROKEN}")'
    )
    named = config.replace("name: cluster-info", "name: cluster-info-{{ .Values.cluster }}")
    assert named != config
    assert BROKEN in agent
    house.fleet.commit({CONFIG: named, AGENT: agent}, "Name each cluster's objects by it")


def does_not_come_up(house: House) -> None:
    """What Kubernetes' Deployment controller says of the agent whose Pods crash."""
    kube = house.hub.spoke_kube
    agent: Manifest = eventually(
        lambda: kube.get("Deployment", "agent", NAMESPACE), "the agent is delivered", 300
    )
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    status = {
        "observedGeneration": agent["metadata"]["generation"],
        "replicas": 1,
        "updatedReplicas": 1,
        "unavailableReplicas": 1,
        "conditions": [{**condition, "message": "It crashes."}],
    }
    path = kube.path("Deployment", "agent", NAMESPACE)
    kube.request("PATCH", f"{path}/status", {"status": status}, MERGE)


def touched(house: House, names: list[str]) -> Mapping[str, Any]:
    """All that a rollout could touch of clusters, on hub and spoke: what was written anew has another version."""
    found: dict[str, Any] = {}
    for name in names:
        secret = house.fleet.cluster_secret(name) or {}
        external = house.hub.kube.get("ExternalSecret", f"cluster-{name}") or {}
        application = house.fleet.application(f"cluster-info-{name}") or {}
        config = house.hub.spoke_kube.get("ConfigMap", f"cluster-info-{name}", NAMESPACE) or {}
        found[name] = {
            "cluster secret": secret["metadata"]["resourceVersion"],
            "ExternalSecret": external["spec"],
            "Application": (application["metadata"]["uid"], application["spec"]),
            "last sync": application["status"]["operationState"]["finishedAt"],
            "history": [one["id"] for one in application["status"]["history"]],
            "ConfigMap": (config["metadata"]["uid"], config["metadata"]["resourceVersion"]),
        }
    return found


def channels(house: House) -> list[list[str]]:
    """The channels that the live cluster secrets of each wave have."""
    return [sorted({channel(house, name) for name in wave}) for wave in WAVES]


def new_commits(house: House, since: str) -> list[set[str]]:
    """The files that each commit since then changed."""
    house.fleet.git("fetch", "--quiet", "origin")
    commits = house.fleet.git("rev-list", "--reverse", f"{since}..origin/main").split()
    shown = (house.fleet.git("show", "--format=", "--name-only", each) for each in commits)
    return [set(text.split()) for text in shown]


def test_it_stops_within_its_gate_goes_back_and_touches_no_other(
    house: House, measured: list[str]
) -> None:
    one_object_each(house)
    started = time.monotonic()
    register_all(house)
    measured.append(f"60 clusters by one file: {time.monotonic() - started:.0f} s")
    before = files(house)
    tip = house.fleet.git("rev-parse", "origin/main")
    uids = {name: identities(house, name) for name in NAMES}
    others = touched(house, [*WAVES[2], *WAVES[3]])
    content = {
        name: (house.hub.spoke_kube.get("ConfigMap", f"cluster-info-{name}", NAMESPACE) or {})[
            "data"
        ]
        for name in NAMES
    }

    started = time.monotonic()
    path = ask(house, "\n".join(" ".join(wave) for wave in WAVES))
    released = [["release1"], ["release1"], ["default"], ["default"]]
    eventually(lambda: channels(house) == released, "two waves have moved", 400, pause=1)
    does_not_come_up(house)
    measured.append(
        f"wave 1 and 2 of 15 each in Git and on the hub: {time.monotonic() - started:.0f} s"
    )
    says(house, path, "Paused", f"{BROKEN}: Degraded.", seconds=120)
    measured.append(f"rollout of 60, until it stopped: {time.monotonic() - started:.0f} s")
    # Whatever time it is left: the waves behind the gate are as they were, in Git and everywhere.
    moved = [*WAVES[0], *WAVES[1]]
    for wait in (0, 20):
        time.sleep(wait)
        says(house, path, "Paused", f"{BROKEN}: Degraded.", seconds=10)
        labels = [house.fleet.labels_path(name, "tenant1") for name in moved]
        assert sorted(new_commits(house, tip), key=min) == [{each} for each in sorted(labels)]
        assert channels(house) == released
        assert touched(house, [*WAVES[2], *WAVES[3]]) == others
    for name in WAVES[0]:
        house.healthy(name, 10)

    stopped = house.fleet.git("rev-parse", "origin/main")
    started = time.monotonic()
    press(house, path, f"{path}revert/")
    says(house, path, "Reverted", "Every cluster is back in Git.", seconds=300)
    eventually(lambda: channels(house) == [["default"]] * 4, "the channels are back", 180)
    for name in NAMES:
        house.healthy(name, 300)
    measured.append(f"... and back, until all 60 are Healthy: {time.monotonic() - started:.0f} s")
    assert len(new_commits(house, stopped)) == len(moved)
    assert files(house) == before
    assert {name: identities(house, name) for name in NAMES} == uids
    assert touched(house, [*WAVES[2], *WAVES[3]]) == others
    kube = house.hub.spoke_kube
    assert kube.get("Deployment", "agent", NAMESPACE) is None
    for name in NAMES:
        config = kube.get("ConfigMap", f"cluster-info-{name}", NAMESPACE)
        assert config is not None
        assert config["data"] == content[name]
