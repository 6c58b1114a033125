"""A real https Git server that asks for a credential, and that lies or hangs where it is told to.

python -m tests.git_server FOLDER CERTIFICATE TOKEN   says its address in FOLDER/address
"""

from __future__ import annotations

import http.server
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

RESULT = "application/x-git-receive-pack-result"


class GitServer(http.server.ThreadingHTTPServer):
    """git's own http-backend behind basic authentication, with the behaviour of the moment.

    A file `behaviour` in the folder says what a push meets: `swallow` (taken, answered, not kept),
    `deny` (kept, answered with 500), `hang`, `garbage`, `redirect`,
    `unauthorized-once`.
    """

    daemon_threads = True

    def __init__(self, root: Path, certificate: Path, token: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.token = root, token
        self.answer = 0
        self.slow = 0.0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that gives up is part of the tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: GitServer

    def do_GET(self) -> None:
        time.sleep(self.server.slow)
        wanted = "Basic " + b64encode(f"robot:{self.server.token}".encode()).decode()
        if self.server.answer:
            self._say(self.server.answer, "Location: https://127.0.0.1:9/elsewhere")
        elif self.headers.get("Authorization") != wanted:
            self._say(401, 'WWW-Authenticate: Basic realm="git"')
        elif self.command == "POST" and self.path.endswith("/git-receive-pack"):
            self._take(self._behaviour())
        else:
            self._backend(self.server.root)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _say(self, status: int, header: str) -> None:
        self.send_response(status)
        self.send_header(*header.split(": ", 1))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = b""
        while size := int(self.rfile.readline(), 16):
            chunks += self.rfile.read(size)
            self.rfile.readline()
        return chunks

    def _behaviour(self) -> str:
        file = self.server.root / "behaviour"
        asked = file.read_text() if file.exists() else ""
        if asked.endswith("-once"):
            file.unlink()
        return asked

    def _take(self, behaviour: str) -> None:
        """What a push meets."""
        match behaviour:
            case "swallow":
                with tempfile.TemporaryDirectory() as name:
                    shutil.copytree(self.server.root, name, dirs_exist_ok=True)
                    self._backend(Path(name))
            case "deny":
                self._backend(self.server.root, status=500)
            case "hang":
                self._body()
                time.sleep(60)
                self.close_connection = True
            case "garbage":
                self._body()
                self._answer(200, {"Content-Type": RESULT}, b"\x00\xffnot git" * 500)
            case "redirect":
                self._body()
                elsewhere = (self.server.root / "elsewhere").read_text()
                self._answer(307, {"Location": elsewhere + self.path}, b"")
            case "unauthorized-once":
                self._body()
                self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
            case _:
                self._backend(self.server.root)

    def _backend(self, root: Path, status: int = 0) -> None:
        address = urlsplit(self.path)
        done = subprocess.run(
            ["git", "-c", "http.receivepack=true", "http-backend"],
            input=self._body(),
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": address.path,
                "QUERY_STRING": address.query,
                "REQUEST_METHOD": self.command,
                "REMOTE_USER": "robot",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        ).stdout
        head, _, body = done.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        found = int(headers.pop("Status", "200").split()[0])
        self._answer(status or found, headers, b"" if status else body)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def new_certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 for an hour, its own authority, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


def main(folder: str, certificate: str, token: str) -> None:
    """Serve until the process is ended."""
    server = GitServer(Path(folder), Path(certificate), token)
    draft = Path(folder, "address.new")
    draft.write_text(server.url)
    draft.replace(Path(folder, "address"))
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
