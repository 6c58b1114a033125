"""`manage.py init_fleet`: a bare hub's fleet, in an empty remote or in a new folder."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from onboarding import wiring
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.layout_detection import detect
from onboarding.models import Event, Fleet
from onboarding.services import initializing
from onboarding.services.initializing import NewFleet
from tests import repositories
from tests.domain.repository import TextSnapshot

pytestmark = pytest.mark.django_db
URL = "https://git.example.com/platform/fleet.git"
USUAL = {"hub": "hub-1", "tenants": "team-a, tenant1", "region": "eu-west-1"}


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    settings.REPOSITORIES_FOLDER = tmp_path / "mirrors"


def init(target: Path | str, capsys: pytest.CaptureFixture[str], **options: str) -> str:
    call_command("init_fleet", str(target), **(USUAL | options))
    return capsys.readouterr().out


def bootstrap(text: bytes) -> dict[tuple[str, str], Any]:
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}


def test_it_writes_the_first_commit_of_an_empty_repository(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = repositories.bare_repository(tmp_path / "remote.git")
    said = init(bare, capsys, repository_url=URL, author="Ana <ana@example.com>")
    files = repositories.tree(bare)
    assert len(repositories.log(bare)) == 1
    assert repositories.git(bare, "log", "--format=%an %ae", "main") == "Ana ana@example.com"
    found = bootstrap(files["hub-bootstrap.yaml"])
    assert [name for kind, name in found if kind == "AppProject"] == ["fleet", "team-a", "tenant1"]
    assert found["Application", "fleet-root"]["spec"]["source"]["repoURL"] == URL
    assert b"${" not in files["hub-bootstrap.yaml"]
    assert "addons/tenants/team-a/defaults/fleet/fleet-secret/values.yaml" in files
    assert "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml" in files
    assert not [path for path in files if "/tenant2/" in path]
    assert "kubectl --context hub-1 apply -f hub-bootstrap.yaml" in said
    assert not list((tmp_path / "mirrors").iterdir()), "the mirror is gone"
    assert not Fleet.objects.exists()


def test_it_fills_a_new_folder_ready_to_push(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my-fleet"
    said = init(folder, capsys, repository_url=URL, branch="live")
    assert f"git -C {folder} push --set-upstream origin live" in said

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", folder, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert git("status", "--porcelain") == ""
    assert git("rev-parse", "--abbrev-ref", "HEAD") == "live"
    assert git("remote", "get-url", "origin") == URL
    catalogue = folder / "charts/release-channels/charts/application-sets-0.3.1"
    assert catalogue.is_symlink(), "Argo CD has nothing to build"
    assert (catalogue / "values.yaml").samefile(folder / "charts/application-sets/values.yaml")
    bare = repositories.bare_repository(tmp_path / "remote.git", branch="live")
    git("push", "--quiet", str(bare), "live")
    assert repositories.tree(bare, "live").keys() == set(git("ls-files").splitlines())


def test_it_fills_the_clone_of_an_empty_repository_and_keeps_its_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = repositories.bare_repository(tmp_path / "remote.git")
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", bare, folder], check=True, capture_output=True)
    init(folder, capsys, repository_url=URL)
    subprocess.run(["git", "-C", folder, "push", "--quiet", "origin", "main"], check=True)
    assert "README.md" in repositories.tree(bare)


def test_it_configures_the_fleet_where_it_is_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = repositories.bare_repository(tmp_path / "remote.git")
    init(bare, capsys, repository_url=URL, fleet="platform")
    fleet = Fleet.objects.get(name="platform")
    assert (fleet.repository_url, fleet.branch, fleet.layout) == (str(bare), "main", "tenants")
    assert Event.objects.get().message == "A command configured fleet platform."
    assert wiring.repository(fleet).fetch()


@pytest.mark.parametrize("what", ["commits", "files", "clone", "a file"])
def test_it_writes_over_nothing(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    if what == "commits":
        repositories.bare_repository(target, {"README.md": "mine\n"})
        before = repositories.git(target, "for-each-ref")
    elif what == "clone":
        bare = repositories.bare_repository(tmp_path / "remote.git", {"README.md": "mine\n"})
        subprocess.run(
            ["git", "clone", "--quiet", "--no-checkout", bare, target],
            check=True,
            capture_output=True,
        )
    elif what == "files":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    else:
        target.write_text("mine")
    with pytest.raises(CommandError, match=r"nothing is written over|is a file"):
        init(target, capsys, repository_url=URL, fleet="platform")
    assert not Fleet.objects.exists()
    if what == "commits":
        assert repositories.git(target, "for-each-ref") == before
    elif what == "files":
        assert [path.name for path in target.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"hub": "Hub"}, "lowercase"),
        ({"tenants": "fleet"}, "belongs to the fleet itself"),
        ({"tenants": " , "}, "at least one tenant"),
        ({"region": "Frankfurt"}, "no AWS region"),
        ({"repository_url": 'https://x/"\nkind: Secret'}, "not an address"),
        ({"repository_url": ""}, "--repository-url"),
        ({"branch": "a..b"}, "ranch"),
        ({"author": "nobody"}, "--author"),
        ({"fleet": "not a slug"}, "--fleet"),
    ],
)
def test_it_refuses_what_it_cannot_use_before_anything_is_written(
    changed: dict[str, str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match=reason):
        init(tmp_path / "new", capsys, **({"repository_url": URL} | changed))
    assert not (tmp_path / "new").exists()
    assert not Fleet.objects.exists()


def test_it_ends_with_a_status_that_a_script_sees(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("init_fleet", str(tmp_path / "x"), **(USUAL | {"hub": "-"}))
    assert caught.value.returncode == 1


@pytest.mark.parametrize("name", ["123", "on", "null", "1e3", "0x1f"])
def test_it_writes_names_that_yaml_would_take_for_something_else(name: str) -> None:
    new = NewFleet.parse(
        repository_url=URL, revision="main", hub=name, aws_region="eu-west-1", tenants=[name]
    )
    found = bootstrap(initializing.bootstrap(_template(), new).encode())
    secret = found["Secret", f"cluster-{name}"]
    assert secret["stringData"]["name"] == name
    assert ("AppProject", name) in found
    assert found["Application", "fleet-root"]["spec"]["destination"]["name"] == name


def _template() -> str:
    return (initializing.TEMPLATE / initializing.BOOTSTRAP).read_text(encoding="utf-8")


def test_it_begins_a_fleet_that_is_adopted_in_the_built_in_layout() -> None:
    new = NewFleet.parse(
        repository_url=URL, revision="main", hub="hub-1", aws_region="eu-west-1", tenants=["team-a"]
    )
    files = {edit.path: (edit.content or b"").decode() for edit in initializing.files(new)}
    detection = detect(TextSnapshot(files))
    assert detection.layout == TENANTS_LAYOUT
    assert detection.not_understood == ()
