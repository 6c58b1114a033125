"""Why the credentials of a cluster are not fetched: the operator's words, sorted, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.stages import ExternalSecretFacts, Facts, StepState, Why, is_overdue


class SecretProblem(StrEnum):
    """The kinds of trouble that the External Secrets Operator reports."""

    ACCESS_DENIED = "access_denied"
    SECRET_MISSING = "secret_missing"  # noqa: S105 -- the name of a trouble, no secret
    KEY_MISSING = "key_missing"
    STORE_NOT_READY = "store_not_ready"
    UNUSABLE = "unusable"
    OTHER = "other"


# Asked in this order: AWS names the denied call's secret, so "denied" goes before "not found"; and the
# operator names the key that it was at (`spec.data[0] (key: …)`) before it says that there is no secret.
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
        SecretProblem.SECRET_MISSING,
        re.compile(r"resourcenotfound|secret does not exist|can't find the specified secret", re.I),
    ),
    (
        SecretProblem.KEY_MISSING,
        re.compile(
            r"\b(key|property)\b.*\b(not exist|not found|missing|no entry)|map has no entry", re.I
        ),
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


def secret_reason(facts: Facts, now: datetime) -> Why:
    """Why the credentials are not fetched yet: the store, the secret, the right to it, or the operator."""
    found = facts.external_secret
    if found is None:
        return _no_external_secret(facts, now)
    words = found.complaint or found.message
    said = f" It says: {words}" if words else ""
    if found.store_ready is False:
        reason, remedy = _SECRET_ANSWERS[SecretProblem.STORE_NOT_READY]
        detail = f" It says: {found.store_message}" if found.store_message else ""
        return Why(StepState.FAILED, reason + detail, remedy)
    if found.ready is False:
        problem = secret_problem(found.message, reason=found.reason)
        if problem is SecretProblem.OTHER and found.complaint:
            problem = secret_problem(found.complaint)
        problem = _asked(found, problem)
        reason, remedy = _SECRET_ANSWERS[problem]
        missing = problem is SecretProblem.SECRET_MISSING
        return Why(StepState.FAILED, reason + said, (missing and found.presence_detail) or remedy)
    if found.ready is None and is_overdue(facts.noticed_at, now):
        return Why(
            StepState.WAITING,
            "The External Secrets Operator has said nothing of its ExternalSecret: it may not be "
            "running.",
            "Look at the external-secrets controller on the hub.",
        )
    return Why(
        StepState.WAITING, "The External Secrets Operator has not fetched the credentials yet."
    )


def _no_external_secret(facts: Facts, now: datetime) -> Why:
    if not is_overdue(facts.noticed_at, now):
        return Why(StepState.WAITING, "The hub has no ExternalSecret for it yet.")
    said = f" Its registration Application says: {facts.registration_says}"
    return Why(
        StepState.WAITING,
        "The hub has no ExternalSecret for it yet." + (said if facts.registration_says else ""),
        "Look at its registration Application, and whether Argo CD's application controller runs.",
    )


def _asked(found: ExternalSecretFacts, said: SecretProblem) -> SecretProblem:
    """What Secrets Manager says itself decides where the operator does not say what is wrong.

    Source: since 0.10 the operator's conditions say "could not get secret data from provider" of
    every failure; the reason stands in its Events alone, which may not be readable, or gone.
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
