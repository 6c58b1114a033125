"""Applications as rows: what the cluster's page and the fleet-wide list share."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from urllib.parse import quote

from onboarding.domain.sync import URGENCY, VerdictState
from onboarding.models import ApplicationStatus, Fleet, Hub
from onboarding.views.freshness import STALE_AFTER
from onboarding.views.pages import HubRow

ORDER = {state.value: number for number, state in enumerate(URGENCY)}
HUB_SILENT = (
    "Its hub has not been heard of for a while, so what was last seen may not hold any more."
)


def silent(hubs: Iterable[HubRow], now: datetime) -> frozenset[str]:
    """The names of the hubs that nobody has heard of lately: what they said is stale."""
    return frozenset(
        hub.name for hub in hubs if hub.seen_at is None or now - hub.seen_at > STALE_AFTER
    )


def shown_state(row: ApplicationStatus, *, is_silent: bool) -> VerdictState:
    """The state to show: as judged when it was last seen, or stale where its hub is silent."""
    if is_silent:
        return VerdictState.STALE
    return VerdictState(row.verdict) if row.verdict else VerdictState.UNKNOWN


def version_of(row: ApplicationStatus, fleet: Fleet) -> str:
    """The chart's version; of a chart in the repository the one at the commit that was compared.

    Another commit than the indexed one may have another version: then branch and commit are said.
    """
    folder = row.facts.get("path")
    if not folder or not row.revision:
        return row.version
    if row.revision == fleet.indexed_commit and folder in fleet.chart_versions:
        return str(fleet.chart_versions[folder])
    return f"{row.version} @ {row.revision[:7]}"


def argocd_url(hub: Hub | None, path: str) -> str:
    """The address of a page of the hub's Argo CD; "" where people cannot reach one."""
    return f"{hub.link_url.rstrip('/')}{path}" if hub and hub.link_url else ""


def application_url(hub: Hub | None, name: str) -> str:
    """The address of an Application in the hub's Argo CD."""
    if hub is None:
        return ""
    return argocd_url(hub, f"/applications/{quote(hub.namespace)}/{quote(name)}")


def in_order(states: Collection[str]) -> list[str]:
    """States from the most to the least urgent."""
    return sorted(states, key=lambda state: ORDER.get(state, 0))
