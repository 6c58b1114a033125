"""A change as its page shows it: plan, decision, discussion, delivery and evidence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.urls import reverse

from onboarding.domain.alarms import Alarm
from onboarding.domain.lifecycle import (
    Act,
    DecisionState,
    DeliveryState,
    Right,
    allowed_acts,
    who_acts_next,
)
from onboarding.domain.reviews import STATUS_NAME
from onboarding.models import Approval, Change, DeliveryAttempt, Outcome, Participant, PullRequest
from onboarding.models import Delivery as DeliveryRow
from onboarding.services import places, policies, rollout_guard
from onboarding.services.observing import outcomes
from onboarding.views import access
from onboarding.views.decision_part import of_change
from onboarding.views.hub_move_page import note_of_change
from onboarding.views.leaving_part import leaving_plan
from onboarding.views.pages import (
    Attempt,
    ChangePage,
    ChangeRow,
    Comparison,
    Delivery,
    Fact,
    HistoryEntry,
    Lapse,
    Link,
    OutcomeNote,
    Remark,
    Request,
    RequestCheck,
    Tab,
)
from onboarding.views.pause_part import pause_note, verb_of
from onboarding.views.plan_page import plan_from_record
from onboarding.views.policy_part import policy_of, so_far
from onboarding.views.rollout_part import HELD, held, held_word, rollout_link

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_CHECK_WORDS = {"passed": "Works", "running": "Progressing", "failed": "Failed"}
_SHOWN_LACKING = 25
TABS = ("plan", "diff", "values", "discussion", "delivery", "evidence")
_ICONS = {
    "change.submitted": "send",
    "change.resubmitted": "send",
    "change.revised": "pencil",
    "change.approved": "check",
    "change.approval_added": "check",
    "change.recalled": "undo-2",
    "change.rejected": "x",
    "change.withdrawn": "undo-2",
    "change.discussed": "message-square",
    "change.replanned": "refresh-cw",
}


def title_of(change: Change) -> str:
    """What a change is called: its kind and its cluster."""
    if change.kind == Change.Kind.LAYER:
        return f"Edit layer {change.about}"
    name = change.cluster_name or "(no name yet)"
    return f"{verb_of(change) or Change.Kind(change.kind).name.capitalize()} {name}"


def row_of(change: Change, delivery: DeliveryRow | None, so_far: str = "") -> ChangeRow:
    """One line of a list of changes; `so_far` is how far its approvals are, "" where it needs one."""
    state = DecisionState(change.state)
    # What became of an approval that no longer stands is told on the change's page.
    in_force = delivery if state is DecisionState.APPROVED else None
    return ChangeRow(
        number=change.pk,
        url=reverse(
            "change-edit" if state is DecisionState.DRAFT else "change-detail", args=[change.pk]
        ),
        title=title_of(change),
        kind=change.get_kind_display(),
        state=state.word,
        requester=change.requester.get_full_name() or change.requester.get_username(),
        at=change.submitted_at or change.updated_at,
        delivery=DeliveryState(in_force.state).word if in_force else held_word(state),
        waits_for=so_far or _waits_for(state, delivery),
        clusters=change.about,
        is_destructive=change.destructive,
    )


def change_page(
    change: Change,
    *,
    user: User,
    tab: str,
    now: datetime,
    values: Callable[[], Comparison],
    asked: str = "",
    moved_page: str = "",
    errors: tuple[str, ...] = (),
    reason: str = "",
    comment: str = "",
) -> ChangePage:
    """The page of one change for one reader; `values` is asked only where they are shown.

    `asked` is the rest of the query that shows the same again.
    """
    delivery = change.deliveries.order_by("-pk").first()
    state = DecisionState(change.state)
    here = reverse("change-detail", args=[change.pk])
    plan = plan_from_record(change.plan, digest=change.plan_digest, moved_page=moved_page)
    comments = tuple(change.comments.select_related("author"))
    author = _is_author(change, user)
    may = access.rights_of(user, *places.touched_by(change))
    acts = allowed_acts(state, actor_is_author=author, actor_may=may)
    shown = "discussion" if comment else tab if tab in TABS else "plan"
    evidence, row = _evidence(change), rollout_guard.row_of(change)
    found = policies.tally(change, policies.rules(), at=now)
    waits = state is DecisionState.SUBMITTED
    return ChangePage(
        number=change.pk,
        title=title_of(change),
        kind=change.get_kind_display(),
        state=state.word,
        requester=change.requester.get_full_name() or change.requester.get_username(),
        at=change.submitted_at or change.created_at,
        tab=shown,
        tabs=_tabs(
            here,
            plan_files=len(plan.files) if plan else 0,
            comments=len(comments),
            delivery=delivery if state is DecisionState.APPROVED else None,
            is_layer=change.kind == Change.Kind.LAYER,
        ),
        next_step=(waits and so_far(found))
        or held(row, state)
        or _waits_for(state, delivery)
        or who_acts_next(state),
        rollout=rollout_link(row),
        pause=pause_note(change),
        waits_since=change.submitted_at if waits else None,
        recalled=change.state_note if waits and change.plan_digest else "",
        policy=policy_of(change, found, now),
        plan=plan,
        values=values() if shown == "values" and plan and not plan.is_layer else None,
        plan_problem="" if change.plan_digest else change.state_note,
        decision=of_change(
            change,
            found,
            acts=acts,
            author=author,
            user=user,
            may=may,
            errors=errors,
            reason=reason,
        ),
        delivery=_delivery(delivery, now, may=may) if delivery else None,
        lapse=_lapse(change),
        remarks=_remarks(change),
        evidence=evidence,
        facts=_facts(change),
        crumbs=(Link("Changes", reverse("change-list")),),
        edit_url=reverse("change-edit", args=[change.pk])
        if Act.EDIT in acts and change.kind != Change.Kind.OFFBOARD and row is None
        else "",
        leaving=leaving_plan(change.plan, change.cluster_name),
        comment_url=reverse("change-comment", args=[change.pk]),
        comment=comment,
        cluster=_cluster_link(change, delivery),
        outcome=outcome_note(outcomes.outcome_of(delivery=delivery)),
        move=note_of_change(change),
        is_destructive=change.destructive,
        as_of=now,
        refresh_url=f"{here}?tab={shown}{asked}",
    )


def outcome_note(outcome: Outcome | None) -> OutcomeNote | None:
    """What the hub did with a delivered plan, as pages show it."""
    if outcome is None:
        return None
    return OutcomeNote(
        state=outcome.state,
        since=outcome.since,
        differences=tuple(outcome.differences),
        url=reverse("change-detail", args=[outcome.delivery.change_id]),
        clusters=outcome.clusters,
        agreeing=outcome.agreeing,
        lacking=tuple(
            (Link(name, reverse("cluster-detail", args=[hub, name])), said)
            for hub, name, said in outcome.lacking[:_SHOWN_LACKING]
        ),
    )


def _is_author(change: Change, user: User) -> bool:
    return change.participants.filter(user=user, role=Participant.Role.AUTHOR).exists()


def _waits_for(state: DecisionState, delivery: DeliveryRow | None) -> str:
    if state is not DecisionState.APPROVED:
        return who_acts_next(state)
    if delivery is None:
        return HELD
    return {
        DeliveryState.QUEUED: "A worker writes it to Git.",
        DeliveryState.PUSHING: "A worker is writing it to Git.",
        DeliveryState.COMMITTED: "Nobody: it is in Git. The cluster's page shows what the hub makes of it.",
        DeliveryState.IN_REVIEW: "Somebody merges its pull request.",
        DeliveryState.MERGED_DIFFERENTLY: "Somebody compares what was merged with the plan.",
        DeliveryState.FAILED: "Somebody looks at why the delivery failed.",
    }[DeliveryState(delivery.state)]


def _tabs(
    here: str, *, plan_files: int, comments: int, delivery: DeliveryRow | None, is_layer: bool
) -> tuple[Tab, ...]:
    word = DeliveryState(delivery.state).word if delivery else ""
    return (
        Tab("plan", "Plan", f"{here}?tab=plan"),
        Tab("diff", "Diff", f"{here}?tab=diff", count=plan_files),
        # The values of many clusters stand with each of them in the plan.
        *(() if is_layer else (Tab("values", "Values", f"{here}?tab=values"),)),
        Tab("discussion", "Discussion", f"{here}?tab=discussion", count=comments),
        Tab("delivery", "Delivery", f"{here}?tab=delivery", word=word),
        Tab("evidence", "Evidence", f"{here}?tab=evidence"),
    )


def _delivery(row: DeliveryRow, now: datetime, *, may: frozenset[Right]) -> Delivery:
    state = DeliveryState(row.state)
    may_retry = state is DeliveryState.FAILED and bool(may & {Right.REQUEST, Right.ADMINISTER})
    return Delivery(
        state=state.word,
        reason=row.reason,
        alarm=Alarm(row.alarm).word,
        advice=Alarm(row.alarm).advice or _advice(state),
        commit=row.commit if row.committed_at else "",
        branch=row.fleet.branch,
        since=row.committed_at or row.queued_at,
        next_try=row.due_at if state is DeliveryState.QUEUED and row.due_at > now else None,
        request=_request(row),
        retry_url=reverse("change-retry", args=[row.change_id]) if may_retry else "",
        attempts=tuple(
            Attempt(
                number=attempt.number,
                state=attempt.outcome.replace("_", " ").capitalize() or "Under way",
                started=attempt.started_at,
                took=_took(attempt),
                reason=attempt.reason,
                commit=attempt.commit,
                worker=attempt.worker,
            )
            for attempt in row.attempts.order_by("-number")
        ),
    )


def _request(row: DeliveryRow) -> Request | None:
    """The pull request as the forge was last seen to tell it, and our own check first."""
    found = PullRequest.objects.filter(delivery=row).first()
    if found is None:
        return None
    ours = "Failed" if row.reason else "Works"
    checks = [RequestCheck(STATUS_NAME, ours)] if found.posted else []
    checks += [
        RequestCheck(
            check["name"], _CHECK_WORDS.get(check["state"], "Unknown"), _address(check["url"])
        )
        for check in found.checks
    ]
    return Request(
        number=found.number,
        url=_address(found.url),
        state=found.state.capitalize(),
        branch=found.branch,
        waits_for=found.waits_for,
        actor=found.actor,
        acted_at=found.acted_at,
        seen_at=found.seen_at,
        checks=tuple(checks),
    )


def _address(url: str) -> str:
    """An address that a forge told, where a browser may follow it."""
    return url if url.startswith(("https://", "http://")) else ""


def _took(attempt: DeliveryAttempt) -> timedelta | None:
    """How long an attempt took; where the clock was set back meanwhile, no time at all."""
    if attempt.finished_at is None:
        return None
    return max(timedelta(0), attempt.finished_at - attempt.started_at)


def _advice(state: DeliveryState) -> str:
    if state is DeliveryState.FAILED:
        return "Mend what the reason names, then edit the change or ask for it anew. Nothing was written."
    return ""


def _lapse(change: Change) -> Lapse | None:
    if change.state != DecisionState.LAPSED.value:
        return None
    event = change.events.filter(verb="change.lapsed").order_by("-pk").first()
    return Lapse(
        at=event.at if event else change.updated_at,
        sentence=change.state_note or "What it would do has changed since it was approved.",
    )


def _remarks(change: Change) -> tuple[Remark, ...]:
    """The discussion: comments, and the reasons that came with decisions, by time."""
    spoken = [
        Remark(
            who=comment.author.get_full_name() or comment.author.get_username(),
            at=comment.created_at,
            text=comment.body,
        )
        for comment in change.comments.select_related("author")
    ]
    decided = [
        Remark(
            who=approval.user.get_full_name() or approval.user.get_username(),
            at=approval.created_at,
            text=approval.reason,
            word=approval.get_verdict_display(),
        )
        for approval in change.approvals.select_related("user")
        if approval.reason or approval.verdict == Approval.Verdict.REJECT
    ]
    return tuple(sorted([*spoken, *decided], key=lambda remark: remark.at))


def _evidence(change: Change) -> tuple[HistoryEntry, ...]:
    return tuple(
        HistoryEntry(
            title=event.message or event.verb,
            at=event.at,
            who=event.actor.get_username() if event.actor else "Fleet UI",
            icon=_ICONS.get(event.verb, "circle-dot"),
            detail=event.digest[:16],
            commit=str(event.detail.get("commit", ""))
            if event.verb.startswith("delivery.")
            else "",
        )
        for event in change.events.select_related("actor").order_by("pk")
    )


def _facts(change: Change) -> tuple[Fact, ...]:
    values = (
        ("Fleet", change.fleet.name),
        ("Hub", change.hub.name if change.hub else ""),
        ("Tenant", change.tenant),
        ("Environment", change.environment),
        ("File", change.intent.get("path", "")),
        ("Secret", change.secret_name),
        ("Change-Id", str(change.uid)),
        ("Plan digest", change.plan_digest),
        ("Revision", str(change.revision)),
    )
    return tuple(Fact(label=label, value=value) for label, value in values if value)


def _cluster_link(change: Change, delivery: DeliveryRow | None) -> Link | None:
    """The cluster's page, once the cluster can be there; of one that leaves, the page of its way out."""
    if change.hub and change.kind == Change.Kind.OFFBOARD:
        here = [change.hub.name, change.cluster_name]
        return Link(change.cluster_name, reverse("cluster-offboard", args=here))
    in_git = delivery is not None and delivery.state == DeliveryState.COMMITTED.value
    if not change.hub or not (in_git or change.kind == Change.Kind.EDIT):
        return None
    return Link(
        change.cluster_name, reverse("cluster-detail", args=[change.hub.name, change.cluster_name])
    )
