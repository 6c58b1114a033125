"""What is wrong with the fleet, grouped by cause: "17 clusters: the same error"."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Min
from django.urls import reverse

from onboarding.domain.progress import ClusterState
from onboarding.services.shown import NOBODY_LOOKED, StandingRows
from onboarding.views.pages import Problem
from onboarding.views.standing_rows import list_url

BAD = (
    ClusterState.FAILED,
    ClusterState.UNREACHABLE,
    ClusterState.DEGRADED,
    ClusterState.OUT_OF_SYNC,
    ClusterState.SELECTS_NOTHING,
    ClusterState.STALE,
)
"""The states that want somebody's look, the most urgent first."""

_MOST = 10
_ORDER = [state.value for state in BAD]


def problems(rows: StandingRows) -> tuple[Problem, ...]:
    """Causes with the number of clusters that suffer from each, the most urgent and frequent first.

    The database groups, by one query: what it sends is as much as there are causes, whatever the
    number of clusters.
    """
    grouped = (
        rows.filter(shown__in=_ORDER)
        .order_by()
        .values("shown", "why")
        .annotate(
            count=Count("pk"),
            oldest=Min("since"),
            one=Min("name"),
            hub=Min("hub_name"),
            first=Min("sentence"),
            last=Max("sentence"),
            remedy=Min("advice"),
            in_git=Min("cluster"),
        )
    )
    ordered = sorted(grouped, key=lambda row: (_ORDER.index(row["shown"]), -row["count"]))
    return tuple(_problem(row) for row in ordered[:_MOST])


def _problem(row: dict[str, Any]) -> Problem:
    alone = row["count"] == 1
    unseen = row["shown"] == ClusterState.STALE.value and not row["why"]
    same = row["first"] == row["last"] or unseen
    return Problem(
        word=ClusterState(row["shown"]).word,
        count=row["count"],
        noun="cluster" if alone else "clusters",
        cause=NOBODY_LOOKED if unseen else row["first"],
        example="" if same else "The same error each, for example this.",
        advice="" if unseen else row["remedy"],
        cluster=row["one"] if alone else "",
        url=_url(row, alone=alone),
        since=row["oldest"],
    )


def _url(row: dict[str, Any], *, alone: bool) -> str:
    """The page of the one cluster, or the list of exactly those that share the cause."""
    if alone and row["in_git"]:
        return reverse("cluster-detail", args=[row["hub"], row["one"]])
    if alone:
        return list_url(state=row["shown"], hub=row["hub"], q=row["one"])
    return list_url(state=row["shown"], cause=row["why"] or "none")
