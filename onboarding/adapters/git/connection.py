"""The test of a connection: what is there, and whether the account may write."""

from __future__ import annotations

from onboarding.adapters.git import words
from onboarding.adapters.git.mirror import Mirror
from onboarding.adapters.git.process import GitRemote
from onboarding.domain.errors import Refused
from onboarding.ports import CommitFacts


def describe(mirror: Mirror, remote: GitRemote, tip: CommitFacts | None, *, timeout: float) -> str:
    """Say what was reached, after a fetch that found this tip; ask for the right to write.

    Nothing is written. Raises `Refused` where writing would not work.
    """
    where = f"Reached {remote.url}"
    if tip is None:
        return f"{where}. It has no commit yet; the first change creates {remote.branch}."
    outcome = mirror.git(
        "push", "--dry-run", "--no-verify", "--end-of-options", remote.url,
        f"{tip.sha}:refs/heads/{remote.branch}",
        timeout=timeout,
    )  # fmt: skip
    found = (
        f"{where}. Branch {remote.branch} is at {tip.sha[:10]} "
        f"({tip.subject[:80]!r} by {tip.author_name}, {tip.authored_at:%Y-%m-%d %H:%M})."
    )
    if outcome.ok or "[rejected]" in outcome.said:
        return f"{found} The account may write."
    raise Refused(
        f"{found} Writing does not work, though: {words.push_words(outcome)}",
        field="repository_url",
        code="not_writable",
    )
