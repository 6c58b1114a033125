"""What lint says: rules, and findings of them at a place in the repository."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is: an error breaks something, a warning misleads, an info is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)

    def reaches(self, limit: Severity) -> bool:
        """Whether this is as bad as `limit` or worse."""
        return self.rank <= limit.rank


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in the repository that is not as it seems; line and column count from 1."""

    rule: str
    severity: Severity
    path: str
    line: int
    column: int
    title: str
    why: str
    advice: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that lint looks for: its stable id, and the words for people.

    `title` names it in general, `why` says why it matters, `advice` what to do.
    """

    id: str
    severity: Severity
    title: str
    why: str
    advice: str

    def at(self, path: str, line: int, title: str, *, column: int = 1, advice: str = "") -> Finding:
        """A finding of this rule at a place; `title` says what is the matter there."""
        return Finding(
            self.id,
            self.severity,
            path,
            max(1, line),
            max(1, column),
            _plain(title),
            self.why,
            _plain(advice or self.advice),
        )


def _plain(text: str) -> str:
    """One line of at most 500 characters that no terminal, log or database takes for more than text."""
    shown = "".join(each if each.isprintable() else "\ufffd" for each in text[:500])
    return shown if len(text) <= 500 else f"{shown}…"
