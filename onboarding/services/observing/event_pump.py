"""Reading a watch in a thread of its own, so that what has come is written without waiting for more."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

from onboarding.ports import HubEvent

_BATCH = 1000
_GATHER_SECONDS = 0.2
_TICK_SECONDS = 0.5
_QUEUE_LENGTH = 2000


class EventPump:
    """Reads a watch in its own thread: what has come is written without waiting for more."""

    def __init__(self, events: Callable[[], Iterator[HubEvent]]) -> None:
        """`events` opens the watch; it is called in the pump's thread, started here."""
        self._events = events
        self._queue: queue.Queue[HubEvent | BaseException | None] = queue.Queue(_QUEUE_LENGTH)
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="event-pump")
        self._thread.start()

    def batches(self) -> Iterator[list[HubEvent]]:
        """Batches as they come, an empty one about each half second of silence.

        Ends with the watch; raises what the watch raised, after what came before it.
        """
        while True:
            batch: list[HubEvent] = []
            try:
                found = self._queue.get(timeout=_TICK_SECONDS)
                # A second one soon after the first means that there are many: gather, but not for
                # long, or a steady trickle would be written only when a batch is full.
                until = time.monotonic() + _GATHER_SECONDS
                while isinstance(found, HubEvent):
                    batch.append(found)
                    left = until - time.monotonic()
                    if len(batch) >= _BATCH or left <= 0:
                        break
                    found = self._queue.get(timeout=left if len(batch) > 1 else 0.02)
            except queue.Empty:
                yield batch
                continue
            if batch:
                yield batch
            if isinstance(found, BaseException):
                raise found
            if found is None:
                return

    def give_up(self) -> None:
        """Nobody reads any more: the thread ends with the next event."""
        self._given_up.set()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for event in self._events():
                if not self._put(event):
                    return
        except Exception as error:  # raised again where the batches are read
            end = error
        self._put(end)

    def _put(self, item: HubEvent | BaseException | None) -> bool:
        while not self._given_up.is_set():
            try:
                self._queue.put(item, timeout=_TICK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
