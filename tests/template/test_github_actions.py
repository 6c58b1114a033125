"""The example for GitHub Actions in the documentation: its form, and its steps against the real API."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from onboarding.models import Change
from tests.repositories import TEMPLATE
from tests.stage import Stage
from tests.template.test_spoke_registration import approve, environment, stage

__all__ = ["environment", "stage"]

DOCS = Path(__file__).parents[2] / "docs/api.md"
SCRIPT = TEMPLATE / "terraform/spoke-registration/register.sh"
_EXPRESSION = re.compile(r"\$\{\{\s*([^}]+?)\s*\}\}")

pytestmark = pytest.mark.django_db(transaction=True)


def workflow() -> dict[str, Any]:
    """The workflow as GitHub reads it: YAML 1.2, where `on` is a word."""
    (text,) = re.findall(
        r"^## GitHub Actions\n+```yaml\n(.*?)^```", DOCS.read_text("utf-8"), re.S | re.M
    )
    loader = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    found: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506 - a SafeLoader of texts alone
    return found


def filled(values: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    """Variables with every expression evaluated; a KeyError for one that GitHub does not have here."""
    return {
        name: _EXPRESSION.sub(lambda found: known[found[1]], str(value))
        for name, value in values.items()
    }


def step_of(job: str) -> dict[str, Any]:
    """The step of a job that runs something."""
    (step,) = (one for one in workflow()["jobs"][job]["steps"] if "run" in one)
    return step


def run(job: str, environment: dict[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The step of a job, as a runner would run it in a checkout of the fleet repository."""
    known = {
        "github.run_id": "17",
        "inputs.cluster": "spoke-a",
        "inputs.environment": "dev",
        "secrets.FLEETUI_TOKEN": environment["FLEETUI_TOKEN"],
    }
    found = workflow()
    # What GitHub makes of a shell that is said: without it there is no pipefail.
    assert found["defaults"]["run"]["shell"] == "bash"
    step = step_of(job)
    variables = filled(found["env"], known) | filled(step["env"], known)
    # Where the example's fleet has other names than the test's.
    for example, here in (("hub-cluster", "hub-a"), ("tenant1", "team-a")):
        assert example in variables["BODY"]
        variables["BODY"] = variables["BODY"].replace(example, here)
    usual = {"FLEETUI_TIMEOUT": "0", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=TEMPLATE,
        env={"PATH": os.environ["PATH"]}
        | usual
        | variables
        | {"FLEETUI_URL": environment["FLEETUI_URL"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_is_a_workflow_with_least_rights() -> None:
    found = workflow()
    assert found["permissions"] == {"contents": "read"}
    inputs = found["on"]["workflow_dispatch"]["inputs"]
    said = _EXPRESSION.findall(str(found))
    assert {one for one in said if one.startswith("inputs.")} == {f"inputs.{one}" for one in inputs}
    for name, job in found["jobs"].items():
        assert {"runs-on", "timeout-minutes", "environment", "steps"} <= set(job), name
        assert job.get("needs", "plan") in found["jobs"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert not _EXPRESSION.search(step.get("run", "")), "an input could hold a command"
            assert re.fullmatch(r"[\w./-]+@v\d+", step.get("uses", "a/b@v1"))
    read = set(re.findall(r"FLEETUI_\w+", SCRIPT.read_text("utf-8")))
    given = {*found["env"], *(key for job in found["jobs"] for key in step_of(job)["env"])}
    assert {one for one in given if one.startswith("FLEETUI_")} < read


def test_it_plans_and_then_asks_for_what_it_planned(
    stage: Stage, environment: dict[str, str], tmp_path: Path
) -> None:
    planned = run("plan", environment, tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert not Change.objects.exists()
    assert '+clusterName: "spoke-a"' in planned.stdout
    assert (tmp_path / "summary").read_text("utf-8") == planned.stdout
    asked = run("register", environment, tmp_path)
    assert asked.returncode == 4, asked.stdout + asked.stderr
    change = Change.objects.get()
    assert planned.stdout.rstrip().endswith(f"Content {change.plan['content']}")
    approve(stage)
    again = run("register", environment, tmp_path)
    assert again.returncode == 4, "it waits on for the hub"
    assert Change.objects.get().pk == change.pk
    assert environment["FLEETUI_TOKEN"] not in planned.stdout + asked.stdout + again.stdout


def test_its_plan_fails_where_the_request_would_be_refused(
    stage: Stage, environment: dict[str, str], tmp_path: Path
) -> None:
    del stage.secrets.known["fleet/spoke-a"]
    refused = run("plan", environment, tmp_path)
    assert refused.returncode == 1
    assert "secret_name" in refused.stderr
