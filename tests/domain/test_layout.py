from __future__ import annotations

from typing import Any

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.layout import (
    ENVIRONMENTS_LAYOUT,
    LAYOUTS,
    TENANTS_LAYOUT,
    FleetLayout,
    LayerName,
    Placement,
)
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName

PLACE = Placement(
    HubName("hub-cluster"), ClusterName("spoke-a"), TenantName("tenant1"), Environment("dev")
)
THIRD: dict[str, Any] = {
    "name": "third",
    "title": "By configuration alone",
    "members": "gitops/fleet/{hub}-members/{cluster}.yml",
    "releases": "gitops/versions.yaml",
    "wrapper": "gitops/charts/wrapper",
    "labels_component": "fleet-secret",
    "layers": [
        {"name": "system", "pattern": "gitops/addons/default/{component}/values.yaml"},
        {
            "name": "environment",
            "pattern": "gitops/addons/environments/{environment}/{component}.yaml",
        },
        {
            "name": "cluster",
            "pattern": "gitops/addons/tenants/{tenant}/clusters/{cluster}/{component}/values.yaml",
        },
    ],
    "bases": {"addons": "gitops/addons", "fleet": "gitops/addons"},
}


def test_it_has_the_five_layers_lowest_first() -> None:
    paths = TENANTS_LAYOUT.layer_paths(PLACE, "metrics-server")
    assert [(found.layer, found.path) for found in paths] == [
        (LayerName.SYSTEM, "addons/defaults/metrics-server/values.yaml"),
        (LayerName.TENANT_DEFAULTS, "addons/tenants/defaults/metrics-server/values.yaml"),
        (LayerName.TENANT, "addons/tenants/tenant1/defaults/metrics-server/values.yaml"),
        (
            LayerName.ENVIRONMENT,
            "addons/tenants/tenant1/environments/dev/metrics-server/values.yaml",
        ),
        (LayerName.CLUSTER, "addons/tenants/tenant1/clusters/spoke-a/metrics-server/values.yaml"),
    ]


def test_it_has_clusters_inside_environments_in_the_second_layout() -> None:
    paths = ENVIRONMENTS_LAYOUT.layer_paths(PLACE, "x", group="resources")
    assert [found.path for found in paths] == [
        "resources/defaults/x/values.yaml",
        "resources/tenants/tenant1/defaults/x/values.yaml",
        "resources/tenants/tenant1/environments/dev/defaults/x/values.yaml",
        "resources/tenants/tenant1/environments/dev/clusters/spoke-a/x/values.yaml",
    ]


def test_it_finds_the_labels_below_the_fleets_base() -> None:
    paths = TENANTS_LAYOUT.labels_paths(PLACE)
    assert paths[0].path == "addons/defaults/fleet/fleet-secret/values.yaml"
    own = "addons/tenants/tenant1/clusters/spoke-a/fleet/fleet-secret/values.yaml"
    assert paths[-1].path == TENANTS_LAYOUT.cluster_labels_path(PLACE) == own


def test_it_takes_a_base_folder_of_the_clusters_own() -> None:
    place = Placement(*_names(), bases=(("addons", "teams/one"), ("fleet", "teams/one")))
    assert (
        TENANTS_LAYOUT.labels_paths(place)[0].path
        == "teams/one/defaults/fleet/fleet-secret/values.yaml"
    )
    (first, *_) = TENANTS_LAYOUT.layer_paths(place, "x", group="resources")
    assert first.path == "resources/defaults/x/values.yaml"


def _names() -> tuple[HubName, ClusterName, TenantName, Environment]:
    return PLACE.hub, PLACE.cluster, PLACE.tenant, PLACE.environment


@pytest.mark.parametrize(
    "base",
    ["..", "a/../..", "/etc", "a//b", ".git", "a/.git", "-x", "{{ .config }}", "a/{tenant}", ""],
)
def test_it_never_leaves_the_repository_by_a_base(base: str) -> None:
    place = Placement(*_names(), bases=(("addons", base),))
    if not base:
        assert TENANTS_LAYOUT.layer_paths(place, "x")[0].path.startswith("addons/")
        return
    with pytest.raises(Refused, match="not a path inside the fleet repository"):
        TENANTS_LAYOUT.layer_paths(place, "x")


@pytest.mark.parametrize(
    "component", ["..", "../x", "a/../b", "a//b", "/a", "", ".git", "a b", "a\n", "{x}"]
)
def test_it_never_leaves_the_layer_by_a_component(component: str) -> None:
    with pytest.raises(Refused, match="not a path inside the fleet repository"):
        TENANTS_LAYOUT.layer_paths(PLACE, component)


@pytest.mark.parametrize("name", ["..", "a/b", "A", "{tenant}", ""])
def test_it_parses_names_that_were_not_parsed(name: str) -> None:
    raw: Any = name
    with pytest.raises(Refused):
        TENANTS_LAYOUT.member_path(PLACE.hub, raw)
    with pytest.raises(Refused):
        TENANTS_LAYOUT.member_path(raw, PLACE.cluster)
    with pytest.raises(Refused):
        TENANTS_LAYOUT.layer_paths(Placement(PLACE.hub, PLACE.cluster, raw, PLACE.environment), "x")


def test_it_refuses_a_group_without_a_base() -> None:
    with pytest.raises(Refused, match="no base folder for the group 'games'"):
        TENANTS_LAYOUT.layer_paths(PLACE, "x", group="games")


@pytest.mark.parametrize(
    "layout", [*LAYOUTS.values(), FleetLayout.from_data(THIRD)], ids=lambda it: it.name
)
def test_it_finds_a_member_by_the_path_it_made(layout: FleetLayout) -> None:
    path = layout.member_path(PLACE.hub, PLACE.cluster)
    assert layout.parse_member_path(path) == (PLACE.hub, PLACE.cluster)
    assert path.startswith(f"{layout.members_root()}/")
    assert path.startswith(layout.members_folder(PLACE.hub))


