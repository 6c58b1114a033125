"""A shared layer is edited by the product's pages on a real hub: who was listed moves, and nobody else."""

from __future__ import annotations

import re

import pytest

from tests.hub.browsing import text_of
from tests.hub.harness import eventually
from tests.hub.product import House, _flag, only

LABELS = "fleet/fleet-secret/values.yaml"
TENANT1 = f"addons/tenants/tenant1/defaults/{LABELS}"


def edit_layer(house: House, path: str, key: str, value: str) -> int:
    """Set a label in the form of a layer, ask, and let the other person approve."""
    requester, address = house.product.person("requester"), f"/layers/edit/?file={path}"
    page = requester.get(address)
    own = re.search(rf'name="key-(\d+)" value="{key}"', page)
    empty = re.search(r'name="key-(\d+)" value=""', page)
    row = own or empty
    assert row is not None, text_of(page)
    typed = {f"key-{row[1]}": key, f"value-{row[1]}": value}
    answer = requester.send(address, typed, having="file")
    assert "/changes/" in answer.url, text_of(answer.text)
    change = int(answer.url.rstrip("/").rpartition("/")[2])
    house.product.approve(change)
    return change


def identities(house: House, cluster: str) -> dict[str, str]:
    names = house.fleet.applications(cluster)
    return {name: (house.fleet.application(name) or {})["metadata"]["uid"] for name in names}


def labels_of(house: House, cluster: str) -> dict[str, str]:
    secret = house.fleet.cluster_secret(cluster)
    assert secret is not None
    return dict(secret["metadata"]["labels"])


def says(house: House, change: int, words: str, seconds: float = 120) -> None:
    last = [""]

    def said() -> bool:
        page = house.product.person("approver").get(f"/changes/{change}/")
        last[0] = text_of(page)
        return words in last[0]

    try:
        eventually(said, f"the page of change {change} says {words}", seconds, pause=0.5)
    except Exception as error:
        error.add_note(last[0])
        raise


@pytest.fixture(scope="module")
def three(house: House) -> House:
    """Two clusters of tenant1 and one of tenant2, each with a component of its own."""
    for name, tenant, probe in (
        ("layer-one", "tenant1", "probe-a"),
        ("layer-two", "tenant1", "probe-b"),
        ("layer-other", "tenant2", "probe-c"),
    ):
        hub = house.hub
        # Two that get one component, so not behind one API server.
        spoke = hub.separate_spoke(name) if name == "layer-two" else hub.new_spoke(name)
        hub.store_credentials(f"fleet/{name}", spoke.credentials)
        change = house.product.register(name, tenant=tenant, environment="prod", **only(probe))
        house.product.approve(change)
        house.healthy(name)
    return house


def test_a_flag_of_a_tenant_turns_a_component_on_for_its_clusters_alone(three: House) -> None:
    house = three
    before = {name: identities(house, name) for name in ("layer-one", "layer-two", "layer-other")}
    labels = labels_of(house, "layer-other")
    change = edit_layer(house, TENANT1, _flag("probe-d"), "true")
    plan = house.product.plan(change)
    assert [one["cluster"] for one in plan["moved"]] == ["layer-one", "layer-two"]
    appear = {one["name"] for one in plan["impact"]["appear"]}
    assert appear == {"probe-d-layer-one", "probe-d-layer-two"}

    says(house, change, "2 of 2 clusters have it")
    for name in ("layer-one", "layer-two"):
        assert labels_of(house, name)[_flag("probe-d")] == "true"
        after = identities(house, name)
        assert after.keys() - before[name].keys() == {f"probe-d-{name}"}
        assert before[name].items() <= after.items(), "an Application was made anew"
        found = house.product.wait_for(
            house.fleet.name, name, lambda page: page.state == "Healthy", seconds=120
        )
        assert found.state == "Healthy"
    assert identities(house, "layer-other") == before["layer-other"]
    assert labels_of(house, "layer-other") == labels

    change = edit_layer(house, TENANT1, _flag("probe-d"), "false")
    says(house, change, "2 of 2 clusters have it", seconds=180)
    assert {name: identities(house, name) for name in before} == before
