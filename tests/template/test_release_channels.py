"""The release channels: one ApplicationSet per component, one generator per channel."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from onboarding.domain.layout import ENVIRONMENTS_LAYOUT
from onboarding.domain.selectors import parse_selector
from tests.template.helm import FleetCopy, RenderFailed
from tests.template.schemas import problems

VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
DEPENDENCIES = "charts/release-channels/Chart.yaml"
# What the ApplicationSet controller puts into a path, from the cluster's own secret.
TENANT = "{{ .metadata.labels.tenant }}"
ENVIRONMENT = "{{ .metadata.labels.environment }}"
CLUSTER = "{{ .name }}"
SPOKE = {
    "fleet_member": "spoke",
    "tenant": "tenant1",
    "environment": "dev",
    "addonsRelease": "default",
    "resourcesRelease": "default",
    "monitoringRelease": "default",
    "fleetRelease": "default",
    "use_remote_argo": "false",
    "use_external_secrets": "false",
    "enable_remote_addons": "false",
    "enable_remote_resources": "false",
    "enable_cluster_info": "true",
    "enable_metrics_server": "true",
    "enable_namespace_baseline": "true",
    "enable_monitoring_settings": "true",
}


def generators(application_set: dict[str, Any], **labels: str | None) -> list[dict[str, Any]]:
    """The generators of a set that take a cluster with these labels; None takes a label away."""
    merged = {key: value for key, value in {**SPOKE, **labels}.items() if value is not None}
    found = [one["clusters"] for one in application_set["spec"]["generators"]]
    return [one for one in found if parse_selector(one["selector"]).matches(merged)]


def source(application_set: dict[str, Any], **labels: str | None) -> dict[str, Any]:
    """The component's source for a cluster that exactly one generator takes."""
    (one,) = generators(application_set, **labels)
    found: dict[str, Any] = one["template"]["spec"]["sources"][0]
    return found


def refused(fleet: FleetCopy, group: str = "addons") -> str:
    """What helm says when it refuses to render a group."""
    with pytest.raises(RenderFailed) as caught:
        fleet.application_sets(group)
    return str(caught.value)


@pytest.mark.parametrize("scope", ["hub", "spoke"])
@pytest.mark.parametrize("group", ["addons", "resources", "monitoring", "fleet"])
def test_it_renders_sets_that_argo_cd_accepts(shipped: FleetCopy, group: str, scope: str) -> None:
    sets = shipped.application_sets(group, scope=scope)
    assert sets
    for found in sets.values():
        assert problems(found) == []
        assert found["metadata"]["namespace"] == "argocd"
        assert found["spec"]["goTemplateOptions"] == ["missingkey=error"]


def test_it_writes_one_set_per_component_whatever_the_number_of_channels(
    shipped: FleetCopy,
) -> None:
    assert set(shipped.application_sets("addons")) == {
        "aws-ebs-csi-driver",
        "aws-load-balancer-controller",
        "cert-manager",
        "cluster-info",
        "external-dns",
        "karpenter",
        "metrics-server",
    }
    assert set(shipped.application_sets("resources")) == {
        "namespace-baseline",
        "quota-defaults",
        "reader-role",
    }
    assert set(shipped.application_sets("monitoring")) == {
        "monitoring-settings",
        "kube-prometheus-stack",
    }
    assert set(shipped.application_sets("fleet")) == {
        "external-secrets",
        "argo-cd",
        "spoke-secret",
        "spoke-bootstrap",
    }


def test_it_gives_each_cluster_the_version_of_its_own_channel(shipped: FleetCopy) -> None:
    metrics = shipped.application_sets("addons")["metrics-server"]
    assert source(metrics)["targetRevision"] == "3.12.2"
    assert source(metrics, addonsRelease="release1")["targetRevision"] == "3.13.0"


def test_it_gives_each_cluster_the_values_of_its_own_channel(shipped: FleetCopy) -> None:
    info = shipped.application_sets("addons")["cluster-info"]
    old, new = source(info), source(info, addonsRelease="release1")
    assert old["helm"]["valuesObject"]["catalogueVersion"] == "0.3.1"
    assert "showRelease" not in old["helm"]["valuesObject"]
    assert new["helm"]["valuesObject"]["catalogueVersion"] == "0.4.0"
    assert new["helm"]["valuesObject"]["showRelease"] is True
    assert new["helm"]["valuesObject"]["release"] == '{{ index .metadata.labels "addonsRelease" }}'


