"""The local copy of the fleet repository: a bare folder, made anew where missing or damaged."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pygit2
from pygit2.enums import ConfigLevel

from onboarding.adapters.git.process import GitOutcome, GitProcess, GitRemote
from onboarding.domain.errors import Transient

# libgit2 reads nobody's configuration but the mirror's own.
for _level in (ConfigLevel.SYSTEM, ConfigLevel.GLOBAL, ConfigLevel.XDG):
    pygit2.settings.search_path[_level] = ""

_STALE_PUSH = 3600.0
_MAINTENANCE_EVERY = 3600.0
# Each batch that is written leaves one.
_MOST_PACKS = 50


class Mirror:
    """A bare repository below `folder`, for one remote and branch, shared safely between processes.

    Only moving and replacing need the lock; objects are written and read without it.
    """

    def __init__(self, folder: Path, remote: GitRemote) -> None:
        self.folder = folder
        self.bare = folder / "repository.git"
        self.tracking = f"refs/remotes/origin/{remote.branch}"
        self._remote = remote
        self._origin = folder / "origin.json"
        self.process = GitProcess(folder, remote)

    @contextmanager
    def locked(self, *, timeout: float) -> Iterator[None]:
        """Be the only one who moves this mirror; the lock ends with its holder, in whatever way.

        Raises `Transient` where another process holds it for longer than `timeout` seconds.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as handle:
            deadline = time.monotonic() + timeout
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Transient(
                            "The local copy of the repository is busy. It is tried again."
                        ) from None
                    time.sleep(0.02)
            yield

    def exists(self) -> bool:
        """Whether there is a mirror of this remote and branch that was brought up at least once."""
        try:
            known = json.loads(self._origin.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(known == self._identity()) and (self.bare / "HEAD").exists()

    def prepare(self) -> None:
        """Make an empty mirror where there is none, or only one of another remote or branch."""
        if not self.exists():
            self.discard()
            pygit2.init_repository(str(self.bare), bare=True)

    def brought_up(self) -> None:
        """Note that the mirror now holds what the remote has."""
        draft = self._origin.with_suffix(f".{uuid4().hex}")
        draft.write_text(json.dumps(self._identity()), encoding="utf-8")
        draft.replace(self._origin)

    def discard(self) -> None:
        """Throw the mirror away; Git has everything that it held."""
        self._origin.unlink(missing_ok=True)
        if self.bare.exists():
            doomed = self.folder / f"discarded.{uuid4().hex}"
            self.bare.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)

    def open(self) -> pygit2.Repository:
        """The mirror, opened to read and build; raises `pygit2.GitError` where it is damaged."""
        return pygit2.Repository(str(self.bare))

    def tip(self) -> str:
        """The branch's tip as of the last time it was brought here; "" where it has no commit."""
        reference = self.open().references.get(self.tracking)
        return str(reference.target) if reference is not None else ""

    def forget_branch(self) -> None:
        """Note that the remote has no commit on the branch."""
        repository = self.open()
        if self.tracking in repository.references:
            repository.references.delete(self.tracking)

    def maintain(self, *, timeout: float) -> None:
        """Lay many small packs together; once an hour pack all, index commits, drop old refs."""
        if len(list((self.bare / "objects" / "pack").glob("*.pack"))) > _MOST_PACKS:
            self.git("repack", "--geometric=2", "-d", "-q", "-n", timeout=timeout)
        stamp = self.bare / "maintained"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < _MAINTENANCE_EVERY:
            return
        stamp.touch()
        repository = self.open()
        for name in list(repository.references):
            if (
                name.startswith("refs/fleet/push-")
                and time.time() - int(name.split("-")[1]) > _STALE_PUSH
            ):
                repository.references.delete(name)
        # `-c` given later wins: only here git may collect garbage.
        for task in (
            ("-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"),
            ("commit-graph", "write", "--reachable", "--changed-paths", "--split", "--no-progress"),
        ):
            self.git(*task, timeout=timeout)

    def bring(self, branch: str, *, timeout: float) -> tuple[GitOutcome, str]:
        """Bring another branch than the fleet's own; the ref that then holds its tip."""
        kept = f"refs/fleet/branch/{branch}"
        outcome = self.git(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
            "--end-of-options", self._remote.url, f"+refs/heads/{branch}:{kept}",
            timeout=timeout,
        )  # fmt: skip
        return outcome, kept

    def send(
        self, tip: str, branch: str, expected: str, *, timeout: float, not_after: float
    ) -> GitOutcome | None:
        """Push a commit to a branch that still stands at `expected` ("": that is not there yet).

        None where it was too late to begin. Raises `OSError` or `pygit2.GitError` where the mirror
        cannot be written.
        """
        repository = self.open()
        # A bare SHA as source is pushed without a word about its fate; a ref is reported on.
        source = f"refs/fleet/push-{int(time.time())}-{uuid4().hex}"
        target = f"refs/heads/{branch}"
        repository.references.create(source, tip)
        try:
            left = min(timeout, not_after - time.monotonic())
            if left <= 0:
                return None
            return self.git(
                "push", "--no-verify", "--no-follow-tags", "--no-signed",
                f"--force-with-lease={target}:{expected}",
                "--end-of-options", self._remote.url, f"{source}:{target}",
                timeout=left,
            )  # fmt: skip
        finally:
            repository.references.delete(source)

    def git(self, *arguments: str, timeout: float) -> GitOutcome:
        """Run git on this mirror."""
        return self.process.run(f"--git-dir={self.bare}", *arguments, timeout=timeout)

    def _identity(self) -> dict[str, str]:
        return {"url": self._remote.url, "branch": self._remote.branch}
