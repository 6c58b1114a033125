"""The bell: it rings a real broker, and its silence harms nobody."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from fakeredis import TcpFakeServer

from onboarding.adapters.celery_queue import CeleryQueue


@pytest.fixture
def broker() -> Iterator[int]:
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def app_on(port: int, password: str = "") -> Celery:
    return Celery("tests", broker=f"redis://:{password}@127.0.0.1:{port}/0")


def test_it_asks_for_a_task_by_name_and_ids(broker: int) -> None:
    CeleryQueue(app_on(broker)).wake("onboarding.deliver", fleet_id=7)
    with redis.Redis(port=broker) as client:
        messages = client.lrange("celery", 0, -1)
    assert len(messages) == 1
    message = json.loads(messages[0])
    assert message["headers"]["task"] == "onboarding.deliver"
    assert message["headers"]["kwargsrepr"] == "{'fleet_id': 7}"
    assert message["headers"]["ignore_result"] is True


def test_it_returns_at_once_where_the_broker_is_away(caplog: pytest.LogCaptureFixture) -> None:
    queue = CeleryQueue(app_on(closed_port(), password="canary-7Qx"))
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        queue.wake("onboarding.deliver", fleet_id=7)
    assert time.monotonic() - started < 2
    assert "onboarding.deliver waits for the sweeper" in caplog.text
    assert "canary" not in caplog.text


def test_it_gives_up_on_a_broker_that_does_not_answer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        CeleryQueue(app_on(silent.getsockname()[1])).wake("onboarding.deliver", fleet_id=7)
        assert time.monotonic() - started < 8


def test_it_rings_again_when_the_broker_is_back(broker: int) -> None:
    CeleryQueue(app_on(closed_port())).wake("onboarding.deliver", fleet_id=7)
    CeleryQueue(app_on(broker)).wake("onboarding.deliver", fleet_id=8)
    with redis.Redis(port=broker) as client:
        assert client.llen("celery") == 1
