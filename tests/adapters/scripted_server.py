"""A loopback HTTP server that answers what a test scripted, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[["Asked", BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class ScriptedServer:
    """The script: each address answers its list in order, the last one again and again."""

    address: str = ""
    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Script what `method path` answers."""
        self.answers[method, path] = list(answers)

    def requests(self, method: str, path: str) -> list[Asked]:
        """What was asked of one address so far."""
        return [each for each in self.asked if (each.method, each.path) == (method, path)]

    def _next(self, method: str, path: str) -> Answer:
        left = self.answers.get((method, path), [status(404)])
        return left.pop(0) if len(left) > 1 else left[0]


def reply(document: object, *, code: int = 200, **headers: str) -> Answer:
    """Answer with a JSON document (or raw bytes) and headers (`retry_after="7"`)."""

    def answer(_: Asked, handler: BaseHTTPRequestHandler) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-").title(), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def status(code: int, reason: str = "", *, details: object = None, **headers: str) -> Answer:
    """Answer with a Kubernetes Status object."""
    document = {"kind": "Status", "code": code, "reason": reason, "message": "secret-canary"}
    return reply({**document, "details": details or {}}, code=code, **headers)


def stream(*parts: object, silent: float = 0.0) -> Answer:
    """Answer with a chunked watch: a map is a line, bytes go as they are; then `silent` seconds."""

    def answer(_: Asked, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in parts:
            content = part if isinstance(part, bytes) else json.dumps(part).encode() + b"\n"
            handler.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
            handler.wfile.flush()
        if silent:
            time.sleep(silent)
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def hang(seconds: float) -> Answer:
    """Take the request and say nothing."""

    def answer(_: Asked, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return answer


def break_off(content: bytes) -> Answer:
    """Promise more than is sent, then close the connection."""

    def answer(_: Asked, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) + 100))
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


@contextmanager
def scripted_server(ssl_context: Any = None) -> Iterator[ScriptedServer]:
    """Serve a script on a free loopback port until the block ends."""
    script = ScriptedServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length) if length else b""
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            asked = Asked(
                self.command,
                parts.path,
                query,
                {key.lower(): value for key, value in self.headers.items()},
                json.loads(content) if content else None,
            )
            script.asked.append(asked)
            try:
                script._next(self.command, parts.path)(asked, self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    if ssl_context:
        server.socket = ssl_context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if ssl_context else "http"
    script.address = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
