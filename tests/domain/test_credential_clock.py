"""The clock of credentials: facts in, one state out, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onboarding.domain.credential_clock import (
    CredentialFacts,
    CredentialState,
    credential_clock,
    refresh_interval,
)
from onboarding.domain.credentials import SecretPresence

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOOD = CredentialFacts(
    presence=SecretPresence.PRESENT,
    detail="The secret is there.",
    asked_at=NOW - timedelta(minutes=5),
    version_at=NOW - 30 * HOUR,
    ready=True,
    fetched_at=NOW - timedelta(minutes=20),
    refresh_every=HOUR,
    connection="Successful",
)
ROTATED = replace(GOOD, version_at=NOW - timedelta(minutes=10))


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (GOOD, CredentialState.CURRENT),
        (replace(GOOD, connection="Failed"), CredentialState.REFUSED),
        (replace(GOOD, connection=""), CredentialState.CURRENT),
        (replace(GOOD, ready=False), CredentialState.NOT_FETCHED),
        (replace(GOOD, fetched_at=None, ready=None), CredentialState.NOT_FETCHED),
        (replace(GOOD, version_at=None), CredentialState.UNKNOWN),
        (replace(GOOD, asked_at=NOW - 7 * HOUR), CredentialState.UNKNOWN),
        (replace(GOOD, asked_at=None), CredentialState.UNKNOWN),
        (replace(GOOD, presence=None), CredentialState.UNKNOWN),
        (replace(GOOD, presence=SecretPresence.DENIED), CredentialState.DENIED),
        (replace(GOOD, presence=SecretPresence.THROTTLED), CredentialState.THROTTLED),
        (replace(GOOD, presence=SecretPresence.UNREACHABLE), CredentialState.UNKNOWN),
        (replace(GOOD, presence=SecretPresence.ABSENT), CredentialState.MISSING),
        (replace(GOOD, presence=SecretPresence.PENDING_DELETION), CredentialState.DELETING),
        (replace(ROTATED, presence=SecretPresence.PENDING_DELETION), CredentialState.DELETING),
        (ROTATED, CredentialState.ROTATED),
        # It is still known to be newer, whoever does not answer now.
        (replace(ROTATED, presence=SecretPresence.THROTTLED), CredentialState.ROTATED),
        (replace(ROTATED, presence=SecretPresence.DENIED), CredentialState.ROTATED),
        (replace(ROTATED, asked_at=NOW - 9 * HOUR), CredentialState.ROTATED),
        # Changed within the second in which the hub began to fetch: not called well.
        (
            replace(GOOD, fetched_at=NOW - HOUR, version_at=NOW - HOUR + timedelta(seconds=0.5)),
            CredentialState.ROTATED,
        ),
        (CredentialFacts(), CredentialState.UNKNOWN),
    ],
)
def test_it_says_where_the_newest_credentials_are(
    facts: CredentialFacts, state: CredentialState
) -> None:
    told = credential_clock(facts, NOW)

    assert told.state is state
    assert told.sentence
    assert state.stands_out is (state not in (CredentialState.CURRENT, CredentialState.UNKNOWN))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "looks again in 40 minutes"),
        ({"refresh_every": timedelta(0)}, "never looks again"),
        ({"refresh_every": timedelta(minutes=5)}, "should have looked by now"),
    ],
)
def test_it_says_when_a_rotation_is_picked_up(change: dict[str, timedelta], said: str) -> None:
    told = credential_clock(replace(ROTATED, **change), NOW)  # type: ignore[arg-type]

    assert said in told.sentence
    assert "force-sync" in told.remedy


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1h", HOUR),
        ("1h0m0s", HOUR),
        ("90s", timedelta(seconds=90)),
        ("1h30m", 1.5 * HOUR),
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
        ("", None),
        ("soon", None),
        ("1h later", None),
    ],
)
def test_it_reads_how_often_the_operator_looks(text: str, interval: timedelta | None) -> None:
    assert refresh_interval(text) == interval
