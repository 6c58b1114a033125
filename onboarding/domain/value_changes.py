"""Which effective values of a component become others on a cluster, key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from onboarding.domain.component_values import ComponentValues, component_values, view_of
from onboarding.domain.errors import Refused
from onboarding.domain.fleet_plan import ClusterPlan
from onboarding.domain.impact import Forecaster
from onboarding.domain.layout import FleetLayout
from onboarding.domain.member import parse_member
from onboarding.domain.names import HubName
from onboarding.domain.plans import ValueChange
from onboarding.domain.releases import Releases
from onboarding.domain.snapshot import Snapshot

MOST = 30
"""How many keys of one cluster are told."""

_LONGEST = 300
_Key = tuple[str, ...]


class ValueChanges:
    """Compares clusters at two snapshots; catalogues are read once for all of them."""

    def __init__(
        self, before: Snapshot, after: Snapshot, releases: Releases, layout: FleetLayout
    ) -> None:
        self._sides = before, after
        self._releases, self._layout = releases, layout
        self._catalogues: dict[tuple[str, str], Any] = {}

    def of(self, plan: ClusterPlan) -> tuple[ValueChange, ...]:
        """The keys that differ, of the components that a cluster keeps; at most `MOST`."""
        names = [
            after.component
            for before, after in plan.impact.change
            if not after.from_hub and before.values_digest != after.values_digest
        ]
        try:
            was, will = (self._values(plan, after, names) for after in (False, True))
        except Refused:
            return ()
        found = [
            one
            for name in names
            if name in was and name in will
            for one in _differing(name, was[name], will[name])
        ]
        return tuple(found[:MOST])

    def _values(
        self, plan: ClusterPlan, after: bool, names: list[str]
    ) -> Mapping[str, ComponentValues]:
        """The values of the named components on one side."""
        snapshot = self._sides[after]
        file = snapshot.read(plan.path)
        if file is None or not names:
            return {}
        member = parse_member(file)
        placement = member.placement(HubName(plan.hub))
        view = view_of(member, plan.labels_after if after else plan.labels_before)
        forecaster = Forecaster(
            placement, self._releases, snapshot, self._layout, catalogues=self._catalogues
        )
        return {
            component.name: component_values(component, view, placement, snapshot, self._layout)
            for component, _ in forecaster.offered(view)
            if component.name in names
        }


def _differing(
    component: str, before: ComponentValues, after: ComponentValues
) -> Iterator[ValueChange]:
    was, will = _leaves(before), _leaves(after)
    for keys in dict.fromkeys([*will, *was]):
        if was.get(keys) != will.get(keys):
            yield ValueChange(component, ".".join(keys), was.get(keys), will.get(keys))


def _leaves(values: ComponentValues) -> dict[_Key, str]:
    """Each effective value as JSON, so that the text "3" and the number are told apart."""
    found = {}
    for leaf in values.resolved.leaves:
        text = json.dumps(leaf.value, ensure_ascii=False, default=str)
        found[leaf.keys] = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return found