def test_it_offers_a_component_only_on_the_channels_that_have_it(shipped: FleetCopy) -> None:
    dns = shipped.application_sets("addons")["external-dns"]
    assert generators(dns, enable_external_dns="true") == []
    assert len(generators(dns, enable_external_dns="true", addonsRelease="release1")) == 1


def test_it_names_applications_without_version_and_channel(shipped: FleetCopy) -> None:
    """The name keeps the Application, and with it the workload, when the channel changes."""
    for group in ("addons", "resources", "monitoring", "fleet"):
        for name, found in shipped.application_sets(group).items():
            assert found["spec"]["template"]["metadata"]["name"] == f"{name}-{{{{ .name }}}}"
            for one in found["spec"]["generators"]:
                assert "name" not in one["clusters"]["template"]["metadata"]


@pytest.mark.parametrize("group", ["addons", "resources", "monitoring", "fleet"])
@pytest.mark.parametrize("release", ["default", "release1", "relase1", None])
def test_it_takes_a_cluster_by_one_generator_at_most(
    shipped: FleetCopy, group: str, release: str | None
) -> None:
    for name, found in shipped.application_sets(group).items():
        flags = {
            key: "true"
            for one in found["spec"]["generators"]
            for key in one["clusters"]["selector"]["matchLabels"]
            if key != f"{group}Release"
        }
        taken = generators(found, **{f"{group}Release": release, **flags})
        assert len(taken) <= 1, name
        if release is None:
            assert taken == [], "a cluster without the channel label gets nothing"


@pytest.mark.parametrize("flag", ["false", "True", "", None])
def test_it_deploys_nothing_where_the_flag_is_not_true(
    shipped: FleetCopy, flag: str | None
) -> None:
    metrics = shipped.application_sets("addons")["metrics-server"]
    assert generators(metrics, enable_metrics_server=flag) == []


def test_it_keeps_and_reports_the_applications_of_a_cluster_on_an_unknown_release(
    shipped: FleetCopy,
) -> None:
    info = shipped.application_sets("addons")["cluster-info"]
    found = source(info, addonsRelease="relase1")
    assert found["path"] == "charts/unknown-release"
    values = found["helm"]["valuesObject"]
    assert values == {
        "label": "addonsRelease",
        "release": "{{ .values.release }}",
        "cluster": "{{ .name }}",
        "known": ["default", "release1"],
    }
    with pytest.raises(RenderFailed) as caught:
        shipped.helm.template(
            shipped.path("charts/unknown-release"),
            data={**values, "release": "relase1", "cluster": "spoke-a"},
        )
    assert 'cluster spoke-a names the release "relase1" in its label addonsRelease' in str(
        caught.value
    )
    assert "it has: default, release1" in str(caught.value)


@pytest.mark.parametrize(
    ("group", "component"), [("addons", "cluster-info"), ("resources", "namespace-baseline")]
)
def test_it_leaves_a_group_to_the_spoke_that_manages_it(
    shipped: FleetCopy, group: str, component: str
) -> None:
    remote = {"use_remote_argo": "true", f"enable_remote_{group}": "true"}
    hub, spoke = (
        shipped.application_sets(group)[component],
        shipped.application_sets(group, scope="spoke")[component],
    )
    for release in ("default", "relase1"):
        label = {f"{group}Release": release}
        assert len(generators(hub, **label)) == 1
        assert generators(spoke, **label) == []
        assert generators(hub, **remote, **label) == []
        assert len(generators(spoke, **remote, **label)) == 1


def test_it_delivers_monitoring_and_the_means_of_self_management_from_the_hub(
    shipped: FleetCopy,
) -> None:
    remote = {
        "use_remote_argo": "true",
        "use_external_secrets": "true",
        "enable_remote_addons": "true",
        "enable_remote_resources": "true",
    }
    assert (
        len(generators(shipped.application_sets("monitoring")["monitoring-settings"], **remote))
        == 1
    )
    for found in shipped.application_sets("fleet").values():
        assert len(generators(found, **remote)) == 1
        assert generators(found) == [], "a centralized spoke gets none of it"


