"""The charts one by one: lint, and the values of all layers in what they render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repositories import TEMPLATE
from tests.template.helm import FleetCopy
from tests.template.test_fleet_secret import MEMBER

CHARTS = sorted(str(file.parent.relative_to(TEMPLATE)) for file in TEMPLATE.rglob("Chart.yaml"))
PLACE = {"tenant": "tenant1", "environment": "prod", "cluster": "spoke-a"}


def test_it_ships_the_charts_that_it_speaks_of() -> None:
    assert CHARTS == [
        "charts/application-sets",
        "charts/application-sets-0.4",
        "charts/cluster-info",
        "charts/fleet-secret",
        "charts/monitoring-settings",
        "charts/namespace-baseline",
        "charts/quota-defaults",
        "charts/reader-role",
        "charts/release-channels",
        "charts/unknown-release",
        "fleet/fleet-bootstrap/members-init-v2",
    ]


@pytest.mark.parametrize("chart", CHARTS)
def test_it_passes_helm_lint(shipped: FleetCopy, tmp_path: Path, chart: str) -> None:
    arguments: list[str | Path] = ["lint", shipped.path(chart)]
    if chart == "charts/fleet-secret":
        (tmp_path / "member.yaml").write_text(yaml.safe_dump({"member": MEMBER}), encoding="utf-8")
        arguments += ["--values", tmp_path / "member.yaml"]
    assert "0 chart(s) failed" in shipped.helm.run(*arguments)


def rendered(
    fleet: FleetCopy, component: str, *, base: str, data: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What a component renders for spoke-a, with the layers that the repository has for it."""
    layers = fleet.layers(component, base=base, **PLACE)
    return fleet.helm.template(fleet.path(f"charts/{component}"), values=layers, data=data)


def test_it_merges_all_five_layers_of_a_component(fleet: FleetCopy) -> None:
    fleet.write(
        "addons/tenants/tenant1/clusters/spoke-a/cluster-info/values.yaml",
        {"info": {"owner": "spoke-a's team", "rack": "7"}},
    )
    (found,) = rendered(
        fleet,
        "cluster-info",
        base="addons",
        data={
            "cluster": "spoke-a",
            "tenant": "tenant1",
            "environment": "prod",
            "catalogueVersion": "0.3.1",
        },
    )
    assert found["data"] == {
        "cluster": "spoke-a",
        "tenant": "tenant1",
        "environment": "prod",
        "catalogueVersion": "0.3.1",
        "info.docs": "Ask the platform team.",  # system
        "info.support": "day and night",  # environment over tenant defaults
        "info.owner": "spoke-a's team",  # cluster over tenant
        "info.rack": "7",
    }


def test_it_tells_the_release_only_where_the_catalogue_says_so(shipped: FleetCopy) -> None:
    (found,) = rendered(
        shipped, "cluster-info", base="addons", data={"release": "release1", "showRelease": True}
    )
    assert found["data"]["release"] == "release1"


def test_it_makes_the_namespaces_of_all_layers(shipped: FleetCopy) -> None:
    found = rendered(
        shipped,
        "namespace-baseline",
        base="resources",
        data={"tenant": "tenant1", "environment": "prod"},
    )
    assert [
        (one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")) for one in found
    ] == [
        ("Namespace", "shared-tools", None),
        ("Namespace", "tenant1-apps", None),
        ("NetworkPolicy", "deny-all", "tenant1-apps"),
    ]
    assert found[0]["metadata"]["labels"] == {
        "fleet/tenant": "tenant1",
        "fleet/environment": "prod",
    }


def test_it_replaces_lists_and_merges_maps_between_layers(shipped: FleetCopy) -> None:
    found = rendered(shipped, "quota-defaults", base="resources")
    quotas = [one for one in found if one["kind"] == "ResourceQuota"]
    assert [one["metadata"]["namespace"] for one in quotas] == ["shared-tools", "tenant1-apps"]
    assert quotas[0]["spec"]["hard"] == {
        "requests.cpu": "16",
        "requests.memory": "64Gi",
        "pods": "200",
    }
    assert len(found) == 4


def test_it_renders_the_monitoring_settings_of_the_environment(shipped: FleetCopy) -> None:
    (found,) = rendered(
        shipped,
        "monitoring-settings",
        base="monitoring",
        data={"externalLabels": {"cluster": "spoke-a"}},
    )
    assert yaml.safe_load(found["data"]["settings.yaml"]) == {
        "scrapeInterval": "15s",
        "retention": "30d",
        "externalLabels": {"cluster": "spoke-a"},
    }


def test_it_lets_readers_read_everything_but_secrets(shipped: FleetCopy) -> None:
    role, binding = rendered(
        shipped, "reader-role", base="resources", data={"groups": ["tenant1-readers"]}
    )
    core = role["rules"][0]
    assert core["apiGroups"] == [""]
    assert "secrets" not in core["resources"]
    assert "*" not in core["resources"]
    assert all(rule["verbs"] == ["get", "list", "watch"] for rule in role["rules"])
    assert [one["name"] for one in binding["subjects"]] == ["tenant1-readers"]
    assert len(rendered(shipped, "reader-role", base="resources")) == 1


@pytest.mark.parametrize(
    "chart", ["charts/application-sets", "charts/application-sets-0.4", "charts/unknown-release"]
)
def test_it_renders_nothing_by_itself(shipped: FleetCopy, chart: str) -> None:
    assert shipped.helm.template(shipped.path(chart)) == []
