"""The demo's processes: free ports, readiness, and how they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import redis
from django.conf import settings
from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler

from onboarding.demo import broker as broker_process
from onboarding.demo import processes
from onboarding.demo.processes import DemoProcess, Ports, wait_until_ready


def test_it_takes_the_next_port_where_the_wanted_one_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]

        assert processes.next_free_port(wanted) > wanted


def test_it_gives_each_server_a_port_of_its_own():
    ports = Ports.choose(wanted_web=18_000)

    assert len({ports.web, ports.broker, ports.secrets, ports.hub}) == 4
    assert ports.web >= 18_000


def test_it_keeps_the_developers_aws_identity_from_the_demo(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "company-admin")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary")

    given = processes.environment(ports=Ports(1, 2, 3, 4), data_folder=tmp_path)

    assert "AWS_PROFILE" not in given
    assert "canary" not in given.values()
    assert given["AWS_ACCESS_KEY_ID"] == "demo"
    assert given["REDIS_URL"] == "redis://127.0.0.1:2/0"


def test_it_names_only_those_that_are_late():
    late = wait_until_ready(
        [DemoProcess("quick", ()), DemoProcess("slow", (), lambda: False)],
        stopping=threading.Event(),
        seconds=0.3,
    )

    assert late == ["slow"]


def test_it_calls_nobody_late_once_it_is_stopping():
    stopping = threading.Event()
    stopping.set()

    assert wait_until_ready([DemoProcess("slow", (), lambda: False)], stopping=stopping) == []


@pytest.fixture
def broker():
    port = processes.free_ports(1)[0]
    process = subprocess.Popen(
        [sys.executable, "-m", "onboarding.demo.broker", "--port", str(port)],
        cwd=settings.BASE_DIR,
    )
    try:
        deadline = time.monotonic() + 30
        while not processes._pings(f"redis://127.0.0.1:{port}/0"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_its_broker_passes_messages_between_processes_and_runs_scripts(broker):
    with redis.Redis(port=broker) as giver, redis.Redis(port=broker) as taker:
        giver.lpush("queue", "bell")

        assert taker.brpop(["queue"], timeout=5) == (b"queue", b"bell")
        assert taker.eval("return 7", 0) == 7, "Celery's worker does not start without scripts"


def test_its_broker_answers_without_waiting_for_acknowledgements(monkeypatch):
    served = []
    monkeypatch.setattr(TCPFakeRequestHandler, "disable_nagle_algorithm", False)
    monkeypatch.setattr(TcpFakeServer, "serve_forever", lambda server: served.append(server))
    monkeypatch.setattr(sys, "argv", ["broker", "--port", "0"])

    broker_process.main()

    with served[0] as server:
        assert server.server_address[0] == "127.0.0.1"
        assert server.RequestHandlerClass.disable_nagle_algorithm is True


# A small program that runs two processes like the demo does; the second ends as it is told.
RUN = """
    import sys, threading
    from pathlib import Path
    from onboarding.demo.processes import DemoManager, DemoProcess, LogFiles

    def run():
        logs = LogFiles(Path(sys.argv[1]))
        manager = DemoManager(logs, meanwhile=lambda: print("started", flush=True))
        for name, program in (("steady", "import time; time.sleep(60)"), ("other", sys.argv[2])):
            manager.add(DemoProcess(name, ("-c", program)), env={}, folder=Path.cwd())
        manager.loop()
        print("died:", *manager.died)
        for name in manager.died:
            print(logs.last_lines(name))

    run()
"""


def start(folder, other: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN), str(folder), other],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_it_ends_all_when_one_ends_and_says_which(tmp_path):
    with start(tmp_path, "print('out of coffee'); raise SystemExit(3)") as run:
        said, _ = run.communicate(timeout=60)

    assert "died: other" in said
    assert "out of coffee" in said
    assert "steady stopped" in (tmp_path / "system.log").read_text()


def test_it_ends_soon_even_where_one_does_not_listen(tmp_path):
    stubborn = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(60)"
    )
    with start(tmp_path, stubborn) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "started\n"
        while "deaf" not in _text(tmp_path / "other.log"):
            time.sleep(0.05)
        os.kill(run.pid, signal.SIGINT)
        said, _ = run.communicate(timeout=30)  # half of what the stubborn one would sleep

    assert said.strip() == "died:", "what ended because it was told to has not died"
    assert "sending SIGKILL to other" in (tmp_path / "system.log").read_text()


def _text(path) -> str:
    return path.read_text() if path.exists() else ""
