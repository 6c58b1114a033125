"""The release channels: one ApplicationSet per component, which the channel of a cluster fills."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from onboarding.domain.labels import SKIP_RECONCILE
from onboarding.domain.layout import ENVIRONMENTS_LAYOUT
from onboarding.domain.selectors import parse_selector
from tests.template.helm import FleetCopy, RenderFailed, applications
from tests.template.schemas import problems

VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
DEPENDENCIES = "charts/release-channels/Chart.yaml"
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


def labelled(labels: Mapping[str, str | None]) -> dict[str, str]:
    """The labels of a spoke with these over them; None takes a label away."""
    return {key: value for key, value in {**SPOKE, **labels}.items() if value is not None}


def takes(application_set: dict[str, Any], **labels: str | None) -> bool:
    """Whether a set makes an Application for a cluster with these labels."""
    (generator,) = application_set["spec"]["generators"]
    return parse_selector(generator["clusters"]["selector"]).matches(labelled(labels))


def made(
    fleet: FleetCopy,
    application_set: dict[str, Any],
    annotations: Mapping[str, str] | None = None,
    **labels: str | None,
) -> dict[str, Any]:
    """The Application that a set makes for a cluster that it takes."""
    assert takes(application_set, **labels)
    metadata = {"labels": labelled(labels), "annotations": annotations or {}}
    (found,) = applications(
        fleet.helm, [application_set], {"name": "spoke-a", "metadata": metadata}
    )
    return found


def source(
    fleet: FleetCopy, application_set: dict[str, Any], **labels: str | None
) -> dict[str, Any]:
    """Where a cluster's Application takes the component from, and with which values."""
    found: dict[str, Any] = made(fleet, application_set, **labels)["spec"]["sources"][0]
    return found


def switched_on(application_set: dict[str, Any]) -> dict[str, str]:
    """The labels by which a spoke has the component of a set."""
    (generator,) = application_set["spec"]["generators"]
    return dict.fromkeys(generator["clusters"]["selector"]["matchLabels"], "true")


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
    assert source(shipped, metrics)["targetRevision"] == "3.12.2"
    assert source(shipped, metrics, addonsRelease="release1")["targetRevision"] == "3.13.0"


def test_it_gives_each_cluster_the_values_of_its_own_channel(shipped: FleetCopy) -> None:
    info = shipped.application_sets("addons")["cluster-info"]
    old, new = source(shipped, info), source(shipped, info, addonsRelease="release1")
    assert old["helm"]["valuesObject"]["catalogueVersion"] == "0.3.1"
    assert "showRelease" not in old["helm"]["valuesObject"]
    assert new["helm"]["valuesObject"]["catalogueVersion"] == "0.4.0"
    assert new["helm"]["valuesObject"]["showRelease"] is True
    assert new["helm"]["valuesObject"]["release"] == "release1"


def test_it_offers_a_component_only_on_the_channels_that_have_it(shipped: FleetCopy) -> None:
    dns = shipped.application_sets("addons")["external-dns"]
    assert not takes(dns, enable_external_dns="true")
    assert takes(dns, enable_external_dns="true", addonsRelease="release1")


def test_it_names_applications_without_version_and_channel(shipped: FleetCopy) -> None:
    """The name keeps the Application, and with it the workload, when the channel changes."""
    for group in ("addons", "resources", "monitoring", "fleet"):
        for name, found in shipped.application_sets(group).items():
            assert found["spec"]["template"]["metadata"]["name"] == f"{name}-{{{{ .name }}}}"
            assert "name:" not in found["spec"]["templatePatch"]


@pytest.mark.parametrize("group", ["addons", "resources", "monitoring", "fleet"])
def test_it_takes_a_cluster_by_one_generator_whatever_its_channel(
    shipped: FleetCopy, group: str
) -> None:
    """Argo CD reads the cluster secrets once per generator.

    With one generator for each channel, a label that changes between two reads matches none of
    them, and the Application is deleted together with the workload.
    """
    for name, found in shipped.application_sets(group).items():
        flags, label = switched_on(found), f"{group}Release"
        assert len(found["spec"]["generators"]) == 1, name
        assert takes(found, **{**flags, label: "release1"}), name
        assert not takes(found, **{**flags, label: None}), (
            f"{name}: a cluster without the channel label gets nothing"
        )


