"""Registration: what a member file and its values layers become, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from onboarding.domain.member import MEMBER_KEYS
from tests.repositories import TEMPLATE
from tests.template.helm import FleetCopy, RenderFailed, without_nulls
from tests.template.schemas import problems

MEMBER = {
    "clusterName": "spoke-a",
    "tenant": "tenant1",
    "environment": "dev",
    "secretManagerSecretName": "fleet/spoke-a",
    "use_remote_argo": "false",
    "enable_remote_addons": "false",
    "enable_remote_resources": "false",
}
DISTRIBUTED = {**MEMBER, "use_remote_argo": "true", "enable_remote_addons": "true"}
FIXED = {
    "argocd.argoproj.io/secret-type": "cluster",
    "fleet_member": "spoke",
    "tenant": "tenant1",
    "environment": "dev",
    "use_remote_argo": "false",
    "use_external_secrets": "false",
    "enable_remote_addons": "false",
    "enable_remote_resources": "false",
}
LITERAL = re.compile(r'\{\{ "([^"\\{}]*)" \}\}')


def render(
    fleet: FleetCopy,
    *,
    member: dict[str, Any] = MEMBER,
    layers: list[Path] | None = None,
    **data: Any,
) -> dict[str, Any]:
    """The one object that charts/fleet-secret renders for a member."""
    inline = {"memberFile": "spoke-a", "member": member, **data}
    (found,) = fleet.helm.template(
        fleet.path("charts/fleet-secret"), values=layers or [], data=inline
    )
    assert problems(found) == []
    return found


def refused(fleet: FleetCopy, **data: Any) -> str:
    """What the chart says when it refuses."""
    with pytest.raises(RenderFailed) as caught:
        render(fleet, **data)
    return str(caught.value)


def literals(mapping: dict[str, str]) -> dict[str, str]:
    """The values of templated metadata; each must be one string literal and nothing else."""
    found = {key: LITERAL.fullmatch(value) for key, value in mapping.items()}
    assert all(found.values()), mapping
    return {key: match[1] for key, match in found.items() if match}


def metadata(found: dict[str, Any], kind: str = "labels") -> dict[str, str]:
    return literals(found["spec"]["target"]["template"]["metadata"][kind])


def test_it_makes_an_external_secret_with_the_fleets_own_labels(shipped: FleetCopy) -> None:
    found = render(shipped)
    assert (found["kind"], found["metadata"]["name"], found["spec"]["target"]["name"]) == (
        "ExternalSecret",
        "cluster-spoke-a",
        "cluster-spoke-a",
    )
    assert metadata(found) == FIXED
    assert metadata(found, "annotations") == {}
    assert found["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": "fleet-credentials"}


def test_it_takes_two_keys_from_the_secret_and_no_labels(shipped: FleetCopy) -> None:
    spec = render(shipped)["spec"]
    assert [
        (one["secretKey"], one["remoteRef"]["key"], one["remoteRef"]["property"])
        for one in spec["data"]
    ] == [("server", "fleet/spoke-a", "server"), ("config", "fleet/spoke-a", "config")]
    assert "dataFrom" not in spec
    assert "templateFrom" not in spec["target"]["template"]
    assert spec["target"]["template"]["data"] == {
        "name": '{{ "spoke-a" }}',
        "server": "{{ .server }}",
        "config": "{{ .config }}",
    }
    assert (spec["target"]["creationPolicy"], spec["target"]["deletionPolicy"]) == (
        "Owner",
        "Retain",
    )


def test_it_lays_the_five_layers_over_each_other(fleet: FleetCopy) -> None:
    where = "tenants/tenant1/clusters/spoke-a/fleet/fleet-secret/values.yaml"
    fleet.write(
        f"addons/{where}",
        {
            "externalSecret": {
                "labels": {"resourcesRelease": "release1", "enable_quota_defaults": None}
            }
        },
    )
    layers = fleet.layers(
        "fleet/fleet-secret", base="addons", tenant="tenant1", environment="dev", cluster="spoke-a"
    )
    assert len(layers) == 5
    found = render(fleet, layers=layers)
    assert metadata(found) == {
        **FIXED,
        "addonsRelease": "release1",  # environment over system
        "resourcesRelease": "release1",  # cluster over system
        "monitoringRelease": "default",
        "fleetRelease": "default",
        "enable_cluster_info": "true",  # system
        "enable_namespace_baseline": "true",  # tenant defaults
        "enable_monitoring_settings": "true",
        # enable_quota_defaults, which the tenant sets, is taken away by the cluster's null
    }
    assert metadata(found, "annotations") == {"contact": "tenant1 platform channel"}


@pytest.mark.parametrize("tenant", ["tenant1", "tenant2"])
@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_it_registers_a_cluster_of_every_tenant_and_environment(
    shipped: FleetCopy, tenant: str, environment: str
) -> None:
    layers = shipped.layers(
        "fleet/fleet-secret",
        base="addons",
        tenant=tenant,
        environment=environment,
        cluster="spoke-a",
    )
    assert len(layers) == 4
    labels = metadata(
        render(
            shipped, layers=layers, member={**MEMBER, "tenant": tenant, "environment": environment}
        )
    )
    assert (labels["tenant"], labels["environment"]) == (tenant, environment)
    assert {"addonsRelease", "resourcesRelease", "monitoringRelease", "fleetRelease"} <= set(labels)


def test_it_puts_the_member_files_switches_on_the_cluster_secret(shipped: FleetCopy) -> None:
    member = {
        **DISTRIBUTED,
        "use_fleet_ack": "true",
        "use_argocd_ingress": "false",
        "push_argo_secrets": "true",
        "addons_repo_basepath": "team/addons",
        "handover": "true",
    }
    found = render(shipped, member=member)
    assert metadata(found) == {
        **FIXED,
        "use_remote_argo": "true",
        "use_external_secrets": "true",
        "enable_remote_addons": "true",
        "use_fleet_ack": "true",
        "use_argocd_ingress": "false",
        "push_argo_secrets": "true",
        "fleet_handover": "true",
    }
    assert metadata(found, "annotations") == {"addons_repo_basepath": "team/addons"}


def test_it_lets_a_centralized_spoke_have_the_operator_and_a_distributed_one_bring_its_own(
    shipped: FleetCopy,
) -> None:
    assert (
        metadata(render(shipped, member={**MEMBER, "use_external_secrets": "true"}))[
            "use_external_secrets"
        ]
        == "true"
    )
    assert (
        metadata(render(shipped, member={**DISTRIBUTED, "use_external_secrets": "false"}))[
            "use_external_secrets"
        ]
        == "false"
    )


def test_it_gives_a_leaving_cluster_none_of_the_labels_that_deploy(shipped: FleetCopy) -> None:
    labels = {"addonsRelease": "default", "enable_cluster_info": "true"}
    found = render(
        shipped, member={**MEMBER, "offboarding": "true"}, externalSecret={"labels": labels}
    )
    assert metadata(found) == {**FIXED, "fleet_offboarding": "true"}


def test_it_tells_a_spoke_where_its_git_credentials_are(shipped: FleetCopy) -> None:
    member = {**DISTRIBUTED, "githubSecret": "true", "githubSecretName": "fleet/git"}
    assert metadata(render(shipped, member=member, region="eu-west-1"), "annotations") == {
        "fleet_github_secret": "true",
        "fleet_github_secret_name": "fleet/git",
        "fleet_aws_region": "eu-west-1",
    }
    assert "no annotation fleet_aws_region" in refused(shipped, member=member)


def test_it_makes_the_spokes_own_cluster_secret_with_the_same_labels_and_no_credentials(
    shipped: FleetCopy,
) -> None:
    labels = {"addonsRelease": "default", "enable_cluster_info": "true"}
    hub = render(shipped, member=DISTRIBUTED, externalSecret={"labels": labels})
    member = {key: value for key, value in DISTRIBUTED.items() if key != "secretManagerSecretName"}
    repository = {"url": "https://git.example/fleet.git", "revision": "main"}
    spoke = render(
        shipped,
        member=member,
        memberFile="",
        target="spoke",
        repository=repository,
        externalSecret={"labels": labels},
    )
    assert (spoke["kind"], spoke["metadata"]["name"]) == ("Secret", "cluster-spoke-a")
    assert spoke["metadata"]["labels"] == metadata(hub)
    assert spoke["metadata"]["annotations"] == {
        "fleet_repo_url": "https://git.example/fleet.git",
        "fleet_repo_revision": "main",
    }
    assert spoke["stringData"] == {
        "name": "spoke-a",
        "server": "https://kubernetes.default.svc",
        "config": '{"tlsClientConfig":{"insecure":false}}',
    }


@pytest.mark.parametrize(
    "value",
    [
        "{{ .config }}",
        '{{ printf "%s" .config }}',
        "{{",
        "}}",
        'a"b',
        "a'b",
        "a`b",
        "a\\b",
        "a\nb",
        "a\rb",
        "a\tb",
        "a\x00b",
        "a\x7fb",
        '"}} {{ .config }} {{"',
        "' }}\nserver: x",
        "\u202etrue",
        "trüe",
        "\u2028",
        "-true",
        "true-",
        "tr ue",
        "x" * 64,
        "$(x)",
        "<b>",
    ],
)
def test_it_refuses_a_label_value_that_could_be_more_than_a_label(
    shipped: FleetCopy, value: str
) -> None:
    said = refused(shipped, externalSecret={"labels": {"note": value}})
    assert 'fleet member spoke-a: the label "note"' in said


@pytest.mark.parametrize(
    "value",
    [
        "{{ .config }}",
        "x {{.server}} y",
        "{{",
        "}}",
        'a"b',
        "a'b",
        "a`b",
        "a\\b",
        "a\nb",
        "a\tb",
        "a\x1bb",
        "\u202e",
        "ü",
        "x" * 1025,
    ],
)
def test_it_refuses_an_annotation_value_that_could_be_a_template(
    shipped: FleetCopy, value: str
) -> None:
    assert "passes through a template that sees the credentials" in refused(
        shipped, externalSecret={"annotations": {"note": value}}
    )


@pytest.mark.parametrize(
    "value", ["", "plain text, with punctuation: <a href=x> & more; 100% {single}", "x" * 1024]
)
def test_it_keeps_an_annotation_that_is_only_text(shipped: FleetCopy, value: str) -> None:
    found = render(shipped, externalSecret={"annotations": {"note": value}})
    template = found["spec"]["target"]["template"]["metadata"]["annotations"]["note"]
    assert template == '{{ "' + value + '" }}'


@pytest.mark.parametrize("kind", ["labels", "annotations"])
@pytest.mark.parametrize(
    "key",
    [
        "argocd.argoproj.io/secret-type",
        "argocd.argoproj.io/skip-reconcile",
        "argoproj.io/x",
        "kubernetes.io/metadata.name",
        "node.kubernetes.io/x",
        "app.k8s.io/x",
        "reconcile.external-secrets.io/managed",
        "fleet_member",
        "tenant",
        "environment",
        "use_remote_argo",
        "enable_remote_addons",
        "enable_remote_resources",
        "use_external_secrets",
        "fleet_repo_url",
        "fleet_repo_revision",
        "fleet_handover",
        "fleet_offboarding",
        "addons_repo_basepath",
        "resources_repo_basepath",
        "fleet/cluster",
        "project",
        "shard",
    ],
)
def test_it_refuses_reserved_keys(shipped: FleetCopy, kind: str, key: str) -> None:
    assert "is reserved" in refused(shipped, externalSecret={kind: {key: "x"}})


@pytest.mark.parametrize(
    "key", ["{{ .config }}", "a b", "a\nb", 'a"b', "-a", "a/b/c", "A.io/x", "/x", "x" * 64, ""]
)
def test_it_refuses_what_is_no_key(shipped: FleetCopy, key: str) -> None:
    assert "is not a Kubernetes key" in refused(shipped, externalSecret={"labels": {key: "x"}})


@pytest.mark.parametrize("value", [True, 1, 1.10, ["x"], {"x": "y"}])
def test_it_refuses_labels_that_are_not_strings(shipped: FleetCopy, value: Any) -> None:
    assert "is not a string; write its value in double quotes" in refused(
        shipped, externalSecret={"labels": {"note": value}}
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tenant": None}, "fleet member spoke-a: the key tenant is missing"),
        ({"secretManagerSecretName": None}, "the key secretManagerSecretName is missing"),
        ({"use_remote_argo": None}, "the key use_remote_argo is missing"),
        ({"use_remote_argo": True}, "use_remote_argo is not a string; write it in double quotes"),
        ({"use_remote_argo": "yes"}, 'use_remote_argo must be "true" or "false", not "yes"'),
        ({"tenant": "../tenant2"}, "is not a name"),
        ({"tenant": "defaults"}, "the tenant cannot be called defaults"),
        ({"tenant": "fleet"}, "the tenant cannot be called fleet"),
        ({"environment": "a/b"}, "is not a name"),
        ({"environment": "x" * 64}, "is not a name"),
        ({"clusterName": "spoke-b"}, 'clusterName is "spoke-b" but the file is spoke-a.yaml'),
        (
            {"enable_remote_addons": "true"},
            'enable_remote_addons is "true" while use_remote_argo is "false"',
        ),
        ({"secretManagerSecretName": "a/../b"}, "is not the name of a secret"),
        ({"secretManagerSecretName": "{{ .x }}"}, "is not the name of a secret"),
        ({"addons_repo_basepath": "../other"}, "is not a folder of the fleet repository"),
        ({"resources_repo_basepath": "/etc"}, "is not a folder of the fleet repository"),
        ({"addons_repo_basepath": "a/"}, "is not a folder of the fleet repository"),
        ({"githubSecret": "true"}, "githubSecretName is missing"),
        (
            {"use_remote_argo": "true", "offboarding": "true"},
            "hand its groups back to the hub first",
        ),
    ],
)
def test_it_refuses_a_member_file_in_words(
    shipped: FleetCopy, change: dict[str, Any], sentence: str
) -> None:
    member = {key: value for key, value in {**MEMBER, **change}.items() if value is not None}
    assert sentence in refused(shipped, member=member)


def test_it_does_not_pass_over_an_empty_member_in_silence(shipped: FleetCopy) -> None:
    """Argo CD drops values that it cannot write; to render nothing would look like success."""
    assert "there is no fleet member to register" in refused(shipped, member={})


def registration() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        (TEMPLATE / "fleet/fleet-bootstrap/fleet-hub-external-secrets.yaml").read_text(
            encoding="utf-8"
        )
    )
    return found


def application(fleet: FleetCopy, member: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """The `helm` of the Application that registration makes of a member file, its patch filled in by Helm.

    Nulls are left out, as Kubernetes does.
    """
    hub = {"fleet_repo_url": "https://git.example/fleet.git", "fleet_repo_revision": "main"}
    parameters = {
        **member,
        "name": "hub-a",
        "metadata": {"annotations": hub | annotations},
        "path": {"filename": "spoke-a.yaml"},
        "layout": fleet.read("addons/bootstrap/layout.yaml")["layout"],
    }
    jobs = [{"values": {}, "templates": [registration()["spec"]["templatePatch"]]}]
    (patch,) = fleet.helm.fill(parameters, jobs)
    helm: dict[str, Any] = json.loads(patch)["spec"]["sources"][0]["helm"]
    return helm | {"valuesObject": without_nulls(helm["valuesObject"])}


def registered(fleet: FleetCopy, member: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """What the hub makes of a member file with the layers that the copy has."""
    helm = application(fleet, member, **annotations)
    files = [fleet.path(one.removeprefix("$values/")) for one in helm["valueFiles"]]
    (found,) = fleet.helm.template(
        fleet.path("charts/fleet-secret"),
        values=[one for one in files if one.is_file()],
        data=helm["valuesObject"],
    )
    return found


OWN = "addons/tenants/tenant1/clusters/spoke-a/fleet/fleet-secret/values.yaml"


@pytest.mark.parametrize(
    "layer",
    [
        {"target": "spoke"},
        {"secretStore": {"kind": "ClusterSecretStore", "name": "other", "more": "x"}},
        {"member": {"handover": "true", "offboarding": "true", "use_fleet_ack": "true"}},
        {"member": {"githubSecret": "true", "githubSecretName": "git/token"}, "region": "x"},
        {"member": {"addons_repo_basepath": "teams/a", "tenant": "team-b", "environment": "x"}},
        {"member": {"unknown": 1}},
        {"member": "text"},
        {"member": None, "target": None, "secretStore": None},
        {"member": {"secretManagerSecretName": "fleet/other", "clusterName": "spoke-b"}},
        {"memberFile": "spoke-b", "repository": {"url": "https://evil.example"}},
    ],
)
def test_it_takes_from_values_layers_nothing_but_labels_and_annotations(
    fleet: FleetCopy, layer: dict[str, Any]
) -> None:
    without = registered(fleet, MEMBER)
    fleet.write(OWN, {**layer, "externalSecret": {"labels": {"team": "x"}}})
    found = registered(fleet, MEMBER)
    assert metadata(found) == metadata(without) | {"team": "x"}
    del found["spec"]["target"]["template"]["metadata"]["labels"]
    del without["spec"]["target"]["template"]["metadata"]["labels"]
    assert found == without
    assert found["kind"] == "ExternalSecret"


@pytest.mark.parametrize("key", sorted(MEMBER))
def test_a_layer_cannot_fill_in_what_a_member_file_lacks(fleet: FleetCopy, key: str) -> None:
    fleet.write(OWN, {"member": {key: MEMBER[key]}})
    member = {name: value for name, value in MEMBER.items() if name != key}
    with pytest.raises(RenderFailed, match=f"the key {key} is missing|clusterName is"):
        registered(fleet, member)
    with pytest.raises(RenderFailed, match="there is no fleet member to register"):
        registered(fleet, {})


def test_a_layer_cannot_tell_the_hubs_region(fleet: FleetCopy) -> None:
    fleet.write(OWN, {"region": "eu-west-1"})
    member = {**MEMBER, "githubSecret": "true", "githubSecretName": "git/token"}
    with pytest.raises(RenderFailed, match="githubSecret needs the region"):
        registered(fleet, member)
    found = registered(fleet, member, fleet_aws_region="eu-west-2")
    assert metadata(found, "annotations")["fleet_aws_region"] == "eu-west-2"


def test_a_value_that_is_no_text_is_still_refused(fleet: FleetCopy) -> None:
    with pytest.raises(RenderFailed, match="handover is not a string"):
        registered(fleet, {**MEMBER, "handover": False})
    assert metadata(registered(fleet, {**MEMBER, "handover": None})) == FIXED | metadata(
        registered(fleet, MEMBER)
    )


def test_it_lets_the_hub_speak_first_in_the_matrix() -> None:
    """In a matrix the first generator wins, so a member file cannot redirect the repository."""
    outer = registration()["spec"]["generators"][0]["matrix"]["generators"]
    assert list(outer[0]) == ["matrix"]
    assert list(outer[0]["matrix"]["generators"][0]) == ["clusters"]
    members = "fleet/fleet-bootstrap/fleet-members/{{ .name }}"
    assert outer[1]["git"]["files"] == [
        {"path": f"{members}/*.yaml"},
        {"path": f"{members}/*/*.yaml", "exclude": True},
    ]


def test_it_never_fails_on_what_a_member_file_lacks() -> None:
    """A template error of one member would stop the registration of all."""
    text = registration()["spec"]["templatePatch"]
    for key in [*MEMBER, "offboarding", "addons_repo_basepath"]:
        assert not re.search(rf"\.{key}\b", text), key
    assert "fail" not in text


def test_it_hands_every_key_of_a_member_file_to_the_chart() -> None:
    """What is not in this list never comes to the hub, however well the chart knows it."""
    text = registration()["spec"]["templatePatch"]
    handed = re.search(r"range \$key := list ([^}]+)}}", text)
    assert handed
    assert set(handed[1].replace('"', "").split()) == {*MEMBER_KEYS, "offboarding"}


def test_it_takes_nothing_away_when_a_member_file_is_only_deleted() -> None:
    spec = registration()["spec"]
    assert spec["syncPolicy"] == {"preserveResourcesOnDeletion": True}
    assert 'eq (toString (index . "offboarding")) "true"' in spec["templatePatch"]
