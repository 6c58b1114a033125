"""Credential facts: what the rows say of one cluster's credentials, for the clock of them."""

from __future__ import annotations

from datetime import datetime

from onboarding.domain.applications import moment
from onboarding.domain.credential_clock import (
    CredentialClock,
    CredentialFacts,
    CredentialState,
    credential_clock,
    refresh_interval,
)
from onboarding.domain.credentials import SecretPresence
from onboarding.models import ClusterStatus, HubObject

NEVER_ASKED = CredentialClock(CredentialState.UNKNOWN, "The hub has no ExternalSecret of it yet.")


def fetched_at(external_secret: HubObject) -> datetime | None:
    """When the operator last fetched it, as the ExternalSecret's status says."""
    return moment(external_secret.facts.get("fetched_at") or None)


def clock_of(
    external_secret: HubObject | None, registered: ClusterStatus | None, *, now: datetime
) -> CredentialClock:
    """The clock of one cluster, from its ExternalSecret and its cluster secret as they were seen."""
    if external_secret is None:
        return NEVER_ASKED
    row = external_secret
    facts = CredentialFacts(
        presence=SecretPresence(row.presence) if row.presence else None,
        detail=row.presence_detail,
        asked_at=row.presence_at,
        version_at=row.version_at,
        ready=row.ready,
        fetched_at=fetched_at(row),
        refresh_every=refresh_interval(str(row.facts.get("refresh_interval", ""))),
        connection=registered.connection if registered else "",
    )
    return credential_clock(facts, now)