@pytest.mark.parametrize("flag", ["false", "True", "", None])
def test_it_deploys_nothing_where_the_flag_is_not_true(
    shipped: FleetCopy, flag: str | None
) -> None:
    metrics = shipped.application_sets("addons")["metrics-server"]
    assert not takes(metrics, enable_metrics_server=flag)


def test_it_keeps_and_reports_the_applications_of_a_cluster_on_an_unknown_release(
    shipped: FleetCopy,
) -> None:
    info = shipped.application_sets("addons")["cluster-info"]
    found = source(shipped, info, addonsRelease="relase1")
    assert found["path"] == "charts/unknown-release"
    values = found["helm"]["valuesObject"]
    assert values == {
        "label": "addonsRelease",
        "release": "relase1",
        "cluster": "spoke-a",
        "known": ["default", "release1"],
    }
    with pytest.raises(RenderFailed) as caught:
        shipped.helm.template(
            shipped.path("charts/unknown-release"),
            data=values,
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
        assert takes(hub, **label)
        assert not takes(spoke, **label)
        assert not takes(hub, **remote, **label)
        assert takes(spoke, **remote, **label)


def test_it_delivers_monitoring_and_the_means_of_self_management_from_the_hub(
    shipped: FleetCopy,
) -> None:
    remote = {
        "use_remote_argo": "true",
        "use_external_secrets": "true",
        "enable_remote_addons": "true",
        "enable_remote_resources": "true",
    }
    assert takes(shipped.application_sets("monitoring")["monitoring-settings"], **remote)
    for found in shipped.application_sets("fleet").values():
        assert takes(found, **remote)
        assert not takes(found), "a centralized spoke gets none of it"


@pytest.mark.parametrize("group", ["addons", "resources"])
def test_it_deletes_with_the_application_unless_the_cluster_is_handed_over(
    shipped: FleetCopy, group: str
) -> None:
    for found in shipped.application_sets(group).values():
        assert found["spec"]["syncPolicy"] == {"preserveResourcesOnDeletion": True}
        labels = {**switched_on(found), f"{group}Release": "release1"}
        plain = made(shipped, found, **labels)
        assert plain["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        assert plain["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
        handed = made(shipped, found, **labels, fleet_handover="true")
        assert "finalizers" not in handed["metadata"]
        assert "automated" not in handed["spec"]["syncPolicy"]
        assert handed["spec"]["sources"] == plain["spec"]["sources"]


@pytest.mark.parametrize("group", ["addons", "monitoring"])
def test_it_hands_a_pause_on_to_every_application(shipped: FleetCopy, group: str) -> None:
    """Argo CD 3.2 leaves alone what is marked itself; a mark on the cluster secret alone does nothing."""
    for found in shipped.application_sets(group).values():
        labels = {**switched_on(found), f"{group}Release": "release1"}
        for given, expected in (
            ({SKIP_RECONCILE: "true"}, "true"),
            ({SKIP_RECONCILE: "false"}, "false"),
            ({"other": "x"}, "false"),
            (None, "false"),
        ):
            marked = made(shipped, found, given, **labels)["metadata"]["annotations"]
            assert marked == {SKIP_RECONCILE: expected}


@pytest.mark.parametrize("group", ["monitoring", "fleet"])
def test_it_goes_on_delivering_what_is_always_the_hubs_during_a_handover(
    shipped: FleetCopy, group: str
) -> None:
    """Otherwise the spoke's Argo CD, which is to take over, would never come."""
    for found in shipped.application_sets(group).values():
        labels = {**switched_on(found), f"{group}Release": "release1", "fleet_handover": "true"}
        patched = made(shipped, found, **labels)
        assert patched["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        assert patched["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}


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
    found = shipped.application_sets(group)[component]
    for own, folder in (({}, group), ({base: "elsewhere/it's"}, "elsewhere/it's")):
        application = made(shipped, found, own, enable_quota_defaults="true")
        assert application["spec"]["sources"][0]["helm"]["valueFiles"] == [
            f"$values/{folder}/defaults/{component}/values.yaml",
            f"$values/{folder}/tenants/defaults/{component}/values.yaml",
            f"$values/{folder}/tenants/tenant1/defaults/{component}/values.yaml",
            f"$values/{folder}/tenants/tenant1/environments/dev/{component}/values.yaml",
            f"$values/{folder}/tenants/tenant1/clusters/spoke-a/{component}/values.yaml",
        ]


def test_it_follows_the_other_layout_when_the_one_list_says_so(fleet: FleetCopy) -> None:
    data = fleet.read("addons/bootstrap/layout.yaml")
    data["layout"]["valueFiles"] = [layer.pattern for layer in ENVIRONMENTS_LAYOUT.layers]
    fleet.write("addons/bootstrap/layout.yaml", data)
    files = source(fleet, fleet.application_sets("addons")["cluster-info"])["helm"]["valueFiles"]
    where = "tenants/tenant1/environments/dev/clusters/spoke-a"
    assert files[-1] == f"$values/addons/{where}/cluster-info/values.yaml"
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
    values = source(fleet, fleet.application_sets("addons")["metrics-server"])["helm"][
        "valuesObject"
    ]
    assert values == {
        "rule": "{{ $labels.pod }}",
        "list": ["{{ .x }}", 1000000, 1.5, True, None],
    }


@pytest.mark.parametrize(
    "text",
    ['"', "'", "\\", '\\"', "a\nspec: {project: default}", "}}", "{{ .name }}", '"]}', "# x", "é"],
)
def test_it_lets_nothing_out_of_an_annotation_into_the_application(
    fleet: FleetCopy, text: str
) -> None:
    """The patch is text before it is YAML, so whatever a cluster says is escaped on its way in."""
    versions = fleet.read(VERSIONS)
    inserted = {"clusterValues": {"said": "annotations.note", "none": "annotations.missing"}}
    versions["releases"]["addons"][0]["values"] = {"components": {"metrics-server": inserted}}
    fleet.write(VERSIONS, versions)
    found = fleet.application_sets("addons")["metrics-server"]
    plain, other = (made(fleet, found, {"note": note}) for note in ("plain", text))
    values = other["spec"]["sources"][0]["helm"]["valuesObject"]
    assert (values["said"], values["none"]) == (text, "")
    values["said"] = "plain"
    assert other == plain


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
    changed = source(fleet, sets["metrics-server"], addonsRelease="release1")
    assert changed["path"] == "charts/cluster-info"
    assert "chart" not in changed
    assert source(fleet, sets["metrics-server"])["chart"] == "metrics-server"
    assert not takes(sets["karpenter"], enable_karpenter="true", addonsRelease="release1")
    assert takes(sets["karpenter"], enable_karpenter="true")
    values = source(fleet, sets["cluster-info"], addonsRelease="release1")["helm"]["valuesObject"]
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
        assert source(fleet, metrics, addonsRelease=release)["targetRevision"] == "3.13.0"


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
    assert 'component "cluster-info" is in group' in refused(fleet)


def test_it_leaves_argo_cd_no_dependency_to_build(shipped: FleetCopy) -> None:
    """It builds them for each commit anew, for all groups at once in one folder, and some then fail."""
    wanted = shipped.read(DEPENDENCIES)["dependencies"]
    for one in wanted:
        link = shipped.path(f"charts/release-channels/charts/{one['name']}-{one['version']}")
        assert link.is_symlink(), link.name
        assert link.resolve() == (link.parents[1] / one["repository"][len("file://") :]).resolve()
    assert len(list(shipped.path("charts/release-channels/charts").iterdir())) == len(wanted)
    assert shipped.application_sets("addons")


def test_it_refuses_a_dependency_whose_folder_holds_another_version(fleet: FleetCopy) -> None:
    chart = fleet.read("charts/application-sets-0.4/Chart.yaml")
    fleet.write("charts/application-sets-0.4/Chart.yaml", {**chart, "version": "0.4.1"})
    with pytest.raises(RenderFailed, match="version"):
        fleet.build_dependencies()


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0"])
def test_it_renders_nothing_while_its_dependencies_are_being_built(
    fleet: FleetCopy, version: str
) -> None:
    """Half of the catalogues would look like an order to delete what the others have.

    Argo CD builds dependencies for one Application while it renders another from the same folder.
    It takes these words of Helm's, and no others, as a reason to build and to render again.
    """
    fleet.path(f"charts/release-channels/charts/application-sets-{version}").unlink()
    for group in ("addons", "resources", "monitoring", "fleet"):
        assert "found in Chart.yaml, but missing in charts/ directory" in refused(fleet, group)


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
    assert source(fleet, metrics, addonsRelease="edge")["targetRevision"] == "3.99.0"
    assert source(fleet, metrics, addonsRelease="default")["targetRevision"] == "3.12.2"
    versions["releases"]["addons"][-1]["repoURL"] = "https://elsewhere.example"
    fleet.write(VERSIONS, versions)
    assert "wants edge-application-sets 0.5.0 from https://elsewhere.example" in refused(fleet)
