"""Runs git, confined: fixed arguments, an environment of its own, an end in time, clean words.

GitPython starts the program. Its open-ended options are not used: each call is a complete argument
list, every value that came from outside stands behind `--end-of-options`, and what git inherits
from the service's environment is a short list of names.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import git

from onboarding.adapters.git.address import is_ssh
from onboarding.domain.errors import Transient

# What git may inherit: how to find programs, how to leave a company's network, whom to trust for
# TLS.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
_INHERITED = frozenset(
    ["PATH", "TMPDIR", "TZ", *_TRUST, *_PROXIES, *(name.lower() for name in _PROXIES)]
)
_ALWAYS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "protocol.ext.allow=never",
    "-c", "credential.helper=",
    # A redirect would carry the credential to a host that nobody configured.
    "-c", "http.followRedirects=false",
    # A connection that crawls is as good as dead: below 1,000 bytes a second for 20 seconds.
    "-c", "http.lowSpeedLimit=1000",
    "-c", "http.lowSpeedTime=20",
    "-c", "fetch.recurseSubmodules=false",
    "-c", "push.recurseSubmodules=no",
    "-c", "gc.auto=0",
)  # fmt: skip
_ASKPASS = """#!/bin/sh
# Answers git's two questions; the credential stays in its file until git asks for it.
case "$1" in
  Username*) printf '%s\\n' "$FLEET_GIT_USERNAME" ;;
  *) head -n 1 -- "$FLEET_GIT_CREDENTIAL_FILE" ;;
