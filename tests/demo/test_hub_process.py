"""The demo hub and the watcher as real processes: from a commit to rows, and a clean stop."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from onboarding.demo.hub_sources import EndpointSecrets
from tests.demo.test_hub_acting import MEMBERS, member
from tests.journey.surroundings import wait_for
from tests.repositories import bare_repository, commit

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that is ended, at the latest, when the block ends."""
    started = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(5)
        assert started.stdout is not None
        started.stdout.close()


def first_line(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    from onboarding.domain.names import HubName, TenantName
    from onboarding.services.initializing import NewFleet, files

    new = NewFleet(
        repository_url="https://git.example.com/fleet.git",
        revision="main",
        hub=HubName("hub-cluster"),
        aws_region="eu-west-1",
        tenants=(TenantName("tenant1"),),
    )
    path = bare_repository(tmp_path / "fleet.git", {edit.path: edit.content for edit in files(new)})
    commit(path, {f"{MEMBERS}/spoke-old.yaml": member("spoke-old")})
    return path


class Database:
    """The product's SQLite file, read from outside."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "fleetui.sqlite3"

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._file, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()


def prepare(folder: Path, hub_url: str) -> dict[str, str]:
    """A fresh installation with one hub; returns its environment."""
    environment = {
        "FLEETUI_EMBEDDED": "1",
        "FLEETUI_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "fleetui.settings",
    }
    code = (
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from onboarding.models import Cluster, Fleet, Hub\n"
        "fleet = Fleet.objects.create(name='fleet', repository_url='/nowhere')\n"
        f"Hub.objects.create(fleet=fleet, name='hub-cluster', api_url='{hub_url}',"
        f" argocd_url='{hub_url}')\n"
        # As the index has it after the commit: registered clusters are then asked for often.
        "Cluster.objects.create(fleet=fleet, path='p', hub_name='hub-cluster', name='spoke-new')\n"
    )
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return environment


def test_it_goes_from_a_commit_to_rows_and_stops_cleanly(tmp_path: Path, repository: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    hub_arguments = ("--repository", str(repository), "--speed", "4")
    with process("-m", "onboarding.demo.hub", *hub_arguments) as hub:
        address = first_line(hub).rsplit(" ", 1)[-1]
        environment = prepare(folder, address)
        database = Database(folder)
        with process("manage.py", "watch_hubs", **environment) as watcher:
            healthy = "SELECT name FROM onboarding_applicationstatus WHERE verdict = 'healthy'"
            wait_for(lambda: len(database.rows(healthy)) > 4)
            wait_for(lambda: database.rows("SELECT 1 FROM onboarding_hubwatch WHERE demo"))

            commit(repository, {f"{MEMBERS}/spoke-new.yaml": member("spoke-new")})
            ask = "SELECT verdict FROM onboarding_applicationstatus WHERE cluster_name = ?"
            verdicts = lambda: {row[0] for row in database.rows(ask, "spoke-new")}  # noqa: E731
            wait_for(verdicts, seconds=40)
            wait_for(lambda: verdicts() == {"healthy"})
            cluster = "SELECT labels FROM onboarding_clusterstatus WHERE name = 'spoke-new'"
            labels = wait_for(lambda: database.rows(cluster))
            assert json.loads(labels[0][0])["tenant"] == "tenant1"
            assert database.rows(
                "SELECT ready FROM onboarding_hubobject WHERE name = 'cluster-spoke-new'"
            ) == [(1,)]
            parts = {row[0] for row in database.rows("SELECT part FROM onboarding_heartbeat")}
            assert {f"watch:hub-cluster:{part}" for part in ("applications", "clusters")} <= parts

            # What a full list says is what the watch made of it.
            with closing(sqlite3.connect(folder / "fleetui.sqlite3", timeout=10)) as connection:
                watched = connection.execute(
                    "SELECT name, sync, health FROM onboarding_applicationstatus ORDER BY name"
                ).fetchall()
            started = time.monotonic()
            watcher.send_signal(signal.SIGTERM)
            assert watcher.wait(3) == 0
            assert time.monotonic() - started < 3
        assert database.rows("SELECT holder FROM onboarding_hubwatch") == [("",)]

        once = subprocess.run(
            [sys.executable, "manage.py", "watch_hubs", "--once"],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        assert once.returncode == 0, once.stderr
        assert f"{len(watched)} applications" in once.stdout
        listed = database.rows(
            "SELECT name, sync, health FROM onboarding_applicationstatus ORDER BY name"
        )
        assert listed == watched
        hub.send_signal(signal.SIGTERM)
        assert hub.wait(3) == 0


def test_it_says_why_it_cannot_start(repository: Path) -> None:
    with process("-m", "onboarding.demo.hub", "--repository", str(repository)) as first:
        port = first_line(first).rsplit(":", 1)[-1]
        arguments = ("--repository", str(repository), "--port", port)
        with process("-m", "onboarding.demo.hub", *arguments) as second:
            assert second.wait(10) == 2
            assert "cannot start" in first_line(second)


def test_it_reads_secrets_from_an_endpoint() -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client(
            "secretsmanager",
            endpoint_url=endpoint,
            region_name="eu-west-1",
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
        )
        whole = json.dumps({"server": "https://spoke.example.com", "config": {"a": 1}})
        contents = {"whole": whole, "half": '{"server": "https://x"}', "text": "no JSON"}
        for name, content in contents.items():
            client.create_secret(Name=name, SecretString=content)
        client.create_secret(Name="going", SecretString=whole)
        client.delete_secret(SecretId="going")
        secrets = EndpointSecrets(endpoint=endpoint, region="eu-west-1")
        found = {name: secrets.server_of(name) for name in (*contents, "going", "absent")}
        assert found == {
            "whole": "https://spoke.example.com",
            "half": None,
            "text": None,
            "going": None,
            "absent": None,
        }
        assert secrets.answers
    finally:
        server.stop()
    assert secrets.server_of("whole") is None
    assert not secrets.answers
