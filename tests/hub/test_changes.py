"""What a change of a registered cluster does: what the product foresaw, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.hub import charts
from tests.hub.cleaning import spoke_namespaces
from tests.hub.fleet import Fleet, config_data
from tests.hub.foresight import (
    deliver,
    difference_in,
    difference_of,
    foreseen,
    in_time,
    on_hub,
    placed,
    plan_edit,
    settled,
)
from tests.hub.harness import eventually
from tests.hub.kube import Manifest

VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"


def cluster_info(fleet: Fleet) -> Manifest | None:
    return fleet.hub.spoke_kube.get("ConfigMap", "cluster-info", "cluster-info")


def metrics_server(fleet: Fleet) -> Manifest | None:
    return fleet.hub.spoke_kube.get("ConfigMap", "metrics-server", "kube-system")


def uid(found: Manifest | None) -> str:
    assert found is not None, "the object is gone"
    return str(found["metadata"]["uid"])


@pytest.fixture
def with_charts(fleet: Fleet) -> Iterator[Fleet]:
    """The fleet takes a public chart, in two versions, from this machine."""
    with charts.served() as url:
        text = charts.use((fleet.work / VERSIONS).read_text(), url)
        fleet.commit({VERSIONS: text}, "Take charts from this machine")
        fleet.refresh(f"bootstrap-addons-{fleet.name}")
        yield fleet


def test_it_does_what_was_foreseen_of_channels_and_components(
    with_charts: Fleet, measured: list[str]
) -> None:
    fleet, spoke = with_charts, with_charts.hub.new_spoke("spoke-staging-1")
    place = placed(fleet, spoke.name, "tenant1", "staging")
    started = time.monotonic()
    fleet.register(spoke, "tenant1", "staging", {"enable_metrics_server": "true"})
    before = settled(fleet, spoke.name, set(foreseen(fleet, place)))
    in_time(measured, "a new member file", started)
    objects = uid(cluster_info(fleet)), uid(metrics_server(fleet))

    # Another channel: new versions, the same Applications and the same objects.
    plan = plan_edit(fleet, place, {"addonsRelease": "release1"})
    started = time.monotonic()
    deliver(fleet, plan)
    eventually(
        lambda: config_data(metrics_server(fleet))["version"] == "3.13.0",
        "the new version is on the spoke",
    )
    after = settled(fleet, spoke.name, set(before))
    in_time(measured, "another release channel", started)
    assert difference_of(before, after) == difference_in(plan)
    assert {one.version for _, one in plan.impact.change} >= {"3.13.0"}
    assert (uid(cluster_info(fleet)), uid(metrics_server(fleet))) == objects
    data = config_data(cluster_info(fleet))
    assert (data["catalogueVersion"], data["release"]) == ("0.4.0", "release1")

    # One component goes, with its objects, and another one comes.
    before, monitoring = after, _monitoring(fleet)
    pins = {
        "enable_cluster_info": "false",
        "resourcesRelease": "release1",
        "enable_reader_role": "true",
    }
    plan = plan_edit(fleet, place, pins)
    started = time.monotonic()
    deliver(fleet, plan)
    after = settled(fleet, spoke.name, set(foreseen(fleet, place)))
    eventually(lambda: cluster_info(fleet) is None, "its objects are gone")
    in_time(measured, "two enable flags", started)
    assert difference_of(before, after) == difference_in(plan)
    assert plan.impact.disappear[0].deletes_resources
    assert _monitoring(fleet) == monitoring

    # And comes back.
    before, plan = after, plan_edit(fleet, place, {"enable_cluster_info": None})
    deliver(fleet, plan)
    after = settled(fleet, spoke.name, set(foreseen(fleet, place)))
    assert difference_of(before, after) == difference_in(plan)
    assert config_data(cluster_info(fleet))["cluster"] == spoke.name


def _monitoring(fleet: Fleet) -> Manifest | None:
    return fleet.hub.spoke_kube.get("ConfigMap", "monitoring-settings", "monitoring")


def test_it_moves_a_channel_for_the_clusters_on_it_alone(
    with_charts: Fleet, measured: list[str]
) -> None:
    fleet = with_charts
    follows = fleet.hub.new_spoke("spoke-follows")
    pinned = fleet.hub.separate_spoke("spoke-pinned")
    places = [placed(fleet, each.name, "tenant2", "dev") for each in (follows, pinned)]
    fleet.register(follows, "tenant2", "dev", {"enable_metrics_server": "true"})
    fleet.register(pinned, "tenant2", "dev", {"addonsRelease": "release1"})
    foretold = [foreseen(fleet, place) for place in places]
    before = [
        settled(fleet, place.cluster, set(found))
        for place, found in zip(places, foretold, strict=True)
    ]

    versions = yaml.safe_load((fleet.work / VERSIONS).read_text())
    default, release1 = versions["releases"]["addons"]
    default |= {"version": release1["version"], "path": release1["path"]}
    started = time.monotonic()
    fleet.commit({VERSIONS: yaml.safe_dump(versions)}, "Move the default channel")
    for group in ("addons", "fleet", "monitoring", "resources"):
        fleet.refresh(f"bootstrap-{group}-{fleet.name}")
    eventually(
        lambda: config_data(metrics_server(fleet))["version"] == "3.13.0",
        "the new version is on the spoke",
    )
    after = [settled(fleet, place.cluster, set(foreseen(fleet, place))) for place in places]
    in_time(measured, "the versions file", started)

    for i, place in enumerate(places):
        now, was = foreseen(fleet, place), foretold[i]
        moved = {name for name in now if now[name].substance() != was[name].substance()}
        seen = difference_of(before[i], after[i])
        assert (seen.appear, seen.change, seen.disappear) == (frozenset(), moved, frozenset())
    assert difference_of(before[0], after[0]).change
    assert not difference_of(before[1], after[1]).change


def test_it_brings_values_and_member_options_in_time(fleet: Fleet, measured: list[str]) -> None:
    spoke = fleet.hub.new_spoke("spoke-staging-6")
    place = placed(fleet, spoke.name, "tenant1", "staging")
    fleet.register(spoke, "tenant1", "staging")
    before = settled(fleet, spoke.name, set(foreseen(fleet, place)))
    name = f"cluster-info-{spoke.name}"

    started = time.monotonic()
    values = f"addons/tenants/tenant1/clusters/{spoke.name}/cluster-info/values.yaml"
    commit = fleet.commit({values: 'info:\n  docs: "Ask us."\n'}, "Say who to ask")
    fleet.refresh(name)
    fleet.wait_synced(name, commit)
    in_time(measured, "a component's values", started)
    assert config_data(cluster_info(fleet))["info.docs"] == "Ask us."

    plan = plan_edit(fleet, place, options={"use_fleet_ack": "true"})
    started = time.monotonic()
    deliver(fleet, plan)

    def labelled() -> Any:
        secret = fleet.cluster_secret(spoke.name) or {"metadata": {"labels": {}}}
        return secret["metadata"]["labels"].get("use_fleet_ack") == "true"

    eventually(labelled, "the cluster secret has the new label")
    fleet.wait_synced(f"fleet-secret-{spoke.name}")
    in_time(measured, "an option of the member file", started)
    assert difference_of(before, on_hub(fleet, spoke.name)) == difference_in(plan)


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
    assert spoke_namespaces(fleet.hub.spoke_kube) >= {"cluster-info"}, (
        "namespaces are never taken away"
    )