@pytest.mark.parametrize("group", ["addons", "resources"])
def test_it_deletes_with_the_application_unless_the_cluster_is_handed_over(
    shipped: FleetCopy, group: str
) -> None:
    for found in shipped.application_sets(group).values():
        assert found["spec"]["syncPolicy"] == {"preserveResourcesOnDeletion": True}
        handed, otherwise = found["spec"]["templatePatch"].split("{{- else }}")
        assert 'eq (default "" (index .metadata.labels "fleet_handover")) "true"' in handed
        assert "finalizers" not in handed
        assert "automated" not in handed
        assert "resources-finalizer.argocd.argoproj.io" in otherwise
        assert "prune: true" in otherwise


@pytest.mark.parametrize("group", ["monitoring", "fleet"])
def test_it_goes_on_delivering_what_is_always_the_hubs_during_a_handover(
    shipped: FleetCopy, group: str
) -> None:
    """Otherwise the spoke's Argo CD, which is to take over, would never come."""
    for found in shipped.application_sets(group).values():
        patch = yaml.safe_load(found["spec"]["templatePatch"])
        assert patch["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        assert patch["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}


@pytest.mark.parametrize(
    ("group", "component", "base"),
    [
        ("addons", "cluster-info", "addons_repo_basepath"),
        ("resources", "quota-defaults", "resources_repo_basepath"),
    ],
)
def test_it_reads_the_five_layers_lowest_first_from_the_base_folder_of_the_cluster(
    shipped: FleetCopy, group: str, component: str, base: str
) -> None:
    (one,) = generators(shipped.application_sets(group)[component], enable_quota_defaults="true")
    start = "$values/{{ .values.base }}"
    assert one["template"]["spec"]["sources"][0]["helm"]["valueFiles"] == [
        f"{start}/defaults/{component}/values.yaml",
        f"{start}/tenants/defaults/{component}/values.yaml",
        f"{start}/tenants/{TENANT}/defaults/{component}/values.yaml",
        f"{start}/tenants/{TENANT}/environments/{ENVIRONMENT}/{component}/values.yaml",
        f"{start}/tenants/{TENANT}/clusters/{CLUSTER}/{component}/values.yaml",
    ]
    assert f'default "{group}"' in one["values"]["base"]
    assert base in one["values"]["base"]


def test_it_follows_the_other_layout_when_the_one_list_says_so(fleet: FleetCopy) -> None:
    data = fleet.read("addons/bootstrap/layout.yaml")
    data["layout"]["valueFiles"] = [layer.pattern for layer in ENVIRONMENTS_LAYOUT.layers]
    fleet.write("addons/bootstrap/layout.yaml", data)
    files = source(fleet.application_sets("addons")["cluster-info"])["helm"]["valueFiles"]
    where = f"tenants/{TENANT}/environments/{ENVIRONMENT}/clusters/{CLUSTER}"
    assert files[-1] == f"$values/{{{{ .values.base }}}}/{where}/cluster-info/values.yaml"
    assert len(files) == len(ENVIRONMENTS_LAYOUT.layers)


def test_it_passes_values_of_the_catalogue_on_as_they_are(fleet: FleetCopy) -> None:
    """A template in a chart's values is the chart's own business, not the ApplicationSet's."""
    versions = fleet.read(VERSIONS)
    versions["releases"]["addons"][0]["values"] = {
        "components": {
            "metrics-server": {
                "values": {
                    "rule": "{{ $labels.pod }}",
                    "list": ["{{ .x }}", 1000000, 1.5, True, None],
                }
            }
        }
    }
    fleet.write(VERSIONS, versions)
    values = source(fleet.application_sets("addons")["metrics-server"])["helm"]["valuesObject"]
    assert values == {
        "rule": '{{ "{{" }} $labels.pod }}',
        "list": ['{{ "{{" }} .x }}', 1000000, 1.5, True, None],
    }


