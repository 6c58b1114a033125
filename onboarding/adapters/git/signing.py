"""Signed commits: with an SSH or GPG key whose file alone knows it.

There is no work tree for `git commit -S`: the commit is built first, then signed as git does it,
over its text without the signature (the header `gpgsig`, whichever program signs).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onboarding.domain.errors import Transient

_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key in a file: of `ssh`, or as `gpg` exports it; neither has a passphrase."""

    kind: str
    file: Path

    def sign(self, commit: bytes) -> str:
        """The signature over a commit's text, as git keeps it.

        Raises `Transient` with what to mend where the key or its program cannot be used: that is no
        fault of the change, which waits.
        """
        with tempfile.TemporaryDirectory(prefix="fleetui-sign-") as folder:
            signed = self._ssh(commit) if self.kind == "ssh" else self._gpg(commit, Path(folder))
        return signed.decode("ascii", "replace").strip()

    def _ssh(self, commit: bytes) -> bytes:
        return self._run(
            ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", str(self.file)], commit, {}
        )

    def _gpg(self, commit: bytes, home: Path) -> bytes:
        """With a keyring of its own that goes away: nothing of the account's is read or changed."""
        environment = {"GNUPGHOME": str(home)}
        common = ["gpg", "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback"]
        try:
            self._run([*common, "--import", str(self.file)], b"", environment)
            return self._run([*common, "--armor", "--detach-sign"], commit, environment)
        finally:
            subprocess.run(
                ["gpgconf", "--kill", "gpg-agent"],
                env=_environment(environment),
                capture_output=True,
                check=False,
            )

    def _run(self, command: Sequence[str], text: bytes, more: dict[str, str]) -> bytes:
        if shutil.which(command[0]) is None:
            raise Transient(
                f"Commits shall be signed, but {command[0]} is not installed where the worker runs."
            )
        try:
            done = subprocess.run(
                command,
                input=text,
                capture_output=True,
                env=_environment(more),
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Transient("Signing a commit took too long. It is tried again.") from error
        if done.returncode:
            raise Transient(
                f"The signing key {self.file} cannot be used. It has to be a private "
                f"{self.kind.upper()} key without a passphrase, readable by the worker alone."
            )
        return done.stdout


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": os.devnull, **more}
