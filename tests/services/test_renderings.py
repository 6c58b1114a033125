"""A fleet with charts of its own: rendered by real Helm where there is one, and said to be unknown where not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.adapters.helm_cli import HelmCli
from onboarding.domain.diff import digest
from onboarding.domain.errors import Refused
from onboarding.domain.layout import TENANTS_LAYOUT, Placement
from onboarding.domain.leaving import MARK_KEY, LeaveStep
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.planner import EditCluster, LeaveFleet, Plan, RegisterCluster
from onboarding.models import Fleet, Hub, HubObject
from onboarding.ports import ChartRenderer, HubKind
from onboarding.services import fleet_plans, offers, plan_records, previews
from onboarding.services.initializing import TEMPLATE
from onboarding.services.renderings import NO_RENDERER
from onboarding.views.plan_page import impact_from_record
from tests import repositories
from tests.fakes import START, MemorySnapshot
from tests.foreign_fleet import CHART, FILES, MEMBERS, WRAPPER
from tests.template.helm import HelmMissing, find_helm

pytestmark = pytest.mark.django_db
LABELS = "addons/defaults/fleet/fleet-secret/values.yaml"
MEMBER = f"{MEMBERS}/hub-a/spoke-1.yaml"
PINS = "addons/tenants/team-a/clusters/spoke-1/fleet/fleet-secret/values.yaml"


@pytest.fixture(scope="module")
def helm() -> ChartRenderer:
    try:
        return HelmCli(str(find_helm()), seconds=60)
    except HelmMissing as problem:
        pytest.skip(str(problem))


@pytest.fixture
def fleet() -> Fleet:
    found = Fleet.objects.create(name="fleet-a", repository_url="https://git.example/fleet.git")
    Hub.objects.create(fleet=found, name="hub-a")
    return found


def planned(
    fleet: Fleet,
    renderer: ChartRenderer,
    files: Mapping[str, str] = FILES,
    kind: type = RegisterCluster,
    **pins: str,
) -> Plan:
    placement = Placement(
        HubName("hub-a"), ClusterName("spoke-1"), TenantName("team-a"), Environment("dev")
    )
    intent = kind(
        placement=placement,
        secret_name="fleet/spoke-1",
        model=DeploymentModel.CENTRALIZED,
        pins=pins,
    )
    snapshot = MemorySnapshot.of(files, "c" * 40)
    return previews.preview(fleet=fleet, intent=intent, snapshot=snapshot, renderer=renderer)


def said(plan: Plan, code: str) -> list[str]:
    return [one.message for one in plan.warnings if one.code == code]


def basis(plan: Plan) -> str:
    return impact_from_record(plan_records.impact_record(plan.impact)).basis


def test_it_foresees_the_applications_of_sets_that_the_repositorys_own_chart_renders(
    fleet: Fleet, helm: ChartRenderer
) -> None:
    plan = planned(fleet, helm, enable_cert_manager="true")
    assert [one.component for one in plan.impact.appear] == [
        "apps-cert-manager",
        "apps-metrics-server",
    ]
    assert all(one.from_hub for one in plan.impact.appear)
    assert [one.version for one in plan.impact.appear] == ["1.16.0", "3.12.1"]
    assert "The repository's ApplicationSet apps-cert-manager selects it" in (
        plan.impact.appear[0].cause
    )
    assert (plan.impact.live_sets, plan.impact.rendered_by) == (2, helm.engine())
    assert basis(plan) == (
        "Foreseen from the repository alone: no ApplicationSet of the hub has been seen, so "
        f"{helm.engine()} rendered 2 ApplicationSets from the repository's own charts."
    )
    assert not plan.impact.complete
    assert "addons (default) are not described" in plan.impact.note


def test_it_names_applications_as_their_sets_templates_do(
    fleet: Fleet, helm: ChartRenderer
) -> None:
    plan = planned(fleet, helm)
    assert [one.name for one in plan.impact.appear] == ["metrics-server-spoke-1"]
    slug = FILES[WRAPPER].replace(".name | lower", ".name | slugify")
    plan = planned(fleet, helm, {**FILES, WRAPPER: slug})
    (name,) = said(plan, "name_not_evaluated")
    assert name == (
        "The name of the Application that apps-metrics-server makes calls slugify, which only Argo CD "
        "has: only the hub can confirm it."
    )


def test_it_sees_what_disappears_with_a_label_and_asks_for_more(
    fleet: Fleet, helm: ChartRenderer
) -> None:
    files = {**FILES, MEMBER: planned(fleet, helm).edits[0].after}
    plan = planned(fleet, helm, files, EditCluster, enable_metrics_server="false")
    assert [one.name for one in plan.impact.disappear] == ["metrics-server-spoke-1"]
    assert plan.impact.disappear[0].deletes_resources
    assert plan.destructive


def test_it_tells_which_labels_the_repositorys_own_chart_renders_otherwise(
    fleet: Fleet, helm: ChartRenderer
) -> None:
    plan = planned(fleet, helm)
    (told,) = said(plan, "labels_rendered")
    assert told.startswith(f"{helm.engine()} renders other labels from charts/fleet-secret")
    assert "stage (not set foreseen, DEV rendered)" in told
    assert "tenant (team-a foreseen, not set rendered)" in told
    assert "addonsRelease" not in told
    assert "owner" not in told  # only the secret knows it, which is said by itself
    assert [one for one in said(plan, "set_by_secret") if one.startswith("owner may be set")]


def test_it_selects_by_the_labels_that_are_rendered(fleet: Fleet, helm: ChartRenderer) -> None:
    shouting = FILES[CHART].replace("stage:", "enable_cert_manager: 'true'\n          stage:")
    plan = planned(fleet, helm, {**FILES, CHART: shouting})
    assert "cert-manager-spoke-1" in [one.name for one in plan.impact.appear]


def test_it_takes_no_other_clusters_labels_where_the_registration_does_not_read_the_file(
    fleet: Fleet, helm: ChartRenderer
) -> None:
    registration = "fleet/fleet-bootstrap/registration.yaml"
    elsewhere = FILES[registration].replace(f"{MEMBERS}/", "elsewhere/")
    elsewhere += f"# Members are in {MEMBERS}/\n"
    other = {"elsewhere/hub-a/spoke-0.yaml": planned(fleet, helm).edits[0].after}
    plan = planned(fleet, helm, {**FILES, **other, registration: elsewhere})
    assert said(plan, "labels_rendered") == []
    (told,) = [one for one in said(plan, "not_rendered") if "labels" in one]
    assert "No ApplicationSet of it makes a cluster secret." in told


def test_it_refuses_a_file_that_the_repositorys_own_registration_does_not_read(
    fleet: Fleet, helm: ChartRenderer
) -> None:
    registration = "fleet/fleet-bootstrap/registration.yaml"
    assert PINS in [one.path for one in planned(fleet, helm, team="x").edits]
    other = FILES[registration].replace("/clusters/", "/other/")
    with pytest.raises(Refused) as refused:
        planned(fleet, helm, {**FILES, registration: other}, team="x")
    (refusal,) = refused.value.refusals
    assert refusal.code == "unread_file"
    assert refusal.message.startswith(f"Nobody reads {PINS}: the registration in {registration}")
    assert planned(fleet, helm, {**FILES, registration: other}).edits
    unknown = other.replace("/other/", "/{{ .metadata.annotations.folder }}/")
    assert planned(fleet, helm, {**FILES, registration: unknown}, team="x").edits


def test_its_digest_does_not_hang_on_an_engine(fleet: Fleet, helm: ChartRenderer) -> None:
    def covered(renderer: ChartRenderer) -> tuple[Plan, str]:
        plan = planned(fleet, renderer)
        asked = {
            "fleet": "f",
            "hub": "h",
            "change_id": "1",
            "requester": "r",
            "policy_version": "2",
        }
        return plan, digest(plan, revision=1, editors=(), **asked)

    (one, rendered), (_, plain) = covered(helm), covered(NO_RENDERER)
    assert one.impact.appear
    assert rendered == plain


def test_it_prefers_what_the_hub_was_seen_to_have(fleet: Fleet, helm: ChartRenderer) -> None:
    facts = {
        "metadata": {"name": "seen"},
        "spec": {"generators": [{"clusters": {"selector": {"matchLabels": {"stage": "DEV"}}}}]},
    }
    HubObject.objects.create(
        hub=fleet.hubs.get(), kind=HubKind.APPLICATION_SETS.value, uid="1", name="seen",
        facts=facts, seen_at=START,
    )  # fmt: skip
    plan = planned(fleet, helm)
    assert [one.component for one in plan.impact.appear] == ["seen"]
    assert (plan.impact.live_sets, plan.impact.rendered_by) == (1, "")
    assert "held against one ApplicationSet as the hub was last seen" in basis(plan)


def test_it_says_that_only_the_hub_can_confirm_where_nothing_renders(fleet: Fleet) -> None:
    plan = planned(fleet, NO_RENDERER)
    assert plan.impact.appear == ()
    assert not plan.impact.complete
    told = said(plan, "not_rendered")
    assert [one.partition(":")[0] for one in told] == [
        "The ApplicationSets of this repository cannot be rendered here",
        "charts/fleet-secret is this repository's own, and labels are foreseen as if it were the "
        "shipped one",
    ]
    assert all(one.endswith("Only the hub can confirm what follows.") for one in told)
    assert "no ApplicationSet of the hub has been seen." in basis(plan)


@pytest.mark.parametrize(
    ("path", "before", "after", "why"),
    [
        (WRAPPER, "{{- range $name", "{{- fail `broken` }}{{- range $name", "broken"),
        ("fleet/bootstrap/addons.yaml", "- git:", "- scmProvider:", "kind scmProvider"),
        (
            "fleet/bootstrap/addons.yaml",
            "{{ .type | quote }}",
            "{{ normalize .type }}",
            "normalize",
        ),
        ("fleet/bootstrap/addons.yaml", "ignoreMissing", "nevermindMissing", "is not there"),
    ],
)
def test_it_says_why_a_set_is_not_rendered(
    fleet: Fleet, helm: ChartRenderer, path: str, before: str, after: str, why: str
) -> None:
    plan = planned(fleet, helm, {**FILES, path: FILES[path].replace(before, after)})
    assert plan.impact.appear == ()
    assert not plan.impact.complete
    told = [one for one in said(plan, "not_rendered") if "ApplicationSets" in one]
    assert len(told) == 1
    assert why in told[0]


def test_it_asks_no_engine_about_the_shipped_charts(fleet: Fleet) -> None:
    class Untouched:
        def engine(self) -> str:
            raise AssertionError

        def render(self, chart: object, values: object) -> object:
            raise AssertionError

    files = {
        path.relative_to(TEMPLATE).as_posix(): path.read_bytes().decode()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and path.suffix in (".yaml", ".tpl")
    }
    plan = planned(fleet, Untouched(), files)  # type: ignore[arg-type]
    assert plan.impact.complete
    assert TENANTS_LAYOUT.releases in files
    assert said(plan, "not_rendered") == said(plan, "labels_rendered") == []


def test_a_branch_that_changes_the_repositorys_own_chart_is_rendered_on_both_sides(
    fleet: Fleet, helm: ChartRenderer, tmp_path: Path
) -> None:
    files = {**FILES, MEMBER: planned(fleet, helm).edits[0].after}
    bare = repositories.bare_repository(tmp_path / "fleet.git", files)
    repositories.git(bare, "branch", "new", "main")
    values = "charts/application-sets/values.yaml"
    text = FILES[values].replace("metrics_server:", "metrics_agent:").replace("3.12.1", "4.0.0")
    labels = FILES[LABELS] + '    enable_metrics_agent: "true"\n    enable_cert_manager: "true"\n'
    repositories.commit(bare, {values: text, LABELS: labels}, branch="new")
    remote = GitRemote(url=str(bare), branch="main", allow_local=True)
    repository = GitRepository(folder=tmp_path / "mirror", remote=remote)
    repository.fetch()
    found = fleet_plans.plan_revision(fleet=fleet, repository=repository, rev="new", renderer=helm)
    (one,) = found.moved
    assert [each.component for each in one.impact.appear] == [
        "apps-cert-manager",
        "apps-metrics-agent",
    ]
    assert [each.component for each in one.impact.disappear] == ["apps-metrics-server"]
    assert found.held == (("hub-a", 2, helm.engine()),)
    assert "labels_rendered" in [each.code for each in found.warnings]
    (name,) = [each.message for each in found.warnings if each.code == "name_not_evaluated"]
    assert name.startswith(
        "The Applications of apps-cert-manager, apps-metrics-agent, apps-metrics-server are called"
    )


def test_a_form_offers_the_flags_that_rendered_sets_select_by(
    fleet: Fleet, helm: ChartRenderer
) -> None:
    placement = Placement(
        HubName("hub-a"), ClusterName("spoke-1"), TenantName("team-a"), Environment("dev")
    )
    snapshot = MemorySnapshot.of(FILES, "c" * 40)

    def offered(renderer: ChartRenderer) -> offers.Offer:
        return offers.offer(
            fleet=fleet, snapshot=snapshot, placement=placement, pins={}, renderer=renderer
        )

    (group,) = offered(helm).flag_groups
    assert (group.group, [one.label for one in group.flags]) == (
        "addons",
        ["enable_cert_manager", "enable_metrics_server"],
    )
    assert f"2 ApplicationSets as {helm.engine()} renders them" in group.origin
    assert offered(NO_RENDERER).flag_groups == ()


def test_the_removal_of_a_member_rests_on_no_registration(
    fleet: Fleet, helm: ChartRenderer
) -> None:
    """The cluster's own values files go with it, also those that the registration does not read."""
    other = "addons/tenants/team-a/clusters/spoke-1/addons/metrics-server/values.yaml"
    member = str(planned(fleet, helm).edits[0].after)
    files = {**FILES, MEMBER: f'{member}{MARK_KEY}: "true"\n', other: "replicas: 3\n"}
    intent = LeaveFleet(
        placement=Placement(
            HubName("hub-a"), ClusterName("spoke-1"), TenantName("team-a"), Environment("dev")
        ),
        secret_name="fleet/spoke-1",
        model=DeploymentModel.CENTRALIZED,
        step=LeaveStep.REMOVE,
    )
    snapshot = MemorySnapshot.of(files, "c" * 40)
    plan = previews.preview(fleet=fleet, intent=intent, snapshot=snapshot, renderer=helm)
    assert [edit.path for edit in plan.edits] == [MEMBER, other]
    assert said(plan, "labels_rendered") == said(plan, "not_rendered") == []
