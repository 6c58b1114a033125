"""The ports, kept in memory. The repository passes the same contract tests as the Git adapter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from onboarding.domain.credentials import SecretFacts, SecretPresence
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.snapshot import SnapshotFile
from onboarding.ports import (
    CommitFacts,
    CommitRequest,
    HubEvent,
    HubEventType,
    HubKind,
    HubPage,
    ListExpired,
    RegisteredCluster,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.moment = now

    def now(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds."""
        self.moment += timedelta(seconds=seconds)


class FakeQueue:
    """A bell that remembers who was woken."""

    def __init__(self) -> None:
        self.woken: list[tuple[str, dict[str, str | int]]] = []

    def wake(self, task: str, **identifiers: str | int) -> None:
        self.woken.append((task, identifiers))


def blob_id(content: bytes) -> str:
    """The id that Git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class MemoryCommit:
    """One commit with its whole tree."""

    sha: str
    parent: str
    files: Mapping[str, bytes]
    message: str
    author_name: str
    when: datetime


class MemoryRemote:
    """The far side: a branch that several repositories and people write to.

    `refusing` are the words of a server that accepts no push, `away` makes it unreachable,
    `lost_answers` lets so many pushes succeed whose answer never arrives.
    """

    def __init__(self, files: Mapping[str, str | bytes] | None = None) -> None:
        self.commits: dict[str, MemoryCommit] = {}
        self.tip = ""
        self.branches: dict[str, str] = {}
        self.refusing = ""
        self.away = False
        self.lost_answers = 0
        self.pushes = 0
        if files is not None:
            self.commit(files, message="First commit")

    def commit(
        self, files: Mapping[str, str | bytes | None], *, message: str = "A commit by hand"
    ) -> str:
        """What a person does: change files on top of the branch. Returns the new tip."""
        tree = dict(self.commits[self.tip].files) if self.tip else {}
        for path, content in files.items():
            if content is None:
                tree.pop(path, None)
            else:
                tree[path] = content.encode() if isinstance(content, str) else content
        self.tip = self.keep(self.tip, tree, message, "Platform Team", START).sha
        return self.tip

    def keep(
        self, parent: str, files: Mapping[str, bytes], message: str, author: str, when: datetime
    ) -> MemoryCommit:
        """Store a commit without moving the branch."""
        content = repr(
            (
                parent,
                sorted((path, blob_id(data)) for path, data in files.items()),
                message,
                author,
                when,
            )
        )
        sha = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = MemoryCommit(sha, parent, dict(files), message, author, when)
        return self.commits[sha]


class MemorySnapshot:
    """The tree of one commit kept in memory."""

    def __init__(self, commit: str, files: Mapping[str, bytes]) -> None:
        self._commit = commit
        self._files = files

    @classmethod
    def of(cls, files: Mapping[str, str | bytes], commit: str = "0" * 40) -> MemorySnapshot:
        """A snapshot of plain texts."""
        return cls(
            commit,
            {
                path: text.encode() if isinstance(text, str) else text
                for path, text in files.items()
            },
        )

    @property
    def commit(self) -> str:
        return self._commit

    def read(self, path: str) -> SnapshotFile | None:
        content = self._files.get(path)
        return None if content is None else SnapshotFile(path, blob_id(content), content)

    def paths(self, prefix: str = "") -> Iterable[str]:
        return tuple(
            sorted(path for path in self._files if not prefix or path.startswith(prefix + "/"))
        )


class MemoryRepository:
    """`FleetRepository` in memory, on a `MemoryRemote` that may be shared with others."""

    def __init__(self, remote: MemoryRemote) -> None:
        self.remote = remote
        self._tip: str | None = None

    def fetch(self) -> str:
        if self.remote.away:
            raise Transient("The repository cannot be reached. It is tried again.")
        self._tip = self.remote.tip
        return self._tip

    def snapshot(self, commit: str | None = None) -> MemorySnapshot:
        chosen = self._last_tip() if commit is None else commit
        return MemorySnapshot(chosen, self._commit(chosen).files if chosen else {})

    def build(self, base: str, request: CommitRequest) -> str:
        files = dict(self._commit(base).files) if base else {}
        for edit in request.edits:
            found = files.get(edit.path)
            if (blob_id(found) if found is not None else "") != edit.before_blob:
                raise Refused(
                    f"{edit.path} is not what the plan was made for. Plan again.", code="moved"
                )
            if edit.content == found:
                raise Refused(f"{edit.path} would not change. Plan again.", code="moved")
            if edit.content is None:
                del files[edit.path]
            else:
                files[edit.path] = edit.content
        if not request.edits:
            raise Refused("A commit needs edits.", code="moved")
        return self.remote.keep(base, files, request.message, request.author_name, request.when).sha

    def keep(self) -> None:
        """All of it is kept at once."""

    def push(self, base: str, tip: str, *, timeout: float, not_after: float = float("inf")) -> str:
        if tip == base or not self.is_ancestor(base, tip):
            raise Refused("The commit does not continue its base.", code="not_descending")
        self.remote.pushes += 1
        if self.remote.away:
            return "The push failed. The repository cannot be reached."
        if self.remote.refusing:
            return f"The push was refused: {self.remote.refusing}"
        if self.remote.tip != base:
            return "The push was refused: stale info"
        self.remote.tip = tip
        if self.remote.lost_answers:
            self.remote.lost_answers -= 1
            return f"The push was stopped after {timeout:.0f} seconds without an end."
        return "The remote accepted the push."

    def fetch_branch(self, branch: str) -> str:
        if self.remote.away:
            raise Transient("The repository cannot be reached. It is tried again.")
        return self.remote.branches.get(branch, "")

    def push_branch(
        self, branch: str, tip: str, *, timeout: float, not_after: float = float("inf")
    ) -> str:
        if branch in self.remote.branches:
            return "The push was refused: stale info"
        self.remote.branches[branch] = tip
        return "The remote accepted the push."

    def parents(self, commit: str) -> tuple[str, ...]:
        parent = self._commit(commit).parent
        return (parent,) if parent else ()

    def find(self, trailer: str, *values: str, since: str, tip: str) -> tuple[CommitFacts, ...]:
        old = set(self._line(since)) if since in self.remote.commits else set()
        return tuple(
            facts
            for facts in (self._facts(sha) for sha in self._line(tip) if sha not in old)
            if facts.trailers.get(trailer) in values
        )

    def is_ancestor(self, older: str, newer: str) -> bool:
        return not older or older in self._line(newer)

    def same_folder(self, folder: str, one: str, other: str) -> bool:
        if not {one, other} <= self.remote.commits.keys():
            return False
        return self._below(folder, one) == self._below(folder, other)

    def _below(self, folder: str, sha: str) -> dict[str, bytes]:
        files = self._commit(sha).files
        return {path: data for path, data in files.items() if path.startswith(folder + "/")}

    def difference(self, one: str, other: str) -> Mapping[str, tuple[str, str]] | None:
        if not {one, other} <= self.remote.commits.keys():
            return None
        return _difference(self._commit(one).files, self._commit(other).files)

    def proposed(self, rev: str) -> str:
        """A commit that continues the tip; this remote has one branch."""
        tip = self._last_tip()
        found = tip if rev == "main" else self._commit(rev).sha
        return tip if found in self._line(tip) else found

    def changes(self, commit: str) -> Mapping[str, tuple[str, str]]:
        found = self._commit(commit)
        before = self._commit(found.parent).files if found.parent else {}
        return _difference(before, found.files)

    def history(self, paths: Sequence[str], *, limit: int) -> tuple[CommitFacts, ...]:
        touching = (
            facts
            for facts in (self._facts(sha) for sha in self._line(self._last_tip()))
            if any(
                touched == path or touched.startswith(path + "/")
                for touched in facts.paths
                for path in paths
            )
        )
        return tuple(touching)[:limit]

    def check(self) -> str:
        return f"Reached the repository in memory, at {self.fetch()[:10] or 'no commit yet'}."

    def _last_tip(self) -> str:
        return self.fetch() if self._tip is None else self._tip

    def _commit(self, sha: str) -> MemoryCommit:
        if sha not in self.remote.commits:
            raise Refused(f"Commit {sha[:40]!r} is not in the repository.", code="unknown_commit")
        return self.remote.commits[sha]

    def _line(self, tip: str) -> list[str]:
        """The commits from `tip` back to the first."""
        line = []
        while tip:
            line.append(tip)
            tip = self._commit(tip).parent
        return line

    def _facts(self, sha: str) -> CommitFacts:
        commit = self._commit(sha)
        last = commit.message.strip().split("\n\n")[-1] if "\n\n" in commit.message.strip() else ""
        pairs = (line.partition(": ") for line in last.splitlines() if ": " in line)
        return CommitFacts(
            sha=sha,
            subject=commit.message.strip().partition("\n")[0],
            author_name=commit.author_name,
            authored_at=commit.when,
            trailers={key: value for key, _, value in pairs},
            paths=tuple(self.changes(sha)),
        )


@dataclass
class FakeSecrets:
    """`SpokeCredentials`: what is not named is absent."""

    known: dict[str, SecretFacts] = field(default_factory=dict)

    def add(
        self,
        name: str,
        presence: SecretPresence = SecretPresence.PRESENT,
        *,
        version: str = "",
        changed_at: datetime | None = None,
    ) -> None:
        """Make a secret known with an answer."""
        said = f"The secret {name} is {presence.value}."
        self.known[name] = SecretFacts(presence, name, said, version=version, changed_at=changed_at)

    def describe(self, name: str) -> SecretFacts:
        absent = SecretFacts(SecretPresence.ABSENT, name, f"There is no secret {name}.")
        return self.known.get(name, absent)

    def check(self) -> str:
        return "Reached the secrets in memory."


class FakeHub:
    """`HubReader`: objects by kind and name, a growing resource version, a watch that replays."""

    def __init__(self, identity: str = "hub-uid-1") -> None:
        self.objects: dict[HubKind, dict[str, Mapping[str, Any]]] = {kind: {} for kind in HubKind}
        self.events: list[tuple[HubKind, int, HubEvent]] = []
        self.latest = 1
        self.oldest = 0
        self.asked: list[str] = []
        self.complaints: dict[tuple[HubKind, str], str] = {}
        self.failing: FleetError | None = None
        self._identity = identity

    def put(self, kind: HubKind, obj: Mapping[str, Any]) -> None:
        """Create or replace an object, as the hub's controllers do."""
        self.latest += 1
        name = obj["metadata"]["name"]
        kept = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.latest)}}
        event = HubEventType.MODIFIED if name in self.objects[kind] else HubEventType.ADDED
        self.objects[kind][name] = kept
        self.events.append((kind, self.latest, HubEvent(event, kept, str(self.latest))))

    def remove(self, kind: HubKind, name: str) -> None:
        """Delete an object."""
        self.latest += 1
        gone = self.objects[kind].pop(name)
        self.events.append(
            (kind, self.latest, HubEvent(HubEventType.DELETED, gone, str(self.latest)))
        )

    def list_page(self, kind: HubKind, *, limit: int, continue_token: str = "") -> HubPage:
        self._fail()
        names = sorted(self.objects[kind])
        start = int(continue_token or 0)
        chosen = names[start : start + limit]
        following = str(start + limit) if start + limit < len(names) else ""
        return HubPage(
            tuple(self.objects[kind][name] for name in chosen), following, str(self.latest)
        )

    def watch(self, kind: HubKind, *, resource_version: str, timeout: int) -> Iterator[HubEvent]:
        self._fail()
        if int(resource_version or 0) < self.oldest:
            raise ListExpired(f"Resource version {resource_version} is too old.")
        for of_kind, version, event in list(self.events):
            if of_kind is kind and version > int(resource_version or 0):
                yield event

    def complaint(self, kind: HubKind, name: str) -> str:
        self._fail()
        return self.complaints.get((kind, name), "")

    def ask_application_set_to_look(self, name: str) -> str:
        self._fail()
        self.asked.append(name)
        return str(self.latest)

    def identity(self) -> str:
        self._fail()
        return self._identity

    def version(self) -> str:
        self._fail()
        return "v1.34.4"

    def close(self) -> None:
        """Nothing waits in memory."""

    def check(self) -> str:
        self._fail()
        return "Reached the hub in memory."

    def _fail(self) -> None:
        if self.failing is not None:
            raise self.failing


@dataclass
class FakeArgoCD:
    """`ArgoCD`: the clusters it was given, and what it was asked to refresh."""

    known: list[RegisteredCluster] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    failing: FleetError | None = None

    def clusters(self) -> tuple[RegisteredCluster, ...]:
        if self.failing is not None:
            raise self.failing
        return tuple(self.known)

    def refresh_application(self, name: str) -> None:
        if self.failing is not None:
            raise self.failing
        self.refreshed.append(name)

    def check(self) -> str:
        if self.failing is not None:
            raise self.failing
        return "Reached Argo CD in memory."


def _blob(content: bytes | None) -> str:
    return "" if content is None else blob_id(content)


def _difference(
    before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> Mapping[str, tuple[str, str]]:
    return {
        path: (_blob(before.get(path)), _blob(after.get(path)))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    }
