"""What is written down about pull requests, and what was merged by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now

from onboarding.domain.alarms import Alarm
from onboarding.domain.errors import Refused, Transient
from onboarding.domain.lifecycle import Act, DecisionState, DeliveryState, decide
from onboarding.domain.reviews import CheckFacts, PullRequestFacts, PullRequestState, waits_for
from onboarding.models import Change, Delivery, DeliveryAttempt, PullRequest
from onboarding.ports import FleetRepository
from onboarding.services import events
from onboarding.services.delivery.settling import lock_changes, own
from onboarding.services.delivery.writer_lease import Lease

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """Our commit status for a head: whether it may be merged, and why not."""

    head: str
    passed: bool
    text: str

    @property
    def mark(self) -> str:
        """What tells one status from another, so that none is set twice."""
        return f"{self.head} {self.passed} {self.text}"[:300]


def verdict(
    *, delivery: Delivery, head: str, target: str, refused: Refused | None, held: str = ""
) -> Verdict:
    """Green only where the head is our very commit, the plan holds at the target's tip, and it may be merged now.

    `held` is why nothing may be written at this moment, "" where it may.
    """
    plan = delivery.digest.rpartition(":")[2][:12]
    if refused is not None:
        text = f"On {target} as it is now, this is not the approved plan {plan} any more."
        return Verdict(head, False, text)
    if head != delivery.commit:
        text = (
            f"The branch holds more than the approved plan {plan}: take the other commits off it."
        )
        return Verdict(head, False, text)
    if held:
        return Verdict(head, False, held)
    return Verdict(head, True, f"Exactly the approved plan {plan}, which holds on {target}.")


def request_title(change: Change) -> str:
    """The pull request's title: what is asked, for which cluster."""
    return f"{change.get_kind_display()}: {change.cluster_name}"


def request_text(change: Change, *, digest: str, page: str) -> str:
    """The pull request's text: who asked, what binds it, where its page is, what to leave alone."""
    approvers = sorted(
        approval.user.get_username()
        for approval in change.approvals.select_related("user").filter(digest=digest)
    )
    return (
        f"Change {change.pk} of Fleet UI, asked for by {change.requester.get_username()} and "
        f"approved by {', '.join(approvers) or 'nobody'}.\n\n"
        f"- Change-Id: `{change.uid}`\n- Plan-Digest: `{digest}`\n"
        f"{f'- Plan and discussion: {page}' if page else ''}\n\n"
        f"Merge it as it is, in whatever way: merge, squash or rebase. Another commit on this "
        f"branch has no approval. Closing this rejects the change."
    )


def begin_review(
    *,
    delivery: Delivery,
    facts: PullRequestFacts,
    branch: str,
    now: datetime,
    lease: Lease,
    said: str,
) -> bool:
    """Write that a pull request asks for the delivery. False: the row was not ours."""
    with transaction.atomic():
        lock_changes([delivery.change_id])
        moved = own(delivery, lease).update(
            state=DeliveryState.IN_REVIEW.value,
            commit=delivery.commit,
            reason="",
            alarm="",
            tries=0,
            due_at=now,
        )
        if moved:
            PullRequest.objects.update_or_create(
                delivery=delivery,
                defaults={
                    "branch": branch,
                    "number": facts.number,
                    "url": facts.url,
                    "state": PullRequestState.OPEN.value,
                    "head_commit": facts.head_commit,
                    "opened_at": now,
                    "seen_at": now,
                },
            )
            DeliveryAttempt.objects.filter(delivery=delivery, outcome="").update(
                outcome="in_review", reason=said, finished_at=now, closed_at=Now()
            )
            events.record(
                verb="delivery.proposed",
                message=f"Pull request {facts.number} asks for the change to be merged.",
                at=now,
                change=delivery.change,
                detail={"commit": delivery.commit, "url": facts.url, "digest": delivery.digest},
            )
    delivery.state = DeliveryState.IN_REVIEW.value
    return bool(moved)


def keep(
    *,
    delivery: Delivery,
    facts: PullRequestFacts,
    verdict: Verdict,
    checks: Sequence[CheckFacts],
    target: str,
    due_at: datetime,
    now: datetime,
    lease: Lease,
) -> None:
    """Write how an open pull request stands, and when to look again."""
    own(delivery, lease).update(
        reason="" if verdict.passed else verdict.text, alarm="", due_at=due_at
    )
    PullRequest.objects.filter(delivery=delivery).update(
        head_commit=verdict.head,
        posted=verdict.mark,
        checks=[asdict(each) for each in checks],
        waits_for=waits_for(facts, checks, target=target),
        seen_at=now,
    )


