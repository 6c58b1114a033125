"""What of a standing may be believed now: the lists, the API and the commands show the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, F, Q, QuerySet, Value, When

from onboarding.domain.progress import ClusterState
from onboarding.models import Standing

StandingRows = QuerySet[Any]
"""Standings with the annotation `shown`, which the type checker cannot follow through a query set."""

STALE_AFTER = timedelta(minutes=2)
"""A standing that nobody recomputed for this long says nothing about now."""

NOBODY_LOOKED = "Nobody has looked for a while: is the watcher running?"


def with_shown(rows: QuerySet[Standing], now: datetime) -> StandingRows:
    """Standings with `shown`: the state, or stale where it is too old to be believed.

    Counting and filtering by it keeps a stopped watcher from leaving a green page behind.
    """
    shown = Case(When(too_old(now), then=Value(ClusterState.STALE.value)), default=F("state"))
    return rows.annotate(shown=shown)


def too_old(now: datetime) -> Q:
    """Whether a standing is too old to be believed; of what is not in Git yet, rows alone are told."""
    return Q(computed_at__lt=now - STALE_AFTER, cluster__isnull=False)


def state_of(standing: Standing, now: datetime) -> ClusterState:
    """The state to show: what was computed, or Stale where that is too old to be believed."""
    state = ClusterState(standing.state)
    if now - standing.computed_at > STALE_AFTER and standing.cluster_id is not None:
        return ClusterState.STALE
    return state
