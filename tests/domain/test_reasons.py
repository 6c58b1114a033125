"""Why a stage is not reached, and what to do: the operator's and the hub's words, sorted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.progress import LabelDifference
from onboarding.domain.reasons import name_taken, why_not
from onboarding.domain.secret_reasons import SecretProblem, secret_problem
from onboarding.domain.stages import ExternalSecretFacts, Facts, Stage, StepState

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("AccessDeniedException: role is not authorized to read secret fleet/a", "access_denied"),
        ("AccessDenied while looking: secret does not exist", "access_denied"),
        ("UnrecognizedClientException: bad token", "access_denied"),
        ("ResourceNotFoundException: Secrets Manager can't find it", "secret_missing"),
        ("Secret does not exist", "secret_missing"),
        (
            "error processing spec.data[0] (key: fleet/a), err: Secret does not exist",
            "secret_missing",
        ),
        (
            "error processing spec.data[0] (key: fleet/a), err: key server does not exist in secret",
            "key_missing",
        ),
        ("key server does not exist in secret fleet/a", "key_missing"),
        ("executing template: map has no entry for key", "key_missing"),
        ('SecretStore "aws" is not ready', "store_not_ready"),
        ("could not get ClusterSecretStore", "store_not_ready"),
        ("could not get secret data from provider", "other"),
        ("", "other"),
    ],
)
def test_it_knows_what_the_operator_complains_of(message: str, problem: str) -> None:
    assert secret_problem(message) == problem


def test_it_reads_the_reason_too() -> None:
    assert secret_problem("failed", reason="ResourceNotFound") is SecretProblem.SECRET_MISSING


@pytest.mark.parametrize(
    ("presence", "says"),
    [
        (SecretPresence.ABSENT, "does not exist in Secrets Manager"),
        (SecretPresence.PENDING_DELETION, "does not exist in Secrets Manager"),
        (SecretPresence.PRESENT, "cannot use it"),
        (SecretPresence.DENIED, "cannot fetch the credentials"),
        (None, "cannot fetch the credentials"),
    ],
)
def test_it_believes_secrets_manager_where_the_operator_does_not_say(
    presence: SecretPresence | None, says: str
) -> None:
    facts = Facts(
        hub_seen_at=NOW,
        external_secret=ExternalSecretFacts(
            ready=False, message="could not get secret data from provider", presence=presence
        ),
    )
    why = why_not(Stage.SECRET, facts, now=NOW)
    assert why.state is StepState.FAILED
    assert says in why.reason
    assert "It says: could not get secret data from provider" in why.reason
    assert why.remedy


@pytest.mark.parametrize(
    "stage", [one for one in Stage if one not in {Stage.APPROVED, Stage.COMMITTED}]
)
def test_it_says_nothing_of_a_hub_that_is_silent(stage: Stage) -> None:
    never = why_not(stage, Facts(hub_problem="It refuses."), now=NOW)
    assert (never.state, never.reason) == (
        StepState.WAITING,
        "Its hub has not been observed yet. It refuses.",
    )
    lately = why_not(stage, Facts(hub_seen_at=NOW - timedelta(hours=1)), now=NOW)
    assert lately.reason.startswith("Nothing was heard of its hub for ")


def test_it_says_of_a_broken_file_what_git_says_whatever_the_hub_does() -> None:
    why = why_not(Stage.NOTICED, Facts(files_problem="m.yaml, line 2, column 4: no."), now=NOW)
    assert why.state is StepState.FAILED
    assert "m.yaml, line 2, column 4" in why.reason


@pytest.mark.parametrize("more", [0, 2])
def test_it_names_five_labels_and_counts_the_rest(more: int) -> None:
    different = tuple(LabelDifference(f"label-{one}", "git", "hub") for one in range(5 + more))
    facts = Facts(hub_seen_at=NOW, registered_at=NOW, label_differences=different)
    said = why_not(Stage.REGISTERED, facts, now=NOW).reason
    assert "label-4" in said
    assert "label-5" not in said
    assert said.endswith("; and 2 more." if more else ".")
    assert ("more" in said) is bool(more)


def test_it_names_who_has_the_same_server_first() -> None:
    facts = Facts(hub_seen_at=NOW, same_server=("spoke-2", "spoke-3"))
    why = why_not(Stage.REGISTERED, facts, now=NOW)
    assert why.state is StepState.FAILED
    assert "spoke-2, spoke-3" in why.reason


@pytest.mark.parametrize(
    ("message", "taken"),
    [
        (
            "ApplicationSet addons-a contains applications with duplicate name: a-spoke-1",
            ("a-spoke-1", ""),
        ),
        (
            "Object argocd/a-spoke-1 is already owned by another ApplicationSet controller addons-b",
            ("a-spoke-1", "addons-b"),
        ),
        ("failed to execute go template: nil pointer", None),
        ("", None),
    ],
)
def test_it_knows_that_a_name_is_taken(message: str, taken: tuple[str, str] | None) -> None:
    assert name_taken(message) == taken


def test_it_says_which_set_makes_two_of_one_name() -> None:
    twice = "ApplicationSet addons-a contains applications with duplicate name: a-spoke-1"
    facts = Facts(
        hub_seen_at=NOW, registered_at=NOW, matched=1, set_problems=(("addons-a", twice),)
    )
    why = why_not(Stage.MATCHED, facts, now=NOW)
    assert why.state is StepState.FAILED
    assert "a-spoke-1 is taken: addons-a makes two of that name" in why.reason
    assert "Give one of the two another name" in why.remedy


def test_it_names_three_broken_files_and_counts_the_rest() -> None:
    broken = tuple(f"m/{one}.yaml" for one in "abcd")
    facts = Facts(hub_seen_at=NOW, registration_problem="no", broken_members=broken)
    why = why_not(Stage.NOTICED, facts, now=NOW)
    assert "m/a.yaml, m/b.yaml, m/c.yaml and 1 more cannot be read" in why.reason
    assert "Mend or remove that file" in why.remedy


def test_a_hub_that_is_just_being_told_is_not_said_to_be_told_by_nobody() -> None:
    facts = Facts(hub_seen_at=NOW, committed_at=NOW)
    said = [
        why_not(Stage.NOTICED, facts, now=NOW + timedelta(seconds=seconds)).reason
        for seconds in (0, 9, 10)
    ]
    assert said[0] == said[1] == "The hub is being told of the commit."
    assert said[2].startswith("No webhook told the hub.")
