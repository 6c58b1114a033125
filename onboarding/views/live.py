"""Live: an open page hears that something moved, and asks for its part again by itself.

Nothing is said of what moved, so that what somebody may see is decided where it is shown. A page that
cannot listen asks every few seconds instead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, close_old_connections, connection, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from onboarding.models import Fleet
from onboarding.services.observing import pulses
from onboarding.views import access

PERIOD = 0.5
"""Seconds between two looks at the database, one for all listeners of a process."""
_SIGN_OF_LIFE = 15.0
# Then the browser connects anew, and who it is and what it may see is asked again.
_LONGEST = 300.0
_MOST_LISTENERS = 500

Numbers = Mapping[int, tuple[int, int]]


class Pulses:
    """The fleets' pulses as this process last read them, at most `PERIOD` old."""

    def __init__(self, read: Callable[[], Numbers]) -> None:
        self._read = read
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pulses")
        self._numbers: Numbers = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Future[Numbers] | None = None
        self.listeners = 0

    async def of(self, fleet: int) -> tuple[int, int]:
        """The numbers of one fleet; who comes while they are read waits for the same answer."""
        if self._reading is None and time.monotonic() - self._read_at >= PERIOD:
            loop = asyncio.get_running_loop()
            self._reading = loop.run_in_executor(self._thread, self._read)
            try:
                self._numbers = await self._reading
            finally:
                self._reading, self._read_at = None, time.monotonic()
        elif self._reading is not None:
            await asyncio.wait([self._reading])
        return self._numbers.get(fleet, (0, 0))


def _read() -> Numbers:
    close_old_connections()
    try:
        return pulses.numbers()
    except DatabaseError:
        connection.close()
        raise


_pulses = Pulses(_read)


@require_GET
async def live(request: HttpRequest) -> HttpResponseBase:
    """The stream of signs that this person's fleet moved; 204 (never again) where it cannot be had."""
    fleet = await sync_to_async(_fleet_for)(request)
    if (
        fleet is None
        or not isinstance(request, ASGIRequest)
        or _pulses.listeners >= _MOST_LISTENERS
    ):
        return HttpResponse(status=204)
    return StreamingHttpResponse(
        signs(_pulses, fleet.pk),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _fleet_for(request: HttpRequest) -> Fleet | None:
    """The person's fleet; a stream lasts for minutes and keeps no session of the database so long."""
    try:
        return access.fleet_for(request)
    finally:
        if isinstance(request, ASGIRequest):
            connections.close_all()


async def signs(of: Pulses, fleet: int, *, longest: float = _LONGEST) -> AsyncIterator[str]:
    """Server-sent events of one fleet: `moved`, or a comment where nothing did for long.

    It ends when the database cannot be asked, and the browser tries again.
    """
    of.listeners += 1
    try:
        yield "retry: 3000\n\n"
        began = said = time.monotonic()
        known = await of.of(fleet)
        while (now := time.monotonic()) - began < longest:
            await asyncio.sleep(PERIOD)
            found = await of.of(fleet)
            if found != known:
                known, said = found, now
                yield "data: moved\n\n"
            elif now - said > _SIGN_OF_LIFE:
                said = now
                yield ": nothing moved\n\n"
    except DatabaseError:
        return
    finally:
        of.listeners -= 1
