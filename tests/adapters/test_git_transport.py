"""The way over the network: a real https Git server that asks for a credential."""

from __future__ import annotations

import http.server
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.domain.errors import Refused, Transient
from onboarding.ports import CommitRequest, TreeEdit
from tests import repositories

TOKEN = "canary-7Qx/secret"
WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class GitServer(http.server.ThreadingHTTPServer):
    """git's own http-backend behind basic authentication."""

    daemon_threads = True

    def __init__(self, root: Path, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
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
        wanted = "Basic " + b64encode(f"robot:{TOKEN}".encode()).decode()
        if self.server.answer:
            self._say(self.server.answer, "Location: https://127.0.0.1:9/elsewhere")
        elif self.headers.get("Authorization") != wanted:
            self._say(401, 'WWW-Authenticate: Basic realm="git"')
        else:
            self._backend()

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

    def _backend(self) -> None:
        address = urlsplit(self.path)
        done = subprocess.run(
            ["git", "-c", "http.receivepack=true", "http-backend"],
            input=self._body(),
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.server.root),
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
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def server(tmp_path: Path, certificate: Path) -> Iterator[GitServer]:
    repositories.bare_repository(tmp_path / "fleet.git", {"a.yaml": "a: 1\n"})
    found = GitServer(tmp_path, certificate)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def on(
    server: GitServer,
    certificate: Path | None,
    token: str = TOKEN,
    path: str = "/fleet.git",
    timeout: float = 20,
) -> GitRepository:
    token_file = server.root / "token"
    token_file.write_text(token + "\n")
    remote = GitRemote(
        url=server.url + path,
        branch="main",
        username="robot",
        credential_file=token_file,
        ca_file=certificate,
    )
    return GitRepository(folder=server.root / "mirror", remote=remote, timeout=timeout)


def test_it_reads_and_writes_with_the_credential(server: GitServer, certificate: Path) -> None:
    repository = on(server, certificate)
    base = repository.fetch()
    edit = TreeEdit("b.yaml", "", b"b: 1\n")
    request = CommitRequest((edit,), "Add b\n", "Rita", "rita@example.com", WHEN)
    assert "accepted" in repository.push(base, repository.build(base, request), timeout=20)
    assert repositories.tree(server.root / "fleet.git") == {
        "a.yaml": b"a: 1\n",
        "b.yaml": b"b: 1\n",
    }
    assert repository.check().endswith("The account may write.")


def test_it_keeps_the_credential_out_of_everything(server: GitServer, certificate: Path) -> None:
    on(server, certificate).fetch()
    kept = [file for file in (server.root / "mirror").rglob("*") if file.is_file()]
    assert kept
    for file in kept:
        assert TOKEN.encode() not in file.read_bytes(), file


def test_it_says_that_the_credential_was_refused(server: GitServer, certificate: Path) -> None:
    with pytest.raises(Refused) as refused:
        on(server, certificate, token="wrong-canary-9").fetch()
    assert refused.value.refusals[0].code == "credential_refused"
    assert "127.0.0.1 refused the credential" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_it_says_that_there_is_no_such_repository(server: GitServer, certificate: Path) -> None:
    with pytest.raises(Refused) as refused:
        on(server, certificate, path="/none.git").fetch()
    assert refused.value.refusals[0].code == "repository_not_found"


def test_it_trusts_only_the_named_authority(server: GitServer) -> None:
    with pytest.raises(Refused) as refused:
        on(server, None).fetch()
    assert refused.value.refusals[0].code == "certificate"


def test_it_carries_no_credential_to_another_host(server: GitServer, certificate: Path) -> None:
    server.answer = 301
    with pytest.raises(Refused) as refused:
        on(server, certificate).fetch()
    assert refused.value.refusals[0].code == "moved_away"


def test_it_tries_a_busy_server_again(server: GitServer, certificate: Path) -> None:
    server.answer = 503
    with pytest.raises(Transient):
        on(server, certificate).fetch()


def test_it_ends_a_talk_that_takes_too_long(server: GitServer, certificate: Path) -> None:
    server.slow = 5
    started = time.monotonic()
    with pytest.raises(Transient) as transient:
        on(server, certificate, timeout=0.7).fetch()
    assert time.monotonic() - started < 4
    assert "did not answer within 1 seconds" in str(transient.value)


def test_it_says_that_nobody_listens(server: GitServer, certificate: Path) -> None:
    repository = on(server, certificate)
    server.shutdown()
    server.server_close()
    with pytest.raises(Transient) as transient:
        repository.fetch()
    assert "127.0.0.1 cannot be reached" in str(transient.value)


@pytest.mark.skipif(shutil.which("timeout") is None, reason="needs the program `timeout`")
def test_it_ends_git_even_when_the_worker_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "outlived"
    script = (
        "from pathlib import Path\n"
        "from onboarding.adapters.git.process import GitProcess, GitRemote\n"
        f"process = GitProcess(Path({str(tmp_path / 'mirror')!r}), GitRemote('/x', 'main'))\n"
        f"process.run('-c', 'alias.hang=!touch {tmp_path}/began; sleep 6; touch {mark}', 'hang',"
        " timeout=3)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as worker:
        for _ in range(200):
            if (tmp_path / "began").exists():
                break
            time.sleep(0.05)
        worker.kill()
    assert (tmp_path / "began").exists()
    time.sleep(7)
    assert not mark.exists()
