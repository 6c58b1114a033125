"""`manage.py lint_fleet`: text, JSON and SARIF, and an exit status that a CI job can act on."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, call_command

from onboarding.domain.errors import Refused
from onboarding.domain.layout import LAYOUTS
from onboarding.domain.layout_detection import detect
from onboarding.domain.lint import RULES, lint
from onboarding.domain.lint.formats import to_sarif
from onboarding.models import Fleet
from tests import repositories
from tests.domain.fleet_files import Repository
from tests.domain.test_layout_detection import COMMON, LABELS, THIRD, registration
from tests.lint_faults import FAULTS, SOUND, Fault, fleet_with

DEAD = next(fault for fault in FAULTS if fault.name == "10-another-tenants-cluster")
ENVIRONMENT = next(fault for fault in FAULTS if fault.name == "11-another-environment")
THIRD_FILES = {
    **COMMON,
    "fleet/fleet-bootstrap/fleet-hub-external-secrets.yaml": registration(*THIRD),
}
INFO = "addons/tenants/newcomer/defaults/metrics-server/values.yaml"


def text(**more: Any) -> dict[str, Any]:
    """A SARIF message."""
    return closed({"text": {"type": "string", "minLength": 1}, **more}, "text")


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


LEVEL = {"enum": ["none", "note", "warning", "error"]}
NUMBER = {"type": "integer", "minimum": 1}
RULE = closed(
    {
        "id": {"type": "string"},
        "shortDescription": text(),
        "fullDescription": text(),
        "help": text(),
        "defaultConfiguration": closed({"level": LEVEL}),
    },
    "id",
)
PLACE = closed(
    {
        "physicalLocation": closed(
            {
                "artifactLocation": closed(
                    {
                        "uri": {"type": "string", "pattern": "^[A-Za-z0-9%._~/+@-]+$"},
                        "uriBaseId": {"type": "string"},
                    }
                ),
                "region": closed({"startLine": NUMBER, "startColumn": NUMBER}),
            }
        )
    }
)
RESULT = closed(
    {
        "ruleId": {"enum": list(RULES)},
        "ruleIndex": {"type": "integer", "minimum": 0, "maximum": len(RULES) - 1},
        "level": LEVEL,
        "message": text(),
        "locations": {"type": "array", "items": PLACE, "minItems": 1},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "message",
)
DRIVER = closed(
    {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "rules": {"type": "array", "items": RULE, "uniqueItems": True},
    },
    "name",
)
RUN = closed(
    {
        "tool": closed({"driver": DRIVER}, "driver"),
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "originalUriBaseIds": {
            "type": "object",
            "additionalProperties": closed({"description": text()}),
        },
        "results": {"type": "array", "items": RESULT},
        "properties": {"type": "object"},
    },
    "tool",
)
# The parts of the SARIF 2.1.0 schema that a report uses, and no property that the standard does not have there.
SARIF = closed(
    {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": RUN},
    },
    "version",
    "runs",
)


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet without fault, as a folder."""
    return folder(tmp_path_factory.mktemp("sound"), fleet_with(SOUND, "tenants"))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet with one error, as a folder."""
    return folder(tmp_path_factory.mktemp("faulty"), DEAD.files())


def run(*arguments: str | Path) -> tuple[int, str]:
    """Exit status and what was printed."""
    printed = StringIO()
    try:
        call_command("lint_fleet", *map(str, arguments), stdout=printed, stderr=StringIO())
    except SystemExit as ended:
        return int(ended.code or 0), printed.getvalue()
    return 0, printed.getvalue()


def test_it_is_content_with_a_sound_folder(sound: Path) -> None:
    assert run(sound) == (0, "")


def test_it_fails_on_a_fault_and_says_where_and_what_to_do(faulty: Path) -> None:
    status, printed = run(faulty)
    path = "addons/tenants/tenant2/clusters/one-prod/metrics-server/values.yaml"
    assert status == 1
    assert f"{path}:1:1: error: one-prod is a cluster of tenant1/prod" in printed
    assert "[values-other-place]" in printed
    assert "Move the folder" in printed


def test_json_says_the_same(faulty: Path) -> None:
    status, printed = run(faulty, "--format", "json")
    said = json.loads(printed)
    assert (status, len(said["findings"])) == (1, 1)
    assert said["findings"][0]["rule"] == "values-other-place"
    assert said["findings"][0]["why"]


def test_sarif_has_the_shape_of_the_standard(faulty: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.sarif"
    assert run(faulty, "--format", "sarif", "--output", report) == (1, "")
    said = json.loads(report.read_text())
    jsonschema.validate(said, SARIF)
    (one,) = said["runs"]
    (result,) = one["results"]
    assert one["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["level"] == "error"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_finding_fits_into_sarif(fault: Fault) -> None:
    report = lint(Repository(fault.files()), LAYOUTS[fault.layout])
    said = to_sarif(report.findings, commit=report.commit, version="1")
    jsonschema.validate(said, SARIF)
    assert len(said["runs"][0]["results"]) == len(fault.expected)


@pytest.mark.parametrize(
    ("limit", "status"), [("error", 0), ("warning", 0), ("info", 1), ("never", 0)]
)
def test_what_is_bad_enough_can_be_chosen(limit: str, status: int, tmp_path: Path) -> None:
    files = {**fleet_with(SOUND, "tenants"), INFO: b"replicas: 1\n"}
    found, printed = run(folder(tmp_path, files), "--fail-on", limit)
    assert found == status
    assert "values-nobody-yet" in printed


def test_it_finds_the_layout_of_a_folder_by_itself(tmp_path: Path) -> None:
    status, printed = run(folder(tmp_path, ENVIRONMENT.files()))
    assert status == 1
    assert "below tenant1/dev" in printed


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_does_not_hide_which_layout_the_folder_has(fault: Fault) -> None:
    found = detect(Repository(fault.files()))
    if fault.name == "14-layer-order":  # no layout has its layers in this order
        with pytest.raises(Refused, match="its layers do not stand lowest first"):
            found.needed()
    else:
        assert found.needed() == LAYOUTS[fault.layout]


def test_it_finds_a_layout_that_is_not_built_in(tmp_path: Path) -> None:
    dead = "gitops/addons/tenants/tenant1/defaults/fleet-secret/values.yaml"
    files = {path: text.encode() for path, text in {**THIRD_FILES, dead: LABELS}.items()}
    status, printed = run(folder(tmp_path, files))
    assert status == 1
    assert f"{dead}:1:1: warning: No layer has this path. [values-no-layer]" in printed
    assert "{base}/tenants/{tenant}/clusters/{cluster}/{component}/values.yaml." in printed


def test_it_says_that_a_folder_is_no_fleet(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"not a fleet.* With --layout") as failed:
        run(folder(tmp_path, {"README.md": b"x\n"}))
    assert failed.value.returncode == 2


def test_it_reads_a_layout_of_ones_own(tmp_path: Path, sound: Path) -> None:
    layout = tmp_path / "layout.yaml"
    layout.write_text(
        "name: flat\nbases: {fleet: labels}\n"
        "layers: [{name: cluster, pattern: '{base}/{cluster}/{component}.yaml'}]\n"
    )
    status, printed = run(sound, "--layout", layout, "--format", "json")
    assert status == 1
    assert {one["rule"] for one in json.loads(printed)["findings"]} == {"layout-differs"}


@pytest.mark.parametrize(
    "arguments",
    [["/there/is/no/such/folder"], ["--fleet", "nobody"], [".", "--layout", "/no/such/file"]],
)
@pytest.mark.django_db
def test_it_says_with_its_own_status_that_it_could_not_run(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as failed:
        run(*arguments)
    assert failed.value.returncode == 2


def test_it_follows_no_link_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("a: [")
    inside = folder(tmp_path / "fleet", fleet_with(SOUND, "tenants"))
    (inside / "addons/defaults/cluster-info/linked.yaml").symlink_to(outside)
    assert run(inside) == (0, "")


@pytest.mark.django_db
def test_it_lints_a_configured_fleet_at_its_tip(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORIES_FOLDER = tmp_path / "mirrors"
    bare = repositories.bare_repository(tmp_path / "remote.git", DEAD.files())
    Fleet.objects.create(name="platform", repository_url=str(bare))
    status, printed = run("--fleet", "platform", "--format", "json")
    said = json.loads(printed)
    assert status == 1
    assert said["commit"] == repositories.tip(bare)
    assert [one["rule"] for one in said["findings"]] == ["values-other-place"]
