"""Live: an open page hears that something moved, and asks for its part again by itself.

Nothing is said of what moved, so that what somebody may see is decided where it is shown. A page that
cannot listen asks every few seconds instead.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, close_old_connections, connection, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.models import Fleet
from onboarding.services import sign_ins
from onboarding.services.observing import pulses
from onboarding.views import access, signed_in

P = ParamSpec("P")
T = TypeVar("T")

PERIOD = 0.5
"""Seconds between two looks at the database, one for all listeners of a process."""
_SIGN_OF_LIFE = 15.0
SESSIONS_PERIOD = 3.0
"""Seconds after which it is looked who of those who listen is still signed in."""
# Then the browser connects anew, and who it is and what it may see is asked again.
_LONGEST = 300.0
_MOST_LISTENERS = 500

Numbers = Mapping[int, tuple[int, int]]
Ended = Callable[[Collection[int]], Collection[int]]


class Pulses:
    """The fleets' pulses as this process last read them, at most `PERIOD` old.

    `sessions` counts the streams of each sign-in that listens, `ended` are those of them that were
    found to be over.
    """

    def __init__(self, read: Callable[[], Numbers], find_ended: Ended) -> None:
        self._read = read
        self._find_ended = find_ended
        self._ended_at = float("-inf")
        self.sessions = Counter[int]()
        self.ended: Collection[int] = ()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pulses")
        self._numbers: Numbers = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Future[Numbers] | None = None
        self.listeners = 0

    async def of(self, fleet: int) -> tuple[int, int]:
        """The numbers of one fleet; who comes while they are read waits for the same answer."""
        if self._reading is None and time.monotonic() - self._read_at >= PERIOD:
            loop = asyncio.get_running_loop()
            self._reading = loop.run_in_executor(self._thread, self._look, tuple(self.sessions))
            try:
                self._numbers = await self._reading
            finally:
                self._reading, self._read_at = None, time.monotonic()
        elif self._reading is not None:
            await asyncio.wait([self._reading])
        return self._numbers.get(fleet, (0, 0))

    def _look(self, sessions: Collection[int]) -> Numbers:
        if time.monotonic() - self._ended_at >= SESSIONS_PERIOD:
            self.ended = self._find_ended(sessions) if sessions else ()
            self._ended_at = time.monotonic()
        return self._read()


def _asking(question: Callable[P, T]) -> Callable[P, T]:
    """A question to the database by the thread that asks for all; its connection is long-lived."""

    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        close_old_connections()
        try:
            return question(*args, **kwargs)
        except DatabaseError:
            connection.close()
            raise

    return ask


def _ended(sessions: Collection[int]) -> Collection[int]:
    return sign_ins.ended_of(sessions, limits=signed_in.limits(), clock=wiring.clock())


_pulses = Pulses(_asking(pulses.numbers), _asking(_ended))


@require_GET
async def live(request: HttpRequest) -> HttpResponseBase:
    """The stream of signs that this person's fleet moved; 204 (never again) where it cannot be had."""
    fleet, session = await sync_to_async(_listener)(request)
    if (
        fleet is None
        or not isinstance(request, ASGIRequest)
        or _pulses.listeners >= _MOST_LISTENERS
    ):
        return HttpResponse(status=204)
    return StreamingHttpResponse(
        signs(_pulses, fleet.pk, session),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _listener(request: HttpRequest) -> tuple[Fleet | None, int]:
    """The person's fleet and sign-in; a stream lasts for minutes and keeps no connection so long."""
    try:
        return access.fleet_for(request), request.session.get(signed_in.SIGN_IN, 0)
    finally:
        if isinstance(request, ASGIRequest):
            connections.close_all()


async def signs(
    of: Pulses, fleet: int, session: int, *, longest: float = _LONGEST
) -> AsyncIterator[str]:
    """Server-sent events of one fleet: `moved`, or a comment where nothing did for long.

    It ends with its session, and when the database cannot be asked; the browser tries again.
    """
    of.listeners += 1
    of.sessions[session] += 1
    try:
        yield "retry: 3000\n\n"
        began = said = time.monotonic()
        known = await of.of(fleet)
        while (now := time.monotonic()) - began < longest:
            await asyncio.sleep(PERIOD)
            found = await of.of(fleet)
            if session in of.ended:
                return
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
        of.sessions[session] -= 1
        of.sessions += Counter()  # without those that nobody listens for
