"""An identity provider that says what a good one never would: its tokens are made by the test."""

from __future__ import annotations

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.signing_in.provider import CLIENT_ID

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class Hostile:
    """What it answers; a test changes any of it. `token` makes the ID token from the good claims."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = _key("its own")
        self.published = [self.key.as_dict(private=False)]
        self.nonce = ""
        self.claims: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.token: Callable[[dict[str, Any]], Any] = self.signed
        self.metadata: dict[str, Any] = {}
        self.status = 200
        self.asked: list[tuple[str, dict[str, str]]] = []

    def good_claims(self) -> dict[str, Any]:
        """What it would say of Ada, honestly, with what the test wants otherwise."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "ada",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "preferred_username": "ada",
            "groups": ["platform-team"],
        } | self.claims
        return {name: value for name, value in said.items() if value is not None}

    def signed(self, claims: dict[str, Any], key: str = "its own", **header: str) -> str:
        """An honest signature of any claims, by its own key or another one."""
        return jwt.encode({"alg": "RS256", "kid": "one"} | header, claims, _key(key))

    def unsigned(self, claims: dict[str, Any]) -> str:
        """No signature at all (`alg` none)."""
        return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."

    def with_secret(self, secret: bytes, claims: dict[str, Any]) -> str:
        """Signed with a secret that others know, too (HS256)."""
        text = f"{_part({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{_part(claims)}"
        return f"{text}.{_plain(hmac.digest(secret, text.encode(), 'sha256'))}"

    def answer(self, method: str, path: str, fields: dict[str, str]) -> tuple[int, Any]:
        """What it answers to one question."""
        self.asked.append((path, fields))
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/me",
            } | self.metadata
        if path == "/jwks":
            return 200, {"keys": self.published}
        if path == "/token":
            given = {"access_token": "access", "token_type": "Bearer"}
            made = self.token(self.good_claims())
            given |= {"id_token": made} if made is not None else {}
            return self.status, given | self.extra
        return 404, {"error": "absent"}


@cache
def _key(whose: str) -> RSAKey:
    """A key for all tests: making one takes as long as a test."""
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


def _part(said: dict[str, Any]) -> str:
    return _plain(json.dumps(said).encode())


def _plain(text: bytes) -> str:
    return urlsafe_b64encode(text).decode().rstrip("=")


@contextmanager
def hostile_provider() -> Iterator[Hostile]:
    """Run one on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.hostile = Hostile(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.hostile  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._answer({name: values[0] for name, values in parse_qs(body).items()})

    def _answer(self, fields: dict[str, str]) -> None:
        path = urlsplit(self.path).path
        status, said = self.server.hostile.answer(self.command, path, fields)  # type: ignore[attr-defined]
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
