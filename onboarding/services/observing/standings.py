"""Standings: how each cluster stands, gathered for many at once and kept for the lists.

Nothing is decided here. Each line is what `stories` tells of its cluster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Q

from onboarding.domain.causes import cause_of
from onboarding.domain.lifecycle import DecisionState
from onboarding.models import (
    Change,
    Cluster,
    Delivery,
    Event,
    Fleet,
    Heartbeat,
    Hub,
    Offboarding,
    Standing,
)
from onboarding.ports import Clock
from onboarding.services.observing import durations, pulses
from onboarding.services.observing.hub_view import HubView
from onboarding.services.observing.leaving import leaving_of
from onboarding.services.observing.looking import HUB_TOLD
from onboarding.services.observing.stories import Story, tell
from onboarding.services.shown import STALE_AFTER

_TOLD_LATELY = timedelta(minutes=30)
"""How long after its commit it still matters whether the hub was told of a change."""
_MOVED_LATELY = timedelta(minutes=5)
_AT_ONCE = 400
_CLUSTERS_PER_SECOND = 200
"""Of how many clusters a second all standings are brought up, so that it takes part of a processor."""
_LONGEST = 60.0
"""The most seconds between two times, in any fleet: pages call an older standing stale."""
_OPEN_REGISTRATION = Q(kind=Change.Kind.REGISTER, settled_at__isnull=True) & ~Q(
    state=DecisionState.DRAFT.value
)
# How often a cluster is told anew because another process told it meanwhile; the next time, it is again.
_ATTEMPTS = 3
Key = TypeVar("Key")

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
    "cause",
    "stage",
    "drift",
    "credentials",
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
    stands behind any more are removed. It is done part by part, so that a large fleet needs no more
    memory than a small one.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for hub_name, name in Cluster.objects.filter(fleet=fleet).values_list("hub_name", "name"):
        names[hub_name].add(name)
    asked = Change.objects.filter(_OPEN_REGISTRATION, fleet=fleet)
    for hub_name, name in asked.values_list("hub__name", "cluster_name"):
        names[hub_name or ""].add(name)
    for hub_name, name in Standing.objects.filter(fleet=fleet).values_list("hub_name", "name"):
        names[hub_name].add(name)
    for hub_name, name in _leaving(fleet):
        names[hub_name].add(name)
    return sum(
        follow(fleet=fleet, hub_name=hub_name, names=found, clock=clock)
        for hub_name, found in names.items()
    )


def follow(*, fleet: Fleet, hub_name: str, names: Iterable[str], clock: Clock) -> int:
    """Bring the standings of some clusters of one hub up to date; returns how many there are."""
    hub = Hub.objects.filter(fleet=fleet, name=hub_name).select_related("fleet").first()
    parts = batched(sorted(names), _AT_ONCE)
    return sum(_part(fleet, hub, hub_name, some, clock.now()) for some in parts)


def keep_up(*, fleet: Fleet, clock: Clock) -> int:
    """What is done every two seconds: all standings, as often as the fleet's size allows.

    Between two of these, those whose decision or delivery moved or may move; what the hub says of
    the others, its watcher brings up. Returns how many were brought up to date.
    """
    now, part = clock.now(), f"standings:{fleet.name}"
    seconds = min(_LONGEST, Cluster.objects.filter(fleet=fleet).count() / _CLUSTERS_PER_SECOND)
    if _is_first_to_begin(part, now, seconds):
        return recompute(fleet=fleet, clock=clock)
    moving: dict[str, set[str]] = defaultdict(set)
    changes = Change.objects.filter(fleet=fleet).filter(
        Q(settled_at__isnull=True) | Q(updated_at__gt=now - _MOVED_LATELY)
    )
    for hub_name, name in changes.exclude(state=DecisionState.DRAFT.value).values_list(
        "hub__name", "cluster_name"
    ):
        moving[hub_name or ""].add(name)
    for hub_name, name in _leaving(fleet):
        moving[hub_name].add(name)
    new = Cluster.objects.filter(fleet=fleet, standing__isnull=True)
    for hub_name, name in new.values_list("hub_name", "name"):
        moving[hub_name].add(name)
    return sum(
        follow(fleet=fleet, hub_name=hub_name, names=names, clock=clock)
        for hub_name, names in moving.items()
    )


def _is_first_to_begin(part: str, now: datetime, seconds: float) -> bool:
    """Whether a pass is due that nobody has begun: of many who ask at once, one is told so.

    One that a wrong clock set far into the future counts for nothing.
    """
    begun = Heartbeat.objects.filter(part=part)
    ahead = now + timedelta(seconds=_LONGEST)
    lately = Q(at__gt=now - timedelta(seconds=seconds), at__lte=ahead)
    if begun.exclude(lately).update(at=now):
        return True
    return (
        not begun.exists() and Heartbeat.objects.get_or_create(part=part, defaults={"at": now})[1]
    )


def _leaving(fleet: Fleet) -> Iterable[tuple[str, str]]:
    """Hub and name of the clusters whose way out of the fleet is open, also where Git has them no more."""
    runs = Offboarding.objects.filter(fleet=fleet, ended_at__isnull=True)
    return runs.values_list("hub__name", "cluster_name")


def _part(
    fleet: Fleet,
    hub: Hub | None,
    hub_name: str,
    names: Sequence[str],
    now: datetime,
    *,
    attempts: int = _ATTEMPTS,
) -> int:
    # Read before any fact: who writes one of these meanwhile may know less than we do, or more.
    rows = Standing.objects.filter(fleet=fleet, hub_name=hub_name, name__in=names).order_by("-pk")
    before = {row.pk: _content(row) for row in rows}
    old = {_key(row): row for row in rows}
    seen = HubView(hub, only=names)
    asked, deliveries = _changes(fleet, hub_name, names)
    leaving = dict(leaving_of(hub_name=hub_name, names=names))
    told_of = set(
        Event.objects.filter(
            fleet=fleet, verb=HUB_TOLD, at__gt=now - _TOLD_LATELY, change_id__in=deliveries
        ).values_list("change_id", flat=True)
    )
    fresh: dict[tuple[str, object], Standing] = {}
    onboarded: list[durations.Told] = []
    for cluster in Cluster.objects.filter(fleet=fleet, hub_name=hub_name, name__in=names):
        about = asked.pop(cluster.name, _Asked())
        row = old.get(("cluster", cluster.pk)) or Standing(fleet=fleet, cluster=cluster)
        told = tell(
            cluster=cluster,
            change=about.registration,
            delivery=deliveries.get(about.registration.pk) if about.registration else None,
            seen=seen,
            now=now,
            hub_told=about.registration is not None and about.registration.pk in told_of,
            leaving=leaving.pop(cluster.name, None),
        )
        _describe_cluster(row, cluster, about.open, told, now)
        if about.registration and about.registration.state == DecisionState.APPROVED.value:
            onboarded.append(durations.Told(about.registration, told.timeline))
        fresh["cluster", cluster.pk] = row
    ways_out = {way_out.change_id: way_out for way_out in leaving.values()}
    elsewhere = [about.registration for about in asked.values() if about.registration]
    elsewhere = [change for change in elsewhere if not change.settled_at]
    elsewhere += Change.objects.select_related("hub").filter(pk__in=ways_out)
    for change in elsewhere:
        row = old.get(("change", change.pk)) or Standing(fleet=fleet)
        told = tell(
            cluster=None,
            change=change,
            delivery=deliveries.get(change.pk),
            seen=seen,
            now=now,
            hub_told=change.pk in told_of,
            leaving=ways_out.get(change.pk),
        )
        _describe_change(row, change, told, now)
        fresh["change", change.pk] = row
    overtaken = _write(fleet, before, fresh, now)
    if onboarded:
        durations.record(fleet=fleet, told=onboarded, now=now)
    if overtaken and attempts > 1:
        _part(fleet, hub, hub_name, overtaken, now, attempts=attempts - 1)
    return len(fresh)


def _write(
    fleet: Fleet,
    before: Mapping[int, tuple[object, ...]],
    fresh: Mapping[tuple[str, object], Standing],
    now: datetime,
) -> list[str]:
    """Write what differs, with a beat of the fleet's pulse; return which clusters have to be told anew.

    What stayed as it was only gets the new time, all of it in one statement. A row that another
    process wrote since it was read is left as it is: nobody knows which of the two knew more.
    """
    same, changed, new = [], [], []
    read_at = {row.pk: row.computed_at for row in fresh.values() if row.pk}
    for row in fresh.values():
        row.computed_at = now
        if not row.pk:
            new.append(row)
        elif before[row.pk] == _content(row):
            same.append(row.pk)
        else:
            changed.append(row)
    # Also the second row of one registration, where two processes made one each.
    kept = {row.pk for row in fresh.values()}
    gone = [pk for pk in before if pk not in kept]
    with transaction.atomic():
        locked = Standing.objects.select_for_update().order_by("pk")
        written = {
            pk: at
            for some in batched([*same, *(row.pk for row in changed)])
            for pk, at in locked.filter(pk__in=some).values_list("pk", "computed_at")
        }
        overtaken = [
            row.name for row in fresh.values() if row.pk and written.get(row.pk) != read_at[row.pk]
        ]
        same = [pk for pk in same if written.get(pk) == read_at[pk]]
        changed = [row for row in changed if written.get(row.pk) == read_at[row.pk]]
        for some in batched(gone):
            Standing.objects.filter(pk__in=some).delete()
        for some in batched(same):
            Standing.objects.filter(pk__in=some).update(computed_at=now)
        # Another process may have made the same in between; the next time brings it up.
        Standing.objects.bulk_create(new, batch_size=500, ignore_conflicts=True)
        # One upsert for each batch: `bulk_update` writes a CASE of every row for each column.
        Standing.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=[*_COLUMNS, "computed_at"],
            batch_size=500,
        )
        # What nobody had looked at for too long is shown otherwise from now on, whatever it says.
        believed_again = any(read_at[pk] < now - STALE_AFTER for pk in same)
        if gone or new or changed or believed_again:
            pulses.beat(fleet=fleet)
    return overtaken


def batched(keys: Sequence[Key], size: int = 500) -> Iterator[Sequence[Key]]:
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


def _changes(
    fleet: Fleet, hub_name: str, names: Sequence[str]
) -> tuple[dict[str, _Asked], dict[int, Delivery]]:
    """What was asked about each cluster, by name (drafts never), and the newest delivery of each change."""
    of_hub = Q(hub__name=hub_name) if hub_name else Q(hub=None)
    rows = (
        Change.objects.filter(of_hub, fleet=fleet, cluster_name__in=names)
        .filter(
            Q(settled_at__isnull=True)
            | Q(kind=Change.Kind.REGISTER, state=DecisionState.APPROVED.value)
        )
        .exclude(state=DecisionState.DRAFT.value)
        .select_related("hub")
        .defer("plan", "read_set", "form_data")
        .order_by("pk")
    )
    asked: dict[str, _Asked] = defaultdict(_Asked)
    registrations: list[int] = []
    for row in rows:
        about = asked[row.cluster_name]
        if row.kind == Change.Kind.REGISTER:
            about.registration = row
            registrations.append(row.pk)
        if row.settled_at is None:
            about.open = row
    delivered = Delivery.objects.filter(fleet=fleet, change__in=registrations).order_by("pk")
    return asked, {row.change_id: row for row in delivered} if registrations else {}


def _key(row: Standing) -> tuple[str, object]:
    return ("cluster", row.cluster_id) if row.cluster_id else ("change", row.change_id)


def _describe_cluster(
    row: Standing, cluster: Cluster, change: Change | None, told: Story, now: datetime
) -> None:
    # The cluster as it was read, or Django reads it once more for each row.
    row.cluster = cluster
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
    own = (row.cluster.secret_name,) if row.cluster else ()
    row.cause = cause_of(row.sentence, names=(row.name, *own))
    if told.drift is not None:  # else the hub still follows a commit, and it stays what it was
        row.drift = told.drift
    row.credentials = told.credentials.state.value if row.cluster else ""
    total = told.applications
    row.applications = total.total if total else 0
    row.synced, row.healthy = (total.synced, total.healthy) if total else (0, 0)
    row.counts = {each.word: count for each, count in total.counts.items()} if total else {}
    row.seen_at = told.seen_at
