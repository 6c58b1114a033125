"""The distributed model: what the hub delivers, and how the spoke goes on from there."""

from __future__ import annotations

import pytest
import yaml

from tests.repositories import TEMPLATE
from tests.template.helm import FleetCopy, RenderFailed, applications
from tests.template.schemas import problems

INIT = "fleet/fleet-bootstrap/members-init-v2"
SPOKE = {
    "cluster": "spoke-a",
    "tenant": "tenant1",
    "repository": {"url": "https://git.example/fleet.git", "revision": "main"},
}


def rendered(fleet: FleetCopy, **data: str) -> dict[tuple[str, str], dict]:
    found = fleet.helm.template(fleet.path(INIT), data={**SPOKE, **data})
    for one in found:
        assert problems(one) == []
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def test_it_starts_the_spokes_argo_cd_from_the_member_sets(shipped: FleetCopy) -> None:
    found = rendered(shipped)
    assert set(found) == {
        ("AppProject", "fleet"),
        ("AppProject", "tenant1"),
        ("Application", "fleet-root"),
    }
    source = found["Application", "fleet-root"]["spec"]["source"]
    assert source == {
        "repoURL": "https://git.example/fleet.git",
        "targetRevision": "main",
        "path": "fleet/fleet-bootstrap/members-application-sets",
    }
    assert found["Application", "fleet-root"]["spec"]["destination"] == {
        "name": "spoke-a",
        "namespace": "argocd",
    }


def test_it_waits_for_definitions_that_are_delivered_beside_it(shipped: FleetCopy) -> None:
    for one in rendered(
        shipped, githubSecret="true", githubSecretName="fleet/git", region="eu-west-1"
    ).values():
        assert one["metadata"]["annotations"] == {
            "argocd.argoproj.io/sync-options": "SkipDryRunOnMissingResource=true"
        }


def test_it_keeps_the_spokes_projects_on_the_spoke(shipped: FleetCopy) -> None:
    found = rendered(shipped)
    for name in ("fleet", "tenant1"):
        for destination in found["AppProject", name]["spec"]["destinations"]:
            assert destination["server"] == "https://kubernetes.default.svc"
            assert destination["name"] == "spoke-a"
    assert found["AppProject", "fleet"]["spec"]["sourceRepos"] == ["https://git.example/fleet.git"]


def test_it_brings_git_credentials_where_the_member_file_says_so(shipped: FleetCopy) -> None:
    found = rendered(shipped, githubSecret="true", githubSecretName="fleet/git", region="eu-west-1")
    external = found["ExternalSecret", "fleet-repository"]["spec"]
    assert [
        (one["remoteRef"]["key"], one["remoteRef"]["property"]) for one in external["data"]
    ] == [
        ("fleet/git", "username"),
        ("fleet/git", "password"),
    ]
    assert external["target"]["template"]["metadata"]["labels"] == {
        "argocd.argoproj.io/secret-type": '{{ "repository" }}'
    }
    assert external["target"]["template"]["data"]["url"] == '{{ "https://git.example/fleet.git" }}'
    assert (
        found["SecretStore", "fleet-credentials"]["spec"]["provider"]["aws"]["region"]
        == "eu-west-1"
    )
    with pytest.raises(RenderFailed, match="githubSecretName is empty"):
        rendered(shipped, githubSecret="true", region="eu-west-1")


@pytest.mark.parametrize("group", ["addons", "resources"])
def test_it_lets_the_spoke_render_the_same_channels_for_itself(group: str) -> None:
    spoke = yaml.safe_load(
        (TEMPLATE / f"fleet/fleet-bootstrap/members-application-sets/{group}.yaml").read_text(
            encoding="utf-8"
        )
    )
    hub = yaml.safe_load((TEMPLATE / f"fleet/bootstrap/{group}.yaml").read_text(encoding="utf-8"))
    selector = spoke["spec"]["generators"][0]["clusters"]["selector"]["matchLabels"]
    assert selector == {"fleet_member": "spoke", f"enable_remote_{group}": "true"}
    hub_source, spoke_source = (
        hub["spec"]["template"]["spec"]["sources"][0],
        spoke["spec"]["template"]["spec"]["sources"][0],
    )
    assert hub_source["helm"]["valuesObject"].pop("scope") == "hub"
    assert spoke_source["helm"]["valuesObject"].pop("scope") == "spoke"
    assert spoke_source == hub_source
    assert spoke["spec"]["syncPolicy"] == {"preserveResourcesOnDeletion": True}


def test_it_gives_the_spoke_secret_the_layers_of_the_registration(shipped: FleetCopy) -> None:
    """The spoke must see the labels that it has on the hub, or it would deploy something else."""
    found = shipped.application_sets("fleet")["spoke-secret"]
    for release in ("default", "release1"):
        labels = {"fleetRelease": release, "tenant": "tenant1", "environment": "dev"}
        parameters = {"name": "spoke-a", "metadata": {"labels": labels, "annotations": {}}}
        (made,) = applications(shipped.helm, [found], parameters)
        helm = made["spec"]["sources"][0]["helm"]
        assert [file.rpartition("/fleet/fleet-secret/")[2] for file in helm["valueFiles"]] == [
            "values.yaml"
        ] * 5
        assert helm["valuesObject"]["target"] == "spoke"
        assert helm["valuesObject"]["member"]["clusterName"] == "spoke-a"
        assert helm["valuesObject"]["repository"] == {
            "url": "https://git.example/fleet.git",
            "revision": "main",
        }
        assert "secretManagerSecretName" not in helm["valuesObject"]["member"]
