"""Absences: a hub that was away and answers again is read at once, not when the longest rest is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AWAY_AFTER = 2
"""Questions in a row without an answer after which a hub was away. What is shorter is waited out in seconds."""


class Absence:
    """Whether a hub is away, as one small question in every few seconds tells, and who waits for it. For threads.

    Only who rests after a failure is woken, and only once for each absence: a hub that answers the
    question and fails at a list is left alone for longer and longer.
    """

    def __init__(self) -> None:
        """Nothing was asked yet, and nobody waits."""
        self._lock = threading.Lock()
        self._waiting = 0
        self._unanswered = 0
        self._returns = 0

    @contextmanager
    def waited_for(self) -> Iterator[Callable[[], bool]]:
        """Somebody rests after a failure; gives what tells whether the hub has come back since."""
        with self._lock:
            self._waiting += 1
            before = self._returns
        try:
            yield lambda: self._returns > before
        finally:
            with self._lock:
                self._waiting -= 1

    def must_be_asked(self) -> bool:
        """Whether the answer matters to anybody."""
        return self._waiting > 0 or self._unanswered > 0

    def unanswered(self) -> None:
        """The hub did not answer the question."""
        self._unanswered += 1

    def answered(self) -> None:
        """The hub answered; where it was away before, whoever waits goes on."""
        if self._unanswered >= _AWAY_AFTER:
            self._returns += 1
        self._unanswered = 0
