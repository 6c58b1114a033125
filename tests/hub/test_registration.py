"""The way of one registration, by plain git as people do it: from credentials to values on the spoke."""

from __future__ import annotations

import base64
import json
import time

import pytest

from tests.hub.fleet import (
    Fleet,
    config_data,
    describe_set,
    layers_of,
    member_text,
    own_labels,
)
from tests.hub.harness import eventually
from tests.hubs.contract import COMPONENTS, LABELS


def test_it_brings_a_registered_cluster_its_components_with_values_of_all_layers(
    fleet: Fleet,
) -> None:
    spoke = fleet.hub.new_spoke("spoke-prod-1")
    fleet.commit(layers_of("cluster-info", spoke.name), "Give every layer a value")

    started = time.monotonic()
    commit = fleet.register(spoke, "tenant1", "prod")
    applications = {f"{each}-{spoke.name}" for each in COMPONENTS}
    for name in sorted(applications):
        fleet.wait_synced(name)
    print(f"\nfrom commit to Synced: {time.monotonic() - started:.1f} s")

    secret = fleet.cluster_secret(spoke.name)
    assert secret is not None
    assert own_labels(secret) == LABELS
    decoded = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert decoded == {
        "name": spoke.name,
        "server": spoke.server,
        "config": json.dumps(spoke.config),
    }
    external = fleet.hub.kube.get("ExternalSecret", f"cluster-{spoke.name}")
    assert external is not None
    assert [each["status"] for each in external["status"]["conditions"]] == ["True"]
    assert fleet.applications(spoke.name) == applications | {f"fleet-secret-{spoke.name}"}
    found = fleet.application(f"cluster-info-{spoke.name}")
    assert found is not None
    assert commit in found["status"]["sync"]["revisions"]
    data = config_data(fleet.hub.spoke_kube.get("ConfigMap", "cluster-info", "cluster-info"))
    assert data == {
        "cluster": spoke.name,
        "tenant": "tenant1",
        "environment": "prod",
        "catalogueVersion": "0.3.1",
        **{f"info.layer{i}": str(i) for i in range(1, 6)},
        "info.last": "5",
    }
    complaints = [describe_set(each) for each in fleet.hub.kube.list("ApplicationSet")]
    assert [each for each in complaints if not each.endswith(": []")] == []


@pytest.mark.parametrize("wrong", ["missing", "without server"])
def test_it_fails_only_the_cluster_whose_credentials_are_wrong(fleet: Fleet, wrong: str) -> None:
    good, bad = fleet.hub.new_spoke("spoke-good"), fleet.hub.new_spoke("spoke-bad")
    fleet.hub.forget_credentials("fleet/spoke-bad")
    if wrong == "without server":
        fleet.hub.store_credentials("fleet/spoke-bad", {"config": json.dumps(bad.config)})
    fleet.commit({fleet.member_path(bad.name): member_text(bad.name, "tenant1", "dev")})
    fleet.register(good, "tenant1", "dev")

    fleet.wait_synced(f"cluster-info-{good.name}")

    def refused() -> bool:
        external = fleet.hub.kube.get("ExternalSecret", f"cluster-{bad.name}") or {}
        conditions = external.get("status", {}).get("conditions") or []
        return any(
            (each["type"], each["status"], each["reason"])
            == ("Ready", "False", "SecretSyncedError")
            for each in conditions
        )

    eventually(refused, "the ExternalSecret of the bad cluster says what is wrong")
    assert fleet.cluster_secret(bad.name) is None
    assert fleet.applications(bad.name) == {f"fleet-secret-{bad.name}"}


@pytest.mark.parametrize(
    "value",
    ["{{ .config }}", "{{ .server }}", "{{ printf `x` }}"],
)
def test_it_keeps_hostile_label_values_from_the_cluster_secret(fleet: Fleet, value: str) -> None:
    spoke = fleet.hub.new_spoke("spoke-hostile")
    fleet.register(spoke, "tenant1", "dev")
    before = eventually(lambda: fleet.cluster_secret(spoke.name), "the cluster secret is there")

    fleet.change_labels(spoke, "tenant1", {"team": value})

    def refused() -> bool:
        found = fleet.application(f"fleet-secret-{spoke.name}") or {}
        conditions = found.get("status", {}).get("conditions") or []
        return any('the label "team"' in each["message"] for each in conditions)

    eventually(refused, "the registration of the cluster says what is refused")
    after = fleet.cluster_secret(spoke.name)
    assert after is not None
    assert own_labels(after) == own_labels(before)
    external = fleet.hub.kube.get("ExternalSecret", f"cluster-{spoke.name}")
    assert "team" not in json.dumps(external)
