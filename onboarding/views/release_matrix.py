"""Clusters against release channels: which channel each has, at which version, and which layer sets it."""

from __future__ import annotations

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
from onboarding.views.standing_rows import CHANNEL_COLUMNS, list_url, standings, url_of

ASKED = "asked for"
SHOWS = ("", "pinned")


def release_matrix(
    request: HttpRequest, fleet: Fleet, known: Releases, *, now: datetime
) -> ReleaseMatrix:
    """One page of the fleet's clusters with their channels, as the URL searches and narrows them."""
    query = listing.query_of(request)
    rows: StandingRows = (
        standings(access.reach_of(request.user), fleet, now)
        .select_related("cluster")
        .order_by("name", "pk")
    )
    for word in query.split()[:5]:
        rows = rows.filter(name__icontains=word) | rows.filter(tenant__icontains=word)
    if request.GET.get("show") == "pinned":
        rows = rows.alias(own=Cast("overrides", TextField())).filter(_pins_a_channel())
    pages, found = listing.paginate(request, rows)
    groups = [label.removesuffix("Release") for label in CHANNEL_COLUMNS]
    return ReleaseMatrix(
        groups=tuple(group.capitalize() for group in groups),
        rows=tuple(_row(standing, known, now) for standing in found),
        pages=pages,
        query=query,
        only_pinned=request.GET.get("show") == "pinned",
    )


def _pins_a_channel() -> Q:
    """The rows whose own labels choose a channel; by the text, which every database can search."""
    return reduce(or_, (Q(own__contains=f'"{label}"') for label in CHANNEL_COLUMNS))


def _row(standing: Standing, known: Releases, now: datetime) -> MatrixRow:
    return MatrixRow(
        name=standing.name,
        url=url_of(standing),
        hub=standing.hub_name,
        state=state_of(standing, now).word,
        cells=tuple(
            _cell(standing, known, label, column) for label, column in CHANNEL_COLUMNS.items()
        ),
    )


def _cell(standing: Standing, known: Releases, label: str, column: str) -> MatrixCell:
    group, channel = label.removesuffix("Release"), getattr(standing, column)
    if not channel:
        return MatrixCell(group.capitalize())
    entry = known.entry(group, channel)
    said: dict[str, Any] = (
        standing.cluster.labels.get(label, {}) if standing.cluster else {"layer": ASKED}
    )
    return MatrixCell(
        group.capitalize(),
        channel=channel,
        version=entry.version if entry else "",
        url=list_url(**{column: channel}),
        origin=Origin(
            layer=str(said.get("layer", "")),
            path=str(said.get("path", "")),
            line=said.get("line") or None,
        ),
        is_unknown=entry is None,
        is_pinned=label in standing.overrides,
    )
