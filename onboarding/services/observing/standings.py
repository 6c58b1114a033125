"""Standings: how each cluster stands, gathered for many at once and kept for the lists.

Nothing is decided here. Each line is what `stories` tells of its cluster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from onboarding.domain.lifecycle import DecisionState
from onboarding.models import (
    Change,
    Cluster,
    Delivery,
    Event,
    Fleet,
    Hub,
    Standing,
)
from onboarding.ports import Clock
from onboarding.services.observing import durations
from onboarding.services.observing.looking import HUB_TOLD
from onboarding.services.observing.stories import HubView, Story, tell

_TOLD_LATELY = timedelta(minutes=30)
"""How long after its commit it still matters whether the hub was told of a change."""

_COLUMNS = [
    "change",
    "hub_name",
    "name",
    "tenant",
    "environment",
    "model",
    "addons_release",
    "resources_release",
    "monitoring_release",
    "fleet_release",
    "overrides",
    "state",
    "sentence",
    "advice",
    "stage",
    "drift",
    "applications",
    "synced",
    "healthy",
    "counts",
    "seen_at",
    "since",
]


def recompute(*, fleet: Fleet, clock: Clock) -> int:
    """Bring the standings of a fleet up to date; returns how many there are.

    Clusters of Git, and clusters that open registrations ask for, each one row. Rows that nothing
    stands behind any more are removed.
    """
    now = clock.now()
    views = {hub.name: HubView(hub) for hub in Hub.objects.filter(fleet=fleet)}
    unseen = HubView(None)
    asked, deliveries = _changes(fleet)
    told_of = set(
        Event.objects.filter(fleet=fleet, verb=HUB_TOLD, at__gt=now - _TOLD_LATELY).values_list(
            "change_id", flat=True
        )
    )
    old = {_key(row): row for row in Standing.objects.filter(fleet=fleet)}
    before = {row.pk: _content(row) for row in old.values()}
    fresh: dict[tuple[str, object], Standing] = {}
    onboarded: list[durations.Told] = []
    for cluster in Cluster.objects.filter(fleet=fleet):
        about = asked.pop((cluster.hub_name, cluster.name), _Asked())
        row = old.get(("cluster", cluster.pk)) or Standing(fleet=fleet, cluster=cluster)
        told = tell(
            cluster=cluster,
            change=about.registration,
            delivery=deliveries.get(about.registration.pk) if about.registration else None,
            seen=views.get(cluster.hub_name, unseen),
            now=now,
            hub_told=about.registration is not None and about.registration.pk in told_of,
        )
        _describe_cluster(row, cluster, about.open, told, now)
        if about.registration and about.registration.state == DecisionState.APPROVED.value:
            onboarded.append(durations.Told(about.registration, told.timeline))
        fresh["cluster", cluster.pk] = row
    for (hub_name, _), about in asked.items():
        change = about.registration
        if change is None or change.settled_at:
            continue
        row = old.get(("change", change.pk)) or Standing(fleet=fleet)
        told = tell(
            cluster=None,
            change=change,
            delivery=deliveries.get(change.pk),
            seen=views.get(hub_name, unseen),
            now=now,
            hub_told=change.pk in told_of,
        )
        _describe_change(row, change, told, now)
        fresh["change", change.pk] = row
    _write(old, before, fresh, now)
    durations.record(fleet=fleet, told=onboarded, now=now)
    return len(fresh)


def _write(
    old: Mapping[tuple[str, object], Standing],
    before: Mapping[int, tuple[object, ...]],
    fresh: Mapping[tuple[str, object], Standing],
    now: datetime,
) -> None:
    """Write what differs; what stayed as it was only gets the new time, all of it in one statement."""
    same, changed, new = [], [], []
    for row in fresh.values():
        row.computed_at = now
        if not row.pk:
            new.append(row)
        elif before[row.pk] == _content(row):
            same.append(row.pk)
        else:
            changed.append(row)
    gone = [row.pk for key, row in old.items() if key not in fresh]
    with transaction.atomic():
        for some in batched(gone):
            Standing.objects.filter(pk__in=some).delete()
        for some in batched(same):
            Standing.objects.filter(pk__in=some).update(computed_at=now)
        Standing.objects.bulk_create(new, batch_size=500)
        # One upsert for each batch: `bulk_update` writes a CASE of every row for each column.
        Standing.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=[*_COLUMNS, "computed_at"],
            batch_size=500,
        )


def batched(keys: Sequence[int], size: int = 500) -> Iterator[Sequence[int]]:
    """The keys in parts that every database takes as parameters of one statement."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _content(row: Standing) -> tuple[object, ...]:
    return (row.change_id, *(getattr(row, name) for name in _COLUMNS if name != "change"))


