"""Goals of a benchmark: one line each, and an exit code that says whether all of them hold."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Goals:
    """What was to be reached, what was measured."""

    missed: int = 0
    lines: list[str] = field(default_factory=list)

    def at_most(self, name: str, measured: float, limit: float, unit: str) -> None:
        """A measured value that may not be greater than its limit."""
        holds = measured <= limit
        self.missed += not holds
        mark = "holds" if holds else "MISSED"
        self.lines.append(f"{name}: {measured:.2f} {unit}, at most {limit:g} {unit}: {mark}")

    def report(self) -> int:
        """Print a line for each goal; return the exit code."""
        print("\nGoals")
        print("\n".join(f"  {line}" for line in self.lines))
        return 1 if self.missed else 0
