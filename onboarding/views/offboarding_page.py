"""The offboarding of one cluster as its page shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from django.urls import reverse

from onboarding.domain.errors import FleetError
from onboarding.domain.leaving import LeaveStep
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.models import Change, Cluster, HubWatch, Offboarding, OffboardingStep, Participant
from onboarding.ports import ChartRenderer, FleetRepository
from onboarding.services import offboarding, places, plan_records, previews
from onboarding.views import access
from onboarding.views.leaving_part import leaving_plan
from onboarding.views.pages import (
    LeavingRun,
    Link,
    OffboardPage,
    TimelineStep,
    WorkloadChoice,
)
from onboarding.views.policy_part import before_asking

if TYPE_CHECKING:
    from django.contrib.auth.models import User

REMOVE, KEEP = "remove", "keep"
_CHOICES = (
    (
        REMOVE,
        "Remove the workloads",
        "Argo CD takes away what it deployed before the cluster leaves. Only the namespaces that it "
        "made for it stay.",
    ),
    (
        KEEP,
        "Keep the workloads",
        "What add-ons and resources deployed goes on running, and is nobody's. Monitoring and what "
        "makes the cluster a member are taken away all the same.",
    ),
)
_ENDED = (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)
_WAITING = (DecisionState.SUBMITTED.value, DecisionState.LAPSED.value)


def offboard_page(
    *,
    hub: str,
    name: str,
    cluster: Cluster | None,
    run: Offboarding | None,
    user: User,
    workloads: str,
    repository: Callable[[Cluster], FleetRepository],
    renderer: ChartRenderer,
    now: datetime,
    error: str = "",
) -> OffboardPage:
    """The page of a cluster that shall leave, leaves or has left.

    `cluster` is None once Git has it no more, `run` its newest offboarding. `error` is why what was
    asked was refused.
    """
    here = reverse("cluster-offboard", args=[hub, name])
    crumbs = [Link("Clusters", reverse("cluster-list"))]
    if cluster is not None:
        crumbs.append(Link(name, reverse("cluster-detail", args=[hub, name])))
    is_open = run is not None and run.ended_at is None and run.change.state not in _ENDED
    state, sentence = _state(name, cluster, run, is_open=is_open)
    may_ask = Right.REQUEST in access.rights_of(
        user, *([places.place_of(cluster)] if cluster else [])
    )
    page = OffboardPage(
        name=name,
        hub=hub,
        crumbs=tuple(crumbs),
        state=state,
        sentence=sentence,
        run=_run(run, user, is_open=is_open) if run else None,
        denied="" if may_ask else "Your account may not request changes.",
        problem=error,
        as_of=_as_of(run) if is_open else None,
        refresh_url=here if is_open else "",
    )
    if cluster is None or is_open:
        return page
    return _asking(page, cluster, here, workloads, repository, renderer, now=now, may_ask=may_ask)


def _as_of(run: Offboarding | None) -> datetime | None:
    """When the run's hub was last seen as a whole."""
    watch = HubWatch.objects.filter(hub=run.hub).first() if run else None
    return watch.seen_at if watch else None


def _state(
    name: str, cluster: Cluster | None, run: Offboarding | None, *, is_open: bool
) -> tuple[str, str]:
    """Where the cluster is on its way, in a word and a sentence."""
    if run is None or (not is_open and cluster is not None):
        return "", f"{name} is a member of the fleet. Its way out is planned, approved and watched."
    if not is_open:
        done = run.state == Offboarding.State.DONE
        return ("Gone" if done else "Stopped"), run.note
    if run.change.state in _WAITING:
        return (
            "Waiting for approval",
            "Somebody who did not ask for it has to approve the whole way.",
        )
    if run.state == Offboarding.State.PAUSED:
        return "Leaving", f"Paused. {run.note}"
    steps = list(run.steps.all())
    step = next((one for one in steps if one.done_at is None), None)
    if step is None and steps:
        return "Leaving", "All evidence is there."
    if step is None:
        return "Leaving", "Its first commit is on the way to Git."
    return "Leaving", f"Step {step.number + 1} of {len(steps)}: {step.get_step_display()}."


