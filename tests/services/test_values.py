"""What a component of a cluster gets, where from, and what a change makes of it: from real commits."""

from __future__ import annotations

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.planner import EditCluster
from onboarding.domain.yaml.yamlread import MalformedYaml
from onboarding.models import Change, Cluster
from onboarding.services import indexing, values
from onboarding.services.values import ClusterValues
from tests import repositories
from tests.stage import VERSIONS, Stage, member

WRAPPER = "charts/application-sets/values.yaml"
SYSTEM = "addons/defaults/info/values.yaml"
TENANT = "addons/tenants/team-a/defaults/info/values.yaml"
QUIET = "addons/defaults/quiet/values.yaml"
PINS = "addons/tenants/team-a/clusters/spoke-1/fleet/fleet-secret/values.yaml"
FILES = {
    WRAPPER: """\
components:
  info:
    group: addons
    flag: enable_info
    source: {path: charts/info}
    values:
      mode: catalogue
    clusterValues:
      cluster: name
  quiet:
    group: addons
    flag: enable_quiet
    source: {path: charts/quiet}
""",
    VERSIONS: """\
releases:
  addons:
    - type: default
      version: 0.3.1
    - type: next
      version: 0.4.0
      values: {components: {info: {values: {mode: channel}}}}
  monitoring:
    - type: default
      version: 1.0.0
      repoURL: https://charts.example.com
      chart: monitoring
""",
    "addons/defaults/fleet/fleet-secret/values.yaml": (
        'externalSecret:\n  labels:\n    enable_info: "true"\n    monitoringRelease: default\n'
    ),
    "charts/info/Chart.yaml": "name: info\nversion: 1.2.3\n",
    "charts/info/values.yaml": "replicas: 1\nmode: chart\n",
    SYSTEM: "# Ours.\nreplicas: 2\n",
    TENANT: "replicas: 3\n",
    QUIET: "size: 1\n",
}
MEMBER = """\
tenant: "team-a"
clusterName: "spoke-1"
environment: "dev"
secretManagerSecretName: "fleet/spoke-1"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
"""


@pytest.fixture
def cluster(stage: Stage) -> Cluster:
    """The cluster spoke-1, in Git and indexed."""
    repositories.commit(stage.bare, {**FILES, member("spoke-1"): MEMBER})
    stage.repository.real.fetch()
    indexing.index(fleet=stage.fleet, repository=stage.repository, clock=stage.clock)
    return Cluster.objects.get(name="spoke-1")


def commit(stage: Stage, path: str, text: str | None) -> None:
    repositories.commit(stage.bare, {path: text})
    stage.repository.real.fetch()


def now(stage: Stage, cluster: Cluster) -> ClusterValues:
    return values.values_of_cluster(cluster=cluster, snapshot=stage.repository.snapshot())


def told(found: ClusterValues | None, key: str) -> tuple[object, str, list[tuple[object, str]]]:
    """A value of the component info, its file and line, and what it covers there."""
    assert found is not None
    component = found.of("info")
    assert component is not None
    leaf = component.resolved.get((key,))
    assert leaf is not None
    return leaf.value, str(leaf.origin), [(value, str(where)) for value, where in leaf.shadowed]


def test_it_gives_each_value_with_its_file_and_line_and_all_that_it_covers(
    stage: Stage, cluster: Cluster
) -> None:
    found = now(stage, cluster)
    covered = [(2, f"{SYSTEM}:2"), (1, "charts/info/values.yaml:1")]
    assert told(found, "replicas") == (3, f"{TENANT}:1", covered)
    assert told(found, "mode") == (
        "catalogue", f"{WRAPPER}:7", [("chart", "charts/info/values.yaml:2")]
    )  # fmt: skip
    assert told(found, "cluster") == ("spoke-1", f"{WRAPPER}:9", [])
    assert found.fixed("info") == {"mode": "catalogue", "cluster": "spoke-1"}


def test_it_offers_what_the_clusters_channel_has_on_or_off_and_nothing_else(
    stage: Stage, cluster: Cluster
) -> None:
    found = now(stage, cluster)
    offered = {name: (one.channel, one.enabled) for name, one in found.offered.items()}
    assert offered == {"info": ("default", True), "quiet": ("default", False)}
    quiet = found.of("quiet")
    assert quiet is not None
    assert quiet.values() == {"size": 1}
    assert found.of("unheard-of") is None
    assert dict(found.unread) == {"monitoring": "default"}


def test_it_names_file_and_line_of_a_broken_layer_and_spares_the_other_components(
    stage: Stage, cluster: Cluster
) -> None:
    commit(stage, TENANT, "replicas: 3\nreplicas: 4\n")
    found = now(stage, cluster)
    with pytest.raises(MalformedYaml, match=f"{TENANT}, line 2"):
        found.of("info")
    quiet = found.of("quiet")
    assert quiet is not None
    assert quiet.values() == {"size": 1}


def test_it_says_that_the_member_file_is_gone(stage: Stage, cluster: Cluster) -> None:
    commit(stage, member("spoke-1"), None)
    with pytest.raises(Refused, match=f"{member('spoke-1')} is not in the repository") as refused:
        now(stage, cluster)
    assert refused.value.refusals[0].code == "gone"


def test_it_shows_what_an_edit_makes_of_the_values_on_the_commit_it_was_planned_on(
    stage: Stage, cluster: Cluster
) -> None:
    repositories.commit(stage.bare, {PINS: "externalSecret:\n  labels:\n    addonsRelease: next\n"})
    change = stage.submitted("spoke-1", EditCluster)  # It pins the channel `default`.
    planned = stage.repository.snapshot(change.base_commit)
    commit(stage, TENANT, "replicas: 9\n")
    before, after = values.values_of_change(change=change, snapshot=planned)
    assert told(before, "mode")[:2] == ("channel", f"{VERSIONS}:7")
    assert told(after, "mode")[:2] == ("catalogue", f"{WRAPPER}:7")
    assert told(before, "replicas") == told(after, "replicas")
    assert told(after, "replicas")[0] == 3


def test_it_knows_no_values_before_a_registration(stage: Stage, cluster: Cluster) -> None:
    change = stage.submitted("spoke-2")
    planned = stage.repository.snapshot(change.base_commit)
    before, after = values.values_of_change(change=change, snapshot=planned)
    assert before is None
    assert told(after, "cluster") == ("spoke-2", f"{WRAPPER}:9", [])
    unplanned = Change(fleet=stage.fleet, hub=stage.hub, cluster_name="spoke-3")
    assert values.values_of_change(change=unplanned, snapshot=planned) == (None, None)
