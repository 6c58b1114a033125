"""How fresh our picture of a hub is."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.exceptions import ObjectDoesNotExist
from django.urls import reverse

from onboarding.models import Hub, HubWatch, Standing
from onboarding.views.pages import HubRow

STALE_AFTER = timedelta(minutes=2)


def hub_row(hub: Hub, now: datetime) -> HubRow:
    """A hub with its state in a word: Connected, Unreachable, Stale or Never seen."""
    watch = _watch(hub)
    state, reason = _state(watch, now)
    return HubRow(
        name=hub.name,
        state=state,
        seen_at=watch.seen_at if watch else None,
        clusters=Standing.objects.filter(hub_name=hub.name).count(),
        reason=reason,
        url=f"{reverse('cluster-list')}?hub={hub.name}",
        argocd_url=hub.link_url,
        version=watch.version if watch else "",
        is_demo=bool(watch and watch.demo),
    )


def _watch(hub: Hub) -> HubWatch | None:
    try:
        return hub.watch
    except ObjectDoesNotExist:
        return None


def _state(watch: HubWatch | None, now: datetime) -> tuple[str, str]:
    if watch is None or watch.seen_at is None:
        return "Never seen", watch.problem if watch else "The watcher has not reached it yet."
    if watch.problem:
        return "Unreachable", watch.problem
    if now - watch.seen_at > STALE_AFTER:
        return "Stale", "The watcher has not said anything for a while."
    return "Connected", ""
