"""Secrets with a mark of their own, everywhere they can be; then the way of a change, and everything that
goes wrong on it; then a search through all that was kept, said and sent, in every usual disguise."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest
import requests
from celery import current_app
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from moto.server import ThreadedMotoServer

from onboarding import tasks, wiring
from onboarding.adapters.celery_queue import CeleryQueue
from onboarding.models import Change, Delivery, Fleet, Hub, Webhook
from onboarding.services import events
from tests import repositories
from tests.adapters.scripted_server import Asked, ScriptedServer, scripted_server
from tests.git_server import GitServer, new_certificate
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_api_secrets import rows

PLACES = ("git", "forge", "hub", "argocd", "webhook-address", "webhook-key", "forge-call", "secret",
          "metrics", "mail", "password", "wrong-password", "header")  # fmt: skip
REGION = "eu-west-1"


def disguises(text: str) -> set[str]:
    """How a secret may look where somebody wrapped it."""
    found = {text, quote(text, safe=""), json.dumps(text)[1:-1], text[::-1], text.encode().hex()}
    for before in ("", "git:", "robot:", "x", "xx"):  # at each place that base64 knows
        encoded = base64.b64encode(f"{before}{text}".encode()).decode().rstrip("=")
        found.add(encoded[4:-4])
        found.add(encoded[4:-4].replace("+", "-").replace("/", "_"))
    return found


@dataclass
class Canaries:
    """A secret for each place, and everything that was heard."""

    folder: Path
    of: dict[str, str] = field(default_factory=dict)
    heard: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in PLACES:
            self.of[name] = f"canary+{name}/{secrets.token_hex(12)}"
            (self.folder / name).write_text(self.of[name] + "\n")

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def hear(self, where: str, said: object) -> None:
        self.heard.setdefault(where, []).append(said if isinstance(said, str) else repr(said))

    def answer(self, where: str, answer: Any) -> Any:
        """An answer to a browser, with its headers; a cookie's own header is where its secret belongs."""
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        kept = {name: value for name, value in answer.headers.items() if name != "Set-Cookie"}
        self.hear(f"page {where}", f"{kept}{content.decode('utf-8', 'replace')}")
        return answer

    def leaks(self, more: Mapping[str, str]) -> list[str]:
        """Which secret was found where."""
        heard = {where: "\n".join(said) for where, said in self.heard.items()} | dict(more)
        return [
            f"the secret {name} is in {where}"
            for name, secret in self.of.items()
            for where, said in heard.items()
            if any(one in said for one in disguises(secret))
        ]


