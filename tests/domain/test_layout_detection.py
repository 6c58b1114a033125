"""Which layout a repository follows, found in repositories of several kinds."""

from __future__ import annotations

from textwrap import dedent

import pytest

from onboarding.domain.layout import ENVIRONMENTS_LAYOUT, LAYOUTS, TENANTS_LAYOUT, FleetLayout
from onboarding.domain.layout_detection import Detection, detect
from tests.domain.repository import TextSnapshot

MEMBERS = "fleet/fleet-bootstrap/fleet-members"
REGISTRATION = "fleet/fleet-bootstrap/fleet-hub-external-secrets.yaml"
VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
LABELS = "externalSecret: {labels: {addonsRelease: default}}\n"
MEMBER = """\
tenant: "tenant1"
clusterName: "spoke-a"
environment: "dev"
secretManagerSecretName: "fleet/spoke-a"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
"""
RELEASES = "releases: {addons: [{type: default, version: 0.3.1, path: charts/application-sets}]}\n"
COMMON = {
    f"{MEMBERS}/hub-1/spoke-a.yaml": MEMBER,
    VERSIONS: RELEASES,
    "charts/application-sets/values.yaml": "components: {}\n",
    "fleet/bootstrap/addons.yaml": dedent("""\
        apiVersion: argoproj.io/v1alpha1
        kind: ApplicationSet
        metadata:
          name: cluster-addons
        spec:
          generators:
            - git:
                files:
                  - path: "{{ .metadata.annotations.fleet_repo_basepath }}/bootstrap/versions/applicationSets.yaml"
        """),
}


def registration(*layers: str, members: str = f"{MEMBERS}/{{{{ .name }}}}/*.yaml") -> str:
    """A registration ApplicationSet whose values files stand in its templatePatch."""
    listed = "\n".join(f"                  - {layer}" for layer in layers)
    return (
        dedent(f"""\
        # What turns member files into cluster secrets.
        apiVersion: argoproj.io/v1alpha1
        kind: ApplicationSet
        metadata:
          name: fleet-hub-secrets
        spec:
          goTemplate: true
          generators:
            - matrix:
                generators:
                  - clusters:
                      selector: {{matchLabels: {{fleet_member: hub-cluster}}}}
                      values:
                        addonChart: fleet-secret
                  - git:
                      files:
                        - path: '{members}'
          templatePatch: |
            spec:
              sources:
                - helm:
                    valueFiles:
        """)
        + listed.replace("                  - ", "                - ")
        + "\n"
    )


BASE = "{{default .metadata.annotations.addons_repo_basepath .addons_repo_basepath}}"
CHART = "fleet/{{.values.addonChart}}/values.yaml"
TENANTS = [
    f"$values/{BASE}/defaults/{CHART}",
    f"$values/{BASE}/tenants/defaults/{CHART}",
    f"$values/{BASE}/tenants/{{{{ .tenant }}}}/defaults/{CHART}",
    f"$values/{BASE}/tenants/{{{{ .tenant }}}}/environments/{{{{ .environment }}}}/{CHART}",
    f"'$values/{BASE}/tenants/{{{{ .tenant }}}}/clusters/{{{{ .clusterName }}}}/{CHART}'",
]
ENVIRONMENTS = [
    f"$values/{BASE}/defaults/{CHART}",
    f"$values/{BASE}/tenants/{{{{.tenant}}}}/defaults/{CHART}",
    f"$values/{BASE}/tenants/{{{{.tenant}}}}/environments/{{{{.environment}}}}/defaults/{CHART}",
    f"$values/{BASE}/tenants/{{{{.tenant}}}}/environments/{{{{.environment}}}}/clusters/"
    f'{{{{ trimSuffix ".yaml" .path.filename }}}}/{CHART}',
]
GITOPS = "gitops/addons/"
THIRD = [
    f"$values/{GITOPS}default/fleet-secret/values.yaml",
    f"$values/{GITOPS}environments/{{{{ .environment }}}}/fleet-secret/values.yaml",
    f"$values/{GITOPS}tenants/{{{{ .tenant }}}}/clusters/{{{{ .clusterName }}}}/fleet-secret/values.yaml",
]
SIX = [
    "$values/{{.metadata.annotations.addons_repo_basepath}}default/addons/fleet-secret/values.yaml",
    "$values/{{.metadata.annotations.addons_repo_basepath}}environments/{{.environment}}/addons/fleet-secret/values.yaml",
    "$values/{{.metadata.annotations.addons_repo_basepath}}clusters/{{.clusterName}}/addons/fleet-secret/values.yaml",
    "$values/{{.metadata.annotations.addons_repo_basepath}}tenants/{{.tenant}}/default/addons/fleet-secret/values.yaml",
    "$values/{{.metadata.annotations.addons_repo_basepath}}tenants/{{.tenant}}/environments/{{.environment}}/addons/fleet-secret/values.yaml",
    "$values/{{.metadata.annotations.addons_repo_basepath}}tenants/{{.tenant}}/clusters/{{.clusterName}}/addons/fleet-secret/values.yaml",
]


