"""How fresh our picture of a hub is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from django.core.exceptions import ObjectDoesNotExist
from django.urls import reverse

from onboarding.models import Fleet, Hub, HubWatch
from onboarding.ports import HubKind
from onboarding.services import scope
from onboarding.services.observing import controller_watch, set_controller_watch
from onboarding.services.rights import Reach
from onboarding.views.pages import HubRow

STALE_AFTER = timedelta(minutes=2)
_PARTS: Mapping[str, str] = MappingProxyType(
    {
        controller_watch.PART: "Argo CD's application controller",
        set_controller_watch.PART: "Argo CD's ApplicationSet controller",
        "clusters": "Argo CD's API server",
        "secrets": "Secrets Manager",
    }
)
"""The parts that are asked beside the hub's Kubernetes API, as their people call them."""
_NOT_COUNTED: Mapping[str, int] = MappingProxyType({})


def hub_rows(
    reach: Reach,
    fleet: Fleet | None,
    now: datetime,
    *,
    clusters: Mapping[str, int] = _NOT_COUNTED,
) -> tuple[HubRow, ...]:
    """The hubs of a fleet that somebody may see, by one query; `clusters` is their number on each."""
    hubs = scope.hubs(reach).filter(fleet=fleet).select_related("watch")
    return tuple(hub_row(hub, now, clusters.get(hub.name, 0)) for hub in hubs)


def oldest(hubs: Sequence[HubRow]) -> datetime | None:
    """How old a page is that shows several hubs: as old as what is known of the most silent one.

    None where one of them was never seen, or there is none.
    """
    times = [hub.seen_at for hub in hubs]
    return min((at for at in times if at is not None), default=None) if all(times) else None


def hub_row(hub: Hub, now: datetime, clusters: int = 0) -> HubRow:
    """A hub with its state in a word: Connected, Degraded, Unreachable, Stale or Never seen."""
    watch = _watch(hub)
    state, reason = _state(watch, now)
    return HubRow(
        name=hub.name,
        state=state,
        seen_at=watch.seen_at if watch else None,
        clusters=clusters,
        reason=reason,
        url=f"{reverse('cluster-list')}?hub={hub.name}",
        argocd_url=hub.link_url,
        version=watch.version if watch else "",
        is_demo=bool(watch and watch.demo),
        pk=hub.pk,
    )


def _watch(hub: Hub) -> HubWatch | None:
    try:
        return hub.watch
    except ObjectDoesNotExist:
        return None


def _problems(watch: HubWatch) -> Iterator[tuple[str, str]]:
    for part, seen in watch.kinds.items():
        if isinstance(seen, dict) and seen.get("problem"):
            yield part, str(seen["problem"])


def _state(watch: HubWatch | None, now: datetime) -> tuple[str, str]:
    if watch is None or watch.seen_at is None:
        return "Never seen", watch.problem if watch else "The watcher has not reached it yet."
    if watch.problem:
        problems = dict(_problems(watch))
        if problems and problems.keys().isdisjoint(HubKind):
            # The hub itself answers; another part that is asked does not.
            said = (f"{_PARTS.get(part, part)}: {problem}" for part, problem in problems.items())
            return "Degraded", " ".join(said)
        return "Unreachable", watch.problem
    if now - watch.seen_at > STALE_AFTER:
        return "Stale", "The watcher has not said anything for a while."
    return "Connected", ""
