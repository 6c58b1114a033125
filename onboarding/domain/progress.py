"""The way of one cluster from approval to Healthy: what was reached, when, and why it waits.

Told from facts alone. A stage that was not observed is never shown as done; where a later stage
was observed, the earlier one says that it was not seen itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.reasons import why_not
from onboarding.domain.stages import (
    ExternalSecretFacts,
    Facts,
    LabelDifference,
    Stage,
    Step,
    StepState,
    Why,
)
from onboarding.domain.sync import VerdictState, duration
from onboarding.domain.unseen import unseen

__all__ = [
    "ClusterState",
    "ExternalSecretFacts",
    "Facts",
    "LabelDifference",
    "Stage",
    "Step",
    "StepState",
    "Timeline",
    "timeline",
]

GRACE = timedelta(minutes=15)
"""How long after registration Applications that are not there yet count as being deployed."""
PATIENCE = timedelta(seconds=15)
"""How long a hub may be silent, as when a part of it restarts, before what it said is stale."""


class ClusterState(StrEnum):
    """The one word that a cluster's row shows."""

    DRAFT = "draft"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    QUEUED = "queued"
    COMMITTED = "committed"
    REGISTERING = "registering"
    DEPLOYING = "deploying"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    OUT_OF_SYNC = "out_of_sync"
    SELECTS_NOTHING = "selects_nothing"
    UNREACHABLE = "unreachable"
    STALE = "stale"
    FAILED = "failed"
    PAUSED = "paused"
    LEAVING = "leaving"
    GONE = "gone"

    @property
    def word(self) -> str:
        """The words that pages show."""
        return self.value.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Timeline:
    """The eight steps of a cluster, its state in one word, the sentence that explains it, and advice.

    `advice` says what to do next, "" where there is nothing to do.
    """

    steps: tuple[Step, ...]
    state: ClusterState
    sentence: str
    advice: str = ""

    def step(self, stage: Stage) -> Step:
        """The step of one stage."""
        return self.steps[list(Stage).index(stage)]

    @property
    def current(self) -> Step | None:
        """The step that the onboarding stands at: the first that failed, else that waits."""
        for states in ({StepState.FAILED}, {StepState.WAITING, StepState.ACTIVE}):
            for step in self.steps:
                if step.state in states:
                    return step
        return None


_NO_HISTORY: Mapping[Stage, timedelta] = MappingProxyType({})


def timeline(
    facts: Facts, *, now: datetime, usual: Mapping[Stage, timedelta] = _NO_HISTORY
) -> Timeline:
    """Tell the way of one cluster from what was seen of it.

    `usual` is how long each stage took others; a stage that is not in it has no history yet.
    Returns all eight steps in order, the cluster's state and one sentence. Facts that are absent
    make a step wait; they never make it done.
    """
    steps = _steps(facts, now, usual)
    state, sentence = _state(facts, steps, now)
    if facts.removing:
        return Timeline(steps, state, sentence, facts.removing_remedy)
    told = Timeline(steps, state, f"{sentence} {unseen(facts)}".strip())
    remedy = told.current.remedy if told.current else ""
    if facts.is_committed() and (silence := _silence(facts, now)):
        remedy = silence[1]
    return replace(told, advice=_ADVICE.get(state, remedy))


def _silence(facts: Facts, now: datetime) -> tuple[str, str] | None:
    """What does not answer any more, and what to do; None while all is heard of."""
    for since, name, problem, advice in (
        (facts.hub_silent_since, "The hub", facts.hub_problem, _HUB_ADVICE),
        (facts.argocd_silent_since, "Argo CD", facts.argocd_problem, _ARGOCD_ADVICE),
        (
            facts.controller_silent_since,
            "Argo CD's application controller",
            facts.controller_problem,
            _CONTROLLER_ADVICE,
        ),
    ):
        if since is not None and now - since >= PATIENCE:
            said = f"{name} has not answered since {since:%H:%M} UTC"
            return f"{said}; what it said before may not hold any more. {problem}".rstrip(), advice
    return None


def _observed(facts: Facts, now: datetime) -> Mapping[Stage, bool]:
    """Which stages were seen to be reached, each by its own facts only."""
    apps = facts.applications if facts.is_fresh(now) else None
    secret = facts.external_secret
    return {
        Stage.APPROVED: facts.decision is DecisionState.APPROVED,
        Stage.COMMITTED: facts.is_committed(),
        Stage.NOTICED: facts.noticed_at is not None
        and not facts.files_problem
        and not facts.registration_problem,
        Stage.SECRET: secret is not None
        and secret.ready is True
        and secret.store_ready is not False,
        Stage.REGISTERED: facts.registered_at is not None
        and not facts.label_differences
        and not facts.same_server
        and not facts.same_name,
        Stage.MATCHED: bool(facts.matched) and not facts.set_problems,
        Stage.SYNCED: apps is not None and 0 < apps.total == apps.synced,
        Stage.HEALTHY: apps is not None and 0 < apps.total == apps.healthy,
    }


