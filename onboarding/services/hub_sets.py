"""The ApplicationSets that a hub was last seen to have, and what holds a plan of many clusters against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onboarding.domain.fleet_plan import SetsOf
from onboarding.domain.labels import CHART_PATH
from onboarding.domain.layout import FleetLayout
from onboarding.domain.live_sets import KnownSets
from onboarding.domain.plans import PlanWarning
from onboarding.domain.snapshot import Snapshot
from onboarding.models import HubObject, HubWatch
from onboarding.ports import ChartRenderer, HubKind
from onboarding.services import rounds
from onboarding.services.renderings import NO_RENDERER, Renderings


def live_sets(*, hub_name: str) -> tuple[Mapping[str, Any], ...]:
    """The ApplicationSets that the hub was last seen to have, as plain maps with their selectors."""
    return rounds.once(("live sets", hub_name), lambda: tuple(_live_sets(hub_name)))


def sets_seen(*, hub_name: str) -> bool:
    """Whether the hub's ApplicationSets were listed, be there any or none."""
    return rounds.once(("sets seen", hub_name), lambda: _sets_seen(hub_name))


def _live_sets(hub_name: str) -> Iterator[Mapping[str, Any]]:
    rows = HubObject.objects.filter(hub__name=hub_name, kind=HubKind.APPLICATION_SETS.value)
    return (row.facts for row in rows.only("facts"))


def _sets_seen(hub_name: str) -> bool:
    watch = HubWatch.objects.filter(hub__name=hub_name).only("kinds").first()
    kind = watch.kinds.get(HubKind.APPLICATION_SETS.value) if watch else None
    return bool(isinstance(kind, dict) and kind.get("listed_at"))


class HeldSets:
    """The sets of each hub before and after, asked once; `warnings` gathers what is to be said of them.

    They are those that the hub was last seen to have, or those that `renderer` makes of the
    repository's own charts.
    """

    def __init__(self, layout: FleetLayout, renderer: ChartRenderer | None) -> None:
        self._layout = layout
        self._renderer = renderer or NO_RENDERER
        self.by_hub: dict[str, tuple[KnownSets, KnownSets]] = {}
        self.warnings: list[PlanWarning] = []

    def between(self, before: Snapshot, after: Snapshot) -> SetsOf:
        """The question for the sets of a hub at these two sides."""

        def sets_of(hub: str) -> tuple[KnownSets, KnownSets]:
            live, asked = live_sets(hub_name=hub), sets_seen(hub_name=hub)
            sides = [
                Renderings(snapshot=one, layout=self._layout, hub_name=hub, renderer=self._renderer)
                for one in (before, after)
            ]
            now, later = (one.known(live, asked=asked) for one in sides)
            self.warnings.extend(warning for one in sides for warning in one.warnings)
            if any(one.has_own_labels for one in sides):
                self.warnings.append(_OWN_LABELS)
            self.by_hub[hub] = now, later
            return now, later

        return sets_of


_OWN_LABELS = PlanWarning(
    f"{CHART_PATH} is this repository's own, and labels are foreseen as if it were the shipped one: only "
    "the hub can confirm them. The plan of a single change renders it.",
    "labels_rendered",
    CHART_PATH,
)
