"""Looking at hubs and spokes beside a test, over and over, for what must never be seen."""

from __future__ import annotations

import threading

from tests.hub.kube import KubeError


class Looking(threading.Thread):
    """Looks until it is stopped; a server that does not answer is looked at the next time."""

    def __init__(self, name: str, *, every: float) -> None:
        """`every` is how many seconds lie between two looks."""
        super().__init__(name=name, daemon=True)
        self._every = every
        self._over = threading.Event()

    def run(self) -> None:
        """One look after the other."""
        while not self._over.wait(self._every):
            try:
                self._look()
            except KubeError:
                continue

    def stop(self) -> None:
        """No look is under way any more."""
        self._over.set()
        self.join()

    def _look(self) -> None:
        raise NotImplementedError