def test_it_lays_the_values_of_an_entry_over_those_of_its_wrapper_alone(fleet: FleetCopy) -> None:
    versions = fleet.read(VERSIONS)
    versions["releases"]["addons"][1]["values"] = {
        "components": {
            "metrics-server": {
                "source": {
                    "path": "charts/cluster-info",
                    "repoURL": None,
                    "chart": None,
                    "version": None,
                }
            },
            "karpenter": None,
            "cluster-info": {"values": {"showRelease": None, "info": {"channel": "early"}}},
        }
    }
    fleet.write(VERSIONS, versions)
    sets = fleet.application_sets("addons")
    changed = source(sets["metrics-server"], addonsRelease="release1")
    assert changed["path"] == "charts/cluster-info"
    assert "chart" not in changed
    assert source(sets["metrics-server"])["chart"] == "metrics-server"
    assert generators(sets["karpenter"], enable_karpenter="true", addonsRelease="release1") == []
    assert len(generators(sets["karpenter"], enable_karpenter="true")) == 1
    values = source(sets["cluster-info"], addonsRelease="release1")["helm"]["valuesObject"]
    assert "showRelease" not in values
    assert values["info"] == {"channel": "early"}
    assert values["catalogueVersion"] == "0.4.0"


def test_it_moves_a_channel_by_an_edit_of_the_versions_file_alone(fleet: FleetCopy) -> None:
    versions = fleet.read(VERSIONS)
    versions["releases"]["addons"].append(
        {"type": "canary", "version": "0.4.0", "path": "charts/application-sets-0.4"}
    )
    versions["releases"]["addons"][0] = {
        "type": "default",
        "version": "0.4.0",
        "path": "charts/application-sets-0.4",
    }
    fleet.write(VERSIONS, versions)
    metrics = fleet.application_sets("addons")["metrics-server"]
    for release in ("default", "release1", "canary"):
        assert source(metrics, addonsRelease=release)["targetRevision"] == "3.13.0"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"version": "0.5.0"},
            'release "default" wants application-sets 0.5.0, which charts/release',
        ),
        (
            {"path": "charts/elsewhere"},
            "from file://../elsewhere, but charts/release-channels/Chart.yaml takes that",
        ),
        ({"chart": "x", "repoURL": "https://charts.example"}, "has a path and a repoURL or chart"),
        (
            {"path": None, "repoURL": "https://charts.example", "chart": "application-sets"},
            "publish it under another name",
        ),
        ({"path": None, "chart": "x"}, "needs both repoURL and chart"),
        ({"type": "release1"}, 'the release "release1" is there twice'),
        ({"type": "{{ .name }}"}, "cannot be a label value"),
        (
            {"values": {"components": {"cluster-info": {"group": "other"}}}},
            "group must be addons, resources, monitoring or fleet",
        ),
        ({"values": {"components": {"cluster-info": {"flag": "{{ x }}"}}}}, "is not a label"),
        (
            {"values": {"components": {"cluster-info": {"source": {"chart": "y"}}}}},
            "its source has a path and a repoURL, chart or version",
        ),
        (
            {"values": {"components": {"cluster-info": {"source": {"path": None}}}}},
            "its source needs either path, or repoURL, chart and version",
        ),
        ({"values": {"components": {"cluster-info": {"namespace": ""}}}}, "namespace is missing"),
        (
            {"values": {"components": {"Big": {"group": "addons"}}}},
            "a component name is 1 to 40 lower-case letters",
        ),
        (
            {"values": {"components": {"cluster-info": {"clusterValues": {"x": "{{ .server }}"}}}}},
            'clusterValues "{{ .server }}" is not known',
        ),
        (
            {"values": {"components": {"cluster-info-more": {"group": "addons"}}}},
            'components "cluster-info" and "cluster-info-more" cannot both exist',
        ),
        (
            {"values": {"components": {"cluster": {"group": "addons"}}}},
            'components "cluster" and "cluster-info" cannot both exist',
        ),
        (
            {"values": {"components": {"fleet-secret": {"group": "addons"}, "fleet": {}}}},
            'components "fleet" and "fleet-root" cannot both exist',
        ),
    ],
)
def test_it_refuses_a_mistake_in_the_versions_file_in_words(
    fleet: FleetCopy, change: dict[str, Any], sentence: str
) -> None:
    versions = fleet.read(VERSIONS)
    entry = {**versions["releases"]["addons"][0], **change}
    versions["releases"]["addons"][0] = {
        key: value for key, value in entry.items() if value is not None
    }
    fleet.write(VERSIONS, versions)
    assert sentence in refused(fleet)


