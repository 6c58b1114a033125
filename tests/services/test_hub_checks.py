"""What a hub is asked before a change: whose names are taken, which files are read, what would go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.labels import ClusterLabels
from onboarding.domain.layout import TENANTS_LAYOUT, Placement
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.planner import RegisterCluster
from onboarding.domain.plans import (
    ApplicationForecast,
    DeployedBy,
    FileEdit,
    Impact,
    Plan,
    PlanWarning,
)
from onboarding.models import ApplicationStatus, Cluster, Fleet, Hub
from onboarding.services import hub_checks
from tests.fakes import START, MemorySnapshot

pytestmark = pytest.mark.django_db

VALUES = "addons/tenants/team-a/clusters/spoke-1/dns/values.yaml"


@pytest.fixture
def hub() -> Hub:
    fleet = Fleet.objects.create(name="fleet-a", repository_url="https://git.example/fleet.git")
    return Hub.objects.create(fleet=fleet, name="hub-a")


def forecast(name: str, **more: Any) -> ApplicationForecast:
    return ApplicationForecast(name, "dns", "addons", "1.2.3", "spoke-1", "dns", "", **more)


def plan(*paths: str, **impact: tuple[ApplicationForecast, ...]) -> Plan:
    nothing = ClusterLabels(())
    placement = Placement(
        HubName("hub-a"), ClusterName("spoke-1"), TenantName("team-a"), Environment("dev")
    )
    return Plan(
        commit="c" * 40,
        intent=RegisterCluster(placement, "fleet/spoke-1", DeploymentModel.CENTRALIZED),
        edits=tuple(FileEdit(path, "", "b" * 40, None, "a: 1\n") for path in paths),
        labels_before=nothing,
        labels_after=nothing,
        impact=Impact(**impact),  # type: ignore[arg-type]
    )


def seen(hub: Hub, name: str, cluster: str = "", **facts: Any) -> ApplicationStatus:
    return ApplicationStatus.objects.create(
        hub=hub,
        uid=f"{hub.name}-{name}",
        name=name,
        cluster_name=cluster,
        facts=facts,
        first_seen_at=START,
        seen_at=START,
    )


def checked(asked: Plan, files: Mapping[str, str] | None = None) -> list[PlanWarning]:
    snapshot = MemorySnapshot.of(files or {}, "c" * 40)
    fleet = Fleet.objects.get(name="fleet-a")
    return hub_checks.check(plan=asked, fleet=fleet, snapshot=snapshot, layout=TENANTS_LAYOUT)


def refusals(asked: Plan, files: Mapping[str, str] | None = None) -> tuple[Refusal, ...]:
    with pytest.raises(Refused) as caught:
        checked(asked, files)
    return caught.value.refusals


def test_it_refuses_an_application_whose_name_is_another_clusters(hub: Hub) -> None:
    seen(hub, "dns-spoke-1", "spoke-0")
    (refusal,) = refusals(plan(appear=(forecast("dns-spoke-1"), forecast("web-spoke-1"))))
    assert refusal.message == (
        "The Application dns-spoke-1 exists already: it is that of spoke-0. Two cannot have one "
        "name. Choose another name for the cluster."
    )
    assert (refusal.field, refusal.code) == ("cluster", "application_name")


def test_it_lets_a_name_pass_that_is_the_clusters_own_nobodys_or_of_another_hub(hub: Hub) -> None:
    seen(hub, "dns-spoke-1", "spoke-1")
    seen(hub, "web-spoke-1")
    seen(Hub.objects.create(fleet=hub.fleet, name="hub-b"), "log-spoke-1", "spoke-0")
    names = ("dns-spoke-1", "web-spoke-1", "log-spoke-1")
    assert checked(plan(appear=tuple(map(forecast, names)))) == []


def test_it_refuses_a_name_that_kubernetes_does_not_take(hub: Hub) -> None:
    assert [one.code for one in checked(plan(appear=(forecast("n" * 253),)))] == ["long_name"]
    (refusal,) = refusals(plan(appear=(forecast("n" * 254),)))
    assert "a name of 254 characters; at most 253 are legal" in refusal.message
    assert "n" * 61 not in refusal.message
    assert refusal.field == "cluster"


def test_it_refuses_a_values_file_that_the_registration_does_not_read(hub: Hub) -> None:
    row = seen(hub, "fleet-secret-spoke-1", value_files=["$values/elsewhere/values.yaml"])
    asked = plan(VALUES, "fleet/members/spoke-1.yaml")
    (refusal,) = refusals(asked)
    assert refusal.message == (
        f"Nobody reads {VALUES}: the Application fleet-secret-spoke-1 on the hub reads other values "
        "files. Correct the fleet's layout, or what the hub reads."
    )
    assert refusal.code == "unread_file"
    row.facts = {"value_files": ["$values/elsewhere/values.yaml", f"$values/{VALUES}"]}
    row.save()
    assert checked(asked) == []


@pytest.mark.parametrize("files", [[], ["values.yaml"], ["$values/elsewhere.yaml", "/etc/a.yaml"]])
def test_it_does_not_guess_from_files_that_are_named_in_another_way(
    hub: Hub, files: list[str]
) -> None:
    seen(hub, "fleet-secret-spoke-1", value_files=files)
    assert checked(plan(VALUES)) == []


def test_it_says_all_that_stands_in_the_way_at_once(hub: Hub) -> None:
    seen(hub, "dns-spoke-1", "spoke-0")
    seen(hub, "fleet-secret-spoke-1", value_files=["$values/elsewhere/values.yaml"])
    found = refusals(plan(VALUES, appear=(forecast("n" * 300), forecast("dns-spoke-1"))))
    assert [one.code for one in found] == ["application_name", "application_name", "unread_file"]


@pytest.mark.parametrize(
    ("on_hub", "in_git", "said"),
    [
        (
            True,
            False,
            "carries a finalizer that deletes its resources, other than the repository says: they "
            "are deleted.",
        ),
        (
            False,
            True,
            "carries no finalizer that deletes its resources, other than the repository says: they "
            "stay.",
        ),
        (True, True, ""),
        (None, True, ""),
    ],
)
def test_it_warns_where_the_hub_would_delete_other_than_git_says(
    hub: Hub, on_hub: bool | None, in_git: bool, said: str
) -> None:
    seen(hub, "dns-spoke-1", "spoke-1", cascades=on_hub)
    going = forecast("dns-spoke-1", deletes_resources=in_git)
    warnings = checked(plan(disappear=(going,)))
    assert [(one.message, one.code) for one in warnings] == (
        [(f"On the hub, dns-spoke-1 {said}", "hub_differs")] if said else []
    )


def test_it_does_not_hold_the_hubs_own_word_against_the_hub(hub: Hub) -> None:
    seen(hub, "dns-spoke-1", "spoke-1", cascades=True)
    assert checked(plan(disappear=(forecast("dns-spoke-1", from_hub=True),))) == []


def test_it_says_which_names_do_not_fit_into_a_label(hub: Hub) -> None:
    assert checked(plan(appear=(forecast("n" * 63),))) == []
    (warning,) = checked(plan(appear=(forecast("n" * 64), forecast("short"))))
    assert warning.code == "long_name"
    assert "n" * 64 in warning.message
    assert "short" not in warning.message


def test_it_lets_the_clusters_own_argo_cd_have_a_name_that_is_taken_on_the_hub(hub: Hub) -> None:
    seen(hub, "dns-spoke-1", "spoke-0")
    own = forecast("dns-spoke-1", deployed_by=DeployedBy.CLUSTER)
    assert checked(plan(appear=(own,))) == []
    asked = plan(appear=(forecast("n" * 254, deployed_by=DeployedBy.CLUSTER),))
    assert [one.code for one in refusals(asked)] == ["application_name"]


def test_it_refuses_two_applications_of_one_name_on_the_hub(hub: Hub) -> None:
    both = (forecast("dns-spoke-1"), forecast("dns-spoke-1", from_hub=True))
    (refusal,) = refusals(plan(appear=both))
    assert refusal.message.startswith("Two ApplicationSets would make an Application dns-spoke-1")
    assert (refusal.field, refusal.code) == ("cluster", "application_name")
    (refusal,) = refusals(plan(appear=both[1:], change=((both[0], both[0]),)))
    assert refusal.code == "application_name"
    own = forecast("dns-spoke-1", deployed_by=DeployedBy.CLUSTER)
    assert checked(plan(appear=(both[0], own))) == []


MEMBER = "fleet/fleet-bootstrap/fleet-members/hub-a/spoke-0.yaml"
MEMBER_TEXT = """\
tenant: "team-b"
clusterName: "spoke-0"
environment: "dev"
secretManagerSecretName: "fleet/spoke-0"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
"""
OTHERS = "addons/tenants/team-b/clusters/spoke-0/fleet/fleet-secret/values.yaml"


@pytest.mark.parametrize(
    ("reads", "codes"),
    [
        ([f"$values/{OTHERS}", "$values/addons/defaults/x.yaml"], []),
        (["$values/addons/clusters/spoke-0/fleet-secret.yaml"], ["unread_file"]),
        (["values.yaml"], []),
    ],
)
def test_a_neighbours_registration_tells_whether_a_joining_clusters_file_is_read(
    hub: Hub, reads: list[str], codes: list[str]
) -> None:
    Cluster.objects.create(fleet=hub.fleet, path=MEMBER, hub_name="hub-a", name="spoke-0")
    seen(hub, "fleet-secret-spoke-0", value_files=reads)
    files, asked = {MEMBER: MEMBER_TEXT}, plan(VALUES, "fleet/members/spoke-1.yaml")
    if codes:
        (refusal,) = refusals(asked, files)
        assert refusal.code in codes
        assert "the Application fleet-secret-spoke-0 on the hub reads other" in refusal.message
    else:
        assert checked(asked, files) == []
    assert checked(plan("fleet/members/spoke-1.yaml"), files) == []
    assert checked(plan(VALUES), {MEMBER: "no: member\n"}) == []
    assert checked(plan(VALUES), {}) == []


def test_one_neighbour_that_reads_its_own_file_is_enough(hub: Hub) -> None:
    files = {}
    for name, reads in (("spoke-0", "elsewhere.yaml"), ("spoke-2", OTHERS.replace("-0", "-2"))):
        path = MEMBER.replace("spoke-0", name)
        files[path] = MEMBER_TEXT.replace("spoke-0", name)
        Cluster.objects.create(fleet=hub.fleet, path=path, hub_name="hub-a", name=name)
        seen(hub, f"fleet-secret-{name}", value_files=[f"$values/{reads}"])
    assert checked(plan(VALUES), files) == []
    del files[path]
    assert [one.code for one in refusals(plan(VALUES), files)] == ["unread_file"]
