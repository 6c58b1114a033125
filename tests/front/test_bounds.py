"""What is sent is bounded before it is kept, whether its length was said or not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetui.bounds import BoundedRequests


async def taking(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads everything first, as Django does."""
    more = True
    while more:
        event = await receive()
        more = event.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"taken"})


def answer(chunks: list[bytes], *headers: tuple[bytes, bytes]) -> tuple[int, int]:
    """The status, and how many chunks were read."""
    left, sent = list(chunks), []

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(event: Any) -> None:
        sent.append(event)

    bounded = BoundedRequests(taking, largest=10)
    asyncio.run(bounded({"type": "http", "headers": list(headers)}, receive, send))  # type: ignore[arg-type]
    assert len(sent) == 2
    return sent[0]["status"], len(chunks) - len(left)


def test_it_takes_what_is_within() -> None:
    assert answer([b"12345", b"67890"]) == (200, 2)
    assert answer([b"1"], (b"content-length", b"10")) == (200, 1)


@pytest.mark.parametrize("length", [b"11", b"9" * 5000, b"-1", b"1e3", b"\xb2"])
def test_it_reads_nothing_of_what_says_that_it_is_too_large(length: bytes) -> None:
    assert answer([b"1"], (b"Content-Length", length)) == (413, 0)


def test_it_stops_at_the_bound_of_what_does_not_say_it() -> None:
    assert answer([b"12345", b"678901", b"never read"]) == (413, 2)


def test_it_leaves_other_events_alone() -> None:
    heard = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        heard.append(scope["type"])

    asyncio.run(BoundedRequests(other)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert heard == ["lifespan"]
