"""Why a stage of an onboarding is not reached yet, and what to do about it, in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.stages import ExternalSecretFacts, Facts, Stage, StepState
from onboarding.domain.sync import VerdictState, duration


@dataclass(frozen=True, slots=True)
class Why:
    """How a stage that is not reached stands, the reason, and the remedy."""

    state: StepState
    reason: str
    remedy: str = ""


class SecretProblem(StrEnum):
    """The kinds of trouble that the External Secrets Operator reports."""

    ACCESS_DENIED = "access_denied"
    SECRET_MISSING = "secret_missing"  # noqa: S105 -- the name of a trouble, no secret
    KEY_MISSING = "key_missing"
    STORE_NOT_READY = "store_not_ready"
    UNUSABLE = "unusable"
    OTHER = "other"


# Asked in this order: AWS names the denied call's secret, so "denied" goes before "not found".
_SECRET_WORDS: tuple[tuple[SecretProblem, re.Pattern[str]], ...] = (
    (
        SecretProblem.ACCESS_DENIED,
        re.compile(r"access ?denied|not authorized|forbidden|unrecognizedclient", re.I),
    ),
    (
        SecretProblem.STORE_NOT_READY,
        re.compile(
            r"store\b.*\b(not ready|not found|unable to validate)|could not get .*store", re.I
        ),
    ),
    (
        SecretProblem.KEY_MISSING,
        re.compile(
            r"\b(key|property)\b.*\b(not exist|not found|missing|no entry)|map has no entry", re.I
        ),
    ),
    (
        SecretProblem.SECRET_MISSING,
        re.compile(r"resourcenotfound|secret does not exist|can't find the specified secret", re.I),
    ),
)

_SECRET_ANSWERS: Mapping[SecretProblem, tuple[str, str]] = {
    SecretProblem.ACCESS_DENIED: (
        "AWS denies the hub's External Secrets Operator access to the credentials.",
        "Allow its role to read this secret (GetSecretValue, and Decrypt of its key).",
    ),
    SecretProblem.SECRET_MISSING: (
        "The credentials' secret does not exist in Secrets Manager.",
        "Create it, or correct the secret name of this cluster.",
    ),
    SecretProblem.KEY_MISSING: (
        "The credentials' secret lacks a key that the registration needs.",
        "Write server and config into it.",
    ),
    SecretProblem.STORE_NOT_READY: (
        "The hub's SecretStore is not ready, so no credentials can be fetched.",
        "Look at the SecretStore on the hub: its role, region and address.",
    ),
    SecretProblem.UNUSABLE: (
        "The credentials' secret exists, but the External Secrets Operator cannot use it.",
        "Check that it is JSON with the keys server and config, and that the operator's role may "
        "read it (GetSecretValue, and Decrypt of its key).",
    ),
    SecretProblem.OTHER: (
        "The External Secrets Operator cannot fetch the credentials.",
        "Look at the ExternalSecret on the hub.",
    ),
}


def secret_problem(message: str, *, reason: str = "") -> SecretProblem:
    """Which kind of trouble an ExternalSecret's condition tells of; OTHER where it is not known."""
    text = f"{reason} {message}"
    return next((kind for kind, words in _SECRET_WORDS if words.search(text)), SecretProblem.OTHER)


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
        return Why(
            StepState.FAILED,
            f"The hub's registration ApplicationSet reports: {facts.registration_problem}",
            "Mend what it names; other clusters of this hub wait for it too.",
        )
    if facts.committed_at is None:
        return Why(StepState.WAITING, "The hub has not noticed it in Git yet.")
    due = facts.committed_at + facts.poll_interval
    if now > due:
        return Why(
            StepState.WAITING,
            f"The hub should have noticed it by {_clock(due)} and did not.",
            "Check that the registration ApplicationSet reads this branch and this hub's folder.",
        )
    if facts.webhook:
        return Why(StepState.WAITING, "The hub was told of the commit and has not answered yet.")
    return Why(
        StepState.WAITING,
        f"No webhook told the hub. It looks at Git again within {duration(facts.poll_interval)}, "
        f"by {_clock(due)}.",
    )


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%S UTC")


def _secret(facts: Facts, _now: datetime) -> Why:
    found = facts.external_secret
    if found is None:
        return Why(StepState.WAITING, "The hub has no ExternalSecret for it yet.")
    said = f" It says: {found.message}" if found.message else ""
    if found.store_ready is False:
        reason, remedy = _SECRET_ANSWERS[SecretProblem.STORE_NOT_READY]
        detail = f" It says: {found.store_message}" if found.store_message else ""
        return Why(StepState.FAILED, reason + detail, remedy)
    if found.ready is False:
        problem = _asked(found, secret_problem(found.message, reason=found.reason))
        reason, remedy = _SECRET_ANSWERS[problem]
        missing = problem is SecretProblem.SECRET_MISSING
        return Why(StepState.FAILED, reason + said, (missing and found.presence_detail) or remedy)
    return Why(
        StepState.WAITING, "The External Secrets Operator has not fetched the credentials yet."
    )


def _asked(found: ExternalSecretFacts, said: SecretProblem) -> SecretProblem:
    """What Secrets Manager says itself decides where the operator does not say what is wrong.

    Source: since 0.10 the operator's conditions say "could not get secret data from provider" of
    every failure; the reason stands in its Events alone.
    """
    if said is not SecretProblem.OTHER:
        return said
    match found.presence:
        case SecretPresence.ABSENT | SecretPresence.PENDING_DELETION:
            return SecretProblem.SECRET_MISSING
        case SecretPresence.PRESENT:
            return SecretProblem.UNUSABLE
        case _:
            return said


def _registered(facts: Facts, _now: datetime) -> Why:
    if facts.same_server:
        return Why(
            StepState.FAILED,
            f"Another cluster has the same server: {', '.join(facts.same_server)}. "
            "Argo CD cannot tell them apart, and their Applications will fight.",
            "Correct the server in one of the credentials' secrets.",
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


def _matched(facts: Facts, _now: datetime) -> Why:
    if facts.matched is None:
        return Why(StepState.WAITING, "Which ApplicationSets select it has not been observed yet.")
    return Why(
        StepState.WAITING,
        "No ApplicationSet matches its labels, so nothing is deployed.",
        "Choose a release channel that exists, and enable at least one component.",
    )


def _applications(facts: Facts, word: str) -> Why:
    found = facts.applications
    if found is None:
        return Why(StepState.WAITING, "Its Applications have not been observed yet.")
    if not found.total:
        return Why(StepState.WAITING, "No Application exists for it yet.")
    if facts.failures:
        shown = "; ".join(f"{name}: {message}" for name, message in facts.failures[:3])
        rest = len(facts.failures) - 3
        more = f"; and {rest} more" if rest > 0 else ""
        return Why(
            StepState.FAILED,
            f"{_count(len(facts.failures))} failed. {shown}{more}",
            "Open it in Argo CD, mend the cause, and sync again.",
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
    Stage.SECRET: _secret,
    Stage.REGISTERED: _registered,
    Stage.MATCHED: _matched,
    Stage.SYNCED: lambda facts, _now: _applications(facts, "synced"),
    Stage.HEALTHY: lambda facts, _now: _applications(facts, "healthy"),
}
