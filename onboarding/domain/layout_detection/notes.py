"""What a detection has to say: the evidence for each part, and what was not understood."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence on one part of the layout, and where it was read (`line` 0: from no one line)."""

    part: str
    sentence: str
    path: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """The file and line, as people write it."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(slots=True)
class Notes:
    """Gathers evidence and puzzles in the order in which they are met."""

    evidence: list[Evidence] = field(default_factory=list)
    puzzles: list[Evidence] = field(default_factory=list)

    def say(self, part: str, sentence: str, path: str = "", line: int = 0) -> None:
        """Why a part of the layout is what it is."""
        self.evidence.append(Evidence(part, sentence, path, line))

    def puzzle(self, part: str, sentence: str, path: str = "", line: int = 0) -> None:
        """What was not understood."""
        self.puzzles.append(Evidence(part, sentence, path, line))
