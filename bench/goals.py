"""Goals of a benchmark: one line each, and an exit code that says whether all of them hold."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


@dataclass
class Goals:
    """What was to be reached, what was measured."""

    missed: int = 0
    lines: list[str] = field(default_factory=list)

    def at_most(self, name: str, measured: float, limit: float, unit: str) -> None:
        """A measured value that may not be greater than its limit."""
        self.holds(name, f"{measured:.2f} {unit}, at most {limit:g} {unit}", measured <= limit)

    def at_least(self, name: str, measured: float, limit: float, unit: str) -> None:
        """A measured value that may not be less than its limit."""
        self.holds(name, f"{measured:.2f} {unit}, at least {limit:g} {unit}", measured >= limit)

    def holds(self, name: str, said: str, holds: bool) -> None:
        """What was measured in words of its own, and whether it is as it should be."""
        print(f"measured: {name}: {said}", file=sys.stderr, flush=True)
        self.missed += not holds
        self.lines.append(f"{name}: {said}: {'holds' if holds else 'MISSED'}")

    def report(self) -> int:
        """Print a line for each goal; return the exit code."""
        print("\nGoals")
        print("\n".join(f"  {line}" for line in self.lines))
        return 1 if self.missed else 0