esac
"""
_LONGEST_SAID = 2000
_USERINFO = re.compile(r"(?<=//)[^/\s@]+@")
_SECRET_WORDS = re.compile(
    r"(?i)((?:authorization|password|token|secret)\s*[:=]\s*)(?:(?:basic|bearer)\s+)?\S+"
)
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class GitRemote:
    """Where the fleet's repository is and how to prove who we are, by the names of files only.

    `url` passed `parse_address`, `branch` is a `GitRef`. `credential_file` holds a token in its
    first line (https) or a private key (ssh); `known_hosts_file` the host keys to trust (ssh);
    `ca_file` the certificate authority of a private host (https). `allow_local` permits folders of
    this machine, for demo and tests.
    """

    url: str
    branch: str
    username: str = ""
    credential_file: Path | None = None
    known_hosts_file: Path | None = None
    ca_file: Path | None = None
    allow_local: bool = False


@dataclass(frozen=True, slots=True)
class GitOutcome:
    """How one run of git ended: its exit status (None where it was stopped), output and words."""

    status: int | None
    output: bytes
    said: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def stopped(self) -> bool:
        """Whether the run was ended because its time was over."""
        return self.status is None


class GitProcess:
    """Runs git for one mirror and one remote, below the mirror's own folder."""

    def __init__(self, folder: Path, remote: GitRemote) -> None:
        self._folder = folder
        self._remote = remote
        self._home = folder / "home"
        self._askpass = self._home / "askpass"

    def run(self, *arguments: str, timeout: float) -> GitOutcome:
        """Run git with these arguments, at most `timeout` seconds; a failure is an outcome.

        Raises `Transient` where git itself cannot be started.
        """
        self._prepare_home()
        started = time.monotonic()
        process = self._start(arguments, timeout)
        stopped = False
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            stopped = True
            output, errors = _end_group(process)
        except BaseException:
            _end_group(process)
            raise
        # The outer guard ends with the signal's number where it was faster than we were.
        stopped = stopped or process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        return GitOutcome(
            status=None if stopped else process.returncode,
            output=output,
            said=self.scrub(errors.decode("utf-8", "replace")),
            seconds=time.monotonic() - started,
        )

    def scrub(self, text: str) -> str:
        """What a program said, fit for people: no credential, no user of an address, no folder."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        text = text.replace(str(self._folder), "the local copy")
        text = _USERINFO.sub("***@", text)
        text = _SECRET_WORDS.sub(r"\1***", text)
        text = _COLOURS.sub("", text).replace("\r", "\n")
        text = "".join(char for char in text if char.isprintable() or char == "\n").strip()
        return text if len(text) <= _LONGEST_SAID else text[:_LONGEST_SAID] + " …"

    def _start(self, arguments: tuple[str, ...], timeout: float) -> subprocess.Popen[bytes]:
        """Start git in a session of its own, so that it and its children can be ended together."""
        environment = self._environment()
        command = [
            *_without_inherited(environment),
            *_guard(timeout + 1),
            "git",
            *_ALWAYS,
            *arguments,
        ]
        try:
            # GitPython's wrapper is not kept: it would close the pipes of a process that we read.
            wrapper = git.Git(str(self._folder)).execute(
                command, as_process=True, env=environment, start_new_session=True
            )
        except (git.GitCommandNotFound, OSError) as error:
            raise Transient("git could not be started on the machine of the service.") from error
        process = cast("subprocess.Popen[bytes]", cast(Any, wrapper).proc)
        cast(Any, wrapper).proc = None
        return process

    def _environment(self) -> Mapping[str, str]:
        """What is set for git beside the few inherited names."""
        remote = self._remote
        values = {
            "HOME": str(self._home),
            "XDG_CONFIG_HOME": str(self._home),
            "LC_ALL": "C",
            "LANGUAGE": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ALLOW_PROTOCOL": "https:ssh:file" if remote.allow_local else "https:ssh",
            "GIT_SSH_COMMAND": self._ssh_command(),
        }
        if remote.credential_file and not is_ssh(remote.url):
            values["GIT_ASKPASS"] = str(self._askpass)
            values["FLEET_GIT_USERNAME"] = remote.username or "git"
            values["FLEET_GIT_CREDENTIAL_FILE"] = str(remote.credential_file)
        if remote.ca_file:
            values["GIT_SSL_CAINFO"] = str(remote.ca_file)
        return values

    def _ssh_command(self) -> str:
        """ssh with nothing of the account that it runs under: the given key and host keys only."""
        known_hosts = self._remote.known_hosts_file or Path("/etc/ssh/ssh_known_hosts")
        options = ["-F", os.devnull, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        options += ["-o", f'UserKnownHostsFile="{known_hosts}"', "-o", "ConnectTimeout=15"]
        options += [
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
            "-o",
            "ServerAliveInterval=10",
        ]
        if self._remote.credential_file:
            options += ["-i", str(self._remote.credential_file)]
        return shlex.join(["ssh", *options])

    def _prepare_home(self) -> None:
        """Make the folder that git takes for home, with the helper that answers for credentials."""
        if self._askpass.exists():
            return
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._home / f"askpass.{os.getpid()}"
        draft.write_text(_ASKPASS, encoding="utf-8")
        draft.chmod(0o700)
        draft.replace(self._askpass)

    def _secrets(self) -> tuple[str, ...]:
        """The credential's text and its usual disguises, to be blanked wherever they turn up."""
        file = self._remote.credential_file
        if file is None or is_ssh(self._remote.url):
            return ()
        try:
            token = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
        except OSError:
            return ()
        return _disguises(self._remote.username or "git", token) if len(token) >= 4 else ()


def _disguises(username: str, token: str) -> tuple[str, ...]:
    """A token as it is, as it looks in an address, and as it looks in a header."""
    header = b64encode(f"{username}:{token}".encode()).decode()
    return tuple(dict.fromkeys((token, quote(token, safe=""), header)))


def _without_inherited(environment: Mapping[str, str]) -> list[str]:
    """The start of a command that drops every variable git may not inherit: names, no values."""
    command = ["env"]
    for name in sorted(os.environ):
        if name not in _INHERITED and name not in environment:
            command += ["-u", name]
    return command


def _guard(seconds: float) -> list[str]:
    """An outer guard, where the machine has one, that ends git even after our own death."""
    program = shutil.which("timeout")
    return [program, "--signal=KILL", f"{seconds:.1f}"] if program else []


def _end_group(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """End git with all its children and take what they had said."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        return b"", b""
