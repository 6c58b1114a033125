"""The findings' page: made by the worker, never by a view; filtered, paged and exported by the URL."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from onboarding import tasks
from onboarding.domain import lint as linter
from onboarding.models import Fleet, LintFinding, LintReport
from onboarding.services import linting
from tests import repositories
from tests.journey.conftest import HUB, Place

MEMBERS = f"fleet/fleet-bootstrap/fleet-members/{HUB}"
DEAD = "addons/nowhere/values.yaml"


@pytest.fixture
def layout() -> str:
    """One layout is enough for the page."""
    return "tenants"


def plant(place: Place, count: int = 1) -> None:
    """A member that cannot be used, and files that nobody reads."""
    files = {f"{MEMBERS}/broken-{number}.yaml": "tenant: {\n" for number in range(count)}
    repositories.commit(place.bare, {DEAD: "a: 1\n", **files})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)


def page(place: Place, query: str = "") -> str:
    return place.get("viewer", f"/lint/{query}").content.decode()


def test_it_says_that_nobody_looked_yet(place: Place) -> None:
    assert "Not looked at yet" in page(place)
    assert place.get("viewer", "/lint/report.sarif").status_code == 404


def test_it_is_content_with_the_shipped_repository(place: Place) -> None:
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    assert "Nothing to complain about" in page(place)


def test_each_finding_has_place_reason_and_advice(place: Place) -> None:
    plant(place)
    said = page(place)
    assert f"{MEMBERS}/broken-0.yaml:2" in said
    assert "Mend the file at this place." in said
    assert f"{DEAD}:1" in said
    assert "nothing says so" in said
    assert f'href="/clusters/{HUB}/broken-0/"' in said


def test_it_filters_by_the_url(place: Place) -> None:
    plant(place)
    for query in ("?severity=error", "?rule=yaml-malformed", "?q=broken", "?q=yaml-malformed"):
        said = page(place, query)
        assert "broken-0.yaml" in said, query
        assert DEAD not in said, query
    assert "Nothing matches" in page(place, "?q=not-there")


def test_it_pages(place: Place) -> None:
    plant(place, 60)
    assert "1–50 of 61" in page(place)
    assert DEAD in page(place, "?page=2")


def test_it_exports_what_the_filter_leaves(place: Place) -> None:
    plant(place)
    assert "/lint/report.sarif?severity=error" in page(place, "?severity=error")
    answer = place.get("viewer", "/lint/report.sarif?severity=error")
    (run,) = json.loads(answer.content)["runs"]
    assert answer["Content-Type"] == "application/sarif+json"
    assert [one["ruleId"] for one in run["results"]] == ["yaml-malformed"]
    said = json.loads(place.get("viewer", "/lint/report.json").content)
    assert [one["rule"] for one in said["findings"]] == ["yaml-malformed", "values-no-layer"]
    assert said["commit"] == repositories.tip(place.bare)


def test_a_view_never_reads_the_repository(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(place)
    monkeypatch.setattr(linting, "lint", lambda *_: pytest.fail("a view linted"))
    place.bare.rename(tmp_path / "away")
    assert DEAD in page(place)


def test_its_queries_do_not_grow_with_the_findings(place: Place) -> None:
    plant(place)
    with CaptureQueriesContext(connection) as few:
        page(place)
    plant(place, 40)
    with CaptureQueriesContext(connection) as many:
        page(place)
    assert len(many) <= len(few) <= 22


def test_the_report_follows_the_branch(place: Place) -> None:
    plant(place)
    repositories.commit(place.bare, {DEAD: None})
    Fleet.objects.update(indexed_commit="0" * 40)
    assert "The branch has moved since" in page(place)
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    assert DEAD not in page(place)
    assert LintReport.objects.count() == 1


def test_the_same_commit_is_not_linted_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(place)
    monkeypatch.setattr(linting, "lint", lambda *_: pytest.fail("linted again"))
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    assert LintFinding.objects.count() == 2


def test_another_layout_is_another_report(place: Place) -> None:
    plant(place)
    LintReport.objects.update(seconds=0)
    Fleet.objects.update(layout="environments")
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    assert LintFinding.objects.filter(rule="layout-differs").exists()


def test_a_slow_report_is_not_made_for_every_commit(place: Place) -> None:
    plant(place)
    LintReport.objects.update(seconds=60, made_at=datetime.now(UTC))
    plant(place, 2)
    assert LintFinding.objects.count() == 2
    LintReport.objects.update(made_at=datetime.now(UTC) - timedelta(minutes=11))
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    assert LintFinding.objects.count() == 3


def test_no_text_of_a_file_reaches_page_or_terminal_as_more_than_text(place: Place) -> None:
    labels = "addons/defaults/fleet/fleet-secret/values.yaml"
    wild = 'externalSecret: {labels: {"\\e[31m<script>\\0": "x"}}\n'
    repositories.commit(place.bare, {labels: wild})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    said = page(place)
    assert "label-invalid" in said
    assert "<script>\\" not in said
    assert all(row.title.isprintable() for row in LintFinding.objects.all())


def test_a_kept_finding_is_the_finding_it_was(place: Place) -> None:
    plant(place)
    rows = list(LintFinding.objects.all())
    assert [type(one) for one in linting.findings_of(rows)] == [linter.Finding] * 2
