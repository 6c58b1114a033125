"""Observations: write down what the hubs say, each by one watcher, never more than they said.

A kind is listed in full, marked with a new generation, and what the list did not name is swept;
then a watch keeps it. All writing happens under the watch's fence: a watcher that lost it (paused,
cut off) can write nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from onboarding.domain.applications import moment
from onboarding.domain.errors import TooLarge, Transient
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import (
    Cluster,
    ClusterStatus,
    Delivery,
    Heartbeat,
    Hub,
    HubWatch,
)
from onboarding.ports import (
    ArgoCD,
    Clock,
    HubEvent,
    HubEventType,
    HubKind,
    HubPage,
    HubReader,
    ListExpired,
)
from onboarding.services.observing import controller_watch, registered_clusters, unwatched, verdicts
from onboarding.services.observing import observation_rows as rows
from onboarding.services.observing.hub_parts import mend
from onboarding.services.observing.hub_text import as_map, text
from onboarding.services.observing.looking import tell_hub_of_change
from onboarding.services.observing.object_rows import READING, Context, uid_of, version_of
from onboarding.services.observing.upserts import tidy, upsert
from onboarding.services.observing.watches import (
    LEASE,
    LostWatch,
    Watch,
    claim,
    keep,
    release,
    writing,
)

__all__ = [
    "LEASE",
    "Listing",
    "LostWatch",
    "Watch",
    "apply_events",
    "claim",
    "clusters_interval",
    "heard_at",
    "judge_again",
    "keep",
    "list_kind",
    "observe_clusters",
    "release",
    "tell_hub_of_change",
    "writing",
]

PAGE_SIZE = 500
ONBOARDING_INTERVAL = timedelta(seconds=5)
CALM_INTERVAL = timedelta(seconds=60)
# How long after its commit a change counts as under way.
_UNDER_WAY = timedelta(minutes=30)
_HEARTBEAT = timedelta(seconds=5)
_AT_ONCE = 400
_MANY = 1_000
"""Rows of a list from which on a database is told that it was a large one."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A full list that was written down: where a watch goes on, and whose list it was."""

    kind: HubKind
    resource_version: str
    generation: int
    identity: str
    count: int
    swept: int
    # Of what a watch said was deleted since, the version: nothing older brings it back.
    deleted: dict[str, str] = field(default_factory=dict, compare=False)