def test_it_knows_where_members_are() -> None:
    assert TENANTS_LAYOUT.members_root() == "fleet/fleet-bootstrap/fleet-members"
    assert (
        TENANTS_LAYOUT.members_folder(PLACE.hub)
        == "fleet/fleet-bootstrap/fleet-members/hub-cluster"
    )
    root = "fleet/fleet-bootstrap/fleet-members"
    assert (
        TENANTS_LAYOUT.member_path(PLACE.hub, PLACE.cluster) == f"{root}/hub-cluster/spoke-a.yaml"
    )


@pytest.mark.parametrize(
    "path",
    [
        "fleet/fleet-bootstrap/fleet-members/hub-cluster/Spoke.yaml",
        "fleet/fleet-bootstrap/fleet-members/hub-cluster/spoke.yml",
        "fleet/fleet-bootstrap/fleet-members/hub-cluster/a/spoke.yaml",
        "fleet/fleet-bootstrap/fleet-members/spoke.yaml",
        "fleet/fleet-bootstrap/fleet-members/../spoke.yaml",
        "fleet/fleet-bootstrap/fleet-members/hub-cluster/.gitkeep",
        "x/fleet/fleet-bootstrap/fleet-members/hub-cluster/spoke.yaml",
        "fleet/fleet-bootstrap/fleet-members/hub-cluster/spoke.yaml\n",
        "",
    ],
)
def test_it_takes_no_other_file_for_a_member(path: str) -> None:
    assert TENANTS_LAYOUT.parse_member_path(path) is None


def test_it_reads_a_third_layout_from_configuration() -> None:
    layout = FleetLayout.from_data(THIRD)
    assert layout.to_data() == THIRD
    assert [found.path for found in layout.labels_paths(PLACE)] == [
        "gitops/addons/default/fleet-secret/values.yaml",
        "gitops/addons/environments/dev/fleet-secret.yaml",
        "gitops/addons/tenants/tenant1/clusters/spoke-a/fleet-secret/values.yaml",
    ]
    assert (
        layout.member_path(PLACE.hub, PLACE.cluster)
        == "gitops/fleet/hub-cluster-members/spoke-a.yml"
    )


def test_it_survives_being_stored() -> None:
    for layout in LAYOUTS.values():
        assert FleetLayout.from_data(layout.to_data()) == layout
        assert hash(FleetLayout.from_data(layout.to_data())) == hash(layout)


def _layers(*items: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "pattern": pattern} for name, pattern in items]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nonsense": 1}, "unknown key 'nonsense'"),
        ({"layers": "x"}, "a list of layers"),
        ({"layers": []}, "at least one layer"),
        ({"layers": [{"name": "system"}]}, "a map with name and pattern"),
        ({"layers": _layers(("moon", "a/{component}"))}, "the layer 'moon' is unknown"),
        ({"layers": _layers(("cluster", "a/{cluster}/values.yaml"))}, "needs {component}"),
        ({"layers": _layers(("cluster", "a/{component}/values.yaml"))}, "must be the cluster's"),
        ({"layers": _layers(("tenant", "{tenant}/{component}"))}, "must be the cluster's"),
        ({"layers": _layers(("cluster", "../{cluster}/{component}"))}, "not a path inside"),
        ({"layers": _layers(("cluster", "/{cluster}/{component}"))}, "not a path inside"),
        ({"layers": _layers(("cluster", ".git/{cluster}/{component}"))}, "not a path inside"),
        ({"layers": _layers(("cluster", "{cluster}/{secret}/{component}"))}, "placeholder 'secret'"),
        (
            {"layers": _layers(("cluster", "{cluster}/{component}"), ("system", "{component}"))},
            "do not stand lowest first",
        ),
        ({"members": "members/{cluster}.yaml"}, "needs {hub} and {cluster}"),
        ({"members": "{cluster}/{hub}.yaml"}, "{hub} below {cluster}"),
        ({"members": "../{hub}/{cluster}.yaml"}, "not a path inside"),
        ({"releases": "a/../../b"}, "not a path inside"),
        ({"bases": {"addons": "addons"}}, "lack"),
        ({"bases": {"fleet": "../x"}}, "not a path inside"),
        ({"bases": {"fleet": 1}}, "must be text"),
        ({"name": "a b"}, "its name"),
    ],
)  # fmt: skip
def test_it_refuses_a_layout_that_is_not_usable(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        FleetLayout.from_data(THIRD | change)
    assert reason in str(caught.value)
    assert caught.value.refusals[0].field == "layout"


def test_it_lets_a_fleet_order_layers_that_reach_different_clusters() -> None:
    patterns = {
        "system": "default/{component}/values.yaml",
        "environment defaults": "environments/{environment}/{component}/values.yaml",
        "cluster defaults": "clusters/{cluster}/{component}/values.yaml",
        "tenant": "tenants/{tenant}/default/{component}/values.yaml",
        "environment": "tenants/{tenant}/environments/{environment}/{component}/values.yaml",
        "cluster": "tenants/{tenant}/clusters/{cluster}/{component}/values.yaml",
    }
    layout = FleetLayout.from_data(THIRD | {"layers": _layers(*patterns.items())})
    assert [layer.name.value for layer in layout.layers] == list(patterns)
    narrow, wide = ("environment", patterns["environment"]), ("tenant", patterns["tenant"])
    with pytest.raises(Refused, match="do not stand lowest first: tenant reaches more clusters"):
        FleetLayout.from_data(
            THIRD | {"layers": _layers(narrow, wide, ("cluster", patterns["cluster"]))}
        )
