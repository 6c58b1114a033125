"""The clock of a cluster's credentials, as its page shows it."""

from __future__ import annotations

from onboarding.domain.credential_clock import CredentialClock, CredentialState
from onboarding.models import ClusterStatus, HubObject
from onboarding.services.observing.credential_facts import fetched_at
from onboarding.views.pages import CredentialPart


def credential_part(
    row: HubObject | None, live: ClusterStatus | None, clock: CredentialClock
) -> CredentialPart:
    """When the secret changed, when the hub fetched it, and whether Argo CD connects with it.

    `row` is the ExternalSecret that fetches it, `live` the cluster as Argo CD has it registered.
    """
    return CredentialPart(
        word=clock.state.word,
        tone=tone_of(clock.state),
        sentence=clock.sentence,
        advice=clock.remedy,
        stands_out=clock.state.stands_out,
        version_at=row.version_at if row else None,
        fetched_at=fetched_at(row) if row else None,
        fetched_version=str(row.facts.get("fetched_version", "")) if row else "",
        asked_at=row.presence_at if row else None,
        connection=(live.connection or "Unknown") if live else "",
        connected_at=live.connected_at if live else None,
    )


def tone_of(state: CredentialState) -> str:
    """The colour of a state: green only where the newest version was fetched and works."""
    match state:
        case CredentialState.CURRENT:
            return "green"
        case CredentialState.UNKNOWN:
            return "grey"
        case CredentialState.MISSING | CredentialState.NOT_FETCHED | CredentialState.REFUSED:
            return "red"
        case _:
            return "amber"
