"""What somebody proposes: a branch or commit beside the fleet's own branch, and what merging it would make."""

from __future__ import annotations

import hashlib
import re

import pygit2

from onboarding.adapters.git import words
from onboarding.adapters.git.mirror import Mirror
from onboarding.adapters.git.process import GitRemote
from onboarding.domain.errors import Refused
from onboarding.domain.names import GitRef

_SHA = re.compile(r"[0-9a-f]{40}")


def bring(mirror: Mirror, remote: GitRemote, rev: str, *, timeout: float) -> str:
    """Bring a branch, or a commit by its full SHA, into the mirror; return the commit.

    Raises `Refused` where the remote has no such branch, or does not give out the commit.
    """
    is_commit = bool(_SHA.fullmatch(rev))
    if is_commit and rev in mirror.open():
        return rev
    kept = f"refs/fleet/seen-{hashlib.sha256(rev.encode()).hexdigest()[:32]}"
    source = rev if is_commit else f"refs/heads/{GitRef(rev)}"
    with mirror.locked(timeout=timeout):
        outcome = mirror.git(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
            "--end-of-options", remote.url, f"+{source}:{kept}",
            timeout=timeout,
        )  # fmt: skip
    if not outcome.ok and (is_commit or words.is_branch_missing(outcome.said)):
        raise Refused(
            f"{remote.url} has no branch or commit {rev!r:.80}. Write a branch's name, or a commit's "
            "full SHA of 40 digits that the server gives out.",
            field="rev",
            code="unknown_revision",
        )
    if not outcome.ok:
        raise words.failure(outcome, remote)
    return str(mirror.open().references[kept].target)


def merged(repository: pygit2.Repository, tip: str, proposed: str) -> str:
    """The commit that the branch would be after merging, in the local object store only.

    The same two commits give the same one. Raises `Refused` where they conflict.
    """
    if tip == proposed or repository.descendant_of(proposed, tip):
        return proposed
    if repository.descendant_of(tip, proposed):
        return tip
    index = repository.merge_commits(pygit2.Oid(hex=tip), pygit2.Oid(hex=proposed))
    if index.conflicts is not None:
        paths = sorted({one.path for sides in index.conflicts for one in sides if one is not None})
        raise Refused(
            f"It conflicts with the branch in {', '.join(paths[:5])}. Bring it up to date first.",
            field="rev",
            code="conflict",
        )
    somebody = pygit2.Signature("Fleet UI", "fleet-ui@localhost", 0, 0)
    tree, parents = index.write_tree(repository), [pygit2.Oid(hex=tip), pygit2.Oid(hex=proposed)]
    made = repository.create_commit(None, somebody, somebody, "What if\n", tree, parents)
    return str(made)
