"""Clusters against release channels: which channel each has, at which version, and which layer sets it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest

from onboarding.domain.releases import Releases
from onboarding.models import Fleet, Standing
from onboarding.services.shown import StandingRows, state_of
from onboarding.views import access, listing
from onboarding.views.pages import MatrixCell, MatrixRow, Origin, ReleaseMatrix
from onboarding.views.standing_rows import (
    CHANNEL_COLUMNS,
    GROUP_TITLES,
    bearing,
    list_url,
    standings,
    url_of,
)

ASKED = "asked for"
# Each with a cell for each group, which is two kilobytes.
_ON_A_PAGE = 30
Urls = Mapping[tuple[str, str], str]
"""The list of the clusters on a channel, by the channel's column and name."""


def release_matrix(
    request: HttpRequest, fleet: Fleet, known: Releases, *, now: datetime, total: int
) -> ReleaseMatrix:
    """One page of the fleet's clusters with their channels, as the URL searches and narrows them.

    `total` is how many there are where it does neither.
    """
    query = listing.query_of(request)
    rows: StandingRows = (
        standings(access.reach_of(request.user), fleet, now)
        .select_related("cluster")
        .order_by("name", "pk")
    )
    for word in query.split()[:5]:
        rows = rows.filter(bearing(word, "name", "tenant"))
    only_pinned = request.GET.get("show") == "pinned"
    if only_pinned:
        rows = rows.alias(own=Cast("overrides", TextField())).filter(_pins_a_channel())
    pages, found = listing.paginate(
        request, rows, size=_ON_A_PAGE, total=None if query or only_pinned else total
    )
    urls = {
        (column, name): list_url(**{column: name})
        for column in CHANNEL_COLUMNS.values()
        for name in {getattr(standing, column) for standing in found}
    }
    groups = [label.removesuffix("Release") for label in CHANNEL_COLUMNS]
    return ReleaseMatrix(
        groups=tuple(GROUP_TITLES.get(group, group) for group in groups),
        rows=tuple(_row(standing, known, urls, now) for standing in found),
        pages=pages,
        query=query,
        only_pinned=only_pinned,
    )


def _pins_a_channel() -> Q:
    """The rows whose own labels choose a channel; by the text, which every database can search."""
    return reduce(or_, (Q(own__contains=f'"{label}"') for label in CHANNEL_COLUMNS))


def _row(standing: Standing, known: Releases, urls: Urls, now: datetime) -> MatrixRow:
    return MatrixRow(
        name=standing.name,
        url=url_of(standing),
        hub=standing.hub_name,
        state=state_of(standing, now).word,
        cells=tuple(
            _cell(standing, known, urls, label, column) for label, column in CHANNEL_COLUMNS.items()
        ),
    )


def _cell(standing: Standing, known: Releases, urls: Urls, label: str, column: str) -> MatrixCell:
    group, channel = label.removesuffix("Release"), getattr(standing, column)
    title = GROUP_TITLES.get(group, group)
    if not channel:
        return MatrixCell(title)
    entry = known.entry(group, channel)
    said: dict[str, Any] = (
        standing.cluster.labels.get(label, {}) if standing.cluster else {"layer": ASKED}
    )
    return MatrixCell(
        title,
        channel=channel,
        version=entry.version if entry else "",
        url=urls[column, channel],
        origin=Origin(
            layer=str(said.get("layer", "")),
            path=str(said.get("path", "")),
            line=said.get("line") or None,
        ),
        is_unknown=entry is None,
        is_pinned=label in standing.overrides,
    )
