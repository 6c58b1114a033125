"""Which Applications change: those that get other values, wherever these come from, and no others."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.member import DeploymentModel
from onboarding.domain.planner import Intent, Neighbours, Plan, plan
from tests.domain.fleet_files import (
    MEMBER,
    MEMBER_TEXT,
    PINS,
    REGISTERED,
    SYSTEM_LABELS,
    Repository,
    edit,
)

WRAPPER = "charts/application-sets/values.yaml"
COMPONENT = """\
components:
  {name}:
    group: addons
    flag: enable_{name}
    namespace: {name}
    source: {{repoURL: "https://charts.example", chart: {name}, version: "1.0.0"}}
"""
LABELS = """\
externalSecret:
  labels:
    addonsRelease: "default"
    enable_one: "true"
"""
VERSIONS = """\
releases:
  addons:
    - {type: default, version: "0.3.1"}
    - {type: release1, version: "0.4.0", path: charts/new}
"""


def planned(intent: Intent, files: Mapping[str, str]) -> Plan:
    return plan(intent, Repository({**REGISTERED, **files}), TENANTS_LAYOUT, Neighbours())


def changed(found: Plan) -> list[str]:
    """The names of what changes; nothing else may happen in these tests."""
    assert found.impact.complete
    assert found.impact.appear == found.impact.disappear == ()
    return [after.name for _, after in found.impact.change]


@pytest.mark.parametrize(
    ("new", "names"),
    [
        ("", []),
        ("    values: {mode: safe}\n", ["one-spoke-1"]),
        ("    clusterValues: {release: labels.addonsRelease}\n", ["one-spoke-1"]),
        ("    layers: [other]\n", ["one-spoke-1"]),
        ("    description: Other words about it.\n", []),
    ],
)
def test_it_changes_where_the_other_channels_catalogue_gives_other_values(
    new: str, names: list[str]
) -> None:
    entry = COMPONENT.format(name="one")
    files = {
        "fleet/bootstrap/versions/applicationSets.yaml": VERSIONS,
        WRAPPER: entry,
        "charts/new/values.yaml": entry + new,
        "addons/defaults/other/values.yaml": "colour: blue\n",
        SYSTEM_LABELS: LABELS,
    }
    found = planned(edit(pins={"addonsRelease": "release1"}), files)
    assert changed(found) == names
    assert all(after.cause.endswith("Its values change.") for _, after in found.impact.change)


def test_it_says_nothing_of_components_that_a_channels_own_values_leave_alone() -> None:
    labels = 'externalSecret:\n  labels:\n    enable_cert_manager: "true"\n'
    found = planned(edit(pins={"addonsRelease": "release1"}), {PINS: labels})
    assert "cert-manager-spoke-1" not in changed(found)
    assert "metrics-server-spoke-1" in changed(found)


def test_it_follows_values_that_are_facts_of_the_cluster() -> None:
    entry = COMPONENT.format(name="one")
    taken = "    clusterValues: {plain: name, deep: {tier: labels.enable_two}}\n"
    files = {
        "fleet/bootstrap/versions/applicationSets.yaml": VERSIONS,
        WRAPPER: entry + taken + COMPONENT.format(name="two").removeprefix("components:\n"),
        SYSTEM_LABELS: LABELS,
    }
    found = planned(edit(pins={"enable_two": "false"}), files)
    assert changed(found) == ["one-spoke-1"]
    other = planned(edit(pins={"enable_three": "false"}), files)
    assert changed(other) == []


def test_it_follows_annotations_that_the_member_file_gives() -> None:
    entry = COMPONENT.format(name="one")
    taken = "    clusterValues: {secret: annotations.fleet_github_secret_name}\n"
    files = {
        "fleet/bootstrap/versions/applicationSets.yaml": VERSIONS,
        WRAPPER: entry + taken,
        SYSTEM_LABELS: LABELS,
    }
    options = {"githubSecret": "true", "githubSecretName": "git/token"}
    assert changed(planned(edit(options=options), files)) == ["one-spoke-1"]


def test_it_reads_the_cluster_secrets_own_layers_as_the_edit_leaves_them() -> None:
    """A distributed spoke gets the labels of its cluster secret too, from the same files."""
    own = COMPONENT.format(name="spoke-secret").replace("group: addons", "group: fleet")
    own = own.replace("enable_spoke-secret", "use_remote_argo")
    files = {
        "fleet/bootstrap/versions/applicationSets.yaml": VERSIONS.replace("addons:", "fleet:"),
        WRAPPER: own + "    layers: [fleet/fleet-secret]\n",
        SYSTEM_LABELS: 'externalSecret:\n  labels:\n    fleetRelease: "default"\n',
        MEMBER: MEMBER_TEXT.replace('use_remote_argo: "false"', 'use_remote_argo: "true"'),
    }
    found = planned(edit(model=DeploymentModel.DISTRIBUTED, pins={"colour": "blue"}), files)
    assert changed(found) == ["spoke-secret-spoke-1"]
