"""Fleet lint: it finds every planted fault and nothing else, and nothing in a file makes it fail."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding.domain.layout import ENVIRONMENTS_LAYOUT, LAYOUTS, TENANTS_LAYOUT, FleetLayout
from onboarding.domain.lint import RULES, Report, Severity, lint
from onboarding.domain.lint.words import nearest
from onboarding.domain.yaml.yamlread import MAX_BYTES
from tests.domain.fleet_files import Repository
from tests.lint_faults import FAULTS, SOUND, Fault, fleet_with, template

MEMBERS = "fleet/fleet-bootstrap/fleet-members/hub-cluster"


def found(report: Report) -> list[str]:
    """The findings as `expected.txt` has them."""
    return [
        f"{one.severity} {one.rule} {one.path}:{one.line}:{one.column} {one.title}"
        for one in report.findings
    ]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_it_is_silent_on_the_shipped_repository(name: str) -> None:
    report = lint(Repository(template(name)), LAYOUTS[name])
    assert not found(report)
    assert report.files_read > 50


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_it_is_silent_on_a_sound_fleet(name: str) -> None:
    assert not found(lint(Repository(fleet_with(SOUND, name)), LAYOUTS[name]))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_finds_every_planted_fault_and_nothing_else(fault: Fault) -> None:
    report = lint(Repository(fault.files()), LAYOUTS[fault.layout])
    assert found(report) == fault.expected
    assert all(one.why and one.advice for one in report.findings)


def test_every_rule_has_a_planted_fault() -> None:
    planted = {line.split()[1] for fault in FAULTS for line in fault.expected}
    assert planted == set(RULES)


def test_it_refuses_a_huge_file_without_reading_it() -> None:
    path = f"{MEMBERS}/one-dev.yaml"
    files = {**fleet_with(SOUND, "tenants"), path: b"a: " + b"x" * MAX_BYTES}
    (finding, *others) = lint(Repository(files), TENANTS_LAYOUT).findings
    assert (finding.rule, finding.path, finding.line) == ("yaml-malformed", path, 1)
    assert all(other.rule == "values-nobody-yet" for other in others)


def test_one_broken_file_hides_no_other_finding() -> None:
    broken = next(fault for fault in FAULTS if fault.name == "01-malformed-yaml")
    dead = next(fault for fault in FAULTS if fault.name == "10-another-tenants-cluster")
    report = lint(Repository({**broken.files(), **dead.files(), **broken.overlay}), TENANTS_LAYOUT)
    assert {"yaml-malformed", "values-other-place"} <= {one.rule for one in report.findings}


def test_it_says_nothing_of_components_that_lie_in_a_chart_repository() -> None:
    files = fleet_with(SOUND, "tenants")
    versions = "fleet/bootstrap/versions/applicationSets.yaml"
    files[versions] = files[versions].replace(
        b"      version: 0.4.0\n      path: charts/application-sets-0.4\n  resources:",
        b"      version: 0.9.0\n      repoURL: https://charts.example.com\n"
        b"      chart: edge-application-sets\n  resources:",
    )
    files["addons/defaults/edge-only/values.yaml"] = b"replicas: 1\n"
    rules = {one.rule for one in lint(Repository(files), TENANTS_LAYOUT).findings}
    assert rules == {"release-dependency"}


def test_it_reads_what_an_application_set_names_itself() -> None:
    files = fleet_with(SOUND, "tenants")
    files["addons/special/extra.yaml"] = b"replicas: 1\n"
    assert found(lint(Repository(files), TENANTS_LAYOUT))
    files["fleet/bootstrap/addons.yaml"] += b"# \n"
    files["fleet/bootstrap/addons.yaml"] = files["fleet/bootstrap/addons.yaml"].replace(
        b"              - $values/addons/bootstrap/addons.yaml\n",
        b"              - $values/addons/bootstrap/addons.yaml\n"
        b"              - $values/addons/special/extra.yaml\n",
    )
    assert not found(lint(Repository(files), TENANTS_LAYOUT))


def test_a_third_layout_is_linted_by_its_own_paths() -> None:
    layout = FleetLayout.from_data(
        {
            "name": "third",
            "members": "clusters/{hub}/{cluster}.yaml",
            "layers": [
                {"name": "system", "pattern": "{base}/default/{component}/values.yaml"},
                {
                    "name": "environment",
                    "pattern": "{base}/environments/{environment}/{component}/values.yaml",
                },
                {
                    "name": "cluster",
                    "pattern": "{base}/tenants/{tenant}/clusters/{cluster}/{component}/values.yaml",
                },
            ],
            "bases": {"addons": "gitops/addons", "fleet": "gitops/addons"},
        }
    )
    sound = {path: text for path, text in fleet_with(SOUND, "tenants").items() if MEMBERS in path}
    files = {path.replace(MEMBERS, "clusters/hub-1"): text for path, text in sound.items()}
    files |= {
        "gitops/addons/default/cert-manager/values.yaml": b"a: 1\n",
        "gitops/addons/environments/dev/cert-manager/values.yaml": b"a: 1\n",
        "gitops/addons/tenants/tenant1/clusters/one-dev/cert-manager/values.yaml": b"a: 1\n",
        "gitops/addons/tenants/tenant2/clusters/one-dev/cert-manager/values.yaml": b"a: 1\n",
        "gitops/addons/defaults/cert-manager/values.yaml": b"a: 1\n",
    }
    assert [(one.rule, one.path) for one in lint(Repository(files), layout).findings] == [
        (
            "values-other-place",
            "gitops/addons/tenants/tenant2/clusters/one-dev/cert-manager/values.yaml",
        ),
        ("values-no-layer", "gitops/addons/defaults/cert-manager/values.yaml"),
    ]


def test_the_worst_come_first_and_can_be_counted() -> None:
    fault = next(fault for fault in FAULTS if fault.name == "06-labels")
    report = lint(Repository(fault.files()), TENANTS_LAYOUT)
    severities = [one.severity.rank for one in report.findings]
    assert severities == sorted(severities)
    assert [report.at_or_above(each) for each in Severity] == [3, 9, 10]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pord", "prod"),
        ("prd", "prod"),
        ("prodd", "prod"),
        ("PROD", "prod"),
        ("prod", ""),
        ("stage", ""),
        ("tenant2", ""),
        ("tennant1", "tenant1"),
        ("tenant-1", "tenant1"),
        ("de", ""),
    ],
)
def test_it_knows_a_slip_of_the_pen(name: str, meant: str) -> None:
    assert nearest(name, ("prod", "dev", "tenant1")) == meant


TARGETS = (
    f"{MEMBERS}/one-dev.yaml",
    f"{MEMBERS}/odd.yml",
    "addons/bootstrap/layout.yaml",
    "addons/defaults/fleet/fleet-secret/values.yaml",
    "addons/tenants/tenant1/clusters/one-dev/cluster-info/values.yaml",
    "charts/application-sets/values.yaml",
    "charts/application-sets/Chart.yaml",
    "charts/release-channels/Chart.yaml",
    "fleet/bootstrap/versions/applicationSets.yaml",
    "fleet/fleet-bootstrap/fleet-hub-external-secrets.yaml",
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("{{ .x }}")
)
KEYS = st.one_of(
    st.text(max_size=10),
    st.sampled_from(
        re.findall(
            r"\w+",
            "releases addons type version path repoURL chart values components group flag source "
            "layers namespace externalSecret labels annotations addonsRelease layout valueFiles "
            "bases dependencies alias repository name clusterName tenant addons_repo_basepath",
        )
    ),
)
SHAPES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def broken(path: str, content: bytes) -> Report:
    small = {
        name: text
        for name, text in fleet_with(SOUND, "tenants").items()
        if name in TARGETS or name.startswith((MEMBERS, "addons/tenants/tenant1"))
    }
    files = {**small, path: content}
    return lint(Repository(files), TENANTS_LAYOUT)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(TARGETS), content=st.binary(max_size=200))
def test_no_bytes_make_it_fail(path: str, content: bytes) -> None:
    assert broken(path, content).files_read


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(TARGETS), shape=SHAPES)
def test_no_shape_of_yaml_makes_it_fail(path: str, shape: object) -> None:
    assert broken(path, json.dumps(shape).encode()).files_read


@pytest.mark.parametrize("text", ["1" * 5000, f"a: {'9' * 5000}", f"{'7' * 5000}: a"])
def test_a_number_without_end_makes_it_not_fail(text: str) -> None:
    assert broken(TARGETS[0], text.encode()).files_read


def test_the_layouts_differ_in_what_is_dead() -> None:
    """The five layers' second one is read in one layout and dead in the other."""
    path = "addons/tenants/defaults/fleet/fleet-secret/values.yaml"
    files = {**fleet_with(SOUND, "environments"), path: b"externalSecret: {labels: {}}\n"}
    dead = [one.path for one in lint(Repository(files), ENVIRONMENTS_LAYOUT).findings]
    assert dead == [path]
