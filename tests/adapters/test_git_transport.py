"""The way over the network: a real https Git server that asks for a credential."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.domain.errors import Refused, Transient
from onboarding.ports import CommitRequest, TreeEdit
from tests import repositories
from tests.git_server import GitServer, new_certificate

TOKEN = "canary-7Qx/secret"
WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(tmp_path: Path, certificate: Path) -> Iterator[GitServer]:
    repositories.bare_repository(tmp_path / "fleet.git", {"a.yaml": "a: 1\n"})
    found = GitServer(tmp_path, certificate, TOKEN)
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
