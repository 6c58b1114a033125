"""Fleet lint: what in a fleet's repository is dead, unknown, doubled or dangerous, and says nothing.

Pure: a snapshot and a layout give findings. Nothing in a repository makes it raise; what cannot be
read is a finding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from onboarding.domain.layout import FleetLayout
from onboarding.domain.lint.catalogue import check_catalogue
from onboarding.domain.lint.facts import Facts
from onboarding.domain.lint.findings import Finding, Rule, Severity
from onboarding.domain.lint.labels import check_labels
from onboarding.domain.lint.manifests import check_manifests
from onboarding.domain.lint.members import check_members
from onboarding.domain.lint.rules import RULES
from onboarding.domain.lint.values import check_values
from onboarding.domain.snapshot import Snapshot

MOST = 20_000
"""How many findings a report holds; the worst come first."""

VERSION = hashlib.sha256(repr(list(RULES.values())).encode()).hexdigest()[:16]
"""Changes with the rules: a report of an older version is made anew."""

__all__ = ["MOST", "RULES", "VERSION", "Finding", "Report", "Rule", "Severity", "lint"]


@dataclass(frozen=True, slots=True)
class Report:
    """What lint found at one commit: findings with the worst first, and how many files were read.

    `left_out` counts findings beyond the most that a report holds.
    """

    commit: str
    findings: tuple[Finding, ...]
    files_read: int
    left_out: int = 0

    def at_or_above(self, limit: Severity) -> int:
        """How many findings are as bad as `limit` or worse."""
        return sum(finding.severity.reaches(limit) for finding in self.findings)


def lint(snapshot: Snapshot, layout: FleetLayout) -> Report:
    """Read a fleet's repository and say what is not as it seems.

    Raises only what the snapshot raises.
    """
    facts = Facts(snapshot, layout)
    found: list[Finding] = [
        *check_members(facts),
        *check_values(facts),
        *check_labels(facts),
        *check_catalogue(facts),
        *check_manifests(facts),
    ]
    findings = _sorted((*facts.broken, *found))
    return Report(
        snapshot.commit, findings[:MOST], len(facts.read), left_out=max(0, len(findings) - MOST)
    )


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    unique = dict.fromkeys(findings)
    return tuple(
        sorted(
            unique,
            key=lambda one: (
                one.severity.rank,
                one.path,
                one.line,
                one.column,
                one.rule,
                one.title,
            ),
        )
    )
