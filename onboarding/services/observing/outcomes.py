"""Outcomes: each delivered plan is held against what the hub then did, until they agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from onboarding.domain.lifecycle import DeliveryState
from onboarding.domain.outcome import (
    PATIENCE,
    OutcomeState,
    differences,
    judge,
    prediction_of,
)
from onboarding.models import Change, Delivery, Fleet, Hub, HubWatch, Outcome
from onboarding.ports import Clock, HubKind
from onboarding.services import events
from onboarding.services.observing import layer_outcomes
from onboarding.services.observing.hub_text import as_map
from onboarding.services.observing.standings import batched

_OPEN = (OutcomeState.WAITING.value, OutcomeState.DIFFERS.value)
_MOST = 500
# A hub that shows nothing of a commit is told of it once more, each time after twice as long.
_TOLD_AGAIN_AFTER = timedelta(seconds=10)
_MOST_TELLINGS = 5
_MOST_TOLD_AT_ONCE = 20


def check(*, fleet: Fleet, clock: Clock) -> int:
    """Compare the fleet's delivered plans that are not settled yet; returns how many were compared.

    A plan settles when the hub agrees with it, or when a later change of its cluster is delivered.
    A difference becomes an event the first time, and is compared again each time.
    """
    now = clock.now()
    longest_ago = F("outcome__checked_at").asc(nulls_first=True)
    rows = list(
        Delivery.objects.filter(fleet=fleet, state=DeliveryState.COMMITTED.value)
        .filter(Q(outcome__isnull=True) | Q(outcome__state__in=_OPEN))
        .filter(Q(change__hub__isnull=False) | Q(change__kind=Change.Kind.LAYER))
        .exclude(change__plan={})
        .select_related("change__hub", "fleet", "outcome")
        .order_by(longest_ago, "-committed_at", "-pk")[:_MOST]
    )
    layers = [row for row in rows if row.change.kind == Change.Kind.LAYER]
    found = {row.pk: _compare_layer(row, now) for row in layers}
    found |= _compare([row for row in rows if row.pk not in found], now)
    same = [row for row in rows if found[row.pk].is_what(row)]
    Outcome.objects.filter(delivery__in=[row.pk for row in same]).update(checked_at=now)
    for row in rows:
        if not found[row.pk].is_what(row):
            _keep(row, found[row.pk], now)
    return len(rows)


def unheard(*, fleet: Fleet, clock: Clock) -> tuple[int, ...]:
    """Changes of which the hub shows nothing and is to be told once more; each counts as told.

    What told it the first time may have been lost: with the broker, or in Argo CD, which takes the
    mark of a request away when a comparison ends that read Git before the commit. It would look by
    itself at its next poll, minutes later. A hub that does not answer now is told when it does.
    """
    now = clock.now()
    waiting = Outcome.objects.filter(
        delivery__fleet=fleet,
        delivery__committed_at__gt=now - PATIENCE,
        delivery__committed_at__lte=now - _TOLD_AGAIN_AFTER,
        state=OutcomeState.WAITING.value,
        tellings__lt=_MOST_TELLINGS,
    ).exclude(delivery__change__hub__in=_away(fleet))
    rows = waiting.select_related("delivery").order_by("delivery__committed_at", "pk")[:_MOST]
    due = [row for row in rows if _is_due(row, now)][:_MOST_TOLD_AT_ONCE]
    return tuple(
        row.delivery.change_id
        for row in due
        if Outcome.objects.filter(pk=row.pk, tellings=row.tellings).update(
            tellings=row.tellings + 1, told_at=now
        )
    )


def _away(fleet: Fleet) -> list[int]:
    """The hubs whose ApplicationSets cannot be observed now: nobody there would be told."""
    kinds = HubWatch.objects.filter(hub__fleet=fleet).values_list("hub_id", "kinds")
    of_sets = HubKind.APPLICATION_SETS.value
    return [hub for hub, kind in kinds if as_map(as_map(kind).get(of_sets)).get("problem")]


def _is_due(row: Outcome, now: datetime) -> bool:
    return row.told_at is None or now - row.told_at >= _TOLD_AGAIN_AFTER * 2**row.tellings


def outcome_of(*, delivery: Delivery | None) -> Outcome | None:
    """The comparison for a delivery; None where none was made yet."""
    rows = Outcome.objects.filter(delivery=delivery).select_related("delivery")
    return rows.first() if delivery else None


def unforeseen(*, fleet: Fleet, hub_name: str, cluster_name: str) -> Outcome | None:
    """The newest comparison of a cluster in which the hub did something else; None where it agrees."""
    return (
        Outcome.objects.filter(
            state=OutcomeState.DIFFERS.value,
            delivery__fleet=fleet,
            delivery__change__hub__name=hub_name,
            delivery__change__cluster_name=cluster_name,
        )
        .select_related("delivery")
        .order_by("-delivery__committed_at")
        .first()
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What one comparison came to, as the columns of its row."""

    state: OutcomeState
    differences: tuple[str, ...] = ()
    clusters: int = 0
    agreeing: int = 0
    lacking: tuple[tuple[str, str, str], ...] = ()

    def columns(self) -> dict[str, Any]:
        """Column -> value."""
        return {
            "state": self.state.value,
            "differences": list(self.differences) if self.state is OutcomeState.DIFFERS else [],
            "clusters": self.clusters,
            "agreeing": self.agreeing,
            "lacking": [list(one) for one in self.lacking],
        }

    def is_what(self, delivery: Delivery) -> bool:
        """Whether the delivery's row says so already."""
        row = getattr(delivery, "outcome", None)
        return row is not None and all(
            getattr(row, name) == value for name, value in self.columns().items()
        )


