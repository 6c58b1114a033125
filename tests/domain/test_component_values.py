"""Every value of a component knows its file, line and layer, and what it covers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from onboarding.domain.component_values import ClusterView, ComponentValues, component_values
from onboarding.domain.components import catalogue_from_wrapper
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.member import DeploymentModel, FleetMember
from onboarding.domain.names import SecretName
from onboarding.domain.releases import parse_releases
from onboarding.domain.yaml.yamlread import MalformedYaml
from tests.domain.fleet_files import VERSIONS, Repository, placement

PLACE = placement()
WRAPPER = "charts/application-sets/values.yaml"
FILES = {
    VERSIONS: """\
releases:
  addons:
    - type: default
      version: 0.3.1
      values:
        components:
          info:
            values:
              mode: channel
              gone: null
""",
    WRAPPER: """\
components:
  info:
    group: addons
    flag: enable_info
    namespace: info
    source: {path: charts/info}
    values:
      mode: catalogue
      gone: 1
    clusterValues:
      cluster: name
      tier: labels.tier
""",
    "charts/info/Chart.yaml": "name: info\nversion: 1.2.3\n",
    "charts/info/values.yaml": "cluster: ''\nreplicas: 1\nprobe:\n  live: yes\n  path: /\nmode: chart\n",
    "addons/defaults/info/values.yaml": "# Ours.\nreplicas: 2\n",
    "addons/tenants/team-a/defaults/info/values.yaml": "replicas: 3\nprobe: {path: null, own: null}\n",
}


def found(files: Mapping[str, str]) -> ComponentValues:
    repository = Repository(files)
    releases = parse_releases(repository.read(VERSIONS), path=VERSIONS)
    catalogue = catalogue_from_wrapper(releases, {"addons": "default"}, repository, TENANTS_LAYOUT)
    assert catalogue is not None
    member = FleetMember(
        PLACE.tenant, PLACE.cluster, PLACE.environment, SecretName("fleet/spoke-1"),
        DeploymentModel.CENTRALIZED, False, False,
    )  # fmt: skip
    view = ClusterView(member, {"tier": "gold"})
    return component_values(catalogue.components[0], view, PLACE, repository, TENANTS_LAYOUT)


def told(values: ComponentValues, *keys: str) -> tuple[object, str, str, list[tuple[object, str]]]:
    leaf = values.resolved.get(keys)
    assert leaf is not None
    covered = [(value, str(origin)) for value, origin in leaf.shadowed]
    return leaf.value, str(leaf.origin.layer), str(leaf.origin), covered


def test_it_names_file_line_and_layer_of_each_value_and_what_it_covers() -> None:
    values = found(FILES)
    assert told(values, "replicas") == (
        3,
        "tenant",
        "addons/tenants/team-a/defaults/info/values.yaml:1",
        [(2, "addons/defaults/info/values.yaml:2"), (1, "charts/info/values.yaml:2")],
    )
    assert told(values, "mode") == (
        "channel",
        "release channel",
        f"{VERSIONS}:9",
        [("catalogue", f"{WRAPPER}:8"), ("chart", "charts/info/values.yaml:6")],
    )
    assert told(values, "cluster") == (
        "spoke-1", "cluster facts", f"{WRAPPER}:11", [("", "charts/info/values.yaml:1")],
    )  # fmt: skip
    assert told(values, "tier") == ("gold", "cluster facts", f"{WRAPPER}:12", [])
    assert told(values, "probe", "live")[:3] == (True, "chart", "charts/info/values.yaml:4")


def test_it_tells_a_null_that_takes_a_default_away_from_one_that_stays() -> None:
    values = found(FILES)
    (removed,) = values.resolved.removed
    assert removed.keys == ("probe", "path")
    assert [(value, str(origin)) for value, origin in removed.shadowed] == [
        ("/", "charts/info/values.yaml:5")
    ]
    assert told(values, "probe", "own")[:2] == (None, "tenant")
    assert values.resolved.get(["gone"]) is None
    assert values.values()["probe"] == {"live": True, "own": None}


def test_it_knows_that_no_null_of_the_catalogue_reaches_the_chart() -> None:
    """Kubernetes drops keys that are null from an ApplicationSet's inline values, in lists too."""
    wrapper = FILES[WRAPPER].replace("gone: 1", "gone: ~\n      list: [~, {kept: 1, null: ~}]")
    values = found({**FILES, WRAPPER: wrapper.replace("null: ~", "lost: ~")}).values()
    assert values["list"] == [None, {"kept": 1}]
    assert "gone" not in values
    # A null in the catalogue takes no default of the chart away.
    kept = found({**FILES, WRAPPER: FILES[WRAPPER].replace("gone: 1", "replicas: ~")}).values()
    assert kept["replicas"] == 3


def test_it_says_where_a_charts_own_defaults_are_elsewhere() -> None:
    public = "source: {repoURL: https://charts.example, chart: info, version: '1'}"
    values = found(
        {**FILES, WRAPPER: FILES[WRAPPER].replace("source: {path: charts/info}", public)}
    )
    assert not values.chart_known
    assert "https://charts.example" in values.note
    assert {leaf.keys for leaf in values.resolved.removed} == {("probe", "path"), ("probe", "own")}
    assert values.resolved.get(["probe", "live"]) is None


def test_it_lists_every_file_that_is_looked_for() -> None:
    there = [(str(layer.layer), exists) for layer, exists in found(FILES).files]
    assert there == [
        ("system", True),
        ("tenant defaults", False),
        ("tenant", True),
        ("environment", False),
        ("cluster", False),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- a\n- list\n", 1),
        ("a: 1\nb: 2\na: 3\n", 3),
        ("a: " + "[" * 100 + "]" * 100 + "\n", 1),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n"
         + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
                   for old, new in ("ab", "bc", "cd", "de", "ef", "fg", "gh")), 4),
        ("x: 1\n" + "#" * (10 * 1024 * 1024), 1),
        ("a: 1\n\tb: 2\n", 2),
    ],
    ids=["list", "twice", "depth 100", "alias bomb", "10 MB", "tab"],
)  # fmt: skip
def test_it_refuses_what_no_chart_should_be_given_with_file_and_line(text: str, line: int) -> None:
    path = "addons/tenants/team-a/defaults/info/values.yaml"
    with pytest.raises(MalformedYaml) as refused:
        found({**FILES, path: text})
    assert refused.value.problem.path == path
    assert refused.value.problem.line == line


def test_it_takes_ten_thousand_keys() -> None:
    text = "".join(f"key{number}: {number}\n" for number in range(10_000))
    values = found({**FILES, "addons/defaults/info/values.yaml": text})
    assert told(values, "key9999")[2] == "addons/defaults/info/values.yaml:10000"
