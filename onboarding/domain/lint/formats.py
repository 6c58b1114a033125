"""A report as other programs read it: SARIF 2.1.0 for code hosts and CI, plain JSON, and text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from onboarding.domain.lint.findings import Finding, Severity
from onboarding.domain.lint.rules import RULES

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "FLEET"


def to_sarif(findings: Iterable[Finding], *, commit: str, version: str) -> dict[str, Any]:
    """Findings as one SARIF 2.1.0 run; places are paths below the repository's root.

    `commit` is the revision that was read ("" where there is none), `version` the product's.
    """
    numbers = {rule: number for number, rule in enumerate(RULES)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "Fleet UI lint",
                "version": version,
                "rules": [
                    {
                        "id": rule.id,
                        "shortDescription": {"text": f"{rule.title}."},
                        "fullDescription": {"text": rule.why},
                        "help": {"text": rule.advice},
                        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
                    }
                    for rule in RULES.values()
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The fleet repository's root."}}},
        "results": [_result(finding, numbers[finding.rule]) for finding in findings],
    }
    if commit:
        run["properties"] = {"commit": commit}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, number: int) -> dict[str, Any]:
    said = f"{finding.rule}\0{finding.path}\0{finding.title}"
    return {
        "ruleId": finding.rule,
        "ruleIndex": number,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.title} {finding.advice}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(finding.path), "uriBaseId": _ROOT},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
        # The same finding on another line is the same finding.
        "partialFingerprints": {
            "findingText/v1": hashlib.sha256(said.encode(errors="replace")).hexdigest()[:32]
        },
    }


def to_data(findings: Iterable[Finding], *, commit: str, files_read: int) -> dict[str, Any]:
    """Findings as plain data, for JSON."""
    listed = [
        {
            "rule": one.rule,
            "severity": one.severity.value,
            "path": one.path,
            "line": one.line,
            "column": one.column,
            "title": one.title,
            "why": one.why,
            "advice": one.advice,
        }
        for one in findings
    ]
    return {"commit": commit, "files_read": files_read, "findings": listed}


def to_text(findings: Iterable[Finding]) -> Iterator[str]:
    """Findings as lines for a terminal: place, severity, what, rule; below it what to do."""
    for one in findings:
        yield f"{one.path}:{one.line}:{one.column}: {one.severity}: {one.title} [{one.rule}]"
        yield f"    {one.advice}"