def found(files: dict[str, str], **options: FleetLayout) -> Detection:
    return detect(TextSnapshot(COMMON | files), **options)


def said(detection: Detection, part: str) -> list[tuple[str, str]]:
    return [(one.sentence, one.place) for one in detection.evidence if one.part == part]


def puzzles(detection: Detection) -> str:
    return "\n".join(f"{one.place} {one.sentence}" for one in detection.not_understood)


@pytest.mark.parametrize(
    ("layers", "labels", "expected"),
    [
        (TENANTS, "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml", TENANTS_LAYOUT),
        (ENVIRONMENTS, "addons/defaults/fleet/fleet-secret/values.yaml", ENVIRONMENTS_LAYOUT),
    ],
    ids=["tenants", "environments"],
)
def test_it_knows_a_built_in_layout_by_what_the_registration_reads(
    layers: list[str], labels: str, expected: FleetLayout
) -> None:
    detection = found({REGISTRATION: registration(*layers), labels: LABELS})
    assert detection.layout == expected
    assert detection.is_fleet
    assert detection.is_built_in
    lines = (REGISTRATION, registration(*layers).splitlines())
    for number, (sentence, place) in enumerate(said(detection, "layers"), start=1):
        path, _, line = place.rpartition(":")
        assert (path, sentence) == (
            lines[0],
            f"Layer {number}: {expected.layers[number - 1].pattern}",
        )
        assert layers[number - 1] in lines[1][int(line) - 1]
    assert said(detection, "members") == [
        (f"Member files are read from {MEMBERS}/{{hub}}/{{cluster}}.yaml.", f"{REGISTRATION}:17")
    ]
    assert said(detection, "releases")[0][1] == "fleet/bootstrap/addons.yaml:9"
    assert puzzles(detection) == ""


def test_it_reads_the_third_layout_from_its_application_set() -> None:
    detection = found(
        {
            REGISTRATION: registration(*THIRD),
            f"{GITOPS}default/fleet-secret/values.yaml": LABELS,
            f"{GITOPS}environments/dev/fleet-secret/values.yaml": LABELS,
        }
    )
    layout = detection.layout
    assert layout is not None
    assert not detection.is_built_in
    assert [(layer.name, layer.pattern) for layer in layout.layers] == [
        ("system", "{base}/default/{component}/values.yaml"),
        ("environment", "{base}/environments/{environment}/{component}/values.yaml"),
        ("cluster", "{base}/tenants/{tenant}/clusters/{cluster}/{component}/values.yaml"),
    ]
    assert layout.bases["addons"] == layout.bases["fleet"] == "gitops/addons"
    assert layout.labels_component == "fleet-secret"
    assert FleetLayout.from_data(layout.to_data()) == layout


def test_it_reads_six_layers_of_which_two_reach_all_tenants() -> None:
    labels = "gitops/addons/environments/dev/addons/fleet-secret/values.yaml"
    detection = found({REGISTRATION: registration(*SIX), labels: LABELS})
    layout = detection.layout
    assert layout is not None
    assert [layer.name.value for layer in layout.layers] == [
        "system",
        "environment defaults",
        "cluster defaults",
        "tenant",
        "environment",
        "cluster",
    ]
    assert layout.bases["fleet"] == "gitops/addons"
    assert layout.layers[1].pattern == "{base}/environments/{environment}/{component}/values.yaml"
    assert layout.labels_component == "addons/fleet-secret"


def test_it_takes_the_base_folder_that_the_members_name() -> None:
    member = MEMBER + 'addons_repo_basepath: "teams/addons"\n'
    detection = found(
        {REGISTRATION: registration(*TENANTS), f"{MEMBERS}/hub-1/spoke-a.yaml": member}
    )
    assert detection.layout is not None
    assert detection.layout.bases["addons"] == detection.layout.bases["fleet"] == "teams/addons"
    assert said(detection, "folders")[0][1] == f"{MEMBERS}/hub-1/spoke-a.yaml:8"


def test_it_finds_members_below_a_folder_that_only_the_hub_knows() -> None:
    pattern = "{{.metadata.annotations.fleet_repo_basepath}}/fleet-bootstrap/fleet-members/{{.name}}/*.yaml"
    detection = found({REGISTRATION: registration(*TENANTS, members=pattern)})
    assert detection.layout is not None
    assert detection.layout.members == TENANTS_LAYOUT.members


def test_it_says_what_it_did_not_understand_and_where() -> None:
    second = "$resources/resources/{{ .tenant }}/fleet/fleet-secret/values.yaml"
    odd = "addons/tenants/tenant1/environments/dev/odd/fleet/fleet-secret/x/values.yaml"
    hubs = [*TENANTS[:3], TENANTS[3].replace(".environment", ".metadata.labels.environment")]
    detection = found(
        {
            REGISTRATION: registration(*hubs, TENANTS[4], second),
            "addons/tenants/unknown/values.yaml": "a: 1\n",
            odd: "a: 1\n",
            VERSIONS: "versions: {addons: []}\n",
        }
    )
    assert detection.layout is not None
    assert detection.layout.layers == TENANTS_LAYOUT.layers
    told = puzzles(detection)
    assert f"{REGISTRATION}:28 The ApplicationSet fleet-hub-secrets also reads {second}" in told
    assert f"{REGISTRATION}:26 The environment in this path is the hub's" in told
    assert "addons/tenants/unknown/values.yaml No layer reads this values file." in told
    assert f"{VERSIONS}:1 It has versions, where a map releases" in told
    assert odd not in told


