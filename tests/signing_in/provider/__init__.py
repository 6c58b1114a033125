"""A certified identity provider as a process on loopback, whose people a test changes as it runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from onboarding.demo.processes import free_ports
from tests.hub.binaries import cache_root, locked

HERE = Path(__file__).resolve().parent
CLIENT_ID = "fleet-ui"
SECRET = "what-only-the-tests-and-their-provider-know"
_INPUT = re.compile(r"<input[^>]*>")
_ATTRIBUTE = re.compile(r'(name|value|type)="([^"]*)"')
_START_SECONDS = 30


class NodeMissing(Exception):
    """There is no Node.js with npm, of which the provider is made."""


class Provider:
    """The running provider: its address, and its people by subject."""

    def __init__(self, folder: Path, port: int, redirects: list[str]) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.file = folder / "provider.json"
        self._told: dict[str, Any] = {
            "issuer": self.issuer,
            "port": port,
            "client": _client(redirects),
            "people": {},
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.tell()

    def person(self, subject: str, *groups: str, **claims: Any) -> None:
        """Add a person, or say anew what the provider knows of one."""
        self._told["people"][subject] = {
            "preferred_username": subject,
            "given_name": subject.title(),
            "family_name": "Example",
            "email": f"{subject}@example.com",
            "email_verified": True,
            "groups": list(groups),
        } | claims
        self.tell()

    def remove(self, subject: str) -> None:
        """Let a person be none any more."""
        del self._told["people"][subject]
        self.tell()

    def tell(self, **settings: Any) -> None:
        """Write what the provider reads on every question."""
        self._told |= settings
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps(self._told), encoding="utf-8")
        draft.replace(self.file)

    def serve(self, redirect: str) -> None:
        """Have it send people back to this address alone."""
        self.tell(client=_client([redirect]))
        self.take_new_keys()

    def listen_at(self, address: str) -> None:
        """Have it say to this address who signed out."""
        self.tell(client={**self._told["client"], "backchannel_logout_uri": address})
        self.take_new_keys()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.file.with_suffix(".log")
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                ["node", "provider.mjs", str(self.file)],
                cwd=installed(),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self._wait(log)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def take_new_keys(self) -> None:
        """Have it sign with another key, and publish only that."""
        before = self.keys()
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while self.keys() == before:
            assert time.monotonic() < deadline, "it kept its keys"
            time.sleep(0.05)

    def keys(self) -> set[str]:
        """The names of the keys that it publishes."""
        return {
            one["kid"] for one in requests.get(f"{self.issuer}/jwks", timeout=10).json()["keys"]
        }

    def _wait(self, log: Path) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.keys()
                return
            except requests.RequestException:
                assert self.process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)


def _client(redirects: list[str]) -> dict[str, Any]:
    origins = [address.rpartition("/login/")[0] for address in redirects]
    return {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "redirect_uris": redirects,
        "post_logout_redirect_uris": [f"{origin}/login/" for origin in origins],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "backchannel_logout_uri": f"{origins[0]}/login/ended/",
        "backchannel_logout_session_required": True,
    }


@contextmanager
def running_provider(folder: Path, *redirects: str) -> Iterator[Provider]:
    """Run one that sends people back to these addresses (`…/login/callback/`)."""
    (port,) = free_ports(1)
    provider = Provider(folder, port, list(redirects))
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()


def go_through(browser: requests.Session, url: str, subject: str) -> str:
    """What a person does there: sign in where it asks. Returns whereto it sends the browser back."""
    answer = browser.get(url, allow_redirects=False, timeout=20)
    for _ in range(12):
        if location := answer.headers.get("Location"):
            url = urljoin(answer.url, location)
            if "/login/" in url and "/interaction/" not in url:
                return url
            answer = browser.get(url, allow_redirects=False, timeout=20)
            continue
        assert answer.ok, answer.text
        action = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
        assert action, answer.text
        fields = _fields(answer.text) | {"login": subject, "password": "any"}
        where = urljoin(answer.url, unescape(action[1]))
        answer = browser.post(where, fields, allow_redirects=False, timeout=20)
    raise AssertionError(f"It never came back: {answer.url}")


def installed() -> Path:
    """The folder in which the provider's packages are; they are fetched once and kept outside the tree.

    Raises NodeMissing where they are not there and there is no npm.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NodeMissing("Node.js with npm is not installed; on Debian: apt install nodejs npm")
    text = hashlib.sha256()
    for name in ("package.json", "package-lock.json", "provider.mjs"):
        text.update((HERE / name).read_bytes())
    target = cache_root() / "npm" / text.hexdigest()[:20]
    with locked("identity-provider"):
        if not target.is_dir():
            draft = target.with_name(f".{target.name}.{os.getpid()}")
            draft.mkdir(parents=True)
            for name in ("package.json", "package-lock.json", "provider.mjs"):
                shutil.copy(HERE / name, draft)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=draft, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            draft.rename(target)
    return target


def _fields(html: str) -> dict[str, str]:
    found = (dict(_ATTRIBUTE.findall(tag)) for tag in _INPUT.findall(html))
    return {one["name"]: unescape(one.get("value", "")) for one in found if one.get("name")}
