"""The one file that is applied to a hub, and its placeholders."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.repositories import TEMPLATE
from tests.template.schemas import problems

FILE = TEMPLATE / "hub-bootstrap.yaml"
VALUES = {
    "REPOSITORY_URL": "https://git.example/fleet.git",
    "REVISION": "main",
    "HUB_NAME": "hub-1",
    "AWS_REGION": "eu-west-1",
    "TENANT": "tenant1",
}


def filled() -> dict[tuple[str, str], dict[str, Any]]:
    text = FILE.read_text(encoding="utf-8")
    for name, value in VALUES.items():
        text = text.replace(f"${{{name}}}", value)
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}


def test_it_has_the_placeholders_that_the_readme_lists() -> None:
    placeholders = set(re.findall(r"\$\{([^}]*)\}", FILE.read_text(encoding="utf-8")))
    assert placeholders == set(VALUES)
    readme = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`\$\{([A-Z_]+)\}`", readme)) == placeholders


def test_it_has_one_document_that_is_repeated_for_each_tenant() -> None:
    documents = FILE.read_text(encoding="utf-8").split("\n---\n")
    with_tenant = [one for one in documents if "${TENANT}" in one]
    assert len(with_tenant) == 1
    assert "kind: AppProject" in with_tenant[0]


def test_it_brings_what_a_bare_hub_needs() -> None:
    found = filled()
    assert set(found) == {
        ("Secret", "cluster-hub-1"),
        ("SecretStore", "fleet-credentials"),
        ("AppProject", "fleet"),
        ("AppProject", "tenant1"),
        ("Application", "fleet-root"),
    }
    for one in found.values():
        assert problems(one) == []
        assert one["metadata"]["namespace"] == "argocd"
    secret = found["Secret", "cluster-hub-1"]
    offered = yaml.safe_load(
        (TEMPLATE / "fleet/bootstrap/versions/applicationSets.yaml").read_text()
    )
    assert secret["metadata"]["labels"] == {
        "argocd.argoproj.io/secret-type": "cluster",
        "fleet_member": "hub-cluster",
        "tenant": "fleet",
        "environment": "hub",
        **{f"{group}Release": "default" for group in offered["releases"]},
    }
    assert secret["metadata"]["annotations"] == {
        "fleet_repo_url": VALUES["REPOSITORY_URL"],
        "fleet_repo_revision": "main",
        "fleet_aws_region": "eu-west-1",
    }
    assert secret["stringData"]["name"] == "hub-1"


def test_it_reads_credentials_in_the_hubs_own_region_with_no_key_in_the_file() -> None:
    provider = filled()["SecretStore", "fleet-credentials"]["spec"]["provider"]
    assert provider == {"aws": {"service": "SecretsManager", "region": "eu-west-1"}}


def test_it_keeps_tenants_off_the_hub() -> None:
    denied = filled()["AppProject", "tenant1"]["spec"]["destinations"]
    assert {"server": "!https://kubernetes.default.svc", "namespace": "*"} in denied
    assert {"name": "!hub-1", "namespace": "*"} in denied


def test_it_deletes_nothing_with_the_root() -> None:
    assert "finalizers" not in filled()["Application", "fleet-root"]["metadata"]


def test_it_reads_the_bootstrap_sets_and_not_the_versions() -> None:
    source = filled()["Application", "fleet-root"]["spec"]["source"]
    assert source["path"] == "fleet/bootstrap"
    assert "directory" not in source
    assert sorted(file.name for file in (TEMPLATE / "fleet/bootstrap").glob("*.yaml")) == [
        "addons.yaml",
        "fleetv2.yaml",
        "monitoring.yaml",
        "resources.yaml",
    ]
