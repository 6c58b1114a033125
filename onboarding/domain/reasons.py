"""Why a stage of an onboarding is not reached yet, and what to do about it, in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.secret_reasons import secret_reason
from onboarding.domain.stages import Facts, Stage, StepState, Why, is_overdue
from onboarding.domain.sync import VerdictState, duration

# The worker tells the hub right after the push; until then it is too early to say that nobody does.
_TELLING = timedelta(seconds=10)
_TWICE = re.compile(r"contains applications with duplicate name: (?P<name>\S+)")
_OWNED = re.compile(
    r"Object \S+/(?P<name>\S+) is already owned by another \w+ controller (?P<owner>\S+)"
)
_UNKNOWN = re.compile(r"there are no clusters with this name: (?P<cluster>[^\s,;:]+)")
# An ApplicationSet that could not make an Application tries again after three minutes.
_SET_PATIENCE = timedelta(minutes=4)


def why_not(stage: Stage, facts: Facts, *, now: datetime) -> Why:
    """Why a stage that was not observed is not reached, as far as the facts tell.

    Returns FAILED where somebody must act, WAITING where something must come by itself or from a
    person, ACTIVE where it is being done.
    """
    if stage is Stage.NOTICED and facts.files_problem:
        return Why(
            StepState.FAILED,
            f"A file of it in Git cannot be read: {facts.files_problem}",
            "While a member file is broken, other new clusters of its hub may wait for it too.",
        )
    if stage not in {Stage.APPROVED, Stage.COMMITTED} and not facts.is_fresh(now):
        return _silent_hub(facts, now)
    return _REASONS[stage](facts, now)


def _silent_hub(facts: Facts, now: datetime) -> Why:
    problem = f" {facts.hub_problem}" if facts.hub_problem else ""
    if facts.hub_seen_at is None:
        said = f"Its hub has not been observed yet.{problem}"
    else:
        said = f"Nothing was heard of its hub for {duration(now - facts.hub_seen_at)}.{problem}"
    return Why(StepState.WAITING, said, "Look at the System page: the watcher, and the hub.")


def _approved(facts: Facts, _now: datetime) -> Why:
    match facts.decision:
        case None:
            return Why(StepState.TODO, "No change of this cluster is known here.")
        case DecisionState.DRAFT:
            return Why(StepState.WAITING, "It is a draft.", "Its author submits it.")
        case DecisionState.LAPSED:
            return Why(
                StepState.WAITING,
                "Its approval lapsed because what it would do has changed.",
                "Its author looks at the new plan and submits it again.",
            )
        case DecisionState.REJECTED | DecisionState.WITHDRAWN:
            return Why(
                StepState.FAILED, f"The change was {facts.decision.value}.", "Start a new one."
            )
        case _:
            return Why(
                StepState.WAITING,
                "It waits for approval.",
                "Somebody who did not write it approves or rejects it.",
            )


def _committed(facts: Facts, _now: datetime) -> Why:
    detail = f" {facts.delivery_reason}" if facts.delivery_reason else ""
    match facts.delivery:
        case DeliveryState.FAILED:
            return Why(
                StepState.FAILED,
                f"It could not be written to Git.{detail}",
                "Open the change to see the attempts, and try again.",
            )
        case DeliveryState.PUSHING:
            return Why(StepState.ACTIVE, f"It is being pushed.{detail}")
        case DeliveryState.IN_REVIEW:
            return Why(
                StepState.WAITING,
                f"Its pull request waits to be merged.{detail}",
                "Merge it in the Git host.",
            )
        case DeliveryState.MERGED_DIFFERENTLY:
            return Why(
                StepState.FAILED,
                f"What was merged is not what was approved.{detail}",
                "Compare the pull request with the plan; revert it in Git where it is not wanted.",
            )
        case DeliveryState.QUEUED:
            return Why(StepState.WAITING, f"It is queued for the writer.{detail}")
        case _:
            return Why(StepState.WAITING, "It is not in Git yet.")


def _noticed(facts: Facts, now: datetime) -> Why:
    if facts.registration_problem:
        return _stopped_registration(facts)
    if facts.sets_silent_since is not None:
        return _silent_sets(facts)
    if facts.committed_at is None:
        return Why(StepState.WAITING, "The hub has not noticed it in Git yet.")
    due = facts.committed_at + facts.poll_interval
    if now > due:
        return Why(
            StepState.WAITING,
            f"The hub should have noticed it by {_clock(due)} and did not.",
            "Check that Argo CD's ApplicationSet controller runs, and that the registration "
            "ApplicationSet reads this branch and this hub's folder.",
        )
    if facts.webhook:
        if is_overdue(facts.committed_at, now):
            return Why(
                StepState.WAITING,
                f"The hub was told of the commit {duration(now - facts.committed_at)} ago and has "
                "not answered: its ApplicationSet controller may not be running.",
                f"Look at argocd-applicationset-controller on the hub. By itself it looks at Git "
                f"by {_clock(due)}.",
            )
        return Why(StepState.WAITING, "The hub was told of the commit and has not answered yet.")
    if now - facts.committed_at < _TELLING:
        return Why(StepState.WAITING, "The hub is being told of the commit.")
    return Why(
        StepState.WAITING,
        f"No webhook told the hub. By its own polls of Git it notices within {duration(due - now)}, "
        f"by {_clock(due)} at the latest.",
        "Wait for it, or let the Git host call Argo CD's webhook, which makes it look at once.",
    )


def _silent_sets(facts: Facts) -> Why:
    """The controller that makes Applications of what is in Git is away: all that is new waits for it."""
    return Why(
        StepState.WAITING,
        f"Argo CD's ApplicationSet controller is not running, or does not get to its work. {facts.sets_problem}",
        "Look at argocd-applicationset-controller on the hub; what waits for it goes on by itself then.",
    )


def _stopped_registration(facts: Facts) -> Why:
    said = f"The hub's registration ApplicationSet reports: {facts.registration_problem}"
    if not facts.broken_members:
        return Why(
            StepState.FAILED,
            said,
            "Mend what it names; other clusters of this hub wait for it too.",
        )
    shown = ", ".join(facts.broken_members[:3])
    more = f" and {len(facts.broken_members) - 3} more" if len(facts.broken_members) > 3 else ""
    return Why(
        StepState.FAILED,
        f"Another member file breaks the registration of all: {shown}{more} cannot be read. {said}",
        "Mend or remove that file in Git; this cluster goes on by itself then.",
    )


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%S UTC")


def _registered(facts: Facts, _now: datetime) -> Why:
    if facts.same_server:
        return Why(
            StepState.FAILED,
            f"Another cluster has the same server: {', '.join(facts.same_server)}. "
            "Argo CD cannot tell them apart, and their Applications will fight.",
            "Correct the server in one of the credentials' secrets.",
        )
    if facts.same_name:
        return Why(
            StepState.FAILED,
            f"Several cluster secrets on the hub have its name: {', '.join(facts.same_name)}. "
            "Which of them is meant nobody can tell.",
            "Remove or rename those that are not made from Git.",
        )
    if facts.is_unknown_to_argo_cd():
        return Why(
            StepState.FAILED,
            "Argo CD does not know the cluster any more, and still has Applications for it: its "
            "cluster secret is gone.",
            "Look at its ExternalSecret and its cluster secret on the hub.",
        )
    if facts.registered_at is None:
        return Why(StepState.WAITING, "Argo CD does not know the cluster yet.")
    shown = "; ".join(str(one) for one in facts.label_differences[:5])
    rest = len(facts.label_differences) - 5
    more = f"; and {rest} more" if rest > 0 else ""
    return Why(
        StepState.WAITING,
        f"The labels on the live cluster secret differ from Git: {shown}{more}.",
        "They follow Git within minutes. If they stay, somebody changed them on the hub.",
    )


def name_taken(message: str) -> tuple[str, str] | None:
    """The Application whose name is taken and the ApplicationSet that has it ("" where it is the
    same set); None where an ApplicationSet's condition tells of something else.

    Source: `validateGeneratedApplications` of Argo CD 3.2 (two of one set), and the
    AlreadyOwnedError of controller-runtime 0.21 (another set's).
    """
    if twice := _TWICE.search(message):
        return twice["name"], ""
    if owned := _OWNED.search(message):
        return owned["name"], owned["owner"]
    return None


def unknown_cluster(message: str) -> str:
    """The cluster that an ApplicationSet's controller did not know yet; "" where its condition tells
    of something else.

    After its connection to the hub's API server broke, it may see the labels of a new cluster secret
    some seconds before the list by which it checks destinations has it. Source: `GetDestinationCluster`
    and `ReconcileRequeueOnValidationError` of Argo CD 3.2.
    """
    found = _UNKNOWN.search(message)
    return found["cluster"] if found else ""


def _set_problem(facts: Facts, now: datetime) -> Why:
    """What keeps an ApplicationSet that selects the cluster from making its Application."""
    name, message = facts.set_problems[0]
    rest = len(facts.set_problems) - 1
    more = f" {_sets(rest)} more cannot either." if rest else ""
    since = facts.registered_at
    if unknown_cluster(message) and since is not None and now - since < _SET_PATIENCE:
        return Why(
            StepState.WAITING,
            f"ApplicationSet {name} looked before its controller knew a new cluster, and looks again "
            f"within three minutes: {message}{more}",
        )
    taken = name_taken(message)
    if taken is None:
        return Why(
            StepState.FAILED,
            f"ApplicationSet {name} selects it and cannot make or change its Application: "
            f"{message}{more}",
            "Mend what it names, in the set or in the values that it reads.",
        )
    application, owner = taken
    holder = f"ApplicationSet {owner} has it" if owner else f"{name} makes two of that name"
    return Why(
        StepState.FAILED,
        f"The Application name {application} is taken: {holder}, so ApplicationSet {name} cannot "
        f"make its own.{more}",
        "Give one of the two another name in its set's template, or disable one of the components.",
    )


def _sets(number: int) -> str:
    return "One set" if number == 1 else f"{number} sets"


def _matched(facts: Facts, now: datetime) -> Why:
    if facts.set_problems:
        return _set_problem(facts, now)
    if facts.sets_silent_since is not None and not facts.matched:
        return _silent_sets(facts)
    if facts.matched is None:
        return Why(StepState.WAITING, "Which ApplicationSets select it has not been observed yet.")
    return Why(
        StepState.WAITING,
        "No ApplicationSet matches its labels, so nothing is deployed.",
        "Choose a release channel that exists, and enable at least one component.",
    )


def _applications(facts: Facts, word: str, now: datetime) -> Why:
    found = facts.applications
    if found is None:
        return Why(StepState.WAITING, "Its Applications have not been observed yet.")
    if not found.total and facts.sets_silent_since is not None:
        return _silent_sets(facts)
    if not found.total:
        return Why(StepState.WAITING, "No Application exists for it yet.")
    if facts.paused:
        return Why(
            StepState.WAITING,
            "Argo CD leaves its Applications alone while it is paused, so what they are now is not known.",
        )
    if facts.failures:
        shown = "; ".join(f"{name}: {message}" for name, message in facts.failures[:3])
        rest = len(facts.failures) - 3
        more = f"; and {rest} more" if rest > 0 else ""
        return Why(
            StepState.FAILED,
            f"{_count(len(facts.failures))} failed. {shown}{more}",
            "Open it in Argo CD, mend the cause, and sync again.",
        )
    if facts.uncompared == found.total and is_overdue(facts.matched_at, now):
        return Why(
            StepState.WAITING,
            f"Argo CD has compared none of its Applications with Git for "
            f"{duration(now - (facts.matched_at or now))}: its application controller may not be "
            "running.",
            "Look at argocd-application-controller on the hub, and at the shard of this cluster.",
        )
    bad = {VerdictState.FAILED, VerdictState.DEGRADED}
    state = StepState.FAILED if found.worst in bad else StepState.ACTIVE
    remedy = "Look at its Applications, the failing ones first." if found.worst in bad else ""
    reached = found.synced if word == "synced" else found.healthy
    return Why(state, f"{reached} of {found.total} Applications are {word}.", remedy)


def _count(number: int) -> str:
    return "One Application" if number == 1 else f"{number} Applications"


_REASONS: Mapping[Stage, Callable[[Facts, datetime], Why]] = {
    Stage.APPROVED: _approved,
    Stage.COMMITTED: _committed,
    Stage.NOTICED: _noticed,
    Stage.SECRET: secret_reason,
    Stage.REGISTERED: _registered,
    Stage.MATCHED: _matched,
    Stage.SYNCED: lambda facts, now: _applications(facts, "synced", now),
    Stage.HEALTHY: lambda facts, now: _applications(facts, "healthy", now),
}
