"""What the files of the fleet repository promise each other, read without helm."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from onboarding.domain import layout as layouts
from tests.repositories import TEMPLATE
from tests.template.schemas import VENDOR, problems

GROUPS = ("addons", "resources", "monitoring", "fleet")
VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"


def read(relative: str) -> dict:
    return yaml.safe_load((TEMPLATE / relative).read_text(encoding="utf-8"))


def wrappers() -> dict[str, dict]:
    return {
        folder: read(f"charts/{folder}/values.yaml")["components"]
        for folder in ("application-sets", "application-sets-0.4")
    }


def plain_files() -> list[Path]:
    return sorted(file for file in TEMPLATE.rglob("*.yaml") if "templates" not in file.parts)


@pytest.mark.parametrize("file", plain_files(), ids=lambda file: str(file.relative_to(TEMPLATE)))
def test_it_ships_only_files_that_parse(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("${", "{")
    assert list(yaml.safe_load_all(text)), "an empty file says nothing to its owner"


def test_it_names_versions_that_the_wrapper_charts_have() -> None:
    releases = read(VERSIONS)["releases"]
    assert set(releases) == set(GROUPS)
    for group in GROUPS:
        assert releases[group][0]["type"] == "default"
        for entry in releases[group]:
            chart = read(f"{entry['path']}/Chart.yaml")
            assert (chart["name"], chart["version"]) == ("application-sets", entry["version"]), (
                group,
                entry,
            )


def test_it_lists_every_version_of_the_wrapper_as_a_dependency_of_the_release_channels() -> None:
    listed = {
        (one["version"], one["repository"].removeprefix("file://../"), one["alias"])
        for one in read("charts/release-channels/Chart.yaml")["dependencies"]
    }
    assert listed == {
        ("0.3.1", "application-sets", "application-sets-0-3-1"),
        ("0.4.0", "application-sets-0.4", "application-sets-0-4-0"),
    }


def test_it_ships_two_versions_of_the_wrapper_that_differ_in_components_versions_and_values() -> (
    None
):
    old, new = wrappers().values()
    assert set(new) - set(old) == {"external-dns", "reader-role"}
    assert not set(old) - set(new), (
        "a component that a version drops would be removed from clusters that move to it"
    )
    assert old["metrics-server"]["source"]["version"] != new["metrics-server"]["source"]["version"]
    assert old["cluster-info"]["values"] != new["cluster-info"]["values"]


@pytest.mark.parametrize("folder", ["application-sets", "application-sets-0.4"])
def test_it_describes_each_component_fully(folder: str) -> None:
    for name, component in wrappers()[folder].items():
        assert component["group"] in GROUPS, name
        assert re.fullmatch(r"\S.{10,}\.", component["description"]), name
        assert component["namespace"], name
        if component["group"] == "fleet":
            assert component["flag"] in {"use_remote_argo", "use_external_secrets"}, name
        else:
            assert component["flag"] == "enable_" + name.replace("-", "_"), name
        source = component["source"]
        if "path" in source:
            assert set(source) == {"path"}, name
            assert (TEMPLATE / source["path"] / "Chart.yaml").exists(), name
        else:
            assert set(source) == {"repoURL", "chart", "version"}, name
            assert re.fullmatch(r"v?\d+\.\d+\.\d+", str(source["version"])), name


def test_it_ships_no_members() -> None:
    members = TEMPLATE / "fleet/fleet-bootstrap/fleet-members"
    assert [file.name for file in members.rglob("*")] == [".gitkeep"]


def test_it_declares_the_layout_that_the_product_writes() -> None:
    declared = read("addons/bootstrap/layout.yaml")["layout"]
    expected = layouts.TENANTS_LAYOUT
    assert declared["valueFiles"] == [layer.pattern for layer in expected.layers]
    assert declared["bases"] == dict(expected.bases)


def test_it_ships_only_values_files_that_some_cluster_reads() -> None:
    """A values file that nothing reads is the commonest silent error."""
    patterns = read("addons/bootstrap/layout.yaml")["layout"]["valueFiles"]
    components = {name: one for version in wrappers().values() for name, one in version.items()}
    bases = read("addons/bootstrap/layout.yaml")["layout"]["bases"]
    readable = set()
    for name in [*components, "fleet/fleet-secret"]:
        base = bases[components[name]["group"]] if name in components else "addons"
        for tenant in ("tenant1", "tenant2"):
            for environment in ("dev", "staging", "prod"):
                fill = {
                    "base": base,
                    "tenant": tenant,
                    "environment": environment,
                    "cluster": "some",
                    "component": name,
                }
                readable |= {pattern.format(**fill) for pattern in patterns}
    shipped = {
        str(file.relative_to(TEMPLATE))
        for base in ("addons", "resources", "monitoring")
        for file in (TEMPLATE / base).rglob("values.yaml")
    }
    assert shipped
    assert not shipped - readable


@pytest.mark.parametrize("base", ["addons", "resources", "monitoring"])
def test_it_tells_the_owner_of_each_layer_what_the_file_is_for(base: str) -> None:
    files = sorted((TEMPLATE / base).rglob("values.yaml"))
    assert files
    for file in files:
        assert re.match(r"# .*\bLayer [1-5] of 5\b", file.read_text(encoding="utf-8")), file


def test_it_offers_labels_that_something_selects_on() -> None:
    flags = {one["flag"] for version in wrappers().values() for one in version.values()}
    releases = {
        f"{group}Release": {entry["type"] for entry in entries}
        for group, entries in read(VERSIONS)["releases"].items()
    }
    for file in sorted((TEMPLATE / "addons").rglob("fleet/fleet-secret/values.yaml")):
        for key, value in (
            yaml.safe_load(file.read_text(encoding="utf-8"))["externalSecret"].get("labels") or {}
        ).items():
            assert isinstance(value, str), (file, key)
            assert value in releases[key] if key in releases else key in flags, (file, key)


@pytest.mark.parametrize("file", ["addons", "resources", "monitoring", "fleetv2"])
def test_it_ships_bootstrap_sets_that_argo_cd_accepts(file: str) -> None:
    found = read(f"fleet/bootstrap/{file}.yaml")
    assert problems(found) == []
    assert found["spec"]["generators"] == [
        {"clusters": {"selector": {"matchLabels": {"fleet_member": "hub-cluster"}}}}
    ]
    assert found["spec"]["syncPolicy"] == {"preserveResourcesOnDeletion": True}, (
        "losing a label must not delete a fleet"
    )


@pytest.mark.parametrize(
    "file",
    [
        "fleet-hub-external-secrets",
        "members-application-sets/addons",
        "members-application-sets/resources",
    ],
)
def test_it_ships_registration_and_member_sets_that_argo_cd_accepts(file: str) -> None:
    assert problems(read(f"fleet/fleet-bootstrap/{file}.yaml")) == []


def test_it_never_gives_up_a_sync_of_its_own() -> None:
    for file in sorted((TEMPLATE / "fleet").rglob("*.yaml")):
        found = (
            {} if "templates" in file.parts else yaml.safe_load(file.read_text(encoding="utf-8"))
        )
        if found.get("kind") == "ApplicationSet":
            retry = found["spec"]["template"]["spec"]["syncPolicy"]["retry"]
            assert (retry["limit"], retry["refresh"]) == (-1, True), file


def test_it_leaves_monitoring_to_the_hub() -> None:
    spoke_sets = TEMPLATE / "fleet/fleet-bootstrap/members-application-sets"
    assert sorted(file.name for file in spoke_sets.iterdir()) == ["addons.yaml", "resources.yaml"]


def test_it_vendors_definitions_unchanged() -> None:
    lines = (VENDOR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 7
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