def _reached_at(facts: Facts) -> Mapping[Stage, datetime | None]:
    return {
        Stage.APPROVED: facts.approved_at,
        Stage.COMMITTED: facts.committed_at,
        Stage.NOTICED: facts.noticed_at,
        Stage.SECRET: facts.external_secret.at if facts.external_secret else None,
        Stage.REGISTERED: facts.registered_at,
        Stage.MATCHED: facts.matched_at,
        Stage.SYNCED: facts.synced_at,
        Stage.HEALTHY: facts.healthy_at,
    }


def _steps(facts: Facts, now: datetime, usual: Mapping[Stage, timedelta]) -> tuple[Step, ...]:
    observed, times = _observed(facts, now), _reached_at(facts)
    last = max((number for number, stage in enumerate(Stage) if observed[stage]), default=-1)
    steps: list[Step] = []
    since: datetime | None = facts.submitted_at
    for number, stage in enumerate(Stage):
        title, at = stage.words, times[stage]
        if observed[stage]:
            took = max(at - since, timedelta()) if at and since else None
            steps.append(
                Step(stage, title, StepState.DONE, at=at, took=took, usual=usual.get(stage))
            )
            # A step waits from when all before it were reached, in whatever order they were seen.
            since = max(at, since) if at and since else at or since
            continue
        why = why_not(stage, facts, now=now)
        # Later stages cannot fail by themselves while an earlier one is not reached.
        behind = number > last and any(not _is_behind(step) for step in steps)
        if number < last and why.state is not StepState.FAILED and not _contradicts(stage, facts):
            why = _unseen(stage, Stage(list(Stage)[last]), facts)
        elif behind:
            why = Why(StepState.TODO, "")
        waits = why.state in {StepState.WAITING, StepState.ACTIVE, StepState.FAILED}
        steps.append(
            Step(
                stage,
                title,
                why.state,
                reason=why.reason,
                remedy=why.remedy,
                since=since if waits else None,
                usual=usual.get(stage),
            )
        )
    return tuple(steps)


def _is_behind(step: Step) -> bool:
    return step.state in {StepState.DONE, StepState.UNOBSERVED}


def _contradicts(stage: Stage, facts: Facts) -> bool:
    """Whether a stage was looked at and found not reached, so it is not unobserved."""
    found = {Stage.REGISTERED: facts.label_differences, Stage.MATCHED: facts.set_problems}
    return bool(found.get(stage))


def _unseen(stage: Stage, later: Stage, facts: Facts) -> Why:
    if stage is Stage.APPROVED and facts.decision is None:
        return Why(StepState.UNOBSERVED, "It was in Git already; no approval is known here.")
    return Why(
        StepState.UNOBSERVED,
        f"This was not observed itself; “{later.words}” was, which needs it.",
    )


_BEFORE_GIT: Mapping[DecisionState, tuple[ClusterState, str]] = {
    DecisionState.DRAFT: (ClusterState.DRAFT, "A draft: nothing was asked for yet."),
    DecisionState.SUBMITTED: (
        ClusterState.WAITING_FOR_APPROVAL,
        "Somebody who did not write the change has to approve it.",
    ),
    DecisionState.LAPSED: (
        ClusterState.WAITING_FOR_APPROVAL,
        "Its approval lapsed because what it would do has changed; it has to be submitted again.",
    ),
    DecisionState.REJECTED: (ClusterState.GONE, "The change was rejected; nothing was written."),
    DecisionState.WITHDRAWN: (ClusterState.GONE, "The change was withdrawn; nothing was written."),
}

_ADVICE: Mapping[ClusterState, str] = {
    ClusterState.OUT_OF_SYNC: (
        "Its page has what Argo CD says of each Application. Sync there, or mend what keeps it from "
        "syncing by itself."
    ),
    ClusterState.UNREACHABLE: (
        "Check that its API server runs, that the hub's network reaches it, and that its "
        "credentials are still valid. Argo CD tries again by itself."
    ),
}
_HUB_ADVICE = (
    "Look at the hub's API server, and at the right and the token of this product's account there "
    "(Administration, Hubs, Test)."
)
_ARGOCD_ADVICE = (
    "Look at Argo CD on the hub: its server and its application controller. Nothing has to be done "
    "here; the clusters go on when it is back."
)

_CONTROLLER_ADVICE = (
    "Look at argocd-application-controller on the hub. Until it runs nothing is compared, synced or "
    "healed; nothing has to be done here, the clusters go on when it is back."
)

_STAGE_STATES: Mapping[Stage, ClusterState] = {
    Stage.APPROVED: ClusterState.WAITING_FOR_APPROVAL,
    Stage.COMMITTED: ClusterState.QUEUED,
    Stage.NOTICED: ClusterState.COMMITTED,
    Stage.SECRET: ClusterState.REGISTERING,
    Stage.REGISTERED: ClusterState.REGISTERING,
    Stage.MATCHED: ClusterState.REGISTERING,
}


