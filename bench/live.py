"""What following costs: 200 open pages that listen beside 200 that ask every five seconds: `./fleet bench live`.

One web process on SQLite, in the way the demo runs it. While pages listen, something moves in the fleet
once a second; measured is how long after its commit each of them hears of it, and the processor time of
the web process. Its floor is the same process with nobody there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "fleetui.settings"
_DATA = tempfile.TemporaryDirectory(prefix="fleetui-bench-")
os.environ["FLEETUI_DATA"] = _DATA.name
os.environ.setdefault("LOG_LEVEL", "WARNING")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from bench.goals import Goals  # noqa: E402
from onboarding.models import Fleet  # noqa: E402
from onboarding.services.observing import pulses  # noqa: E402

PAGES = 200
SECONDS = 20.0
ASKED_EVERY = 5.0
LOOPBACK = "127.0.0.1"


def main(arguments: list[str]) -> int:
    """Measure the three, one after the other; return 1 where a goal is missed."""
    pages = int(arguments[0]) if arguments else PAGES
    call_command("migrate", verbosity=0)
    fleet = Fleet.objects.create(name="bench", repository_url="https://git.example.com/fleet.git")
    pulses.beat(fleet=fleet)
    cookie = sign_in()
    goals, heard = Goals(), list[float]()
    with Web() as web:
        floor = web.cost(lambda: asyncio.sleep(SECONDS))
        listening = web.cost(lambda: listen(web.port, cookie, fleet, pages, heard))
        asking = web.cost(lambda: ask(web.port, cookie, pages))
    share = listening / SECONDS * 100
    p99 = statistics.quantiles(heard, n=100)[98]
    print(f"{pages} pages for {SECONDS:.0f} s, processor seconds of the web process:")
    print(f"  nobody there                  {floor:6.2f}")
    print(f"  listening, 1 move a second    {listening:6.2f}   ({share:.0f} % of a core)")
    print(
        f"  asking every {ASKED_EVERY:.0f} s            {asking:6.2f}   ({asking / listening:.1f} times as much)"
    )
    print(
        f"  heard {len(heard)} times, after {statistics.median(heard):.2f} s (median), {p99:.2f} s (p99)"
    )
    goals.at_most(f"{pages} pages that listen, share of a core", share, 25, "%")
    goals.at_most("from a commit until a page hears of it, p99", p99, 2, "s")
    return goals.report()


def sign_in() -> str:
    """The session cookie of somebody who may see the fleet."""
    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


class Web:
    """A web process of our own on a free port of this machine."""

    def __enter__(self) -> Web:
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            self.port: int = free.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "fleetui.asgi:application", "--host", LOOPBACK,
             "--port", str(self.port), "--no-access-log", "--timeout-graceful-shutdown", "1"],
        )  # fmt: skip
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                socket.create_connection((LOOPBACK, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return self
        raise SystemExit("The web process did not start within a minute.")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def cost(self, work: Callable[[], Awaitable[None]]) -> float:
        """The processor seconds that the process needs while something is done to it."""
        before = self._seconds()
        asyncio.run(_awaited(work))
        return self._seconds() - before

    def _seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def listen(port: int, cookie: str, fleet: Fleet, pages: int, heard: list[float]) -> None:
    """Open so many streams, let something move, and note how late each of them says so."""
    moved = [0.0]
    listeners = [asyncio.create_task(follow(port, cookie, moved, heard)) for _ in range(pages)]
    await asyncio.sleep(2)
    until = time.monotonic() + SECONDS - 2
    while time.monotonic() < until:
        await asyncio.to_thread(pulses.beat, fleet=fleet)
        moved[0] = time.monotonic()
        await asyncio.sleep(1.0)  # longer than a look takes, so that none is counted for another
    for each in listeners:
        each.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)


async def follow(port: int, cookie: str, moved: list[float], heard: list[float]) -> None:
    """One page's stream, read until it is cancelled."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(request("/live/", cookie, port, ""))
    try:
        while line := await reader.readline():
            if line.startswith(b"data:"):
                heard.append(time.monotonic() - moved[0])
    finally:
        writer.close()


async def ask(port: int, cookie: str, pages: int) -> None:
    """So many pages that ask for their part every five seconds, evenly spread."""

    async def page(number: int) -> None:
        await asyncio.sleep(ASKED_EVERY * number / pages)
        for _ in range(int(SECONDS / ASKED_EVERY)):
            began = time.monotonic()
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(request("/clusters/", cookie, port, "HX-Request: true\r\n"))
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
            writer.close()
            await asyncio.sleep(max(0.0, ASKED_EVERY - (time.monotonic() - began)))

    await asyncio.gather(*(page(number) for number in range(pages)))


def request(path: str, cookie: str, port: int, more: str) -> bytes:
    """A request as a browser sends it."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nCookie: {cookie}\r\n{more}"
        "Connection: close\r\n\r\n"
    ).encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