def reject(*, delivery: Delivery, facts: PullRequestFacts, now: datetime, lease: Lease) -> bool:
    """Write that somebody closed the pull request: the change is rejected. False: not ours."""
    rejected = decide(
        DecisionState.APPROVED, Act.CLOSE, actor_is_author=False, actor_may=frozenset()
    )
    when = f" at {facts.at:%Y-%m-%d %H:%M} UTC" if facts.at else ""
    who = facts.by or "somebody whom the forge does not name"
    reason = f"Pull request {facts.number} was closed on the forge by {who}{when}, unmerged."
    with transaction.atomic():
        lock_changes([delivery.change_id])
        moved = own(delivery, lease).update(
            state=DeliveryState.FAILED.value, reason=reason, alarm=""
        )
        if moved:
            note_closed(delivery=delivery, facts=facts, now=now)
            Change.objects.filter(pk=delivery.change_id, state=DecisionState.APPROVED.value).update(
                state=rejected.value,
                state_note=reason,
                decided_at=facts.at or now,
                settled_at=now,
                updated_at=now,
            )
            events.record(
                verb="change.rejected",
                message=reason,
                at=now,
                change=delivery.change,
                detail={"digest": delivery.digest, "by": facts.by, "url": facts.url},
            )
    return bool(moved)


def note_closed(*, delivery: Delivery, facts: PullRequestFacts, now: datetime) -> None:
    """Write that a pull request is closed, by whom and when."""
    _end(delivery, PullRequestState.CLOSED, facts, now)


def note_merged(*, delivery: Delivery, facts: PullRequestFacts, now: datetime) -> None:
    """Write that a pull request is merged, by whom and when."""
    _end(delivery, PullRequestState.MERGED, facts, now)


def alarm(
    *,
    delivery: Delivery,
    facts: PullRequestFacts,
    differing: Sequence[str],
    now: datetime,
    lease: Lease,
) -> bool:
    """Write that what was merged is not what was approved. False: the row was not ours."""
    named = ", ".join(differing[:_NAMED]) + (" and others" if len(differing) > _NAMED else "")
    reason = (
        f"Pull request {facts.number} was merged by {facts.by or 'somebody'} with other content "
        f"than was approved, in: {named}."
    )
    with transaction.atomic():
        lock_changes([delivery.change_id])
        moved = own(delivery, lease).update(
            state=DeliveryState.MERGED_DIFFERENTLY.value,
            commit=facts.merge_commit,
            committed_at=now,
            reason=reason,
            alarm=Alarm.MERGED_DIFFERENTLY.value,
        )
        if moved:
            Change.objects.filter(pk=delivery.change_id, state=DecisionState.APPROVED.value).update(
                settled_at=now, state_note=reason, updated_at=now
            )
            events.record(
                verb="delivery.merged_differently",
                message=reason,
                at=now,
                change=delivery.change,
                detail={"commit": facts.merge_commit, "paths": list(differing)},
            )
    return bool(moved)


def brought(
    delivery: Delivery, merged: str, repository: FleetRepository
) -> Mapping[str, tuple[str, str]]:
    """What a pull request changed on the target branch, whose commit it left there is `merged`.

    A merge and a squash are one commit against the one before it. A rebase may have left several:
    then ours is below the last, and what counts is the difference to the commit before ours.
    """
    first = merged
    if len(repository.parents(merged)) == 1:
        uid = str(delivery.change.uid)
        ours = repository.find("Change-Id", uid, since=delivery.base_commit, tip=merged)
        first = ours[-1].sha if ours else merged
    before = repository.parents(first)
    found = repository.difference(before[0], merged) if before else repository.changes(merged)
    if found is None:
        raise Transient(f"Commit {merged[:10]} is not in the local copy any more.")
    return found


def _end(
    delivery: Delivery, state: PullRequestState, facts: PullRequestFacts, now: datetime
) -> None:
    PullRequest.objects.filter(delivery=delivery).update(
        state=state.value,
        merge_commit=facts.merge_commit,
        actor=facts.by,
        acted_at=facts.at or now,
        waits_for="",
        seen_at=now,
    )