def test_it_refuses_a_component_that_changes_its_flag_between_releases(fleet: FleetCopy) -> None:
    versions = fleet.read(VERSIONS)
    changed = {"cluster-info": {"flag": "enable_info"}}
    versions["releases"]["addons"][1]["values"] = {"components": changed}
    fleet.write(VERSIONS, versions)
    assert 'component "cluster-info" has the flag enable_cluster_info on one release' in refused(
        fleet
    )


@pytest.mark.parametrize("group", ["addons", "resources", "monitoring", "fleet"])
def test_it_never_gives_up_a_sync(shipped: FleetCopy, group: str) -> None:
    """After its last retry Argo CD waits for a commit, even where a cluster was only away."""
    for found in shipped.application_sets(group).values():
        retry = found["spec"]["template"]["spec"]["syncPolicy"]["retry"]
        assert (retry["limit"], retry["refresh"]) == (-1, True)


def test_it_refuses_a_component_that_changes_its_group_between_versions(fleet: FleetCopy) -> None:
    wrapper = fleet.read("charts/application-sets-0.4/values.yaml")
    wrapper["components"]["cluster-info"]["group"] = "resources"
    fleet.write("charts/application-sets-0.4/values.yaml", wrapper)
    fleet.build_dependencies()
    assert 'component "cluster-info" is in group' in refused(fleet)


def test_it_refuses_a_dependency_whose_folder_holds_another_version(fleet: FleetCopy) -> None:
    chart = fleet.read("charts/application-sets-0.4/Chart.yaml")
    fleet.write("charts/application-sets-0.4/Chart.yaml", {**chart, "version": "0.4.1"})
    with pytest.raises(RenderFailed, match="version"):
        fleet.build_dependencies()


@contextmanager
def chart_repository(folder: Path) -> Iterator[str]:
    """A Helm repository on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_it_takes_a_channel_from_a_chart_repository(fleet: FleetCopy, tmp_path: Path) -> None:
    published = tmp_path / "published"
    published.mkdir()
    wrapper = fleet.read("charts/application-sets-0.4/values.yaml")
    wrapper["components"]["metrics-server"]["source"]["version"] = "3.99.0"
    fleet.write("publish/values.yaml", wrapper)
    fleet.write(
        "publish/Chart.yaml",
        {
            "apiVersion": "v2",
            "name": "edge-application-sets",
            "version": "0.5.0",
            "type": "application",
        },
    )
    fleet.helm.run("package", fleet.path("publish"), "--destination", published)
    with chart_repository(published) as url:
        fleet.helm.run("repo", "index", published, "--url", url)
        dependencies = fleet.read(DEPENDENCIES)
        dependencies["dependencies"].append(
            {
                "name": "edge-application-sets",
                "alias": "edge-application-sets-0-5-0",
                "version": "0.5.0",
                "repository": url,
            }
        )
        fleet.write(DEPENDENCIES, dependencies)
        versions = fleet.read(VERSIONS)
        versions["releases"]["addons"].append(
            {"type": "edge", "version": "0.5.0", "repoURL": url, "chart": "edge-application-sets"}
        )
        fleet.write(VERSIONS, versions)
        fleet.build_dependencies()
    metrics = fleet.application_sets("addons")["metrics-server"]
    assert source(metrics, addonsRelease="edge")["targetRevision"] == "3.99.0"
    assert source(metrics, addonsRelease="default")["targetRevision"] == "3.12.2"
    versions["releases"]["addons"][-1]["repoURL"] = "https://elsewhere.example"
    fleet.write(VERSIONS, versions)
    assert "wants edge-application-sets 0.5.0 from https://elsewhere.example" in refused(fleet)
