"""The whole product on the real hub: from the browser form to Healthy, and each kind of change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User

from onboarding.models import Change, Hub
from onboarding.models import Fleet as FleetRow
from onboarding.ports import HubKind
from onboarding.services.observing import looking, observations
from tests.hub.fleet import config_data, describe_set, layers_of, own_labels
from tests.hub.harness import Spoke, eventually
from tests.hub.product import House

LIMIT = 15.0
"""Seconds from approval, or from a commit that the hub is told of, to Synced."""


class Wall:
    """The clock on the wall."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class Registered:
    """A cluster that came in by the form: its plan, and how long it took from approval to Synced."""

    spoke: Spoke
    plan: Mapping[str, Any]
    took: float

    @property
    def forecast(self) -> set[str]:
        """The Applications that the plan said would appear."""
        return {each["name"] for each in self.plan["impact"]["appear"]}


@pytest.fixture(scope="module")
def registered(house: House, measured: list[str]) -> Registered:
    """One person fills in the form, another one approves, and everything is waited for."""
    fleet, product = house.fleet, house.product
    spoke = house.hub.new_spoke("spoke-prod-1")
    house.hub.store_credentials(f"fleet/{spoke.name}", spoke.credentials)
    fleet.commit(layers_of("cluster-info", spoke.name), "Give every layer a value")
    change = product.register(spoke.name, environment="prod")
    plan = product.plan(change)

    approved = time.monotonic()
    product.approve(change)
    for each in plan["impact"]["appear"]:
        fleet.wait_synced(each["name"])
        measured.append(f"   {each['name']} {time.monotonic() - approved:.1f}")
    took = time.monotonic() - approved
    measured.append(f"registration, from approval to all Applications Synced: {took:.1f} s")
    house.healthy(spoke.name)
    measured.append(f"... to Healthy on the page: {time.monotonic() - approved:.1f} s")
    return Registered(spoke, plan, took)


def test_it_brings_a_cluster_from_the_form_to_synced_in_time(registered: Registered) -> None:
    assert registered.took < LIMIT


def test_it_predicts_labels_and_applications_as_the_hub_makes_them(
    house: House, registered: Registered
) -> None:
    spoke = registered.spoke
    secret = house.fleet.cluster_secret(spoke.name)
    assert secret is not None
    predicted = {each["key"]: each["value"] for each in registered.plan["labels_after"]}
    assert own_labels(secret) == predicted
    external = house.hub.kube.get("ExternalSecret", f"cluster-{spoke.name}")
    assert external is not None
    assert [each["status"] for each in external["status"]["conditions"]] == ["True"]
    registration = f"fleet-secret-{spoke.name}"
    assert house.fleet.applications(spoke.name) == registered.forecast | {registration}
    sets = [describe_set(each) for each in house.hub.kube.list("ApplicationSet")]
    assert [each for each in sets if not each.endswith(": []")] == []


def test_it_deploys_the_values_of_all_five_layers(house: House, registered: Registered) -> None:
    data = config_data(house.hub.spoke_kube.get("ConfigMap", "cluster-info", "cluster-info"))
    assert {key: value for key, value in data.items() if key.startswith("info.layer")} == {
        f"info.layer{number}": str(number) for number in range(1, 6)
    }
    assert data["info.last"] == "5"
    assert (data["cluster"], data["environment"]) == (registered.spoke.name, "prod")


def test_its_page_tells_the_whole_way(house: House, registered: Registered) -> None:
    page = house.product.cluster(house.fleet.name, registered.spoke.name)
    assert page.state == "Healthy"
    assert f"All {len(registered.forecast)} Applications are synced and healthy." in page.text
    for step in ("Approved", "Committed to Git", "Noticed by the hub", "Credentials fetched",
                 "Registered in Argo CD", "Matched by ApplicationSets"):  # fmt: skip
        assert step in page.text
    assert "This was not observed itself" not in page.text
    labels = house.product.cluster(house.fleet.name, registered.spoke.name, tab="labels")
    assert "Differs" not in labels.text
    assert "Missing" not in labels.text
    assert registered.spoke.config["bearerToken"] not in labels.text


# --- Each kind of change ---


def test_it_brings_a_changed_member_file_to_the_hub_in_time(
    house: House, registered: Registered, measured: list[str]
) -> None:
    cluster = registered.spoke.name
    change = house.product.edit(house.fleet.name, cluster, use_fleet_ack="true")

    started = time.monotonic()
    house.product.approve(change)

    def has_label() -> bool:
        secret = house.fleet.cluster_secret(cluster) or {}
        return secret["metadata"]["labels"].get("use_fleet_ack") == "true"

    eventually(has_label, "the cluster secret has the label")
    house.fleet.wait_synced(f"fleet-secret-{cluster}")
    within(started, "member file, from approval to Synced", measured)


