"""docker-compose.yml, as far as it can be proved without containers.

Each service of ours is started with its own command and environment as a plain process, on loopback
ports, beside a real PostgreSQL and a real Redis (the demo's broker where the machine has none), and
must become healthy by its own health check.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from django.conf import settings

from onboarding.demo.processes import _pings, free_ports
from tests.engines import postgres, redis_server

OURS = ("web", "worker", "beat", "watcher")
SHOWN = 2000
TOKEN = "what-the-monitoring-system-sends"
Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((settings.BASE_DIR / "docker-compose.yml").read_text(encoding="utf-8"))


def test_it_has_every_service_and_no_other(compose):
    assert set(compose["services"]) == {*OURS, "migrate", "postgres", "redis"}


@pytest.mark.parametrize("name", [*OURS, "postgres", "redis"])
def test_it_checks_the_health_of(compose, name):
    assert compose["services"][name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_it_keeps_the_data_of(compose, name):
    volume = compose["services"][name]["volumes"][0].partition(":")[0]

    assert volume in compose["volumes"]


@pytest.mark.parametrize("name", [*OURS, "migrate"])
def test_it_gives_no_more_rights_than_needed_to(compose, name):
    service = compose["services"][name]

    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_it_publishes_only_the_pages_and_only_on_loopback(compose):
    published = {name: service.get("ports") for name, service in compose["services"].items()}

    assert {name for name, ports in published.items() if ports} == {"web"}
    assert published["web"][0].startswith("127.0.0.1:")


def test_it_takes_secrets_from_files_only(compose):
    for service in compose["services"].values():
        for name in service.get("environment", {}):
            assert not re.search(r"PASSWORD$|SECRET$|SECRET_KEY$|TOKEN$|^DATABASE_URL$", name), name


def test_the_example_names_every_variable_that_it_reads(compose):
    text = (settings.BASE_DIR / "docker-compose.yml").read_text(encoding="utf-8")
    example = (settings.BASE_DIR / ".env.example").read_text(encoding="utf-8")
    read = set(re.findall(r"\$\{([A-Z_]+)", text))

    assert read == set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))


def test_each_service_starts_and_becomes_healthy(compose, tmp_path):
    services: dict[str, Service] = compose["services"]
    with ExitStack() as stack:
        (web,) = free_ports(1)
        world = World(
            tmp_path,
            web=web,
            redis=stack.enter_context(running_broker()),
            database=stack.enter_context(postgres()),
        )
        migrated = world.run(services["migrate"]["command"], services["migrate"])
        assert migrated.returncode == 0, migrated.stderr
        processes = {
            name: stack.enter_context(world.running(name, services[name])) for name in OURS
        }
        for name in OURS:
            world.wait_until_healthy(name, services[name], processes[name])
        assert "fleetui_" in world.metrics(TOKEN)


# --- The world of containers, on loopback -----------------------------------------------------


class World:
    """What a container would see, told to a plain process: its ports, its secrets, its folders."""

    def __init__(self, folder: Path, *, web: int, redis: str, database: str) -> None:
        self.folder = folder
        self.web = web
        self.redis = redis
        self.secrets = {
            "/run/secrets/secret_key": "a-secret-key-that-lives-as-long-as-this-test-0123456789",
            "/run/secrets/database_url": database,
            "/run/secrets/metrics_token": TOKEN,
            "/run/secrets/email_password": "",
            "/run/secrets/oidc_client_secret": "",
        }
        for path, value in self.secrets.items():
            self._local(path).write_text(f"{value}\n", encoding="utf-8")

    def environment(self, service: Service) -> dict[str, str]:
        """The service's own environment; what .env gives, its example gives here."""
        asked = {
            name: self._rewritten(str(value)) for name, value in service["environment"].items()
        }
        return asked | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "FLEETUI_DATA": str(self.folder),  # the image's: a volume
            "FLEETUI_STATIC": str(self.folder),
            "PYTHONUNBUFFERED": "1",
        }

    def command(self, words: list[str]) -> list[str]:
        return [self._rewritten(word) for word in words]

    def run(self, words: list[str], service: Service) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(words),
            env=self.environment(service),
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=120,
        )

    @contextmanager
    def running(self, name: str, service: Service) -> Iterator[subprocess.Popen[bytes]]:
        with (
            self._log(name).open("wb") as log,
            subprocess.Popen(
                self.command(service["command"]),
                env=self.environment(service),
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()

    def wait_until_healthy(
        self, name: str, service: Service, process: subprocess.Popen[bytes]
    ) -> None:
        kind, *words = service["healthcheck"]["test"]
        check = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        deadline = time.monotonic() + 120
        while (answer := self.run(check, service)).returncode:
            said = f"{answer.stderr[-SHOWN:]}\n{self._log(name).read_text()[-SHOWN:]}"
            assert process.poll() is None, f"{name} ended: {said}"
            assert time.monotonic() < deadline, f"{name} is not healthy: {said}"
            time.sleep(1)

    def metrics(self, token: str) -> str:
        """What web tells a monitoring system that signs in with this token."""
        headers = {"Authorization": f"Bearer {token}", "Host": "fleet.example.com"}
        asked = Request(f"http://127.0.0.1:{self.web}/metrics", headers=headers)
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 - our own process, on loopback
            return str(answer.read().decode())

    def _rewritten(self, text: str) -> str:
        text = re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", self._variable, text)
        text = text.replace("$$", "$")
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - this is what takes it away
        text = text.replace("redis://redis:6379/0", self.redis)
        text = re.sub(r"(--port=|127\.0\.0\.1:)8000\b", rf"\g<1>{self.web}", text)
        return str(self._local(text)) if text in self.secrets else text

    def _variable(self, match: re.Match[str]) -> str:
        given = {
            "ALLOWED_HOSTS": "fleet.example.com",
            "WEB_PROCESSES": "1",
            "WORKER_PROCESSES": "2",
        }
        return given.get(match[1], match[2] or "")

    def _local(self, path: str) -> Path:
        return self.folder / Path(path).name

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


@contextmanager
def running_broker() -> Iterator[str]:
    if shutil.which("redis-server"):
        with redis_server() as server:
            yield server.url
        return
    (port,) = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    command = [sys.executable, "-m", "onboarding.demo.broker", "--port", str(port)]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while not _pings(url):
                assert process.poll() is None, "the broker ended"
                assert time.monotonic() < deadline, "the broker does not answer"
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
