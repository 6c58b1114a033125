"""Standings as rows and counts: what the overview, the lists and the tenants' pages share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Case, F, Q, Value, When
from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.credential_clock import CredentialState
from onboarding.domain.progress import ClusterState
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.domain.unseen import NOT_KNOWN_HERE
from onboarding.models import Fleet, Standing
from onboarding.services import scope
from onboarding.services.rights import Reach
from onboarding.services.shown import NOBODY_LOOKED, StandingRows, state_of, too_old, with_shown
from onboarding.views.pages import Channel, ClusterRow, Count, Link

DRIFTED = "labels"
"""What the drift facet calls clusters whose live labels are not as Git says."""

GROUP_TITLES = {
    "addons": "Add-ons",
    "resources": "Resources",
    "monitoring": "Monitoring",
    "fleet": "Fleet",
}
"""What people call the groups of components, each with a release channel of its own."""

CHANNEL_COLUMNS = {label: f"{group}_release" for group, label in RELEASE_LABELS.items()}


def standings(reach: Reach, fleet: Fleet | None, now: datetime) -> StandingRows:
    """The fleet's standings that somebody may see, each with `shown`: its state, or stale where it is too old.

    `drifted` is "labels" where the live cluster secret is not as Git says, else ""; `why` the key of
    the cause, "" where it is too old; `credential` where its credentials are, unknown where it is too
    old.
    """
    drifted = Case(When(drift__gt=0, then=Value(DRIFTED)), default=Value(""))
    why = Case(When(too_old(now), then=Value("")), default=F("cause"))
    unknown = Value(CredentialState.UNKNOWN.value)
    credential = Case(When(too_old(now), then=unknown), default=F("credentials"))
    rows: StandingRows = with_shown(scope.standings(reach).filter(fleet=fleet), now)
    annotated: StandingRows = rows.annotate(drifted=drifted, why=why, credential=credential)
    return annotated


def bearing(word: str, *columns: str) -> Q:
    """The standings that bear a word in one of some columns with names.

    Git has these names in small letters only, and to compare in any case takes eight times as long.
    What cannot be read is called by its path, and found as that is written.
    """
    words = {word, word.lower()}
    return reduce(or_, (Q(**{f"{name}__contains": each}) for name in columns for each in words))


def row_of(standing: Standing, now: datetime, *, reads_change: bool = True) -> ClusterRow:
    """One line of a list of clusters; `reads_change` False leaves out the change that is open."""
    state = state_of(standing, now)
    change = standing.change if reads_change else None
    return ClusterRow(
        name=standing.name,
        url=url_of(standing),
        state=state.word,
        hub=standing.hub_name,
        tenant=standing.tenant,
        environment=standing.environment,
        model=standing.model.capitalize(),
        reason=_reason(standing, state),
        since=standing.since,
        channels=channels_of(standing),
        healthy=standing.healthy,
        applications=standing.applications,
        counts=tuple(Count(word, count) for word, count in standing.counts.items()),
        seen_at=standing.seen_at if standing.cluster_id else None,
        drift=standing.drift,
        drift_url=f"{url_of(standing)}?tab=drift" if standing.drift else "",
        **_credentials(standing),
        open_change=Link(f"#{change.pk}", reverse("change-detail", args=[change.pk]))
        if change
        else None,
    )


def _credentials(standing: Standing) -> dict[str, str]:
    """What stands out of a cluster's credentials, with the link to its page."""
    if not standing.credentials or not CredentialState(standing.credentials).stands_out:
        return {}
    word = CredentialState(standing.credentials).word
    return {"credentials": word, "credentials_url": f"{url_of(standing)}#credentials"}


def url_of(standing: Standing) -> str:
    """The cluster's page, or the change that asks for a cluster that is not in Git yet."""
    if standing.cluster_id is None and standing.change_id is not None:
        return reverse("change-detail", args=[standing.change_id])
    return reverse("cluster-detail", args=[standing.hub_name, standing.name])


def channels_of(standing: Standing) -> tuple[Channel, ...]:
    """The release channels of a cluster; those that its own file pins are marked."""
    pinned = set(standing.overrides)
    return tuple(
        Channel(label=label.removesuffix("Release"), value=value, is_pinned=label in pinned)
        for label, column in CHANNEL_COLUMNS.items()
        if (value := getattr(standing, column))
    )


def list_url(**query: str) -> str:
    """The clusters page, filtered."""
    return f"{reverse('cluster-list')}?{urlencode(query)}"


def oldest(times: Iterable[datetime | None]) -> datetime | None:
    """The earliest of some times, or None."""
    return min((time for time in times if time is not None), default=None)


def _reason(standing: Standing, state: ClusterState) -> str:
    """What a reader of a list has to know beside the state; nothing where all is well."""
    if state is ClusterState.HEALTHY:
        return standing.sentence if NOT_KNOWN_HERE in standing.sentence else ""
    if state is ClusterState.STALE and standing.state != ClusterState.STALE.value:
        return NOBODY_LOOKED
    return standing.sentence
