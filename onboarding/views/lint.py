"""Lint: what in the repository is not as it seems, at the commit that the worker last looked at."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from onboarding.domain.lint import VERSION
from onboarding.domain.lint.formats import to_data, to_sarif
from onboarding.models import LintReport
from onboarding.services.linting import findings_of
from onboarding.views import access
from onboarding.views.lint_page import filtered, lint_page
from onboarding.views.partials import page_or_part


@require_GET
def lint(request: HttpRequest) -> HttpResponse:
    """The findings, filtered and paged by the URL."""
    fleet = access.whole_fleet_for(request) if access.fleet_for(request) else None
    page = lint_page(request, fleet)
    return page_or_part(
        request, "onboarding/lint/lint.html", "onboarding/lint/_lint_part.html", {"page": page}
    )


@require_GET
def lint_json(request: HttpRequest) -> HttpResponse:
    """All findings that the URL's filter leaves, as JSON."""
    report = _report(request)
    found = findings_of(list(filtered(request, report.findings.all())[0]))
    data = to_data(found, commit=report.commit, files_read=report.files_read)
    return _file(data, "application/json", "fleet-lint.json")


@require_GET
def lint_sarif(request: HttpRequest) -> HttpResponse:
    """All findings that the URL's filter leaves, as SARIF 2.1.0."""
    report = _report(request)
    found = findings_of(list(filtered(request, report.findings.all())[0]))
    data = to_sarif(found, commit=report.commit, version=VERSION)
    return _file(data, "application/sarif+json", "fleet-lint.sarif")


def _report(request: HttpRequest) -> LintReport:
    report = LintReport.objects.filter(fleet=access.whole_fleet_for(request)).first()
    if report is None:
        raise Http404("The repository has not been linted yet.")
    return report


def _file(data: dict[str, Any], kind: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(json.dumps(data, indent=2), content_type=kind, headers=headers)
