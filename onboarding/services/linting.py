"""Keeping the lint report of a fleet: made by the worker when the branch moved, read by pages."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

from django.db import transaction

from onboarding.domain.layout import FleetLayout
from onboarding.domain.lint import VERSION, Finding, Report, Severity, lint
from onboarding.models import Fleet, LintFinding, LintReport
from onboarding.ports import Clock, FleetRepository
from onboarding.services.layouts import layout_of

_QUICK = 1.0
_REST = 10
"""After a report that took longer than a second passes this many times that before the next one: a large
fleet costs a tenth of a worker."""


def renew(*, fleet: Fleet, repository: FleetRepository, clock: Clock) -> bool:
    """Lint the last fetched tip, unless the kept report is of it already or was made just now.

    Returns whether a new report was made; raises what the repository raises.
    """
    snapshot, layout, begun = repository.snapshot(), layout_of(fleet), clock.now()
    basis = _basis(snapshot.commit, layout)
    old = LintReport.objects.filter(fleet=fleet).first()
    if old and (old.basis == basis or begun < old.made_at + _rest(old.seconds)):
        return False
    report = lint(snapshot, layout)
    seconds = (clock.now() - begun).total_seconds()
    _keep(fleet, report, LintReport(basis=basis, made_at=begun, seconds=seconds))
    return True


def findings_of(rows: list[LintFinding]) -> list[Finding]:
    """Kept rows as the findings that they were made from."""
    return [
        Finding(
            row.rule,
            Severity(row.severity),
            row.path,
            row.line,
            row.column,
            row.title,
            row.why,
            row.advice,
        )
        for row in rows
    ]


def _rest(seconds: float) -> timedelta:
    return timedelta(seconds=max(0.0, seconds - _QUICK) * _REST)


def _basis(commit: str, layout: FleetLayout) -> str:
    said = json.dumps([commit, layout.to_data(), VERSION], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _keep(fleet: Fleet, report: Report, made: LintReport) -> None:
    """Put a report in the place of the old one, at once for whoever reads."""
    with transaction.atomic():
        row, _ = LintReport.objects.update_or_create(
            fleet=fleet,
            defaults={
                "commit": report.commit,
                "basis": made.basis,
                "made_at": made.made_at,
                "seconds": made.seconds,
                "files_read": report.files_read,
                "left_out": report.left_out,
            },
        )
        row.findings.all().delete()
        LintFinding.objects.bulk_create(
            [
                LintFinding(
                    report=row,
                    number=number,
                    rule=one.rule,
                    severity=one.severity.value,
                    path=one.path,
                    line=one.line,
                    column=one.column,
                    title=one.title,
                    why=one.why,
                    advice=one.advice,
                )
                for number, one in enumerate(report.findings)
            ],
            batch_size=500,
        )
