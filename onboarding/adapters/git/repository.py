"""The fleet's Git repository on one branch, through a bare mirror."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import TypeVar

import pygit2
from pygit2.enums import SortMode

from onboarding.adapters.git import connection, objects, proposals, words
from onboarding.adapters.git.mirror import Mirror
from onboarding.adapters.git.objects import Identity
from onboarding.adapters.git.process import GitRemote
from onboarding.adapters.git.signing import SigningKey
from onboarding.adapters.git.snapshot import GitSnapshot
from onboarding.adapters.git.store import Store
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.ports import CommitFacts, CommitRequest

Answer = TypeVar("Answer")
Opened = TypeVar("Opened")

_SHA = re.compile(r"[0-9a-f]{40}")
_LARGEST_FILE = 5 * 1024 * 1024
_MOST_HELD = 32 * 1024 * 1024


class GitRepository:
    """`FleetRepository` kept by a real git.

    `folder` is the mirror's own (one per worker process, made when needed), `committer` the
    identity of the service, `timeout` the seconds for one talk with the remote, `largest_file` the
    bytes above which a file is none, `signing_key` what commits are signed with, if at all.
    """

    def __init__(
        self,
        *,
        folder: Path,
        remote: GitRemote,
        committer: Identity | None = None,
        timeout: float = 60.0,
        largest_file: int = _LARGEST_FILE,
        signing_key: SigningKey | None = None,
    ) -> None:
        self._mirror = Mirror(folder.absolute(), remote)
        self._remote = remote
        self._committer = committer or Identity()
        self._timeout = timeout
        self._largest = largest_file
        self._sign = signing_key.sign if signing_key else None
        self._building = RLock()
        self._store: Store | None = None

    def fetch(self) -> str:
        """Bring the branch from the remote; return its tip ("" in a repository without a commit).

        Raises `Refused` where somebody must act (address, branch, credential, trust), `Transient`
        where the remote is away. A missing or damaged mirror is made anew on the way.
        """
        try:
            with self._mirror.locked(timeout=self._timeout):
                try:
                    return self._bring()
                except _Damaged:
                    self._mirror.discard()
                    return self._bring()
        except _Damaged as error:
            raise Transient(
                f"The local copy of {self._remote.url} could not be made. {error}"
            ) from error
        except (OSError, pygit2.GitError) as error:
            raise words.no_room(error, self._remote) from error

    def snapshot(self, commit: str | None = None) -> GitSnapshot:
        """The tree at `commit`, or at the last fetched tip; `Refused` where it is unknown."""
        chosen = self._last_tip() if commit is None else commit
        if chosen:
            self._act(lambda repository: _commit(repository, chosen))
        return GitSnapshot(self._open(), chosen, largest=self._largest, heal=self._heal)

    def build(self, base: str, request: CommitRequest) -> str:
        """Make a commit on top of `base` in the local object store only; return its SHA.

        Raises `Refused` (code `moved`) where a file's blob at `base` is not its edit's
        `before_blob`, or where the built difference is not exactly the asked edits.
        """

        def build(store: Store) -> str:
            parent = bytes.fromhex(base)
            tree = objects.build_tree(store, objects.tree_of(store, parent), request.edits)
            built = objects.write_commit(
                store, request, self._committer, tree=tree, parent=parent, sign=self._sign
            )
            if store.size > _MOST_HELD:
                self.keep()
            return built.hex()

        objects.check_message(request.message)
        with self._building:
            return self._sound(build, self._held_store)

    def keep(self) -> None:
        """Write down, in the local store, what was built; else it is when somebody asks for it.

        Raises `Transient` where that cannot be written; what was built is forgotten then.
        """
        with self._building:
            store, self._store = self._store, None
            if store is not None:
                try:
                    store.keep()
                except OSError as error:
                    raise words.no_room(error, self._remote) from error

    def push(self, base: str, tip: str, *, timeout: float, not_after: float = float("inf")) -> str:
        """Try to move the remote branch from `base` to `tip`, compare-and-swap, before `timeout`.

        Neither begins nor goes on when the monotonic clock reads more than `not_after`.
        Returns what the remote or Git said (scrubbed, for people); whether it worked is only known
        from the remote. Raises `Refused` where `tip` does not descend from `base`: a lease alone
        would let such a push throw away what others wrote.
        """
        if tip == base or not self.is_ancestor(base, tip):
            raise Refused(
                f"Commit {tip[:10]} does not continue {base[:10]}; it is not pushed.",
                code="not_descending",
            )
        return self._send(tip, self._remote.branch, base, timeout, not_after)

    def fetch_branch(self, branch: str) -> str:
        """Bring another branch of the remote; return its tip, or "" where there is no such branch.

        Raises `Refused` or `Transient` as `fetch` does.
        """
        with self._mirror.locked(timeout=self._timeout):
            outcome, kept = self._mirror.bring(branch, timeout=self._timeout)
        if outcome.ok:
            return self._act(lambda repository: str(repository.references[kept].target))
        if words.is_branch_missing(outcome.said):
            return ""
        raise words.failure(outcome, self._remote)

    def push_branch(
        self, branch: str, tip: str, *, timeout: float, not_after: float = float("inf")
    ) -> str:
        """Try to create a branch at `tip` on the remote; one that exists is left as it is.

        Time and answer are as for `push`: what became of it is read with `fetch_branch`.
        """
        return self._send(tip, branch, "", timeout, not_after)

    def find(self, trailer: str, *values: str, since: str, tip: str) -> tuple[CommitFacts, ...]:
        """Commits in `since..tip` whose message carries the trailer with one of the values, newest first.

        Where `since` is "" or no longer known (the history was rewritten), all of `tip`'s history
        is read.
        """

        def find(repository: pygit2.Repository) -> tuple[CommitFacts, ...]:
            if not tip:
                return ()
            walk = repository.walk(_commit(repository, tip).id, SortMode.TOPOLOGICAL)
            if since and _is_known(repository, since):
                walk.hide(since)
            return tuple(
                objects.facts_of(repository, commit)
                for commit in walk
                if trailer in commit.message and objects.trailers_of(commit).get(trailer) in values
            )

        return self._act(find)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is in the history of `newer`; a commit that is gone is in none."""

        def is_ancestor(repository: pygit2.Repository) -> bool:
            if not older or older == newer:
                return True
            if not newer or not _is_known(repository, older):
                return False
            return repository.descendant_of(_commit(repository, newer).id, older)

        return self._act(is_ancestor)

    def same_folder(self, folder: str, one: str, other: str) -> bool:
        """Whether a folder holds the same at two commits; never where a commit is not known."""

        def tree_id(repository: pygit2.Repository, sha: str) -> str:
            tree = _commit(repository, sha).tree
            return str(tree[folder].id) if folder in tree else ""

        def same_folder(repository: pygit2.Repository) -> bool:
            if not (_is_known(repository, one) and _is_known(repository, other)):
                return False
            return tree_id(repository, one) == tree_id(repository, other)

        return self._act(same_folder)

    def difference(self, one: str, other: str) -> Mapping[str, tuple[str, str]] | None:
        """Path -> (blob at one, blob at the other) of all that differs; None where one is not known."""

        def difference(repository: pygit2.Repository) -> Mapping[str, tuple[str, str]] | None:
            if not (_is_known(repository, one) and _is_known(repository, other)):
                return None
            trees = [_commit(repository, sha).tree_id.raw for sha in (one, other)]
            return objects.difference(Store(repository), *trees)

        return self._act(difference)

    def proposed(self, rev: str) -> str:
        """The commit that merging a branch or commit would make, local only; `Refused` on conflict."""
        tip = self._last_tip()
        try:
            commit = proposals.bring(self._mirror, self._remote, rev, timeout=self._timeout)
        except (OSError, pygit2.GitError) as error:
            raise words.no_room(error, self._remote) from error
        return self._act(lambda repository: proposals.merged(repository, tip, commit))

    def changes(self, commit: str) -> Mapping[str, tuple[str, str]]:
        """Path -> (blob before, blob after), "" for absent, of one commit; first parent counts."""
        return self._act(
            lambda repository: objects.changes_of(repository, _commit(repository, commit))
        )

    def parents(self, commit: str) -> tuple[str, ...]:
        """The commits that a commit continues, the one of its own branch first."""
        found = self._act(lambda repository: _commit(repository, commit).parent_ids)
        return tuple(str(each) for each in found)

    def history(self, paths: Sequence[str], *, limit: int) -> tuple[CommitFacts, ...]:
        """The newest commits that touched any of `paths` (files, folders), as last fetched."""
        tip = self._last_tip()
        if not tip or not paths or limit < 1:
            return ()
        # git's own walk uses the changed-path index that `maintain` writes; libgit2 has none.
        outcome = self._mirror.git(
            "--literal-pathspecs", "log", f"--max-count={limit}", "--format=%H",
            "--end-of-options", tip, "--", *paths,
            timeout=self._timeout,
        )  # fmt: skip
        if not outcome.ok:
            raise Transient(
                f"The history of {', '.join(paths[:3])} could not be read. It is tried again."
            )
        found = outcome.output.decode("ascii").split()
        return self._act(
            lambda repository: tuple(
                objects.facts_of(repository, _commit(repository, sha)) for sha in found
            )
        )

    def check(self) -> str:
        """Try to reach the remote, read the branch and ask for the right to write it; say what is.

        Nothing is written. Raises `Refused` or `Transient` with the sentence about what is wrong.
        """
        tip = self.fetch()
        if self._sign:
            self._sign(b"A test of the signing key\n")
        facts = (
            self._act(lambda store: objects.facts_of(store, _commit(store, tip))) if tip else None
        )
        return connection.describe(self._mirror, self._remote, facts, timeout=self._timeout)

    def _send(self, tip: str, branch: str, expected: str, timeout: float, not_after: float) -> str:
        try:
            outcome = self._mirror.send(tip, branch, expected, timeout=timeout, not_after=not_after)
        except (OSError, pygit2.GitError) as error:
            raise words.no_room(error, self._remote) from error
        return words.push_words(outcome) if outcome else words.OVERSLEPT

    def _bring(self) -> str:
        """Bring the branch into the mirror; raises `_Damaged` where the mirror is at fault."""
        self._mirror.prepare()
        refspec = f"+refs/heads/{self._remote.branch}:{self._mirror.tracking}"
        for _ in range(2):
            outcome = self._mirror.git(
                "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
                "--end-of-options", self._remote.url, refspec,
                timeout=self._timeout,
            )  # fmt: skip
            if outcome.ok:
                return self._arrived()
            if not words.is_branch_missing(outcome.said):
                break
            heads = self._heads()
            if not heads:
                self._mirror.forget_branch()
                self._mirror.brought_up()
                return ""
            if self._remote.branch not in heads:
                raise words.branch_missing(self._remote, heads)
        if words.is_damaged(outcome.said):
            raise _Damaged(outcome.said)
        raise words.failure(outcome, self._remote)

    def _arrived(self) -> str:
        """Read the tip that a fetch left, as proof that the mirror is whole."""
        try:
            tip = self._mirror.tip()
            _commit(self._mirror.open(), tip)
        except (pygit2.GitError, KeyError, ValueError, Refused) as error:
            raise _Damaged(str(error)) from error
        self._mirror.brought_up()
        self._mirror.maintain(timeout=self._timeout)
        return tip

    def _heads(self) -> tuple[str, ...]:
        """The remote's branches."""
        outcome = self._mirror.git(
            "ls-remote", "--heads", "--end-of-options", self._remote.url, timeout=self._timeout
        )
        if not outcome.ok:
            raise words.failure(outcome, self._remote)
        lines = outcome.output.decode("utf-8", "replace").splitlines()
        return tuple(line.partition("\t")[2].removeprefix("refs/heads/") for line in lines)

    def _last_tip(self) -> str:
        """The tip of the last fetch, by whomever; the first asker fetches."""
        if not self._mirror.exists():
            return self.fetch()
        try:
            return self._mirror.tip()
        except (pygit2.GitError, ValueError):
            return self._remake()

    def _remake(self) -> str:
        """Throw a damaged mirror away and bring it up again."""
        with self._mirror.locked(timeout=self._timeout):
            self._mirror.discard()
        self._store = None
        return self.fetch()

    def _is_whole(self) -> bool:
        """Whether the mirror still holds the tip that it says it has."""
        try:
            tip = self._mirror.tip()
            return not tip or _is_known(self._mirror.open(), tip)
        except (pygit2.GitError, KeyError, ValueError):
            return False

    def _heal(self, commit: str) -> pygit2.Repository:
        """For a snapshot that met damage: a whole mirror, which must still hold its commit."""
        self._remake()
        repository = self._mirror.open()
        if commit and not _is_known(repository, commit):
            raise Transient(
                f"Commit {commit[:10]} was only in a local copy that was damaged. It is tried "
                f"again."
            )
        return repository

    def _open(self) -> pygit2.Repository:
        """The mirror, with all that was built in it."""
        self.keep()
        return self._mirror.open()

    def _held_store(self) -> Store:
        """The store in which what is built is held until it is kept."""
        if self._store is None:
            self._store = Store(self._mirror.open())
        return self._store

    def _act(self, act: Callable[[pygit2.Repository], Answer]) -> Answer:
        return self._sound(act, self._open)

    def _sound(self, act: Callable[[Opened], Answer], opened: Callable[[], Opened]) -> Answer:
        """Act on what is opened; where the mirror is damaged or missing, make it anew and act again."""
        try:
            return act(opened())
        except Refused:
            # A commit may be unknown because it never was, or because the mirror lost its objects.
            if self._is_whole():
                raise
            self._remake()
        except (pygit2.GitError, KeyError, ValueError):
            self._remake()
        except OSError as error:
            raise words.no_room(error, self._remote) from error
        try:
            return act(opened())
        except FleetError:
            raise
        except (pygit2.GitError, KeyError, ValueError, OSError) as error:
            raise Transient(
                f"The local copy of {self._remote.url} cannot be read. It is tried again."
            ) from error


class _Damaged(Exception):
    """The mirror, not the remote, is at fault."""


def _is_known(repository: pygit2.Repository, sha: str) -> bool:
    return bool(_SHA.fullmatch(sha)) and sha in repository


def _commit(repository: pygit2.Repository, sha: str) -> pygit2.Commit:
    """One commit by its full SHA; nothing that Git would have to interpret is looked up."""
    if not _is_known(repository, sha):
        raise Refused(f"Commit {sha[:40]!r} is not in the repository.", code="unknown_commit")
    return repository[sha].peel(pygit2.Commit)
