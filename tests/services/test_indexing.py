"""Indexing: every member of Git is a row; what did not change is not read again, and a bad file hides nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from onboarding.domain.errors import Refused
from onboarding.models import Cluster, Fleet
from onboarding.services import indexing
from onboarding.services.indexing import IndexReport
from tests import repositories
from tests.stage import Stage, member

pytestmark = pytest.mark.django_db

DEFAULTS = "addons/tenants/defaults/fleet/fleet-secret/values.yaml"
OWN = "addons/tenants/team-a/clusters/{}/fleet/fleet-secret/values.yaml"


def text(cluster: str, **more: str) -> str:
    keys = {
        "tenant": "team-a",
        "clusterName": cluster,
        "environment": "dev",
        "secretManagerSecretName": f"fleet/{cluster}",
        "use_remote_argo": "false",
        "enable_remote_resources": "false",
        "enable_remote_addons": "false",
    } | more
    return "".join(f'{key}: "{value}"\n' for key, value in keys.items())


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    found = Stage(tmp_path)
    repositories.commit(
        found.bare, {member(name): text(name) for name in ("spoke-a", "spoke-b", "spoke-c")}
    )
    return found


def index(stage: Stage, **more: bool) -> IndexReport:
    stage.repository.real.fetch()
    return indexing.index(fleet=stage.fleet, repository=stage.repository, clock=stage.clock, **more)


def numbers(report: IndexReport) -> tuple[int, int, int, int]:
    return (report.read, report.kept, report.removed, report.problems)


def test_it_makes_a_row_of_each_member_with_its_labels_and_their_origin(stage: Stage) -> None:
    report = index(stage)
    assert (report.commit, numbers(report)) == (repositories.tip(stage.bare), (3, 0, 0, 0))
    row = Cluster.objects.get(name="spoke-a")
    assert (row.hub_name, row.tenant, row.environment, row.secret_name, row.model) == (
        "hub-a",
        "team-a",
        "dev",
        "fleet/spoke-a",
        "centralized",
    )
    assert row.addons_release == "default"
    assert row.labels["addonsRelease"]["path"] == DEFAULTS
    stage.fleet.refresh_from_db()
    assert (stage.fleet.indexed_commit, stage.fleet.indexed_at) == (
        report.commit,
        stage.clock.now(),
    )


def test_it_reads_nothing_at_the_same_commit_but_says_that_it_looked(stage: Stage) -> None:
    index(stage)
    stage.clock.advance(30)
    assert numbers(index(stage)) == (0, 3, 0, 0)
    stage.fleet.refresh_from_db()
    assert stage.fleet.indexed_at == stage.clock.now()
    assert stage.fleet.moved_at is not None
    assert stage.fleet.moved_at < stage.fleet.indexed_at  # it was read again, and had not moved


def test_it_reads_only_what_a_commit_touches(stage: Stage) -> None:
    index(stage)
    kept = Cluster.objects.get(name="spoke-b")
    repositories.commit(
        stage.bare,
        {
            member("spoke-a"): text("spoke-a", environment="prod"),
            member("spoke-c"): None,
            "README.md": "Other words.\n",
        },
    )
    assert numbers(index(stage)) == (1, 1, 1, 0)
    assert Cluster.objects.get(name="spoke-a").environment == "prod"
    assert Cluster.objects.get(name="spoke-b").pk == kept.pk
    assert not Cluster.objects.filter(name="spoke-c").exists()


@pytest.mark.parametrize(
    ("path", "names"),
    [(DEFAULTS, {"spoke-a", "spoke-b", "spoke-c"}), (OWN.format("spoke-b"), {"spoke-b"})],
)
def test_it_reads_those_again_whose_layers_changed(
    stage: Stage, path: str, names: set[str]
) -> None:
    index(stage)
    repositories.commit(
        stage.bare, {path: 'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'}
    )
    assert numbers(index(stage)) == (len(names), 3 - len(names), 0, 0)
    found = Cluster.objects.filter(addons_release="release1")
    assert {row.name for row in found} == names


def test_it_reads_those_again_whose_own_base_folder_changed(stage: Stage) -> None:
    elsewhere = {member("spoke-b"): text("spoke-b", addons_repo_basepath="teams/b")}
    repositories.commit(stage.bare, elsewhere)
    index(stage)
    labels = 'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'
    repositories.commit(stage.bare, {"teams/b/defaults/fleet/fleet-secret/values.yaml": labels})
    assert numbers(index(stage)) == (1, 2, 0, 0)
    assert Cluster.objects.get(addons_release="release1").name == "spoke-b"
    repositories.commit(stage.bare, {DEFAULTS: labels})
    assert numbers(index(stage)) == (2, 1, 0, 0)


def test_it_reads_a_member_again_once_its_layer_can_be_read(stage: Stage) -> None:
    repositories.commit(stage.bare, {OWN.format("spoke-b"): "externalSecret: [\n"})
    assert numbers(index(stage)) == (3, 0, 0, 1)
    repositories.commit(stage.bare, {OWN.format("spoke-b"): None})
    assert numbers(index(stage)) == (1, 2, 0, 0)
    assert Cluster.objects.get(name="spoke-b").addons_release == "default"


def test_it_reads_all_again_where_the_indexed_commit_is_lost(stage: Stage) -> None:
    index(stage)
    Fleet.objects.update(indexed_commit="c" * 40)
    repositories.commit(stage.bare, {member("spoke-c"): None})
    assert numbers(index(stage)) == (2, 0, 1, 0)
    assert set(Cluster.objects.values_list("name", flat=True)) == {"spoke-a", "spoke-b"}


@pytest.mark.parametrize(
    "broken", ["tenant: [\n", "", "tenant: team-a\n", "- a list\n", "a: 1\na: 2\n"]
)
def test_it_keeps_a_place_for_a_file_that_cannot_be_read(stage: Stage, broken: str) -> None:
    repositories.commit(stage.bare, {member("spoke-b"): broken})
    assert numbers(index(stage)) == (3, 0, 0, 1)
    row = Cluster.objects.get(name="spoke-b")
    assert row.problem
    assert (row.hub_name, row.tenant, row.labels) == ("hub-a", "", {})
    assert set(Cluster.objects.filter(problem="").values_list("name", flat=True)) == {
        "spoke-a",
        "spoke-c",
    }
    repositories.commit(stage.bare, {member("spoke-b"): text("spoke-b")})
    assert index(stage).problems == 0
    assert Cluster.objects.get(pk=row.pk).tenant == "team-a"


def test_it_is_rebuilt_from_git_at_will(stage: Stage) -> None:
    index(stage)
    before = list(Cluster.objects.order_by("path").values("path", "labels"))
    Cluster.objects.all().delete()
    assert numbers(index(stage, force=True)) == (3, 0, 0, 0)
    assert list(Cluster.objects.order_by("path").values("path", "labels")) == before


def test_it_knows_the_versions_of_the_charts_in_the_repository(stage: Stage) -> None:
    repositories.commit(
        stage.bare,
        {
            "charts/one/Chart.yaml": "apiVersion: v2\nname: one\nversion: 1.2.3\n",
            "charts/two/Chart.yaml": "name: [\n",
            "elsewhere/three/Chart.yaml": "name: three\nversion: 3.0.0\n",
        },
    )
    index(stage)
    assert stage.fleet.chart_versions == {"charts/one": "1.2.3"}


def test_two_first_indexings_at_once_make_each_row_once(stage: Stage) -> None:
    stage.repository.real.fetch()
    other = Fleet.objects.get(pk=stage.fleet.pk)
    theirs: list[IndexReport] = []

    def meanwhile(done: int, total: int) -> None:
        if done == total and not theirs:  # everything is read here and nothing is written yet
            theirs.append(
                indexing.index(fleet=other, repository=stage.repository, clock=stage.clock)
            )

    ours = indexing.index(
        fleet=stage.fleet, repository=stage.repository, clock=stage.clock, progress=meanwhile
    )
    assert (numbers(theirs[0]), numbers(ours)) == ((3, 0, 0, 0), (0, 3, 0, 0))
    assert sorted(Cluster.objects.values_list("name", flat=True)) == [
        "spoke-a",
        "spoke-b",
        "spoke-c",
    ]
    assert stage.fleet.indexed_commit == ours.commit == repositories.tip(stage.bare)


def test_it_says_which_member_wants_its_values_in_no_folder(stage: Stage) -> None:
    broken = text("spoke-b", addons_repo_basepath="{{ .config }}")
    repositories.commit(stage.bare, {member("spoke-b"): broken})
    assert numbers(index(stage)) == (3, 0, 0, 1)
    assert "'{{ .config }}' is not a path" in Cluster.objects.get(name="spoke-b").problem
    assert Cluster.objects.filter(problem="").count() == 2


def test_it_keeps_what_it_knew_of_a_branch_that_was_emptied(stage: Stage) -> None:
    index(stage)
    commit = stage.fleet.indexed_commit
    repositories.git(stage.bare, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(Refused, match=f"was at {commit[:10]} and has no commit any more") as found:
        index(stage)
    assert found.value.refusals[0].code == "emptied"
    assert Cluster.objects.count() == 3
    assert Fleet.objects.get().indexed_commit == commit


def test_it_takes_an_empty_repository_as_it_is_where_nothing_was_known(stage: Stage) -> None:
    repositories.git(stage.bare, "update-ref", "-d", "refs/heads/main")
    assert numbers(index(stage)) == (0, 0, 0, 0)
