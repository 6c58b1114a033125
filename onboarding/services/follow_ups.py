"""Follow-ups: changes that a change makes necessary later, approved with it where they are what was approved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.plans import Plan
from onboarding.models import Approval, Change, Participant
from onboarding.ports import WorkQueue
from onboarding.services import approvals, events, plan_records, policies, previews


def ask(
    *, parent: Change, plan: Plan, message: str, detail: Mapping[str, object], at: datetime
) -> Change:
    """Ask for a change in the name of those who asked for the parent; in the caller's transaction."""
    change = Change(
        fleet=parent.fleet,
        hub=parent.hub,
        kind=Change.Kind(plan.intent.kind),
        cluster_name=parent.cluster_name,
        tenant=parent.tenant,
        environment=parent.environment,
        secret_name=plan.of_cluster.secret_name,
        intent=plan.intent.to_data(),
        requester=parent.requester,
        state=DecisionState.SUBMITTED.value,
        submitted_at=at,
        **plan_records.columns(plan),
    )
    demand = policies.ask(change)
    change.save()
    for author in parent.participants.filter(role=Participant.Role.AUTHOR):
        Participant.objects.create(change=change, user=author.user, role=author.role)
    change.plan_digest = previews.digest_for(change=change, plan=plan)
    change.save(update_fields=["plan_digest"])
    policies.note_asked(change, demand, at=at, is_new=True)
    change.refresh_from_db()
    events.record(
        verb="change.submitted",
        message=message,
        at=at,
        change=change,
        detail={"digest": change.plan_digest, **detail},
    )
    return change


def carry_approval(
    *, parent: Change, change: Change, part: str, at: datetime, queue: WorkQueue
) -> None:
    """Carry the parent's approvals over to what was approved with it, and queue it; in the caller's transaction.

    `part` says what it is of the parent ("a step"). Whether it is what was approved, the caller knows.
    Where they are not enough by the policies of today, it waits for more, and says so.
    """
    given = parent.approvals.filter(digest=parent.plan_digest, verdict=Approval.Verdict.APPROVE)
    for approval in given.select_related("user"):
        Participant.objects.create(
            change=change, user=approval.user, role=Participant.Role.APPROVER
        )
        Approval.objects.create(
            change=change,
            digest=change.plan_digest,
            user=approval.user,
            verdict=Approval.Verdict.APPROVE,
            reason=f"Approved as {part} of change #{parent.pk}: {approval.reason}"[:2000],
        )
    events.record(
        verb="change.approval_added",
        message=f"It is what was approved with change #{parent.pk}.",
        at=at,
        change=change,
        detail={"digest": change.plan_digest, "approved": parent.plan_digest},
    )
    if not approvals.complete_one(change_id=change.pk, at=at, queue=queue):
        found = policies.tally(change, policies.rules(), at=at)
        note = " ".join(filter(None, (policies.void_words(found), found.lacks)))
        Change.objects.filter(pk=change.pk).update(state_note=note, updated_at=at)