@dataclass(slots=True)
class _Asked:
    """The changes about one cluster: the one that registered it or shall, and the newest open one."""

    registration: Change | None = None
    open: Change | None = None


def _changes(fleet: Fleet) -> tuple[dict[tuple[str, str], _Asked], dict[int, Delivery]]:
    """What was asked about each cluster, by hub and name (drafts never), and the newest delivery of each change."""
    rows = (
        Change.objects.filter(fleet=fleet)
        .filter(
            Q(settled_at__isnull=True)
            | Q(kind=Change.Kind.REGISTER, state=DecisionState.APPROVED.value)
        )
        .exclude(state=DecisionState.DRAFT.value)
        .select_related("hub")
        .defer("plan", "read_set", "form_data")
        .order_by("pk")
    )
    asked: dict[tuple[str, str], _Asked] = defaultdict(_Asked)
    for row in rows:
        about = asked[row.hub.name if row.hub else "", row.cluster_name]
        if row.kind == Change.Kind.REGISTER:
            about.registration = row
        if row.settled_at is None:
            about.open = row
    deliveries = {row.change_id: row for row in Delivery.objects.filter(fleet=fleet).order_by("pk")}
    return asked, deliveries


def _key(row: Standing) -> tuple[str, object]:
    return ("cluster", row.cluster_id) if row.cluster_id else ("change", row.change_id)


def _describe_cluster(
    row: Standing, cluster: Cluster, change: Change | None, told: Story, now: datetime
) -> None:
    row.hub_name, row.name = cluster.hub_name, cluster.name
    row.tenant, row.environment, row.model = cluster.tenant, cluster.environment, cluster.model
    row.addons_release, row.resources_release = cluster.addons_release, cluster.resources_release
    row.monitoring_release, row.fleet_release = cluster.monitoring_release, cluster.fleet_release
    row.overrides = sorted(
        key for key, data in cluster.labels.items() if data["layer"] == "cluster"
    )
    row.change = change if change and change.settled_at is None else None
    _tell(row, told, now)


def _describe_change(row: Standing, change: Change, told: Story, now: datetime) -> None:
    row.change = change
    row.hub_name, row.name = change.hub.name if change.hub else "", change.cluster_name
    row.tenant, row.environment = change.tenant, change.environment
    row.model = str(change.intent.get("model", ""))
    pins = change.intent.get("pins", {})
    row.addons_release = pins.get("addonsRelease") or ""
    row.resources_release = pins.get("resourcesRelease") or ""
    row.monitoring_release = pins.get("monitoringRelease") or ""
    row.fleet_release = pins.get("fleetRelease") or ""
    row.overrides = sorted(key for key, value in pins.items() if value)
    _tell(row, told, now)


def _tell(row: Standing, told: Story, now: datetime) -> None:
    """Write what the story says; `since` moves only when the state does."""
    state = told.timeline.state.value
    if row.state != state or row.since is None:
        row.since = now
    current = told.timeline.current
    row.state, row.sentence, row.advice = state, told.timeline.sentence, told.timeline.advice
    row.stage = current.stage.value if current else ""
    row.drift = told.drift
    total = told.applications
    row.applications = total.total if total else 0
    row.synced, row.healthy = (total.synced, total.healthy) if total else (0, 0)
    row.counts = {each.word: count for each, count in total.counts.items()} if total else {}
    row.seen_at = told.seen_at
