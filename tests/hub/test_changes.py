"""What a change of a registered cluster does to the objects on the spoke."""

from __future__ import annotations

from tests.hub.fleet import Fleet, config_data, spoke_namespaces
from tests.hub.harness import eventually
from tests.hub.kube import Manifest


def cluster_info(fleet: Fleet) -> Manifest | None:
    return fleet.hub.spoke_kube.get("ConfigMap", "cluster-info", "cluster-info")


def test_it_updates_objects_in_place_when_the_channel_changes(fleet: Fleet) -> None:
    spoke = fleet.hub.new_spoke("spoke-staging-1")
    fleet.register(spoke, "tenant1", "staging")
    application = fleet.wait_synced(f"cluster-info-{spoke.name}")
    before = cluster_info(fleet)
    assert config_data(before)["catalogueVersion"] == "0.3.1"
    others = fleet.applications(spoke.name)

    fleet.change_labels(spoke, "tenant1", {"addonsRelease": "release1"})
    eventually(
        lambda: config_data(cluster_info(fleet))["catalogueVersion"] == "0.4.0",
        "the new version is on the spoke",
    )

    after = cluster_info(fleet)
    assert config_data(after)["release"] == "release1"
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    found = fleet.wait_synced(f"cluster-info-{spoke.name}")
    assert found["metadata"]["uid"] == application["metadata"]["uid"]
    # reader-role is not in the older catalogue, and nobody asked for it.
    assert fleet.applications(spoke.name) == others


def test_it_keeps_everything_when_the_channel_is_unknown(fleet: Fleet) -> None:
    spoke = fleet.hub.new_spoke("spoke-staging-2")
    fleet.register(spoke, "tenant1", "staging")
    fleet.wait_synced(f"cluster-info-{spoke.name}")
    before = cluster_info(fleet)

    fleet.change_labels(spoke, "tenant1", {"addonsRelease": "relaese1"})

    def refused() -> bool:
        found = fleet.application(f"cluster-info-{spoke.name}") or {}
        conditions = found.get("status", {}).get("conditions") or []
        return any("relaese1" in each["message"] for each in conditions)

    eventually(refused, "the Application names the unknown release")
    assert cluster_info(fleet) == before


def test_it_removes_and_brings_a_component(fleet: Fleet) -> None:
    spoke = fleet.hub.new_spoke("spoke-staging-3")
    fleet.register(spoke, "tenant1", "staging")
    name = f"cluster-info-{spoke.name}"
    fleet.wait_synced(name)
    fleet.wait_synced(f"monitoring-settings-{spoke.name}")
    monitoring = fleet.hub.spoke_kube.get("ConfigMap", "monitoring-settings", "monitoring")

    fleet.change_labels(spoke, "tenant1", {"enable_cluster_info": "false"})
    eventually(lambda: fleet.application(name) is None, "the Application is gone")
    assert cluster_info(fleet) is None
    others = fleet.hub.spoke_kube.get("ConfigMap", "monitoring-settings", "monitoring")
    assert others == monitoring

    fleet.change_labels(spoke, "tenant1", {"enable_cluster_info": "true"})
    fleet.wait_synced(name)
    assert config_data(cluster_info(fleet))["cluster"] == spoke.name


def test_it_keeps_a_cluster_whose_member_file_is_deleted(fleet: Fleet) -> None:
    spoke = fleet.hub.new_spoke("spoke-staging-4")
    fleet.register(spoke, "tenant1", "staging")
    fleet.wait_synced(f"cluster-info-{spoke.name}")
    before = cluster_info(fleet)

    fleet.commit({fleet.member_path(spoke.name): None}, "Remove the member file too early")
    fleet.refresh_set()

    eventually(
        lambda: fleet.application(f"fleet-secret-{spoke.name}") is None, "the registration is gone"
    )
    assert fleet.cluster_secret(spoke.name) is not None
    assert f"cluster-info-{spoke.name}" in fleet.applications(spoke.name)
    assert cluster_info(fleet) == before


def test_it_takes_everything_off_a_cluster_that_leaves(fleet: Fleet) -> None:
    spoke = fleet.hub.new_spoke("spoke-staging-5")
    fleet.register(spoke, "tenant1", "staging")
    for component in ("cluster-info", "monitoring-settings", "quota-defaults"):
        fleet.wait_synced(f"{component}-{spoke.name}")

    path = fleet.member_path(spoke.name)
    text = (fleet.work / path).read_text()
    fleet.commit({path: text + 'offboarding: "true"\n'}, "Let the cluster go")
    fleet.refresh_set()
    eventually(
        lambda: fleet.applications(spoke.name) == {f"fleet-secret-{spoke.name}"},
        "the components have left",
    )
    assert cluster_info(fleet) is None
    assert fleet.cluster_secret(spoke.name) is not None

    fleet.commit({path: None}, "Remove the member file")
    fleet.refresh_set()
    eventually(lambda: not fleet.applications(spoke.name), "the registration is gone")
    eventually(lambda: fleet.cluster_secret(spoke.name) is None, "the cluster secret is gone")
    assert spoke_namespaces(fleet.hub) >= {"cluster-info"}, "namespaces are never taken away"
