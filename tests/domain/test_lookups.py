"""Who reads a values file, asked from the file's side; and why nobody does."""

from __future__ import annotations

import pytest

from onboarding.domain.layout import TENANTS_LAYOUT, LayerName
from onboarding.domain.lookups import Dead, Lookups
from tests.domain.fleet_files import placement

FOLDERS = {
    "addons": frozenset({"metrics-server", "fleet/fleet-secret"}),
    "resources": frozenset({"quota"}),
}
LOOKUPS = Lookups(
    TENANTS_LAYOUT,
    [
        placement("spoke-1", "team-a", "dev"),
        placement("spoke-2", "team-b", "prod"),
    ],
    FOLDERS,
)


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("addons/defaults/metrics-server/values.yaml", LayerName.SYSTEM),
        ("addons/tenants/defaults/metrics-server/values.yaml", LayerName.TENANT_DEFAULTS),
        ("addons/tenants/team-a/defaults/fleet/fleet-secret/values.yaml", LayerName.TENANT),
        (
            "addons/tenants/team-a/environments/dev/metrics-server/values.yaml",
            LayerName.ENVIRONMENT,
        ),
        ("resources/tenants/team-b/clusters/spoke-2/quota/values.yaml", LayerName.CLUSTER),
    ],
)
def test_it_finds_the_layer_of_a_file_that_is_read(path: str, layer: LayerName) -> None:
    found = LOOKUPS.look(path)
    assert found.dead is None
    assert found.place is not None
    assert found.place.layer is layer


@pytest.mark.parametrize(
    ("path", "dead", "meant"),
    [
        ("addons/README.md", Dead.NO_LAYER, ""),
        ("elsewhere/defaults/metrics-server/values.yaml", Dead.NO_LAYER, ""),
        (
            "addons/defaults/metrics-server/value.yaml",
            Dead.FILE_NAME,
            "addons/defaults/metrics-server/values.yaml",
        ),
        ("addons/defaults/unknown/value.yaml", Dead.NO_LAYER, ""),
        ("addons/defaults/unknown/values.yaml", Dead.COMPONENT, ""),
        (
            "addons/tenants/team-a/defaults/quota/values.yaml",
            Dead.OTHER_BASE,
            "resources/tenants/team-a/defaults/quota/values.yaml",
        ),
        ("addons/tenants/team-c/defaults/metrics-server/values.yaml", Dead.TENANT, ""),
        (
            "addons/tenants/team-a/environments/prod/metrics-server/values.yaml",
            Dead.ENVIRONMENT,
            "",
        ),
        ("addons/tenants/team-a/clusters/spoke-9/metrics-server/values.yaml", Dead.CLUSTER, ""),
        (
            "addons/tenants/team-a/clusters/spoke-2/metrics-server/values.yaml",
            Dead.OTHER_PLACE,
            "team-b/prod",
        ),
    ],
)
def test_it_says_why_nobody_reads_a_file_and_what_was_meant(
    path: str, dead: Dead, meant: str
) -> None:
    found = LOOKUPS.look(path)
    assert (found.path, found.dead, found.meant) == (path, dead, meant)


def test_it_blames_no_component_where_the_components_are_not_known() -> None:
    lookups = Lookups(TENANTS_LAYOUT, [placement()], {"addons": None})
    assert lookups.look("addons/defaults/whatever/values.yaml").dead is None


def test_it_blames_no_place_while_the_fleet_has_no_cluster() -> None:
    lookups = Lookups(TENANTS_LAYOUT, [], FOLDERS)
    path = "addons/tenants/team-c/clusters/spoke-9/metrics-server/values.yaml"
    assert lookups.look(path).dead is None


def test_it_knows_where_the_clusters_are() -> None:
    assert LOOKUPS.tenants == {"team-a", "team-b"}
    assert LOOKUPS.environments("team-a") == {"dev"}
    assert LOOKUPS.environments("") == {"dev", "prod"}
    assert LOOKUPS.environments("team-c") == frozenset()
