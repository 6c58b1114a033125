"""`manage.py adopt_fleet`: what is found in a repository, and that nothing is written to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from onboarding.models import Cluster, Event, Fleet
from onboarding.services.layouts import layout_of
from tests import repositories
from tests.domain.test_layout_detection import COMMON, GITOPS, LABELS, MEMBER, THIRD, registration
from tests.journey.conftest import template_files

pytestmark = pytest.mark.django_db
REGISTRATION = "fleet/fleet-bootstrap/fleet-hub-external-secrets.yaml"
MEMBERS = "fleet/fleet-bootstrap/fleet-members"
OWN = {
    "name": "third",
    "members": "clusters/{hub}/{cluster}.yaml",
    "releases": "versions.yaml",
    "labels_component": "fleet-secret",
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
GITOPS_FILES = {
    f"{GITOPS}default/fleet-secret/values.yaml": LABELS,
    f"{GITOPS}environments/dev/fleet-secret/values.yaml": LABELS.replace("default", "dev-channel"),
}


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    settings.REPOSITORIES_FOLDER = tmp_path / "mirrors"


def adopt(bare: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    before = repositories.git(bare, "for-each-ref"), repositories.git(bare, "count-objects", "-v")
    try:
        call_command("adopt_fleet", str(bare), **({"name": "platform"} | options))
    finally:
        after = (
            repositories.git(bare, "for-each-ref"),
            repositories.git(bare, "count-objects", "-v"),
        )
        assert after == before, "adopting writes nothing"
    return capsys.readouterr().out


@pytest.mark.parametrize("layout", ["tenants", "environments"])
def test_it_adopts_a_fleet_in_either_layout(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = template_files(layout) | {
        f"{MEMBERS}/hub-1/spoke-a.yaml": MEMBER.encode(),
        f"{MEMBERS}/hub-2/broken.yaml": b"tenant: [\n",
    }
    said = adopt(repositories.bare_repository(tmp_path / "r.git", files), capsys)
    fleet = Fleet.objects.get(name="platform")
    assert (fleet.layout, fleet.layout_data) == (layout, None)
    rows = {row.name: row for row in Cluster.objects.filter(fleet=fleet)}
    assert set(rows) == {"spoke-a", "broken"}
    assert rows["spoke-a"].addons_release == "release1"
    assert rows["broken"].problem
    assert f"in the built-in layout {layout}" in said
    assert "Members by hub: hub-1 1, hub-2 1" in said
    assert "1 members cannot be read" in said
    assert "addons default, release1" in said
    assert f"[{REGISTRATION}:{repositories.line_of_members()}]" in said
    assert Event.objects.get().actor is None


def test_it_adopts_a_third_layout_that_its_application_set_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = COMMON | GITOPS_FILES | {REGISTRATION: registration(*THIRD)}
    said = adopt(repositories.bare_repository(tmp_path / "r.git", files), capsys)
    fleet = Fleet.objects.get(name="platform")
    assert fleet.layout == "own"
    assert layout_of(fleet).labels_component == "fleet-secret"
    assert Cluster.objects.get().addons_release == "dev-channel"
    assert "in a layout of its own" in said


def test_it_adopts_a_third_layout_by_configuration_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = GITOPS_FILES | {
        "clusters/hub-1/spoke-a.yaml": MEMBER,
        "versions.yaml": "releases: {}\n",
    }
    bare = repositories.bare_repository(tmp_path / "r.git", files)
    with pytest.raises(CommandError, match="layout was not understood"):
        adopt(bare, capsys)
    described = tmp_path / "layout.json"
    described.write_text(json.dumps(OWN))
    adopt(bare, capsys, layout_file=str(described))
    fleet = Fleet.objects.get(name="platform")
    assert fleet.layout_data is not None
    assert fleet.layout_data["layers"] == OWN["layers"]
    assert Cluster.objects.get().addons_release == "dev-channel"


@pytest.mark.parametrize("files", [None, {"README.md": "# Something else\n"}])
def test_it_says_plainly_that_a_repository_is_no_fleet(
    files: dict[str, str] | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = repositories.bare_repository(tmp_path / "r.git", files)
    with pytest.raises(CommandError, match="is not a fleet" if files else "has no commit yet"):
        adopt(bare, capsys)
    assert not Fleet.objects.exists()
    assert not Event.objects.exists()


def test_it_only_shows_what_it_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = repositories.bare_repository(tmp_path / "r.git", template_files("tenants"))
    assert "Nothing is adopted (--dry-run)." in adopt(bare, capsys, dry_run=True)
    assert not Fleet.objects.exists()


def test_it_refuses_before_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = repositories.bare_repository(tmp_path / "r.git", template_files("tenants"))
    Fleet.objects.create(name="platform", repository_url="x")
    with pytest.raises(CommandError, match="Another fleet has this name"):
        adopt(bare, capsys)
    described = tmp_path / "layout.yaml"
    described.write_text("- a list\n")
    with pytest.raises(CommandError, match="must hold a map"):
        adopt(bare, capsys, name="other", layout_file=str(described))


def test_it_indexes_ten_thousand_members_in_one_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = repositories.many_members(tmp_path / "r.git", 10_000)
    said = adopt(bare, capsys)
    assert Cluster.objects.count() == 10_000
    assert Cluster.objects.filter(addons_release="release1").count() == 2_500
    assert not Cluster.objects.exclude(problem="").exists()
    assert "Read 1000 of 10000 members" in said
    assert "Indexed 10000 of 10000 members" in said