def test_it_names_only_some_of_many_unread_files() -> None:
    files = {f"addons/tenants/{number}/values.yaml": "a: 1\n" for number in range(9)}
    detection = found({REGISTRATION: registration(*TENANTS), **files})
    assert puzzles(detection).count("No layer reads this values file.") == 5
    assert "No layer reads 4 further values files" in puzzles(detection)


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_it_falls_back_to_where_the_files_stand(name: str) -> None:
    files = {
        layer.pattern.format(
            base="addons", tenant="tenant1", environment="dev", cluster="spoke-a", component="x"
        ): "a: 1\n"
        for layer in LAYOUTS[name].layers
    }
    detection = found(files)
    assert detection.layout == LAYOUTS[name]
    assert "no ApplicationSet says so" in said(detection, "layers")[0][0]
    assert "no ApplicationSet says where they are" in said(detection, "members")[0][0]


def test_it_asks_for_a_layout_where_members_are_all_there_is() -> None:
    detection = found({})
    assert detection.is_fleet
    assert detection.layout is None
    assert "Nothing says where the values layers are. Describe the layout" in puzzles(detection)


def test_it_asks_for_a_layout_where_a_cluster_cannot_have_the_last_word() -> None:
    detection = found({REGISTRATION: registration(*TENANTS[:4])})
    assert detection.layout is None
    assert "its highest layer must be the cluster's" in puzzles(detection)


def test_it_refuses_a_placeholder_that_is_no_name() -> None:
    declared = "layout: {valueFiles: ['{base}/{0}/{component}/values.yaml']}\n"
    detection = found({REGISTRATION: registration(), "addons/bootstrap/layout.yaml": declared})
    assert detection.layout is None
    assert "The layout 'own' is not usable" in puzzles(detection)


@pytest.mark.parametrize("named", ["", ", path: charts/application-sets"])
def test_entries_that_name_no_folder_mean_the_usual_wrapper(named: str) -> None:
    entries = f"[{{type: next, path: charts/newer}}, {{type: default{named}}}]"
    detection = found(
        {
            REGISTRATION: registration(*TENANTS),
            VERSIONS: f"releases: {{addons: {entries}}}\n",
            "charts/newer/values.yaml": "components: {}\n",
        }
    )
    assert detection.layout is not None
    assert detection.layout.wrapper == ("charts/newer" if named else "charts/application-sets")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"README.md": "# Not a fleet\n", "values.yaml": "a: 1\n"},
        {"app/values.yaml": "kind: ApplicationSet\nmetadata:\n  name: x\n"},
        {"broken.yaml": "kind: ApplicationSet\n{{ if }}\n\x00", "a/b/c.yaml": "clusterName: x\n"},
    ],
)
def test_it_says_plainly_that_a_repository_is_no_fleet(files: dict[str, str]) -> None:
    assert detect(TextSnapshot(files)) == Detection(is_fleet=False, layout=None)


def test_it_tries_a_layout_that_is_given() -> None:
    third = FleetLayout.from_data(
        {
            "name": "third",
            "members": "clusters/{hub}/{cluster}.yaml",
            "labels_component": "fleet-secret",
            "layers": [
                {"name": "system", "pattern": "{base}/default/{component}/values.yaml"},
                {
                    "name": "cluster",
                    "pattern": "{base}/tenants/{tenant}/clusters/{cluster}/{component}/values.yaml",
                },
            ],
            "bases": {"addons": "gitops/addons", "fleet": "gitops/addons"},
        }
    )
    files = {
        "clusters/hub-1/spoke-a.yaml": MEMBER,
        "gitops/addons/default/fleet-secret/values.yaml": LABELS,
    }
    detection = detect(TextSnapshot(files), given=third)
    assert detection.layout == third
    assert said(detection, "members")[0][0].startswith("1 files stand where members")
    assert "release channels is not there" in puzzles(detection)
    assert not detect(TextSnapshot({"README.md": "x"}), given=third).is_fleet


def test_it_reads_a_file_of_several_documents() -> None:
    text = "kind: ConfigMap\n---\n" + registration(*TENANTS)
    detection = found({REGISTRATION: text})
    assert detection.layout == TENANTS_LAYOUT
    assert said(detection, "registration")[0][1] == f"{REGISTRATION}:4"


def test_it_takes_no_chart_template_for_an_application_set() -> None:
    detection = detect(
        TextSnapshot({"charts/x/templates/set.yaml": registration(*TENANTS), "a.yaml": "b: 1\n"})
    )
    assert not detection.is_fleet
