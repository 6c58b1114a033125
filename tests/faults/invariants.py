"""What must hold after every fault; asked of plain git and of the rows, not of the product's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.models import Approval, Change, Delivery, Participant
from onboarding.services import auditing
from tests import repositories

_SEPARATOR, _END = "|", "%x00"


@dataclass(frozen=True, slots=True)
class Written:
    """One commit of the remote's branch that carries our trailer."""

    sha: str
    change: str
    digest: str


def check(
    bare: Path,
    *,
    human: Mapping[str, str] | None = None,
    human_commits: tuple[str, ...] = (),
    taken_back: tuple[Change, ...] = (),
) -> None:
    """Assert every invariant on the remote and the database.

    `human` is path -> text as people left it, `human_commits` what they pushed (with our trailers
    or without), `taken_back` the changes whose commits they removed. Nothing may be under way any
    more, or the caller lets it settle first.
    """
    ours = [commit for commit in written(bare) if commit.sha not in human_commits]
    problems = [
        *_each_change_once(bare, ours, taken_back),
        *_nothing_unapproved(ours),
        *_nothing_of_people_lost(bare, human or {}, human_commits),
        *_approved_and_queued_together(),
        *_trail_is_whole(),
    ]
    assert not problems, "\n".join(problems)


def written(bare: Path) -> list[Written]:
    """Our commits on the branch, newest first."""
    shape = _SEPARATOR.join(
        ["%H", *(f"%(trailers:key={name},valueonly)" for name in ("Change-Id", "Plan-Digest"))]
    )
    log = repositories.git(bare, "log", f"--format={shape}{_END}", "main")
    found = [
        [part.strip() for part in line.split(_SEPARATOR)]
        for line in log.split("\0")
        if line.strip()
    ]
    return [Written(*parts) for parts in found if parts[1]]


def _each_change_once(bare: Path, ours: list[Written], taken_back: tuple[Change, ...]) -> list[str]:
    """Committed = exactly one commit, the one that the row names, doing what the plan said."""
    by_change: dict[str, list[Written]] = {}
    for commit in ours:
        by_change.setdefault(commit.change, []).append(commit)
    problems = []
    for change in Change.objects.exclude(pk__in=[change.pk for change in taken_back]):
        rows = {row.digest: row for row in Delivery.objects.filter(change=change)}
        commits = by_change.pop(str(change.uid), [])
        row = rows.get(change.plan_digest)
        said = f"change {change.pk} ({change.cluster_name}, {change.state})"
        committed = row is not None and row.state == DeliveryState.COMMITTED.value
        if len(commits) != int(committed):
            problems.append(f"{said}: {len(commits)} commits, delivery {row and row.state}")
        elif committed and row:
            if (commits[0].sha, commits[0].digest) != (row.commit, row.digest):
                problems.append(f"{said}: the row names {row.commit}, Git has {commits[0]}")
            if _paths(bare, commits[0].sha) != {edit["path"] for edit in change.plan["edits"]}:
                problems.append(f"{said}: the commit touches other files than the plan")
            if change.settled_at is None:
                problems.append(f"{said}: in Git, yet not settled")
        elif row and row.state == DeliveryState.FAILED.value and not row.reason:
            problems.append(f"{said}: failed without a reason")
    problems += [f"commit of an unknown change {uid}" for uid in by_change]
    return problems


def _approved_and_queued_together() -> list[str]:
    """A decision and its delivery are one transaction: there is never one without the other."""
    problems = []
    for change in Change.objects.prefetch_related("approvals"):
        approved = {
            approval.digest
            for approval in change.approvals.all()
            if approval.verdict == Approval.Verdict.APPROVE
        }
        queued = list(Delivery.objects.filter(change=change).values_list("digest", flat=True))
        if sorted(approved) != sorted(queued):
            problems.append(f"change {change.pk}: approved {approved}, deliveries {queued}")
    return problems


def _nothing_unapproved(ours: list[Written]) -> list[str]:
    """Each of our commits has an approval of exactly its digest, by somebody who is no author."""
    problems = []
    for commit in ours:
        change = Change.objects.get(uid=commit.change)
        authors = Participant.objects.filter(change=change, role=Participant.Role.AUTHOR)
        approvals = Approval.objects.filter(
            change=change, digest=commit.digest, verdict=Approval.Verdict.APPROVE
        ).exclude(user__in=authors.values("user"))
        if not approvals.exists():
            problems.append(f"commit {commit.sha} of change {change.pk} was not approved")
        if change.state != DecisionState.APPROVED.value:
            problems.append(f"commit {commit.sha}: its change is {change.state}")
    return problems


def _nothing_of_people_lost(
    bare: Path, human: Mapping[str, str], commits: tuple[str, ...]
) -> list[str]:
    history = set(repositories.git(bare, "rev-list", "main").split())
    tree = repositories.tree(bare) if human else {}
    problems = [f"the commit {sha} of a person is gone" for sha in commits if sha not in history]
    problems += [
        f"{path} is not what a person wrote"
        for path, text in human.items()
        if tree.get(path) != text.encode()
    ]
    return problems


def _trail_is_whole() -> list[str]:
    broken = auditing.verify().problem
    return [broken] if broken else []


def _paths(bare: Path, sha: str) -> set[str]:
    shown = repositories.git(bare, "show", "--name-only", "--format=", "-z", sha)
    return {path for path in shown.split("\0") if path}