def _state(facts: Facts, steps: tuple[Step, ...], now: datetime) -> tuple[ClusterState, str]:
    if facts.removed:
        return ClusterState.GONE, "It has left the fleet; nothing of it is left on the hub."
    if facts.removing:
        said = facts.removing_says or "the hub still has parts of it."
        return ClusterState.LEAVING, f"It is leaving the fleet: {said}"
    if not facts.is_committed():
        return _state_before_git(facts, steps)
    if facts.files_problem:
        return ClusterState.FAILED, why_not(Stage.NOTICED, facts, now=now).reason
    if facts.hub_seen_at is None:
        return ClusterState.COMMITTED, why_not(Stage.NOTICED, facts, now=now).reason
    if not facts.is_fresh(now):
        return ClusterState.STALE, why_not(Stage.NOTICED, facts, now=now).reason
    if silence := _silence(facts, now):
        return ClusterState.STALE, silence[0]
    if facts.paused or facts.pausing:
        return ClusterState.PAUSED, _paused(facts)
    early = {step.stage: step for step in steps if step.stage in _STAGE_STATES}
    for step in early.values():
        if step.state is StepState.FAILED:
            return ClusterState.FAILED, step.reason
    if facts.connection == "Failed":
        detail = f" {facts.connection_message}" if facts.connection_message else ""
        return ClusterState.UNREACHABLE, f"Argo CD cannot reach the cluster.{detail}"
    for step in early.values():
        if step.state in {StepState.WAITING, StepState.ACTIVE, StepState.TODO}:
            if step.stage is Stage.MATCHED and facts.matched == 0:
                return ClusterState.SELECTS_NOTHING, step.reason
            if step.stage is Stage.REGISTERED and _has_drifted(facts, now):
                return ClusterState.OUT_OF_SYNC, step.reason
            return _STAGE_STATES[step.stage], step.reason
    return _state_of_applications(facts, steps, now)


def _paused(facts: Facts) -> str:
    """Why nothing is said of how it is: what its Applications last said is not looked at any more."""
    if not facts.paused:
        said = "Git says that it is paused; its cluster secret on the hub does not say so yet."
    elif facts.pausing:
        said = "Argo CD leaves it alone: nothing is compared, synced or healed."
    else:
        said = "Argo CD leaves it alone, as its cluster secret says; Git does not."
    return f"{said} {facts.pause_says}".strip()


def _has_drifted(facts: Facts, now: datetime) -> bool:
    """Whether labels differ on a cluster that has been in the fleet for long: no registration any more.

    While the hub still follows a commit, they differ of course.
    """
    since = min((at for at in (facts.registered_at, facts.matched_at) if at), default=now)
    return bool(facts.label_differences) and facts.labels_settled and now - since > GRACE


def _state_before_git(facts: Facts, steps: tuple[Step, ...]) -> tuple[ClusterState, str]:
    if facts.decision is None:
        return ClusterState.GONE, "It is not in Git, and no change asks for it."
    if facts.decision in _BEFORE_GIT:
        return _BEFORE_GIT[facts.decision]
    reason = steps[list(Stage).index(Stage.COMMITTED)].reason
    failed = facts.delivery in (DeliveryState.FAILED, DeliveryState.MERGED_DIFFERENTLY)
    return (ClusterState.FAILED if failed else ClusterState.QUEUED), reason


def _state_of_applications(
    facts: Facts, steps: tuple[Step, ...], now: datetime
) -> tuple[ClusterState, str]:
    apps = facts.applications
    if apps is None or (not apps.total and facts.matched):
        return ClusterState.DEPLOYING, steps[list(Stage).index(Stage.SYNCED)].reason
    started = facts.matched_at or facts.registered_at
    new = facts.healthy_at is None and started is not None and now - started < GRACE
    if facts.failures:
        return ClusterState.FAILED, steps[-1].reason or apps.sentence
    match apps.worst:
        case None:
            return ClusterState.SELECTS_NOTHING, apps.sentence
        case VerdictState.HEALTHY if facts.own_seen_at and not facts.own_applications:
            said = f"Its own Argo CD has no Application: {' and '.join(facts.own_groups)} are not deployed."
            return (ClusterState.DEPLOYING if new else ClusterState.SELECTS_NOTHING), said
        case VerdictState.HEALTHY:
            return ClusterState.HEALTHY, apps.sentence
        case VerdictState.FAILED:
            return ClusterState.FAILED, apps.sentence
        case VerdictState.DEGRADED:
            return ClusterState.DEGRADED, apps.sentence
        case VerdictState.STALE:
            return ClusterState.STALE, apps.sentence
        case VerdictState.PROGRESSING | VerdictState.SUSPENDED:
            return ClusterState.DEPLOYING, apps.sentence
        case VerdictState.UNKNOWN:
            synced = steps[list(Stage).index(Stage.SYNCED)]
            said = synced.reason if synced.state is StepState.WAITING else apps.sentence
            return (ClusterState.DEPLOYING if new else ClusterState.STALE), said
        case VerdictState.OUT_OF_SYNC | VerdictState.MISSING:
            if new:
                return ClusterState.DEPLOYING, apps.sentence
            if started is None or facts.healthy_at is not None:
                return ClusterState.OUT_OF_SYNC, apps.sentence
            spent = duration(now - max(started, facts.registered_at or started))
            return ClusterState.OUT_OF_SYNC, f"{apps.sentence} It has waited for {spent}."
