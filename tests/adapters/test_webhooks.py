"""Calls to webhooks, against a real https server: what is sent, what is refused, and where none goes."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onboarding.adapters.webhooks import HttpsSender
from onboarding.domain.errors import Refused, Transient
from tests.git_server import new_certificate


class Receiver(http.server.ThreadingHTTPServer):
    """Takes calls, keeps them, and answers what it was told to."""

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.certificate = certificate
        self.status, self.location, self.body = 200, "", b"ok"
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, *_: object) -> None:
        """A client that refuses the certificate is part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    server = Receiver(new_certificate(tmp_path))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sender(receiver: Receiver) -> HttpsSender:
    return HttpsSender(inside=["127.0.0.1"], ca_file=str(receiver.certificate))


def post(sender: HttpsSender, receiver: Receiver, path: str = "/hook?a=b") -> None:
    url = f"https://127.0.0.1:{receiver.port}{path}"
    sender.post(url, body=b'{"a":1}', headers={"X-Fleet-Delivery": "17"})


def test_it_sends_body_and_headers(sender: HttpsSender, receiver: Receiver) -> None:
    post(sender, receiver)
    ((path, headers, body),) = receiver.taken
    assert (path, body) == ("/hook?a=b", b'{"a":1}')
    assert headers["X-Fleet-Delivery"] == "17"
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (404, Refused),
        (410, Refused),
        (429, Transient),
        (500, Transient),
        (503, Transient),
    ],
)
def test_it_says_what_the_receiver_answered(
    sender: HttpsSender, receiver: Receiver, status: int, error: type[Exception]
) -> None:
    receiver.status, receiver.body = status, b"x" * 100_000
    with pytest.raises(error, match=f"127.0.0.1 answered {status}") as caught:
        post(sender, receiver)
    assert len(str(caught.value)) < 300


def test_it_follows_no_redirect(sender: HttpsSender, receiver: Receiver) -> None:
    receiver.status, receiver.location = 307, f"https://127.0.0.1:{receiver.port}/other"
    with pytest.raises(Refused, match="redirects"):
        post(sender, receiver)
    assert len(receiver.taken) == 1


def test_it_asks_for_a_certificate_that_is_vouched_for(receiver: Receiver) -> None:
    with pytest.raises(Transient, match="certificate"):
        post(HttpsSender(inside=["127.0.0.1"]), receiver)
    assert receiver.taken == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:169.254.169.254]",  # noqa: S104
        "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "224.0.0.1", "2130706433", "0x7f.1",
    ],
)  # fmt: skip
def test_it_reaches_nothing_inside(receiver: Receiver, address: str) -> None:
    sender = HttpsSender(ca_file=str(receiver.certificate))
    with pytest.raises(Refused, match="private network"):
        sender.post(f"https://{address}:{receiver.port}/", body=b"", headers={})
    assert receiver.taken == []


def test_it_connects_to_the_address_that_it_looked_at(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is looked at, and of this machine a moment later."""
    answers = iter(["93.184.216.34", "127.0.0.1"])
    connected: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        shown = next(answers) if host == "rebound.example.com" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (shown, port))]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        connected.append(address[0])
        raise OSError("not from here")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    with pytest.raises(Transient, match=r"rebound\.example\.com did not answer"):
        HttpsSender().post(f"https://rebound.example.com:{receiver.port}/", body=b"", headers={})
    assert connected == ["93.184.216.34"]


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(2, 1, 6, "", (one, 443)) for one in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Refused, match="private network"):
        HttpsSender().post("https://mixed.example.com/", body=b"", headers={})


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https:///x", "https://a:b@example.com/", "file:///etc/passwd"]
)
def test_it_takes_https_alone(url: str) -> None:
    with pytest.raises(Refused, match="https"):
        HttpsSender().post(url, body=b"", headers={})


def test_it_says_where_nobody_listens(sender: HttpsSender, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(Transient, match="did not answer"):
        sender.post(f"https://127.0.0.1:{port}/", body=b"", headers={})
