"""A fleet's plan: every cluster that a commit moves, told as its own plan would tell it, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from onboarding.domain import fleet_plan
from onboarding.domain.fleet_plan import ClusterPlan, FleetPlan, plan_fleet
from onboarding.domain.fleet_plan_text import fleet_plan_text
from onboarding.domain.layout import TENANTS_LAYOUT, Placement
from onboarding.domain.live_sets import NO_SETS, KnownSets
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.planner import EditCluster, Neighbours, plan
from onboarding.services.initializing import TEMPLATE
from tests.fakes import MemorySnapshot

ROOT = "fleet/fleet-bootstrap/fleet-members/hub-cluster"
VERSIONS = TENANTS_LAYOUT.releases
WRAPPER = "charts/application-sets/values.yaml"
SYSTEM_LABELS = "addons/tenants/defaults/fleet/fleet-secret/values.yaml"
OWN = "addons/tenants/{}/clusters/{}/{}/values.yaml"
CLUSTERS = {
    "one": ("tenant1", "dev", "false"),
    "two": ("tenant1", "prod", "false"),
    "three": ("tenant2", "dev", "false"),
    "four": ("tenant2", "staging", "true"),
}


def member(name: str, **more: str) -> str:
    tenant, environment, distributed = CLUSTERS[name]
    keys = {
        "tenant": tenant,
        "clusterName": name,
        "environment": environment,
        "secretManagerSecretName": f"fleet/{name}",
        "use_remote_argo": distributed,
        "enable_remote_resources": distributed,
        "enable_remote_addons": distributed,
    } | more
    return "".join(f'{key}: "{value}"\n' for key, value in keys.items())


def labels(**found: str) -> str:
    lines = "".join(f'    {key}: "{value}"\n' for key, value in found.items())
    return f"externalSecret:\n  labels:\n{lines}"


@pytest.fixture(scope="module")
def files() -> Mapping[str, str]:
    """The shipped fleet with four members that have a few components."""
    found = {
        path.relative_to(TEMPLATE).as_posix(): path.read_text()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and path.suffix in (".yaml", ".md", ".tpl")
    }
    found = {path: text for path, text in found.items() if not path.startswith(f"{ROOT}/")}
    for name, (tenant, _, _) in CLUSTERS.items():
        found[f"{ROOT}/{name}.yaml"] = member(name)
        found[OWN.format(tenant, name, "fleet/fleet-secret")] = labels(
            addonsRelease="default",
            enable_metrics_server="true",
            enable_cluster_info="true",
            enable_cert_manager="true",
        )
    return found


def changed(files: Mapping[str, str], edits: Mapping[str, str | None]) -> dict[str, str]:
    after = {**files, **{path: text for path, text in edits.items() if text is not None}}
    return {path: text for path, text in after.items() if edits.get(path, "") is not None}


def planned(files: Mapping[str, str], edits: Mapping[str, str | None]) -> FleetPlan:
    before = MemorySnapshot.of(files, "a" * 40)
    after = MemorySnapshot.of(changed(files, edits), "b" * 40)
    return plan_fleet(before, after, edits.keys(), TENANTS_LAYOUT)


def moved(plan: FleetPlan) -> list[str]:
    return sorted(one.cluster for one in plan.moved)


def told(plan: ClusterPlan) -> dict[str, list[str]]:
    """The components that appear, change and disappear."""
    return {
        "appear": [one.component for one in plan.impact.appear],
        "change": [one.component for _, one in plan.impact.change],
        "disappear": [one.component for one in plan.impact.disappear],
    }


EDITS: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "words": ({"README.md": "Other words.\n"}, []),
    "a comment": ({SYSTEM_LABELS: "+# A comment.\n"}, []),
    "a label of all": ({SYSTEM_LABELS: '+    team: "x"\n'}, ["four", "one", "three", "two"]),
    "a tenant's labels": (
        {"addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml": labels(team="x")},
        ["one", "two"],
    ),
    "an environment's labels": (
        {
            "addons/tenants/tenant2/environments/dev/fleet/fleet-secret/values.yaml": labels(
                team="x"
            )
        },
        ["three"],
    ),
    "a component's values for all": (
        {"addons/defaults/metrics-server/values.yaml": "replicas: 7\n"},
        ["four", "one", "three", "two"],
    ),
    "a component's values for a tenant": (
        {"addons/tenants/tenant1/defaults/metrics-server/values.yaml": "replicas: 7\n"},
        ["one", "two"],
    ),
    "values that are covered": (
        {
            "addons/tenants/tenant1/defaults/metrics-server/values.yaml": "replicas: 7\n",
            OWN.format("tenant1", "one", "metrics-server"): "replicas: 3\n",
        },
        ["one", "two"],
    ),
    "a component that is off": (
        {"addons/tenants/tenant1/defaults/karpenter/values.yaml": "replicas: 7\n"},
        [],
    ),
    "a flag": (
        {OWN.format("tenant2", "three", "fleet/fleet-secret"): labels(addonsRelease="default")},
        ["three"],
    ),
    "another release": (
        {
            OWN.format("tenant2", "three", "fleet/fleet-secret"): labels(
                addonsRelease="release1", enable_metrics_server="true"
            )
        },
        ["three"],
    ),
    "a member that leaves": ({f"{ROOT}/two.yaml": None}, ["two"]),
    "a broken member": ({f"{ROOT}/two.yaml": "tenant: [\n"}, ["two"]),
    "a broken layer": (
        {"addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml": "- list\n"},
        ["one", "two"],
    ),
    "another model": (
        {f"{ROOT}/two.yaml": member("two", use_remote_argo="true", enable_remote_addons="true")},
        ["two"],
    ),
    "a handover": ({f"{ROOT}/two.yaml": member("two", handover="true")}, ["two"]),
}


def with_additions(
    files: Mapping[str, str], edits: Mapping[str, str | None]
) -> dict[str, str | None]:
    """A text that begins with + is added to what the file holds."""
    return {
        path: files.get(path, "") + text[1:] if text and text.startswith("+") else text
        for path, text in edits.items()
    }


@pytest.mark.parametrize("name", EDITS)
def test_it_names_every_cluster_that_moves_and_no_other(
    files: Mapping[str, str], name: str
) -> None:
    edits, names = EDITS[name]
    assert moved(planned(files, with_additions(files, edits))) == names


@pytest.mark.parametrize("name", EDITS)
def test_it_says_what_it_would_say_if_it_looked_at_everything(
    files: Mapping[str, str], name: str
) -> None:
    """Leaving out what nothing decides is only a matter of time."""
    edits = with_additions(files, EDITS[name][0])
    quick = planned(files, edits)
    with (
        mock.patch.object(fleet_plan, "_settled", return_value=frozenset()),
        mock.patch.object(fleet_plan._Scope, "is_read_by", return_value=True),
    ):
        slow = planned(files, edits)
    for one, other in zip(quick.moved, slow.moved, strict=True):
        assert told(one) == told(other)
        assert one.labels == other.labels
        assert replace(one, impact=other.impact) == other


@pytest.mark.parametrize(
    "pins",
    [
        {"enable_karpenter": "true"},
        {"enable_metrics_server": None},
        {"addonsRelease": "release1"},
        {"addonsRelease": "release1", "enable_cert_manager": None, "team": "x"},
    ],
)
def test_it_agrees_with_the_plan_of_a_change(
    files: Mapping[str, str], pins: dict[str, str | None]
) -> None:
    place = Placement(
        HubName("hub-cluster"), ClusterName("one"), TenantName("tenant1"), Environment("dev")
    )
    intent = EditCluster(
        placement=place, secret_name="fleet/one", model=DeploymentModel.CENTRALIZED, pins=pins
    )
    snapshot = MemorySnapshot.of(files, "a" * 40)
    asked = plan(intent, snapshot, TENANTS_LAYOUT, Neighbours())
    (found,) = planned(files, {one.path: one.after for one in asked.edits}).moved
    assert found.labels_after.as_dict() == asked.labels_after.as_dict()
    assert found.labels_before == asked.labels_before
    for ours, theirs in (
        (found.impact.appear, asked.impact.appear),
        (found.impact.disappear, asked.impact.disappear),
        ([one for _, one in found.impact.change], [one for _, one in asked.impact.change]),
    ):
        assert [(one.name, one.version, one.cause) for one in ours] == [
            (one.name, one.version, one.cause) for one in theirs
        ]


def test_it_looks_at_those_alone_that_could_be_concerned(files: Mapping[str, str]) -> None:
    edits = {"addons/tenants/tenant1/defaults/metrics-server/values.yaml": "replicas: 7\n"}
    assert planned(files, edits).looked_at == 2
    assert planned(files, {"README.md": "x\n"}).looked_at == 0
    assert planned(files, {VERSIONS: files[VERSIONS] + "# x\n"}).looked_at == 4


def test_it_stops_where_there_is_no_more_time_and_says_so(files: Mapping[str, str]) -> None:
    snapshots = (
        MemorySnapshot.of(files),
        MemorySnapshot.of(
            changed(files, {SYSTEM_LABELS: files[SYSTEM_LABELS] + '    team: "x"\n'})
        ),
    )
    answers = iter([True, True, False])
    found = plan_fleet(*snapshots, {SYSTEM_LABELS}, TENANTS_LAYOUT, go_on=lambda: next(answers))
    assert (found.clusters, found.looked_at, found.left_out) == (4, 2, 2)
    assert len(found.moved) == 2


def test_it_tells_of_a_release_that_everybody_uses(files: Mapping[str, str]) -> None:
    wrapper = files[WRAPPER].replace("metrics-server:\n", "metrics-server-2:\n", 1)
    found = planned(files, {WRAPPER: wrapper})
    using = [one for one in found.moved if one.impact.disappear]
    assert using
    assert found.destructive
    assert all("metrics-server" in told(one)["disappear"] for one in using)
    assert list(found.moved)[: len(using)] == using


def test_it_tells_of_a_chart_whose_files_change(files: Mapping[str, str]) -> None:
    chart = "charts/cluster-info"
    path = next(path for path in files if path.startswith(f"{chart}/templates/"))
    found = planned(files, {path: files[path] + "# x\n"})
    assert [told(one)["change"] for one in found.moved] == [["cluster-info"]] * len(found.moved)
    assert len(found.moved) == 4
    causes = {one.cause for cluster in found.moved for _, one in cluster.impact.change}
    assert all(cause.endswith("The files of its chart change.") for cause in causes)


@pytest.mark.parametrize(
    ("path", "foreseen"),
    [
        ("addons/bootstrap/layout.yaml", False),
        ("fleet/bootstrap/addons.yaml", False),
        ("fleet/fleet-bootstrap/fleet-hub-external-secrets.yaml", False),
        ("charts/fleet-secret/templates/_checks.tpl", False),
        ("charts/release-channels/values.yaml", False),
        ("README.md", True),
        (WRAPPER, True),
        (VERSIONS, True),
        (SYSTEM_LABELS, True),
        (f"{ROOT}/one.yaml", True),
    ],
)
def test_it_says_of_which_files_only_the_hub_can_tell(
    files: Mapping[str, str], path: str, foreseen: bool
) -> None:
    found = planned(files, {path: files.get(path, "") + "# x\n"})
    assert found.unforeseen == (() if foreseen else (path,))


def test_it_says_what_it_means_that_a_member_file_goes(files: Mapping[str, str]) -> None:
    text = fleet_plan_text(planned(files, {f"{ROOT}/two.yaml": None}))
    assert text.startswith("1 file differs: 1 of 4 clusters moves; no Application is touched\n")
    assert "hub-cluster/two" in text
    assert "registration then takes nothing away" in text


def test_it_names_what_cannot_be_read(files: Mapping[str, str]) -> None:
    (found,) = planned(files, {f"{ROOT}/two.yaml": "tenant: [\n"}).moved
    assert f"{ROOT}/two.yaml, line" in found.problem


def seen_set(name: str, **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"generators": [{"clusters": {"selector": {"matchLabels": labels}}}]},
    }


def held(
    files: Mapping[str, str],
    edits: Mapping[str, str | None],
    now: KnownSets,
    later: KnownSets | None = None,
) -> FleetPlan:
    before = MemorySnapshot.of(files, "a" * 40)
    after = MemorySnapshot.of(changed(files, edits), "b" * 40)
    return plan_fleet(
        before,
        after,
        edits.keys(),
        TENANTS_LAYOUT,
        sets_of=lambda hub: (now, later or now) if hub == "hub-cluster" else (NO_SETS, NO_SETS),
    )


def test_it_tells_what_only_the_hubs_sets_make_of_moved_labels(files: Mapping[str, str]) -> None:
    edits = {
        SYSTEM_LABELS: files[SYSTEM_LABELS].replace("  labels:\n", '  labels:\n    tier: "x"\n')
    }
    found = held(
        files, edits, KnownSets([seen_set("extra", tier="x"), seen_set("other", tier="y")])
    )
    assert moved(found) == ["four", "one", "three", "two"]
    one = next(each for each in found.moved if each.cluster == "one")
    assert [(each.name, each.from_hub) for each in one.impact.appear] == [("extra-one", True)]
    assert found.held == (("hub-cluster", 2, ""),)
    assert "held against 2 ApplicationSets of hub-cluster as it was last seen." in fleet_plan_text(
        found
    )
    alone = planned(files, edits)
    assert alone.held == ()
    assert "no ApplicationSet of a hub has been seen." in fleet_plan_text(alone)


def test_it_asks_the_hub_whether_it_agrees_with_the_branch_as_it_is_not_as_it_will_be(
    files: Mapping[str, str],
) -> None:
    """What a branch brings, the hub cannot have; what it should have by now, it is asked for."""
    there = [
        seen_set("metrics-server", enable_metrics_server="true"),
        seen_set("cluster-info", enable_cluster_info="true"),
        seen_set("cert-manager", enable_cert_manager="never"),
    ]
    path = OWN.format("tenant1", "one", "fleet/fleet-secret")
    edits = {path: files[path] + '    enable_karpenter: "true"\n'}
    found = held(files, edits, KnownSets(there))
    assert moved(found) == ["one"]
    told = [one.message for one in found.warnings if one.code.startswith("hub_")]
    assert any(
        one.startswith("The hub's ApplicationSet cert-manager does not select") for one in told
    )
    assert not any("karpenter" in one for one in told)
    assert not any("ApplicationSet metrics-server" in one for one in told)


def test_it_tells_what_changes_with_the_sets_themselves(files: Mapping[str, str]) -> None:
    rendered = [seen_set("stays", tenant="tenant1"), seen_set("goes", tenant="tenant1")]
    later = [seen_set("stays", tenant="tenant1"), seen_set("comes", tenant="tenant2")]
    for one, version in ((rendered[0], "1.0.0"), (later[0], "2.0.0")):
        source = {"chart": "stays", "targetRevision": version}
        one["spec"]["template"] = {"spec": {"source": source}}
    path = "charts/own/templates/sets.yaml"
    found = held(
        {**files, path: "a: 1\n"},
        {path: "a: 2\n"},
        KnownSets(rendered, rendered_by="Helm 3.18.4"),
        KnownSets(later, rendered_by="Helm 3.18.4"),
    )
    assert moved(found) == ["four", "one", "three", "two"]
    plans = {one.cluster: told(one) for one in found.moved}
    assert plans["one"] == {"appear": [], "change": ["stays"], "disappear": ["goes"]}
    assert plans["three"] == {"appear": ["comes"], "change": [], "disappear": []}
    assert found.disappearing == 2
    assert "~ stays-one 1.0.0 -> 2.0.0: The repository's ApplicationSet stays selects it" in (
        fleet_plan_text(found)
    )
    assert "Its ApplicationSet changes." in fleet_plan_text(found)
    assert "Helm 3.18.4 rendered for hub-cluster" in fleet_plan_text(found)
