"""The Terraform example that registers a spoke: its script, and Terraform itself, against the real API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from onboarding import wiring
from onboarding.domain.tokens import Verb
from onboarding.models import Change
from onboarding.services import approvals, service_tokens
from tests.fakes import FakeClock
from tests.repositories import TEMPLATE
from tests.stage import Stage

FOLDER = TEMPLATE / "terraform/spoke-registration"
MODULE = """\
module "registration" {
  source       = "./spoke-registration"
  fleetui_url  = "%s"
  hub          = "hub-a"
  cluster_name = "spoke-a"
  tenant       = "team-a"
  environment  = "dev"
  secret_name  = "fleet/spoke-a"
  pins         = { addonsRelease = "default" }
  until        = "approved"
  timeout      = %d
}
"""
BODY = {
    "hub": "hub-a",
    "cluster": "spoke-a",
    "tenant": "team-a",
    "environment": "dev",
    "secret_name": "fleet/spoke-a",
    "pins": {"addonsRelease": "default"},
}

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not shutil.which("jq") or not shutil.which("curl"), reason="no curl or jq"),
]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    found = Stage(tmp_path, FakeClock(datetime.now(UTC)))
    found.repository.real.fetch()
    found.secrets.add("fleet/spoke-a")
    monkeypatch.setattr(wiring, "current_repository", lambda fleet, max_age=3: found.repository)
    monkeypatch.setattr(wiring, "credentials", lambda hub: found.secrets)
    return found


@pytest.fixture
def environment(stage: Stage, live_server: Any) -> dict[str, str]:
    """What a pipeline has: the address and a token."""
    issued = service_tokens.issue(
        name="terraform",
        verbs=[Verb.READ, Verb.REGISTER],
        fleets=[stage.fleet],
        days=1,
        actor=None,
        clock=stage.clock,
    )
    return {
        "PATH": os.environ["PATH"],
        "FLEETUI_URL": live_server.url,
        "FLEETUI_TOKEN": issued.text,
    }


def script(environment: dict[str, str], **given: str) -> subprocess.CompletedProcess[str]:
    usual = {"FLEETUI_BODY": json.dumps(BODY), "FLEETUI_KEY": "k", "FLEETUI_UNTIL": "approved"}
    return subprocess.run(
        ["sh", FOLDER / "register.sh"],
        env=environment | usual | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def approve(stage: Stage) -> None:
    change = Change.objects.get()
    approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=stage.approver,
        clock=stage.clock,
        queue=stage.queue,
    )


def test_it_asks_once_and_waits_until_people_decided(
    stage: Stage, environment: dict[str, str]
) -> None:
    waited = script(environment, FLEETUI_TIMEOUT="1")
    assert waited.returncode == 4, waited.stderr
    assert "Somebody who did not write it approves or rejects it." in waited.stdout
    approve(stage)
    done = script(environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Change #{Change.objects.get().pk}: approved.")
    assert environment["FLEETUI_TOKEN"] not in waited.stdout + waited.stderr + done.stdout


def test_it_ends_where_it_was_rejected(stage: Stage, environment: dict[str, str]) -> None:
    script(environment, FLEETUI_TIMEOUT="0")
    change = Change.objects.get()
    approvals.reject(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=stage.approver,
        clock=stage.clock,
        reason="Not now.",
    )
    ended = script(environment)
    assert ended.returncode == 1
    assert "It will never be so. Not now." in ended.stderr


def test_it_says_each_field_that_was_refused(stage: Stage, environment: dict[str, str]) -> None:
    wrong = json.dumps(BODY | {"cluster": "Bad Name", "pins": {"enable_nothing": "true"}})
    refused = script(environment, FLEETUI_BODY=wrong)
    assert refused.returncode == 1
    assert "  cluster: " in refused.stderr
    assert "  pins.enable_nothing: " in refused.stderr
    unknown = script(environment | {"FLEETUI_TOKEN": "fui_x"})
    assert unknown.returncode == 1
    assert "Send a service token" in unknown.stderr
    assert not Change.objects.exists()


@pytest.mark.skipif(not shutil.which("terraform"), reason="no Terraform")
def test_terraform_applies_it_and_keeps_no_token(
    stage: Stage, environment: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "infrastructure"
    shutil.copytree(FOLDER, place / "spoke-registration")
    main = place / "main.tf"

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=place,
            env=environment | {"CHECKPOINT_DISABLE": "1", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    main.write_text(MODULE % (environment["FLEETUI_URL"], 1))
    assert terraform("init").returncode == 0
    first = terraform("apply", "-auto-approve")
    assert first.returncode == 1, first.stdout
    assert "Run this again to wait on." in first.stdout + first.stderr
    number = Change.objects.get().pk

    main.write_text(MODULE % (environment["FLEETUI_URL"], 50))
    approve(stage)
    second = terraform("apply", "-auto-approve")
    assert second.returncode == 0, second.stdout + second.stderr
    assert Change.objects.get().pk == number, "it was asked once"
    assert "No changes" in terraform("plan").stdout
    kept = "".join(path.read_text() for path in place.glob("*.tfstate*"))
    assert environment["FLEETUI_TOKEN"] not in kept
