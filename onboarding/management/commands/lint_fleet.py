"""`manage.py lint_fleet`: what in a fleet's repository is not as it seems, for people and CI jobs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.layout import LAYOUTS, FleetLayout
from onboarding.domain.layout_detection import detect
from onboarding.domain.lint import VERSION, Report, Severity, lint
from onboarding.domain.lint.formats import to_data, to_sarif, to_text
from onboarding.domain.snapshot import Snapshot
from onboarding.domain.yaml.yamlread import load
from onboarding.models import Fleet
from onboarding.services.layouts import layout_of

_COULD_NOT_RUN = 2


class Command(BaseCommand):
    """Lint a configured fleet at its branch's tip, or a plain folder that needs no database."""

    help = (
        "Find dead values files, unknown release channels, duplicates, template injection and broken "
        "YAML in a fleet repository. Exit status: 0 nothing at or above --fail-on, 1 something, 2 it "
        "could not run."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What to look at, how to say it, and what is bad enough to fail."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("path", nargs="?", help="a folder with the fleet repository's files")
        what.add_argument("--fleet", help="the name of a configured fleet")
        parser.add_argument(
            "--layout",
            default="",
            help="for a folder: tenants, environments, or a YAML file (default: found in the folder)",
        )
        parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
        parser.add_argument("--output", default="", help="write the report to this file")
        parser.add_argument(
            "--fail-on",
            choices=(*(each.value for each in Severity), "never"),
            default=Severity.WARNING.value,
            help="the least severity that makes the exit status 1 (default: warning)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Lint, write the report, and end with the status that the findings deserve."""
        try:
            snapshot, layout = _what(options)
            report = lint(snapshot, layout)
            self._write(_formatted(report, options["format"]), options["output"])
        except (FleetError, OSError) as error:
            raise CommandError(str(error), returncode=_COULD_NOT_RUN) from error
        if options["format"] == "text":
            self.stderr.write(_summary(report, layout))
        limit = options["fail_on"]
        if limit != "never" and report.at_or_above(Severity(limit)):
            sys.exit(1)

    def _write(self, text: str, output: str) -> None:
        if output:
            Path(output).write_text(text, encoding="utf-8")
        elif text:
            self.stdout.write(text)


def _what(options: dict[str, Any]) -> tuple[Snapshot, FleetLayout]:
    """The repository and its layout: a folder's, or a fleet's at the tip of its branch."""
    if options["path"]:
        snapshot = wiring.folder(Path(options["path"]))
        return snapshot, _layout(options["layout"], snapshot)
    if options["layout"]:
        raise Refused("--layout is for a folder; a configured fleet has its layout.")
    named = Fleet.objects.filter(name=options["fleet"]) if options["fleet"] else Fleet.objects.all()
    fleets = list(named[:2])
    if len(fleets) != 1:
        raise Refused(
            "Name a folder, or one of the configured fleets with --fleet."
            if not options["fleet"]
            else f"There is no fleet called {options['fleet']}."
        )
    return wiring.current_repository(fleets[0]).snapshot(), layout_of(fleets[0])


def _layout(asked: str, snapshot: Snapshot) -> FleetLayout:
    if asked in LAYOUTS:
        return LAYOUTS[asked]
    if not asked:
        return _layout_found(snapshot)
    data = load(Path(asked).read_bytes(), path=asked)
    if not isinstance(data, dict):
        raise Refused(f"{asked} does not describe a layout; it must be a map.")
    return FleetLayout.from_data(data)


def _layout_found(snapshot: Snapshot) -> FleetLayout:
    try:
        return detect(snapshot).needed()
    except Refused as refused:
        raise Refused(
            f"{refused} With --layout it is linted by a layout of your choice."
        ) from refused


def _formatted(report: Report, how: str) -> str:
    if how == "text":
        return "\n".join(to_text(report.findings))
    if how == "sarif":
        data = to_sarif(report.findings, commit=report.commit, version=VERSION)
    else:
        data = to_data(report.findings, commit=report.commit, files_read=report.files_read)
    return json.dumps(data, indent=2)


def _summary(report: Report, layout: FleetLayout) -> str:
    counts = ", ".join(
        f"{sum(one.severity is severity for one in report.findings)} {severity}"
        for severity in Severity
    )
    more = f" {report.left_out} more are not listed." if report.left_out else ""
    return f"{report.files_read} files read, layout {layout.name}: {counts}.{more}"