def list_kind(
    *, watch: Watch, kind: HubKind, reader: HubReader, clock: Clock, page_size: int = PAGE_SIZE
) -> Listing:
    """Read all objects of a kind, page by page, and sweep the rows of those that are gone.

    Raises `LostWatch`, `ListExpired` (begin again) and what the reader raises; rows of pages that
    were read before stay, and nothing is swept.
    """
    identity, version = reader.identity(), reader.version()
    generation = _begin(watch, identity, version)
    count, written, unreadable, token, resource_version = 0, 0, 0, "", ""
    moved: set[str] = set()
    try:
        while True:
            page, page_size = _page(reader, kind, page_size, token)
            resource_version = resource_version or page.resource_version
            with writing(watch) as row:
                _same_hub(row, identity)
                if not token and _means_something_else(row, kind, resource_version):
                    rows.rows_of(watch.hub_id, kind).update(resource_version="")
                context = _context(watch, row, kind, generation, clock.now())
                stored = rows.store(context, page.items, ordered=False)
            moved |= stored.clusters
            count, unreadable = count + len(page.items), unreadable + stored.unreadable
            written += stored.written
            token = page.continue_token
            if not token:
                break
    finally:
        # Not page by page: one cluster's Applications are on many pages.
        watch.moved.add(moved)
    with writing(watch) as row:
        _same_hub(row, identity)
        gone = rows.rows_of(watch.hub_id, kind).filter(generation__lt=generation)
        swept_of = frozenset[str]().union(*map(rows.clusters_of, gone.defer("facts").iterator()))
        swept, _ = gone.delete()
        now = clock.now()
        row.kinds[kind.value] = {
            "resource_version": resource_version,
            "generation": generation,
            "reading": READING,
            "listed_at": now.isoformat(),
            "count": count,
            "unreadable": unreadable,
        }
        _heard(row, kind.value, now)
    watch.moved.add(swept_of)
    _beat(watch, kind.value, clock.now(), f"listed {count}")
    if written > max(_MANY, count // 2):
        tidy(rows.model_of(kind))
    return Listing(kind, resource_version, generation, identity, count, swept)


def _page(reader: HubReader, kind: HubKind, size: int, token: str) -> tuple[HubPage, int]:
    """The next page, and how many objects were asked for: fewer, where so many are too large."""
    while True:
        try:
            return reader.list_page(kind, limit=size, continue_token=token), size
        except TooLarge:
            if size == 1:
                raise
            size = max(1, size // 4)


def apply_events(
    *, watch: Watch, listing: Listing, events: Sequence[HubEvent], clock: Clock
) -> str:
    """Write down a batch of events in order; returns the newest resource version ("" for none).

    An empty batch says that the hub was heard. Events that come twice or late change nothing.
    Raises `ListExpired` where the hub was exchanged or listed anew since, `LostWatch`.
    """
    newest = next((each.resource_version for each in reversed(events) if each.resource_version), "")
    with writing(watch) as row:
        _same_hub(row, listing.identity)
        kept = row.kinds.get(listing.kind.value, {})
        if kept.get("generation") != listing.generation:
            raise ListExpired(f"The hub {watch.hub_name} was listed anew.")
        now = clock.now()
        context = _context(watch, row, listing.kind, listing.generation, now)
        moved = frozenset[str]()
        for gone, batch in _runs(events):
            if gone:
                moved |= _delete(context, batch)
                listing.deleted.update((uid_of(item), version_of(item)) for item in batch)
            else:
                left = [item for item in batch if not _is_deleted(item, listing.deleted)]
                moved |= rows.store(context, left, ordered=True).clusters
        if newest:
            kept["resource_version"] = newest
        _heard(row, listing.kind.value, now)
    watch.moved.add(moved)
    _beat(watch, listing.kind.value, now, f"heard {len(events)}")
    return newest


def observe_clusters(*, watch: Watch, argocd: ArgoCD, clock: Clock) -> int:
    """Write down the clusters that Argo CD has registered; returns how many.

    An empty answer is none: the hub itself is always registered, so it means a token that may see
    nothing. Raises `Transient` then, `LostWatch`, and what the adapter raises.
    """
    found = argocd.clusters()
    now = clock.now()
    if not found:
        raise Transient(
            f"Argo CD of hub {watch.hub_name} shows no cluster at all, not even the hub. Check "
            "that the account of its token has the policy 'clusters, get, *'."
        )
    # Compared before anything is locked: only the holder of the watch writes these rows.
    tried = controller_watch.newest(found)
    watched = unwatched.watched_by_server(watch.hub_id, found)
    news = registered_clusters.compared(
        hub_id=watch.hub_id, found=found, tried=tried, watched=watched, now=now
    )
    changed, gone = [*news.changed, *news.new], list(news.gone)
    with writing(watch) as row:
        for start in range(0, len(changed), _AT_ONCE):
            upsert(
                ClusterStatus,
                changed[start : start + _AT_ONCE],
                unique=("hub", "server", "name"),
                columns=(*registered_clusters.SAID, "connected_at", "labels_changed_at", "seen_at"),
            )
        rows.name_destinations(watch.hub_id, {each.server: each.name for each in news.new})
        ClusterStatus.objects.filter(hub_id=watch.hub_id).update(seen_at=now)
        for start in range(0, len(gone), _AT_ONCE):
            ClusterStatus.objects.filter(pk__in=gone[start : start + _AT_ONCE]).delete()
        row.clusters_seen_at = now
        controller_watch.remember(watch)
        controller_watch.hear(row, tried, now)
        _heard(row, "clusters", now)
    watch.moved.add({*news.moved, *news.gone.values(), *(each.name for each in news.new)})
    _beat(watch, "clusters", now, f"saw {len(found)}")
    return len(found)


def clusters_interval(*, hub: Hub, clock: Clock) -> timedelta:
    """How soon Argo CD is asked again: every 5 s while a cluster is being onboarded, else 60 s.

    Until everything was listed once, nothing can be said of any cluster, and often helps nobody.
    """
    if not was_seen(hub_id=hub.pk):
        return CALM_INTERVAL
    under_way = Delivery.objects.filter(change__hub=hub).filter(
        Q(state__in=[DeliveryState.QUEUED.value, DeliveryState.PUSHING.value])
        | Q(committed_at__gt=clock.now() - _UNDER_WAY)
    )
    registered = ClusterStatus.objects.filter(hub=hub).values("name")
    missing = Cluster.objects.filter(hub_name=hub.name, problem="").exclude(name__in=registered)
    return ONBOARDING_INTERVAL if under_way.exists() or missing.exists() else CALM_INTERVAL


def judge_again(*, watch: Watch, clock: Clock) -> int:
    """Judge the hub's Applications by the time of now; returns how many changed by that.

    A verdict changes by time alone: a health becomes believable some seconds after a sync, and a
    hub, an Argo CD or an application controller that is silent makes what it said stale.
    """
    kinds, now, after, count = _kinds(watch.hub_id), clock.now(), 0, 0
    heard = _seen_at(kinds, HubKind.APPLICATIONS.value)
    silence = controller_watch.silence_of(watch, kinds, now)
    all_rows = verdicts.that_time_may_change(
        hub_id=watch.hub_id, now=now, heard_at=heard, silence=silence
    )
    while chunk := list(all_rows.order_by("pk").filter(pk__gt=after)[:500]):
        after = chunk[-1].pk
        changed = [
            row for row in chunk if verdicts.judge(row, now=now, heard_at=heard, silence=silence)
        ]
        count += len(changed)
        if changed:
            with writing(watch):
                verdicts.keep_judgements(changed)
            for row in changed:
                watch.moved.add(rows.clusters_of(row))
    return count


def was_seen(*, hub_id: int) -> bool:
    """Whether everything that a hub has was listed once."""
    return HubWatch.objects.filter(hub_id=hub_id, seen_at__isnull=False).exists()


def heard_at(*, hub_id: int, part: str = HubKind.APPLICATIONS.value) -> datetime | None:
    """When the hub was last heard of in one part, also where it had nothing new to say."""
    return _seen_at(_kinds(hub_id), part)


def _kinds(hub_id: int) -> Mapping[str, Any]:
    return as_map(HubWatch.objects.filter(hub_id=hub_id).values_list("kinds", flat=True).first())


def _seen_at(kinds: Mapping[str, Any], part: str) -> datetime | None:
    return moment(as_map(kinds.get(part)).get("seen_at"))


def _begin(watch: Watch, identity: str, version: str) -> int:
    with writing(watch) as row:
        if row.identity != identity:
            # Another hub answers at this address: everything is listed anew, and swept by that.
            row.identity, row.kinds = identity, {}
        row.kinds.pop("configuration", None)
        row.version, row.demo = version[:100], "demo" in version
        row.generation += 1
        row.save(update_fields=["identity", "kinds", "version", "demo", "generation"])
        return row.generation


def _same_hub(row: HubWatch, identity: str) -> None:
    if row.identity != identity:
        raise ListExpired("Another hub answers at this address now.")


def _means_something_else(row: HubWatch, kind: HubKind, resource_version: str) -> bool:
    """Whether rows of the versions that we know are to be made anew: the hub was restored from a
    backup, or we read its objects otherwise since an upgrade."""
    known = as_map(row.kinds.get(kind.value))
    restored = rows.older(resource_version, text(known.get("resource_version")))
    return restored or known.get("reading") != READING


def _context(watch: Watch, row: HubWatch, kind: HubKind, generation: int, now: datetime) -> Context:
    silence = controller_watch.silence_of(watch, row.kinds, now)
    return Context(watch.hub_id, kind, generation, now, silence)


def _heard(row: HubWatch, part: str, now: datetime) -> None:
    row.kinds.setdefault(part, {})["seen_at"] = now.isoformat()
    mend(row, part)
    row.seen_at = _whole(row) or row.seen_at
    row.save(update_fields=["kinds", "problem", "problem_since", "seen_at", "clusters_seen_at"])


def _whole(row: HubWatch) -> datetime | None:
    """When the hub was last heard of as a whole: its most silent kind counts, not the loudest.

    None until its Applications were heard of: what nobody has looked at is not fresh.
    """
    times = {kind: moment(row.kinds.get(kind.value, {}).get("seen_at")) for kind in HubKind}
    if times[HubKind.APPLICATIONS] is None:
        return None
    return min(each for each in times.values() if each is not None)


def _beat(watch: Watch, part: str, now: datetime, detail: str) -> None:
    """A sign of life after a completed round; at most one each few seconds is written."""
    name = f"watch:{watch.hub_name}:{part}"
    fresh = Heartbeat.objects.filter(part=name, at__gt=now - _HEARTBEAT, at__lte=now)
    if not fresh.exists():
        Heartbeat.objects.update_or_create(part=name, defaults={"at": now, "detail": detail})


def _runs(events: Iterable[HubEvent]) -> Iterator[tuple[bool, list[Mapping[str, Any]]]]:
    """Consecutive events of one sort (deletions, or all else), so that their order is kept."""
    gone, batch = False, list[Mapping[str, Any]]()
    for event in events:
        if event.type is HubEventType.BOOKMARK:
            continue
        deletion = event.type is HubEventType.DELETED
        if batch and deletion != gone:
            yield gone, batch
            batch = []
        gone = deletion
        batch.append(event.object)
    if batch:
        yield gone, batch


def _is_deleted(item: Mapping[str, Any], deleted: Mapping[str, str]) -> bool:
    since = deleted.get(uid_of(item))
    return since is not None and not rows.older(since, version_of(item))


def _delete(context: Context, items: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Delete the rows of objects that are gone; returns the clusters that they were about."""
    asked = {uid: version_of(item) for item in items if (uid := uid_of(item))}
    found = rows.rows_of(context.hub_id, context.kind).filter(uid__among=asked)
    gone = [
        row for row in found.defer("facts") if not rows.older(asked[row.uid], row.resource_version)
    ]
    found.filter(pk__among=[row.pk for row in gone]).delete()
    return frozenset[str]().union(*map(rows.clusters_of, gone))
