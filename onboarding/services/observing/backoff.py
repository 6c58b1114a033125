"""How long to rest after failures in a row."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """How long to wait after failures in a row: doubling from `first` to `most`, with jitter."""

    first: float = 1.0
    most: float = 60.0
    chance: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def failed(self, retry_after: float | None = None) -> float:
        """Seconds to wait now; never shorter than what the other side asked for."""
        self.failures += 1
        longest = min(self.most, self.first * float(2 ** min(self.failures - 1, 10)))
        waited: float = longest * self.chance.uniform(0.5, 1.0)
        return max(waited, min(retry_after or 0.0, 300.0))

    def begin_anew(self) -> None:
        """The next failure is the first one, after a success or for a hub that has come back."""
        self.failures = 0