def echoing(code: int) -> Any:
    """A server that says back what it was told, its caller's token above all."""

    def answer(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        said = json.dumps({"kind": "Status", "code": code, "message": str(asked.headers)}).encode()
        handler.send_response(code, "no")
        handler.send_header("Content-Length", str(len(said)))
        handler.send_header("Retry-After", "1")
        handler.send_header("X-Echo", asked.headers.get("authorization", ""))
        handler.end_headers()
        handler.wfile.write(said)

    return answer


@pytest.fixture
def canaries(tmp_path: Path) -> Canaries:
    folder = tmp_path / "secrets"
    folder.mkdir()
    return Canaries(folder)


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """What the log prints, every level of it, as an installation does."""
    root = logging.getLogger()
    formatter = next(one.formatter for one in root.handlers if one.name == "stdout")
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(formatter)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def git_server(place: Place, canaries: Canaries, tmp_path: Path) -> Iterator[GitServer]:
    """The fleet's remote over https, with a credential."""
    certificate = new_certificate(tmp_path)
    found = GitServer(tmp_path, certificate, canaries.of["git"])
    threading.Thread(target=found.serve_forever, daemon=True).start()
    Fleet.objects.update(
        repository_url=f"{found.url}/remote.git", username="robot", ca_file=str(certificate),
        credential_file=canaries.file("git"), forge="gitea", forge_url=found.url,
        forge_token_file=canaries.file("forge"), webhook_secret_file=canaries.file("forge-call"),
    )  # fmt: skip
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def hub_server(canaries: Canaries) -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        Hub.objects.update(
            access="token_file", api_url=server.address, api_token_file=canaries.file("hub"),
            argocd_url=server.address, argocd_token_file=canaries.file("argocd"),
        )  # fmt: skip
        yield server


@pytest.fixture
def aws(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch, place: Place
) -> Iterator[ThreadedMotoServer]:
    """Secrets Manager with a spoke's credential, asked by the product's own adapter."""
    from onboarding.adapters.aws_secrets import AwsSecrets, SecretsAccess

    for name, value in {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": canaries.of["header"],
                        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    # What other tests of this process kept is in the same memory.
    requests.post(f"{address}/moto-api/reset", timeout=10).raise_for_status()
    client = boto3.client("secretsmanager", endpoint_url=address, region_name=REGION)
    for name in ("fleet/spoke-a", "fleet/spoke-b"):
        value = json.dumps(
            {"server": "https://a", "config": {"bearerToken": canaries.of["secret"]}}
        )
        client.create_secret(Name=name, SecretString=value)
    reader = AwsSecrets(SecretsAccess(region=REGION, endpoint_url=address))
    monkeypatch.setattr(wiring, "credentials", lambda hub: reader)
    yield server
    server.stop()


def git_objects(*folders: Path) -> str:
    """All that Git keeps, unpacked: commits, trees, files."""
    found = []
    for folder in folders:
        done = subprocess.run(
            [
                "git",
                f"--git-dir={folder}",
                "cat-file",
                "--batch-all-objects",
                "--batch",
                "--buffer",
            ],
            capture_output=True,
        )
        found.append(done.stdout.decode("utf-8", "replace"))
    return "".join(found)


def files_of(folder: Path) -> str:
    """What a process left on its disk."""
    return "".join(
        path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()
    )


def real_broker() -> Any:
    """The client of the real broker, or None where tests run without one."""
    import redis

    address = os.environ.get("TEST_REDIS_URL", "")
    return redis.Redis.from_url(address, decode_responses=True) if address else None


def brokers_memory(client: Any) -> str:
    """Every key of the broker, and all that is in it."""
    read = {
        "string": client.get,
        "list": lambda key: client.lrange(key, 0, -1),
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    return repr([(key, read[client.type(key)](key)) for key in client.scan_iter("*")])


def test_no_secret_is_found_anywhere_but_in_its_place(
    place: Place, canaries: Canaries, git_server: GitServer, hub_server: ScriptedServer, aws: object,
    printed: io.StringIO, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    settings.DEBUG = False
    settings.METRICS_TOKEN = canaries.of["metrics"]
    settings.EMAIL_HOST, settings.EMAIL_HOST_PASSWORD = "127.0.0.1", canaries.of["mail"]
    fleet = Fleet.objects.get()
    see = canaries.answer
    broker = real_broker()
    if broker is not None:
        monkeypatch.setattr(wiring, "queue", lambda: CeleryQueue(current_app))

    # People, and who is none.
    person = User.objects.get(username="approver")
    person.set_password(canaries.of["password"])
    person.save()
    browser = Client(raise_request_exception=False)
    for word in ("wrong-password", "password"):
        see(
            f"login with {word}",
            browser.post("/login/", {"username": "approver", "password": canaries.of[word]}),
        )
    canaries.of["session"] = browser.cookies["fleetui_session"].value
    place.clients["approver"] = browser

    # The way of a change, from the form to Git, on a remote that wants a credential.
    see("register", place.post("requester", "/clusters/register/", place.form()))
    change = Change.objects.get()
    see("approve", place.post("approver", f"/changes/{change.pk}/approve/",
                              reading.decision(place.get("approver", f"/changes/{change.pk}/"))))  # fmt: skip
    tasks.deliver(fleet_id=fleet.pk)
    assert Delivery.objects.get().state == "committed"

    # The hub: taken away, forbidden, overloaded, and it repeats what it was told.
    for code in (401, 403, 404, 429, 500, 302):
        monkeypatch.setattr(hub_server, "_next", lambda method, path, code=code: echoing(code))
        see(f"hub test {code}", place.post("administrator", f"/admin/hubs/{HUB}/test/", {}))
    assert any(canaries.of["hub"] in str(asked.headers) for asked in hub_server.asked)
    assert any(canaries.of["argocd"] in str(asked.headers) for asked in hub_server.asked)

    # Git: wrong token, an overloaded remote, one that redirects, an answer that is none.
    see("fleet test", place.post("administrator", "/admin/fleets/platform/test/", {}))
    place_form = place.form("spoke-b")
    for code in (401, 403, 301, 503):
        git_server.answer = code
        wiring._copies.clear()
        see(f"git {code}", place.post("administrator", "/admin/fleets/platform/test/", {}))
        see(f"register at git {code}", place.post("requester", "/clusters/register/", place_form))
        tasks.refresh_fleet(fleet_id=fleet.pk)
    git_server.answer = 0
    wiring._copies.clear()
    see("register b", place.post("requester", "/clusters/register/", place_form))
    second = Change.objects.latest("pk")
    see("approve b", place.post("approver", f"/changes/{second.pk}/approve/",
                                reading.decision(place.get("approver", f"/changes/{second.pk}/"))))  # fmt: skip
    for behaviour in ("garbage", "unauthorized-once", "deny"):
        (git_server.root / "behaviour").write_text(behaviour)
        tasks.deliver(fleet_id=fleet.pk)
        Delivery.objects.update(due_at=wiring.clock().now())
    Fleet.objects.update(delivery_mode="pull_request")
    see("forge", place.post("administrator", "/admin/fleets/platform/test/", {}))
    Fleet.objects.update(delivery_mode="direct")
    see("forge call", Client().post("/webhooks/forge/platform/", "{}", content_type="application/json",
                                    headers={"X-Gitlab-Token": canaries.of["forge-call"]}))  # fmt: skip

    # AWS denies.
    see(
        "secret",
        place.get("requester", f"/clusters/register/secret/?hub={HUB}&secret_name=fleet/spoke-a"),
    )
    see(
        "no secret",
        place.get("requester", f"/clusters/register/secret/?hub={HUB}&secret_name=fleet/none"),
    )

    # A webhook whose address is the secret, and that fails; mail that does.
    (canaries.folder / "webhook-address").write_text(
        f"https://127.0.0.1:9/{canaries.of['webhook-address']}\n"
    )
    settings.WEBHOOK_INSIDE_HOSTS = ["127.0.0.1"]
    Webhook.objects.create(name="chat", url_file=canaries.file("webhook-address"), topics=["submitted"],
                           secret_file=canaries.file("webhook-key"))  # fmt: skip
    see("webhook test", place.post("administrator", "/admin/webhooks/chat/test/", {}))
    place.post("approver", "/account/mail/", {"topic_submitted": "on"})
    events.record(verb="change.submitted", message="x", at=wiring.clock().now(), change=second)
    tasks.send_notices()

    # Something that nobody foresaw, with the secret in the very frame that breaks.
    def broken(*_: object, **__: object) -> None:
        held = canaries.of["hub"]
        raise RuntimeError(f"nobody foresaw this ({len(held)})")

    for who, client in place.clients.items():
        client.raise_request_exception = False
        for path in ("/", "/clusters/", "/changes/", f"/changes/{change.pk}/?tab=evidence", "/audit/",
                     f"/changes/{change.pk}/evidence.json", "/audit/export.csv", "/audit/export.json",
                     "/clusters/export.csv", "/clusters/export.json", "/applications/export.json", "/system/",
                     f"/clusters/{HUB}/spoke-a/", "/live/", "/lint/", "/lint/report.json", "/admin/fleets/",
                     "/admin/fleets/platform/", "/admin/hubs/", f"/admin/hubs/{HUB}/", "/admin/webhooks/",
                     "/admin/webhooks/chat/", "/admin/tokens/", "/account/mail/", "/search/?q=canary"):  # fmt: skip
            see(f"{path} of {who}", client.get(path))
    monkeypatch.setattr(wiring, "clock", broken)
    for path in ("/", "/changes/", "/system/"):
        see(f"broken {path}", browser.get(path, headers={"X-Secret": canaries.of["header"]}))
    monkeypatch.undo()
    see(
        "metrics",
        Client().get("/metrics", headers={"Authorization": f"Bearer {canaries.of['metrics']}"}),
    )

    woken = repr(place.queue.woken) if broker is None else brokers_memory(broker)
    assert "onboarding." in woken
    out, err = capfd.readouterr()
    kept = rows()
    session = canaries.of.pop("session")
    sessions_own = [line for line in kept.splitlines() if session in line]
    assert len(sessions_own) <= 1, "the session's own row, and no other"
    canaries.of["session"] = session
    leaks = canaries.leaks({
        "the database": "\n".join(line for line in kept.splitlines() if line not in sessions_own),
        "the log": printed.getvalue(),
        "log records": caplog.text,
        "standard output": out + err,
        "the broker": woken,
        "mail": repr([(one.subject, one.body, one.to) for one in mail.outbox]),
        "Git": git_objects(place.bare),
        "the mirrors": files_of(tmp_path / "mirrors"),
        "commit messages": "\n".join(repositories.log(place.bare)),
    })  # fmt: skip
    assert not leaks, "\n".join(leaks)
    # The search itself works: what was typed is found where it belongs.
    assert "spoke-a" in kept
    assert "spoke-a" in git_objects(place.bare)
    assert printed.getvalue()
    assert any("spoke-a" in "".join(said) for said in canaries.heard.values())
