"""A bound for everything that is sent to us, before any of it is kept: an upload is spooled to disk otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Event = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST = 12_000_000
"""Bytes of one request: the largest CSV, and what a form puts around it."""

_SAID = b"What was sent is larger than 12 MB, which nothing here takes.\n"


class _TooLarge(Exception):
    """More came than was announced, or than is taken."""


class BoundedRequests:
    """Answers 413 to a request whose body is too large: by its announced length, else while it comes."""

    def __init__(self, application: Application, *, largest: int = LARGEST) -> None:
        self._application = application
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the bound."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
        if any(not one.isdigit() or int(one[:19]) > self._largest for one in lengths):
            await _refuse(send)
            return
        taken = 0

        async def counted() -> Event:
            nonlocal taken
            event = await receive()
            if event["type"] == "http.request":
                taken += len(event.get("body", b""))
                if taken > self._largest:
                    raise _TooLarge
            return event

        try:
            await self._application(scope, counted, send)
        except _TooLarge:
            # Django reads the whole body before it answers, so that nothing was sent yet.
            await _refuse(send)


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(_SAID)).encode()),
        (b"connection", b"close"),
    ]
    await send(
        {"type": "http.response.start", "status": 413, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": _SAID, "more_body": False})
