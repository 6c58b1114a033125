"""Signed commits, verified by git itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from onboarding.adapters.git import GitRemote, GitRepository, Identity, SigningKey
from onboarding.domain.errors import Transient
from onboarding.ports import CommitRequest, TreeEdit
from tests import repositories
from tests.fakes import START

EMAIL = "fleet-ui@example.com"
COMMITTER = Identity(email=EMAIL)
REQUEST = CommitRequest(
    edits=(TreeEdit("member.yaml", "", b"a: 1\n"),),
    message="Register spoke-ä\n\nChange-Id: 1\n",
    author_name="Rita",
    author_email="rita@example.com",
    when=START,
)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return repositories.bare_repository(tmp_path / "remote.git", {"README.md": "x\n"})


def repository_of(bare: Path, folder: Path, key: SigningKey | None) -> GitRepository:
    remote = GitRemote(url=str(bare), branch="main", allow_local=True)
    return GitRepository(folder=folder, remote=remote, committer=COMMITTER, signing_key=key)


def pushed(bare: Path, folder: Path, key: SigningKey | None) -> str:
    repository = repository_of(bare, folder / "mirror", key)
    base = repository.fetch()
    built = repository.build(base, REQUEST)
    assert repository.push(base, built, timeout=30) == "The remote accepted the push."
    return built


def ssh_key(folder: Path, *, passphrase: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "signing-key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", file], check=True
    )
    return file


def verify(bare: Path, commit: str, environment: Mapping[str, str], *options: str) -> str:
    """What `git verify-commit` says; "" where it does not verify."""
    done = subprocess.run(
        ["git", f"--git-dir={bare}", *options, "verify-commit", "--verbose", commit],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.stdout + done.stderr if done.returncode == 0 else ""


def allowed(folder: Path, public: Path) -> tuple[str, str]:
    """git's options that let it trust one SSH key for our committer."""
    signers = folder / "allowed-signers"
    signers.write_text(f"{EMAIL} {public.read_text()}")
    return "-c", f"gpg.ssh.allowedSignersFile={signers}"


def test_it_signs_with_an_ssh_key(bare: Path, tmp_path: Path) -> None:
    file = ssh_key(tmp_path)
    commit = pushed(bare, tmp_path, SigningKey("ssh", file))
    said = verify(bare, commit, {}, *allowed(tmp_path, file.with_suffix(".pub")))
    assert f'Good "git" signature for {EMAIL}' in said
    assert "Register spoke-ä" in said
    other = ssh_key(tmp_path / "other").with_suffix(".pub")
    assert verify(bare, commit, {}, *allowed(tmp_path, other)) == "", "another key does not fit"


def test_it_signs_with_a_gpg_key(bare: Path, tmp_path: Path) -> None:
    if shutil.which("gpg") is None:
        assert os.environ.get("CI") != "true"
        pytest.skip("gpg is not installed; on Debian: apt install gnupg")
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    environment = {"GNUPGHOME": str(home)}
    gpg = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    everything = {**os.environ, **environment}
    new = ["--quick-generate-key", f"Fleet UI <{EMAIL}>", "ed25519", "sign", "1d"]
    subprocess.run([*gpg, *new], check=True, env=everything, capture_output=True)
    file = tmp_path / "signing-key.asc"
    exported = subprocess.run(
        [*gpg, "--armor", "--export-secret-keys"], check=True, env=everything, capture_output=True
    )
    file.write_bytes(exported.stdout)
    try:
        commit = pushed(bare, tmp_path, SigningKey("gpg", file))
        said = verify(bare, commit, environment)
        assert f'Good signature from "Fleet UI <{EMAIL}>"' in said
    finally:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=everything, check=False)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path != file]
    secret = file.read_bytes().splitlines()[5]
    assert not [path for path in left if secret in path.read_bytes()]


def test_a_commit_without_a_key_is_not_signed(bare: Path, tmp_path: Path) -> None:
    commit = pushed(bare, tmp_path, None)
    assert "gpgsig" not in repositories.git(bare, "cat-file", "commit", commit)
    assert verify(bare, commit, {}) == ""
    assert repositories.git(bare, "fsck", "--strict", "--no-dangling") == ""


@pytest.mark.parametrize("kind", ["ssh", "gpg"])
def test_a_key_that_cannot_be_used_is_said_and_nothing_is_written(
    bare: Path, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "no-key"
    file.write_text("s3cret, but no key\n")
    file.chmod(0o600)
    repository = repository_of(bare, tmp_path / "mirror", SigningKey(kind, file))
    base = repository.fetch()
    with pytest.raises(Transient, match="signing key") as caught:
        repository.build(base, REQUEST)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(Transient, match="signing key"):
        repository.check()
    assert repositories.tip(bare) == base


def test_a_key_with_a_passphrase_is_refused_at_once(bare: Path, tmp_path: Path) -> None:
    file = ssh_key(tmp_path, passphrase="a long phrase")
    with pytest.raises(Transient, match="without a passphrase"):
        repository_of(bare, tmp_path / "mirror", SigningKey("ssh", file)).check()


def test_a_working_key_passes_the_connection_test(bare: Path, tmp_path: Path) -> None:
    key = SigningKey("ssh", ssh_key(tmp_path))
    assert repository_of(bare, tmp_path / "mirror", key).check().endswith("The account may write.")
