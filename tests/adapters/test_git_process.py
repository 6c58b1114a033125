"""How git is run: confined, ended in time, with clean words."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from pathlib import Path

import pytest

from onboarding.adapters.git.process import GitProcess, GitRemote

TOKEN = "canary-7Qx/secret"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    return file


def confined(
    tmp_path: Path, url: str = "https://git.example.com/fleet.git", **more: object
) -> GitProcess:
    return GitProcess(tmp_path / "mirror", GitRemote(url=url, branch="main", **more))  # type: ignore[arg-type]


def environment_of(process: GitProcess, tmp_path: Path) -> dict[str, str]:
    """What git really gets, asked of git itself."""
    outcome = process.run("-c", "alias.surroundings=!env -0", "surroundings", timeout=10)
    assert outcome.ok, outcome.said
    lines = outcome.output.decode().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_it_inherits_nothing_that_steers_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steering = {
        "GIT_SSH": "/evil", "GIT_DIR": "/evil", "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.sshCommand",
        "GIT_CONFIG_VALUE_0": "touch /evil", "GIT_EXTERNAL_DIFF": "/evil", "GIT_TRACE": "1",
        "GIT_PROXY_COMMAND": "/evil",
        "AWS_SECRET_ACCESS_KEY": "canary", "DJANGO_SECRET_KEY": "canary", "SSH_AUTH_SOCK": "/evil",
        "LD_PRELOAD_CANARY": "1", "HOME": "/evil",
    }  # fmt: skip
    for name, value in steering.items():
        monkeypatch.setenv(name, value)
    found = environment_of(confined(tmp_path), tmp_path)
    assert found["HOME"] == str(tmp_path / "mirror" / "home")
    assert not {*steering, "PYTHONPATH"} & {*found} - {"HOME"}
    assert "canary" not in str(found)
    assert found["GIT_TERMINAL_PROMPT"] == "0"
    assert found["GIT_ALLOW_PROTOCOL"] == "https:ssh"
    assert found["GIT_CONFIG_NOSYSTEM"] == "1"
    assert found["GIT_CONFIG_GLOBAL"] == os.devnull


def test_it_gives_git_the_name_of_the_credential_file_only(
    tmp_path: Path, token_file: Path
) -> None:
    found = environment_of(
        confined(tmp_path, credential_file=token_file, username="robot"), tmp_path
    )
    assert found["FLEET_GIT_CREDENTIAL_FILE"] == str(token_file)
    assert TOKEN not in str(found)


def test_it_answers_for_the_credential_when_git_asks(tmp_path: Path, token_file: Path) -> None:
    process = confined(tmp_path, credential_file=token_file, username="robot")
    asked = '"$GIT_ASKPASS" "Username for x: "; "$GIT_ASKPASS" "Password for x: "'
    outcome = process.run("-c", f"alias.ask=!{asked}", "ask", timeout=10)
    assert outcome.output.decode().splitlines() == ["robot", TOKEN]


def test_it_trusts_only_the_given_host_keys(tmp_path: Path) -> None:
    key, hosts = tmp_path / "a key", tmp_path / "known hosts"
    process = confined(
        tmp_path, "git@git.example.com:fleet.git", credential_file=key, known_hosts_file=hosts
    )
    command = environment_of(process, tmp_path)["GIT_SSH_COMMAND"]
    for part in (
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        f"-i '{key}'",
        "-F /dev/null",
    ):
        assert part in command
    assert f'UserKnownHostsFile="{hosts}"' in command
    assert "GIT_ASKPASS" not in environment_of(process, tmp_path)


def test_it_allows_only_the_named_transports(tmp_path: Path) -> None:
    local = tmp_path / "x.git"
    for url in (
        str(local),
        "http://127.0.0.1:9/x",
        "git://127.0.0.1:9/x",
        "ext::sh -c 'touch pwned'",
    ):
        outcome = confined(tmp_path).run("ls-remote", "--end-of-options", url, timeout=10)
        assert not outcome.ok
        assert "not allowed" in outcome.said
    assert not list(tmp_path.rglob("pwned"))


def test_it_ends_git_and_its_children_in_time(tmp_path: Path) -> None:
    mark = tmp_path / "still-alive"
    started = time.monotonic()
    outcome = confined(tmp_path).run(
        "-c", f"alias.hang=!(sleep 2; touch {mark}) & echo working; sleep 30", "hang", timeout=0.5
    )
    assert outcome.stopped
    assert not outcome.ok
    assert outcome.output == b"working\n"
    assert time.monotonic() - started < 5
    time.sleep(2)
    assert not mark.exists(), "the child outlived git"


def test_it_reads_large_output_without_blocking(tmp_path: Path) -> None:
    both = "!head -c 3000000 /dev/zero; head -c 300000 /dev/zero >&2"
    outcome = confined(tmp_path).run("-c", f"alias.much={both}", "much", timeout=20)
    assert outcome.ok
    assert len(outcome.output) == 3_000_000


def test_it_scrubs_credentials_in_every_disguise(tmp_path: Path, token_file: Path) -> None:
    process = confined(tmp_path, credential_file=token_file, username="robot")
    header = b64encode(f"robot:{TOKEN}".encode()).decode()
    said = process.scrub(
        f"fatal: https://robot:{TOKEN}@git.example.com/x\nremote: canary-7Qx%2Fsecret {header}\n"
        f"Authorization: Bearer abcdef\npassword=hunter22 in {tmp_path / 'mirror'}/repository.git"
        "\x1b[31m red\x07\u202e"
    )
    for secret in (
        TOKEN,
        "canary",
        "robot:",
        header,
        "abcdef",
        "hunter22",
        str(tmp_path),
        "\x1b",
        "\x07",
        "\u202e",
    ):
        assert secret not in said
    assert "git.example.com/x" in said
    assert len(process.scrub("x" * 10_000)) < 2_100
