"""Standings as rows and counts: what the overview, the lists and the tenants' pages share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Case, F, Value, When
from django.db.models import Count as CountOf
from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.credential_clock import CredentialState
from onboarding.domain.progress import ClusterState
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.models import Fleet, Standing
from onboarding.services import scope
from onboarding.services.rights import Reach
from onboarding.services.shown import NOBODY_LOOKED, StandingRows, state_of, too_old, with_shown
from onboarding.views.pages import Channel, ClusterRow, Count, Link

DRIFTED = "labels"
"""What the drift facet calls clusters whose live labels are not as Git says."""

CHANNEL_COLUMNS = {label: f"{group}_release" for group, label in RELEASE_LABELS.items()}
ORDER = {state.value: number for number, state in enumerate(ClusterState)}


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


def counts_by_state(
    rows: StandingRows, *, query: Mapping[str, str] | None = None
) -> tuple[Count, ...]:
    """How many clusters are in each state, each with the link to exactly those; `rows` as `standings` gives them."""
    return state_counts(numbers_by_state(rows), query=query)


def state_counts(
    numbers: Mapping[str, int], *, query: Mapping[str, str] | None = None
) -> tuple[Count, ...]:
    """Numbers by state, each with the link to the list of exactly those clusters."""
    return tuple(
        Count(ClusterState(state).word, count, list_url(state=state, **(query or {})))
        for state, count in numbers.items()
    )


def numbers_by_state(rows: StandingRows) -> dict[str, int]:
    """How many clusters are in each state, in the order of the states; `rows` as `standings` gives them."""
    counted = rows.order_by().values_list("shown").annotate(CountOf("pk"))
    return dict(sorted(counted, key=lambda pair: ORDER[pair[0]]))


def counts_by(rows: StandingRows, *columns: str) -> dict[str, dict[str, tuple[Count, ...]]]:
    """The same for each column and each of its values, in the order of the values.

    One query for all columns: most clusters are alike in all of them, and a query for each reads
    ten thousand rows as often as there are columns.
    """
    numbers: dict[str, Counter[tuple[str, str]]] = {column: Counter() for column in columns}
    for state, *values, count in (
        rows.order_by().values_list("shown", *columns).annotate(CountOf("pk"))
    ):
        for column, value in zip(columns, values, strict=True):
            if value:
                numbers[column][value, state] += count
    return {column: _counts(column, counted) for column, counted in numbers.items()}


def _counts(column: str, numbers: Counter[tuple[str, str]]) -> dict[str, tuple[Count, ...]]:
    found: dict[str, list[Count]] = {}
    for value, state in sorted(numbers, key=lambda pair: (pair[0], ORDER[pair[1]])):
        url = list_url(state=state, **{column: value})
        found.setdefault(value, []).append(
            Count(ClusterState(state).word, numbers[value, state], url)
        )
    return {value: tuple(counts) for value, counts in found.items()}


def list_url(**query: str) -> str:
    """The clusters page, filtered."""
    return f"{reverse('cluster-list')}?{urlencode(query)}"


def oldest(times: Iterable[datetime | None]) -> datetime | None:
    """The earliest of some times, or None."""
    return min((time for time in times if time is not None), default=None)


def _reason(standing: Standing, state: ClusterState) -> str:
    """What a reader of a list has to know beside the state; nothing where all is well."""
    if state is ClusterState.HEALTHY:
        return ""
    if state is ClusterState.STALE and standing.state != ClusterState.STALE.value:
        return NOBODY_LOOKED
    return standing.sentence
