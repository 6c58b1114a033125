"""Outcomes: each delivered plan is held against what the hub then did, until they agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from onboarding.domain.lifecycle import DeliveryState
from onboarding.domain.outcome import (
    PATIENCE,
    Expected,
    OutcomeState,
    Seen,
    differences,
    judge,
    prediction_of,
)
from onboarding.models import (
    ApplicationStatus,
    Change,
    ClusterStatus,
    Delivery,
    Fleet,
    HubWatch,
    Outcome,
)
from onboarding.ports import Clock
from onboarding.services import events
from onboarding.services.observing import layer_outcomes
from onboarding.services.observing.observation_rows import REGISTRATION

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
    rows = (
        Delivery.objects.filter(fleet=fleet, state=DeliveryState.COMMITTED.value)
        .filter(Q(outcome__isnull=True) | Q(outcome__state__in=_OPEN))
        .filter(Q(change__hub__isnull=False) | Q(change__kind=Change.Kind.LAYER))
        .exclude(change__plan={})
        .select_related("change__hub", "outcome")
        .order_by("-committed_at", "-pk")[:_MOST]
    )
    newest: set[tuple[int | None, str]] = set()
    for delivery in rows:
        if delivery.change.kind == Change.Kind.LAYER:
            _check_layer(delivery, now)
            continue
        about = (delivery.change.hub_id, delivery.change.cluster_name)
        _check(delivery, now, superseded=about in newest or _has_newer(delivery))
        newest.add(about)
    return len(rows)


def unheard(*, fleet: Fleet, clock: Clock) -> tuple[int, ...]:
    """Changes of which the hub shows nothing and is to be told once more; each counts as told.

    What told it the first time may have been lost: with the broker, or in Argo CD, which takes the
    mark of a request away when a comparison ends that read Git before the commit. It would look by
    itself at its next poll, minutes later.
    """
    now = clock.now()
    waiting = Outcome.objects.filter(
        delivery__fleet=fleet,
        delivery__committed_at__gt=now - PATIENCE,
        delivery__committed_at__lte=now - _TOLD_AGAIN_AFTER,
        state=OutcomeState.WAITING.value,
        tellings__lt=_MOST_TELLINGS,
    )
    rows = waiting.select_related("delivery").order_by("delivery__committed_at", "pk")[:_MOST]
    due = [row for row in rows if _is_due(row, now)][:_MOST_TOLD_AT_ONCE]
    return tuple(
        row.delivery.change_id
        for row in due
        if Outcome.objects.filter(pk=row.pk, tellings=row.tellings).update(
            tellings=row.tellings + 1, told_at=now
        )
    )


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


def _has_newer(delivery: Delivery) -> bool:
    change = delivery.change
    if Delivery.objects.filter(
        state=DeliveryState.COMMITTED.value,
        change__hub=change.hub,
        change__cluster_name=change.cluster_name,
        committed_at__gt=delivery.committed_at,
    ).exists():
        return True
    place = (change.hub.name if change.hub else "", change.cluster_name)
    return any(
        place in layer_outcomes.places_of(one.change)
        for one in layer_outcomes.newer_layers(delivery)
    )


def _check_layer(delivery: Delivery, now: datetime) -> None:
    found = layer_outcomes.compare(delivery, now)
    numbers = {
        "clusters": found.clusters,
        "agreeing": found.agreeing,
        "lacking": [list(one) for one in found.lacking],
    }
    _keep(delivery, found.state, found.sentences, numbers, now)


def _check(delivery: Delivery, now: datetime, *, superseded: bool) -> None:
    change = delivery.change
    found: tuple[str, ...] = ()
    if superseded:
        state = OutcomeState.SUPERSEDED
    else:
        found = differences(prediction_of(change.plan), _seen(delivery))
        watch = HubWatch.objects.filter(hub=change.hub).first()
        state = judge(
            found,
            committed_at=delivery.committed_at or now,
            seen_at=_seen_at(watch),
            now=now,
        )
    _keep(delivery, state, found, {}, now)


def _keep(
    delivery: Delivery,
    state: OutcomeState,
    found: tuple[str, ...],
    numbers: Mapping[str, Any],
    now: datetime,
) -> None:
    """Write a comparison down; a difference becomes an event the first time."""
    old = Outcome.objects.filter(delivery=delivery).first()
    changed = old is None or old.state != state.value
    with transaction.atomic():
        Outcome.objects.update_or_create(
            delivery=delivery,
            defaults={
                "state": state.value,
                "differences": list(found) if state is OutcomeState.DIFFERS else [],
                "checked_at": now,
                **numbers,
                **({"since": now} if changed else {}),
            },
        )
        if changed and state is OutcomeState.DIFFERS:
            events.record(
                verb="outcome.differed",
                message=f"The hub did something else than was foreseen: {found[0]}",
                at=now,
                change=delivery.change,
                detail={"differences": list(found)},
            )


def _seen_at(watch: HubWatch | None) -> datetime | None:
    """Since when everything that is compared was seen: labels and Applications are read apart."""
    if watch is None or watch.seen_at is None or watch.clusters_seen_at is None:
        return None
    return min(watch.seen_at, watch.clusters_seen_at)


def _seen(delivery: Delivery) -> Seen:
    change = delivery.change
    registered = ClusterStatus.objects.filter(hub=change.hub, name=change.cluster_name).first()
    rows = ApplicationStatus.objects.filter(hub=change.hub, cluster_name=change.cluster_name)
    return Seen(
        labels=registered.labels if registered else None,
        applications={
            row.name: Expected(row.version, str(row.facts.get("release", "")))
            for row in rows.only("name", "version", "facts")
            if not row.name.startswith(REGISTRATION)
        },
    )
