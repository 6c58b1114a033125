"""`manage.py plan`: the same plan as on the page, for a terminal and for programs."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from onboarding import wiring
from onboarding.models import HubObject
from onboarding.ports import HubKind
from tests import repositories
from tests.stage import Stage

INTENT = """\
hub: hub-a
cluster: spoke-9
tenant: team-a
environment: dev
secret_name: fleet/spoke-9
model: centralized
pins: {addonsRelease: default}
"""


@pytest.fixture
def stage(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    found = Stage(tmp_path)
    found.repository.real.fetch()
    found.secrets.add("fleet/spoke-9")
    monkeypatch.setattr(wiring, "current_repository", lambda fleet, max_age=3: found.repository)
    monkeypatch.setattr(wiring, "credentials", lambda hub: found.secrets)
    return found


def plan(*arguments: object) -> str:
    out = StringIO()
    call_command("plan", *arguments, stdout=out)
    return out.getvalue()


def test_it_tells_a_change_as_its_page_does(stage: Stage) -> None:
    change = stage.submitted("spoke-1")
    before = repositories.log(stage.bare)
    text = plan(change.pk)
    assert text.startswith("Register spoke-1 on hub-a: ")
    assert "! The server is not checked" in text
    assert "Foreseen from the repository alone: no ApplicationSet of the hub has been seen." in text
    assert "+ tenant: team-a   (fleet/fleet-bootstrap/fleet-members/hub-a/spoke-1.yaml:" in text
    assert '+clusterName: "spoke-1"' in text
    assert text.rstrip().endswith(change.plan_digest)
    told = json.loads(plan(change.pk, "--json"))
    assert told["digest"] == change.plan_digest
    assert told["edits"] == change.plan["edits"]
    assert repositories.log(stage.bare) == before


def test_it_plans_an_intent_of_a_file(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "intent.yaml"
    file.write_text(INTENT)
    assert "addons/tenants/team-a/clusters/spoke-9/fleet/fleet-secret/values.yaml" in plan(
        "--file", str(file)
    )
    file.write_text(INTENT.replace("default}", "none}").replace("fleet/spoke-9", "'{{ x }}'"))
    out = StringIO()
    with pytest.raises(CommandError, match="secret_name: ") as refused:
        call_command("plan", "--file", str(file), "--json", stdout=out)
    assert refused.value.returncode == 1
    fields = {one["field"] for one in json.loads(out.getvalue())["refused"]}
    assert fields == {"pins.addonsRelease", "secret_name"}
    file.write_text("a: 1\na: 2\n")
    with pytest.raises(CommandError, match="line 2"):
        plan("--file", str(file))
    with pytest.raises(CommandError, match="number of a change"):
        plan()


LABELS = 'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'
SHARED = "addons/tenants/team-a/defaults/fleet/fleet-secret/values.yaml"


def with_member(stage: Stage) -> None:
    text = plan(stage.submitted("spoke-1").pk, "--json")
    files = {one["path"]: one["after"] for one in json.loads(text)["edits"]}
    repositories.commit(
        stage.bare, {path: text for path, text in files.items() if "members" in path}
    )
    stage.repository.real.fetch()


def test_it_tells_what_a_branch_would_do_to_the_fleet(stage: Stage) -> None:
    with_member(stage)
    repositories.git(stage.bare, "branch", "new", "main")
    repositories.commit(stage.bare, {SHARED: LABELS}, branch="new")
    text = plan("--commit", "new")
    assert text.startswith("1 file differs: 1 of 1 clusters moves; ")
    assert "hub-a/spoke-1: " in text
    assert "  label ~ addonsRelease: default -> release1" in text
    told = json.loads(plan("--commit", "new", "--json"))
    assert [one["cluster"] for one in told["moved"]] == ["spoke-1"]
    assert told["files"] == [SHARED]
    with pytest.raises(CommandError, match="has no branch or commit"):
        plan("--commit", "other")


def test_it_tells_what_files_of_a_folder_would_do_to_the_fleet(
    stage: Stage, tmp_path: Path
) -> None:
    with_member(stage)
    file = tmp_path / "edited" / SHARED
    file.parent.mkdir(parents=True)
    file.write_text(LABELS)
    assert "  label ~ addonsRelease: default -> release1" in plan("--files", tmp_path / "edited")
    with pytest.raises(CommandError, match="is not a folder"):
        plan("--files", tmp_path / "none")
    with pytest.raises(CommandError, match="Give the number"):
        plan("--files", tmp_path, "--commit", "new")


def test_it_holds_a_branch_against_the_hub_as_it_was_seen(stage: Stage) -> None:
    with_member(stage)
    repositories.git(stage.bare, "branch", "new", "main")
    repositories.commit(stage.bare, {SHARED: LABELS}, branch="new")
    alone = plan("--commit", "new")
    assert "Foreseen from the repository alone: no ApplicationSet of a hub has been seen." in alone
    selects = {"matchLabels": {"addonsRelease": "release1"}}
    facts = {
        "metadata": {"name": "own"},
        "spec": {"generators": [{"clusters": {"selector": selects}}]},
    }
    HubObject.objects.create(
        hub=stage.hub, kind=HubKind.APPLICATION_SETS.value, uid="1", name="own", facts=facts,
        seen_at=stage.clock.now(),
    )  # fmt: skip
    text = plan("--commit", "new")
    assert "  + own-spoke-1: The hub's ApplicationSet own selects it" in text
    assert "held against 1 ApplicationSet of hub-a as it was last seen." in text
    told = json.loads(plan("--commit", "new", "--json"))
    assert told["held"] == [{"hub": "hub-a", "application_sets": 1, "rendered_by": ""}]