def _asking(
    page: OffboardPage,
    cluster: Cluster,
    here: str,
    workloads: str,
    repository: Callable[[Cluster], FleetRepository],
    renderer: ChartRenderer,
    *,
    now: datetime,
    may_ask: bool,
) -> OffboardPage:
    """The question, and once it is answered, all that goes away."""
    chosen = workloads if workloads in (REMOVE, KEEP) else ""
    page = replace(
        page,
        workloads=chosen,
        choices=tuple(
            WorkloadChoice(title, text, f"{here}?workloads={value}", value == chosen)
            for value, title, text in _CHOICES
        ),
    )
    if not chosen:
        return page
    try:
        snapshot = repository(cluster).snapshot()
        keep = chosen == KEEP
        found = previews.preview(
            fleet=cluster.fleet,
            intent=offboarding.intent_for(cluster=cluster, snapshot=snapshot, keep=keep),
            snapshot=snapshot,
            renderer=renderer,
        )
    except FleetError as error:
        return replace(page, problem=page.problem or str(error))
    plan = leaving_plan(plan_records.record(found), cluster.name)
    demand = before_asking(found, fleet=cluster.fleet, now=now)
    return replace(page, plan=plan, demand=demand, ask_url=here if may_ask else "")


def _run(run: Offboarding, user: User, *, is_open: bool) -> LeavingRun:
    rights = access.rights_of(user, *places.touched_by(run.change))
    here = [run.hub.name, run.cluster_name]
    moves = is_open and run.change.state == DecisionState.APPROVED.value
    may_ask = moves and Right.REQUEST in rights
    paused = run.state == Offboarding.State.PAUSED
    steps = list(run.steps.select_related("change"))
    unreachable = moves and any(one.unreachable and one.done_at is None for one in steps)
    denied = _no_giving_up(run.change, user) if unreachable else ""
    given_up = ""
    if run.given_up_at and run.given_up_by:
        given_up = f"{run.given_up_by.get_username()} gave the spoke up: {run.given_up_reason}"
    return LeavingRun(
        change=Link(f"Change #{run.change_id}", reverse("change-detail", args=[run.change_id])),
        steps=_timeline(run, steps),
        note=run.note,
        given_up=given_up,
        is_open=is_open,
        is_paused=paused,
        is_unreachable=unreachable and not given_up,
        pause_url=reverse("offboarding-pause", args=here) if may_ask and not paused else "",
        resume_url=reverse("offboarding-resume", args=here) if may_ask and paused else "",
        stop_url=reverse("offboarding-stop", args=here) if may_ask else "",
        give_up_url=reverse("offboarding-give-up", args=here)
        if unreachable and not given_up and not denied
        else "",
        give_up_denied=denied if not given_up else "",
    )


def _no_giving_up(change: Change, user: User) -> str:
    if Right.APPROVE_DESTRUCTIVE not in access.rights_of(user, *places.touched_by(change)):
        return "Giving the spoke up needs the right to approve destructive changes."
    authors = Participant.objects.filter(change=change, role=Participant.Role.AUTHOR, user=user)
    return (
        "You asked for it, so somebody else has to give the spoke up." if authors.exists() else ""
    )


def _timeline(run: Offboarding, steps: Sequence[OffboardingStep]) -> tuple[TimelineStep, ...]:
    """Each step with what was seen; before the first commit, the steps that are planned."""
    if not steps:
        return tuple(
            TimelineStep(LeaveStep(one["step"]).words, "todo", reason=_done_when(one["step"]))
            for one in run.change.plan.get("way", ())
        )
    current = next((one for one in steps if one.done_at is None), None)
    return tuple(_step(one, is_current=one is current, run=run) for one in steps)


def _done_when(step: str) -> str:
    return f"Done when: {LeaveStep(step).proof}"


def _step(step: OffboardingStep, *, is_current: bool, run: Offboarding) -> TimelineStep:
    status: Literal["done", "active", "waiting", "failed", "todo"] = "todo"
    if step.done_at is not None:
        status = "done"
    elif is_current and run.ended_at is None:
        status = "failed" if step.stuck else "waiting"
    told = step.done_at is not None or is_current
    return TimelineStep(
        title=step.get_step_display(),
        status=status,
        at=step.done_at,
        took=step.done_at - step.begun_at if step.done_at and step.begun_at else None,
        since=step.begun_at,
        reason=step.says if told and step.says else _done_when(step.step),
        advice=step.remedy if is_current else "",
        url=reverse("change-detail", args=[step.change_id]) if step.change_id else "",
    )
