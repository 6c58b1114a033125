"""The plan of a change that waits, kept at the branch's tip, so that nobody approves an old one."""

from __future__ import annotations

from django.db import transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Change
from onboarding.ports import ChartRenderer, Clock, FleetRepository
from onboarding.services import events, plan_records, policies, previews
from onboarding.services.tips import tip_after


def replan(
    *,
    change: Change,
    repository: FleetRepository,
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> Change:
    """Bring the shown plan of a waiting change to the branch's tip, so that nobody approves an old one.

    The same digest only moves the base commit; another digest replaces the plan, and an event says so.
    A plan that is refused now is said in `state_note`; the old plan then cannot be approved (no digest).
    A plan never goes back to an older commit, however old this process's copy of the branch is.
    """
    if change.state not in (DecisionState.SUBMITTED.value, DecisionState.LAPSED.value):
        return change
    commit = tip_after(change.base_commit, repository=repository)
    if change.base_commit == commit:
        return change
    now = clock.now()
    try:
        seen = previews.preview_change(
            change=change, repository=repository, commit=commit, renderer=renderer
        )
    except Refused as refused:
        Change.objects.filter(pk=change.pk, state=change.state, revision=change.revision).update(
            plan_digest="", state_note=str(refused), updated_at=now
        )
        change.refresh_from_db()
        return change
    before = change.plan_digest
    same = seen.digest == before
    with transaction.atomic():
        moved = Change.objects.filter(
            pk=change.pk,
            state=change.state,
            revision=change.revision,
            base_commit=change.base_commit,
        ).update(
            **plan_records.columns(seen.plan),
            plan_digest=seen.digest,
            state_note=change.state_note if same else "",
        )
        if moved and not same:
            # The approvals so far were of another plan, and this one may destroy what that one did not.
            change.refresh_from_db()
            policies.plan_moved(change, at=now)
            events.record(
                verb="change.replanned",
                message="The fleet's files moved; the plan was made anew and has to be looked at again.",
                at=now,
                change=change,
                detail={"from": before, "to": seen.digest, "commit": commit},
            )
    change.refresh_from_db()
    return change