def _compare_layer(delivery: Delivery, now: datetime) -> _Found:
    found = layer_outcomes.compare(delivery, now)
    return _Found(found.state, found.sentences, found.clusters, found.agreeing, found.lacking)


def _compare(rows: Sequence[Delivery], now: datetime) -> dict[int, _Found]:
    """Hold deliveries that are about one cluster each against the hubs, by a few queries for all."""
    hubs: dict[Hub, list[str]] = defaultdict(list)
    for row in rows:
        if row.change.hub is not None:
            hubs[row.change.hub].append(row.change.cluster_name)
    overtaken = _overtaken(rows, hubs)
    seen = {hub.pk: layer_outcomes.seen_of(hub.name, names) for hub, names in hubs.items()}
    looked = {hub.pk: layer_outcomes.looked_at(hub.name) for hub in hubs}
    commits = layer_outcomes.commits_since(rows, now)
    found = {}
    for row in rows:
        change = row.change
        if row.pk in overtaken or change.hub_id is None:
            found[row.pk] = _Found(OutcomeState.SUPERSEDED)
            continue
        foreseen = replace(
            prediction_of(change.plan), written=layer_outcomes.written_by(row, commits, now)
        )
        differing = differences(foreseen, seen[change.hub_id][change.cluster_name])
        state = judge(
            differing,
            committed_at=row.committed_at or now,
            seen_at=looked[change.hub_id],
            now=now,
        )
        found[row.pk] = _Found(state, differing)
    return found


def _overtaken(rows: Sequence[Delivery], hubs: Mapping[Hub, Sequence[str]]) -> set[int]:
    """Those of whose cluster a later change, or a later edit of a layer that moves it, is in Git."""
    newest: dict[tuple[int | None, str], int] = {}
    for hub, names in hubs.items():
        for some in batched(sorted(set(names))):
            delivered = Delivery.objects.filter(
                state=DeliveryState.COMMITTED.value, change__hub=hub, change__cluster_name__in=some
            ).order_by("committed_at", "pk")
            for name, pk in delivered.values_list("change__cluster_name", "pk"):
                newest[hub.pk, name] = pk
    overtaken = {
        row.pk for row in rows if newest.get((row.change.hub_id, row.change.cluster_name)) != row.pk
    }
    oldest = min((row.committed_at for row in rows if row.committed_at), default=None)
    for layer in layer_outcomes.newer_layers(fleet=rows[0].fleet, after=oldest) if oldest else ():
        places = layer_outcomes.places_of(layer.change)
        overtaken |= {row.pk for row in rows if _place(row) in places and _is_older(row, layer)}
    return overtaken


def _place(row: Delivery) -> layer_outcomes.Place:
    return (row.change.hub.name if row.change.hub else "", row.change.cluster_name)


def _is_older(one: Delivery, other: Delivery) -> bool:
    return bool(one.committed_at and other.committed_at and one.committed_at < other.committed_at)


def _keep(delivery: Delivery, found: _Found, now: datetime) -> None:
    """Write a comparison down; what it came to becomes an event, by whoever is first to write it."""
    begun = {"state": OutcomeState.WAITING.value, "since": now, "checked_at": now}
    with transaction.atomic():
        row, _ = Outcome.objects.get_or_create(delivery=delivery, defaults=begun)
        mine = Outcome.objects.filter(pk=row.pk)
        # What is settled stays so, whatever somebody slower has seen.
        still_open = mine.filter(state__in=_OPEN).exclude(state=found.state.value)
        moved = still_open.update(since=now, state=found.state.value)
        mine.filter(state=found.state.value).update(checked_at=now, **found.columns())
        if moved and found.state is OutcomeState.DIFFERS:
            events.record(
                verb="outcome.differed",
                message=f"The hub did something else than was foreseen: {found.differences[0]}",
                at=now,
                change=delivery.change,
                detail={"differences": list(found.differences)},
            )
        elif moved and found.state is OutcomeState.AGREES:
            events.record(
                verb="outcome.agreed",
                message="The hub did what was foreseen.",
                at=now,
                change=delivery.change,
            )
