"""An address of its own for each simulated spoke:

a loopback port that leads to the one spoke API server.

Argo CD tells clusters apart by their server URL, and two cluster secrets with one URL disturb
each other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Forwarder:
    """Forwards connections of many ports to one port, in a thread of its own."""

    def __init__(self, target: int) -> None:
        """Starts with no port; ``target`` is the port of 127.0.0.1 that all lead to."""
        self._target = target
        self._servers: dict[int, asyncio.Server] = {}
        self._writers: dict[int, set[asyncio.StreamWriter]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="forwarder", daemon=True
        )
        self._thread.start()

    def open(self, port: int = 0) -> int:
        """Opens a port, a free one unless told, and returns it."""
        return self._do(self._open(port))

    def shut(self, port: int) -> None:
        """Closes a port and its connections, as when a spoke cannot be reached.

        ``open(port)`` brings it back.
        """
        self._do(self._shut(port))

    def close(self) -> None:
        """Closes all ports and ends the thread."""
        for port in list(self._servers):
            self.shut(port)
        self._do(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self, port: int) -> int:
        writers: set[asyncio.StreamWriter] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._forward(reader, writer, writers)

        server = await asyncio.start_server(connected, "127.0.0.1", port)
        opened = int(server.sockets[0].getsockname()[1])
        self._servers[opened], self._writers[opened] = server, writers
        return opened

    async def _shut(self, port: int) -> None:
        server = self._servers.pop(port)
        server.close()
        for writer in list(self._writers.pop(port)):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _finish(self) -> None:
        """Lets the connections' tasks end by themselves, then cancels what is left."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            _, late = await asyncio.wait(others, timeout=2)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        writers: set[asyncio.StreamWriter],
    ) -> None:
        writers.add(writer)
        there: asyncio.StreamWriter | None = None
        with suppress(OSError, asyncio.CancelledError):
            back, there = await asyncio.open_connection("127.0.0.1", self._target)
            writers.add(there)
            await asyncio.gather(_copy(reader, there), _copy(back, writer))
        for each in (writer, there):
            if each is not None:
                writers.discard(each)
                each.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()
        else:  # pragma: no cover - loopback sockets always can
            writer.close()