def test_it_brings_changed_labels_to_the_spoke_in_time(
    house: House, registered: Registered, measured: list[str]
) -> None:
    cluster = registered.spoke.name
    before = config_data(house.hub.spoke_kube.get("ConfigMap", "cluster-info", "cluster-info"))
    expected = {"0.3.1": "0.4.0", "0.4.0": "0.3.1"}[before["catalogueVersion"]]
    change = house.product.edit(house.fleet.name, cluster, pin_addonsRelease="release1")

    started = time.monotonic()
    house.product.approve(change)

    wait_for_data(house, "catalogueVersion", expected)
    house.fleet.wait_synced(f"cluster-info-{cluster}")
    within(started, "labels, from approval to Synced", measured)


def test_it_brings_changed_values_of_a_layer_to_the_spoke_in_time(
    db: None, house: House, registered: Registered, measured: list[str]
) -> None:
    path = "addons/tenants/tenant1/defaults/cluster-info/values.yaml"
    text = (house.fleet.work / path).read_text()

    started = commit_and_tell(house, {path: text + '  told: "yes"\n'})

    wait_for_data(house, "info.told", "yes")
    house.fleet.wait_synced(f"cluster-info-{registered.spoke.name}")
    within(started, "values of a tenant's layer, from commit to Synced", measured)


def test_it_brings_a_changed_versions_file_to_the_spoke_in_time(
    db: None, house: House, registered: Registered, measured: list[str]
) -> None:
    path = "fleet/bootstrap/versions/applicationSets.yaml"
    older = "      version: 0.3.1\n      path: charts/application-sets\n"
    newer = "      version: 0.4.0\n      path: charts/application-sets-0.4\n"
    addons, _, rest = (house.fleet.work / path).read_text().partition("  resources:")
    # The two channels of the add-ons exchange their versions.
    swapped = addons.replace(older, "OLDER").replace(newer, older).replace("OLDER", newer)
    assert swapped != addons
    before = config_data(house.hub.spoke_kube.get("ConfigMap", "cluster-info", "cluster-info"))
    expected = {"0.3.1": "0.4.0", "0.4.0": "0.3.1"}[before["catalogueVersion"]]

    started = commit_and_tell(house, {path: f"{swapped}  resources:{rest}"})

    wait_for_data(house, "catalogueVersion", expected)
    house.fleet.wait_synced(f"cluster-info-{registered.spoke.name}")
    within(started, "versions file, from commit to Synced", measured)


def within(started: float, what: str, measured: list[str]) -> None:
    """Note how long it took, and hold it against the limit."""
    took = time.monotonic() - started
    measured.append(f"{what}: {took:.1f} s")
    assert took < LIMIT


def wait_for_data(house: House, key: str, value: str) -> None:
    """Until the ConfigMap on the spoke says so."""

    def says() -> bool:
        found = house.hub.spoke_kube.get("ConfigMap", "cluster-info", "cluster-info")
        return bool(found and found["data"].get(key) == value)

    eventually(says, f"the spoke has {key}={value}")


def commit_and_tell(house: House, files: Mapping[str, str]) -> float:
    """A commit by hand, of which the product tells the hub as after a delivery of its own.

    Returns when it was committed. There is no form yet for files that are about no single cluster.
    """
    fleet = FleetRow.objects.create(name="by-hand", repository_url=str(house.fleet.bare))
    hub = Hub.objects.create(fleet=fleet, name=house.fleet.name)
    change = Change.objects.create(
        fleet=fleet,
        hub=hub,
        kind=Change.Kind.EDIT,
        requester=User.objects.create(username="by-hand"),
        plan={"edits": [{"path": path} for path in files]},
    )
    reader, clock = house.account.reader(), Wall()
    watch = observations.claim(hub=hub, holder="test", clock=clock)
    assert watch is not None
    for kind in (HubKind.APPLICATIONS, HubKind.APPLICATION_SETS):
        observations.list_kind(watch=watch, kind=kind, reader=reader, clock=clock)

    committed = time.monotonic()
    house.fleet.commit(dict(files))
    told = looking.tell_hub_of_change(
        change_id=change.pk,
        reader=lambda _: reader,
        argocd=lambda _: house.account.argocd(),
        clock=clock,
    )
    reader.close()
    assert told.problems == ()
    assert told.lookers.applications
    return committed
