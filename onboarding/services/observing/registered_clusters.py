"""Registered clusters: what Argo CD says of them held against what was written of them before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from onboarding.models import ClusterStatus
from onboarding.ports import RegisteredCluster
from onboarding.services.observing.controller_watch import untried_since
from onboarding.services.observing.hub_text import text
from onboarding.services.observing.unwatched import unwatched

_AT_ONCE = 400
_TELLING = ("labels", "connection", "connection_message", "untried_since", "unwatched")
"""What of a registered cluster its standing is made of."""
SAID = (*_TELLING, "unwatched_since", "annotations", "version")
"""What of it is written as soon as it differs; the time of Argo CD's last try differs each time."""


@dataclass(slots=True)
class News:
    """What Argo CD says of clusters that their rows do not: changed ones (`moved` names those of them
    that may stand otherwise), new ones, and those that are gone, by the row's key."""

    changed: list[ClusterStatus] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    new: list[ClusterStatus] = field(default_factory=list)
    gone: dict[int, str] = field(default_factory=dict)


def compared(
    *,
    hub_id: int,
    found: Iterable[RegisteredCluster],
    tried: datetime | None,
    watched: Mapping[str, int] | None,
    now: datetime,
) -> News:
    """What was found held against the rows, of which some are read at a time: ten thousand with all
    their labels are a hundred megabytes at once, each minute. `tried` is when any of them last was,
    `watched` how many Applications of each server are watched (None: that is not known)."""
    asked = {(text(each.server, 500), text(each.name, 253)): each for each in found}
    news = News()
    for old in ClusterStatus.objects.filter(hub_id=hub_id).iterator(chunk_size=_AT_ONCE):
        each = asked.pop((old.server, old.name), None)
        if each is None:
            news.gone[old.pk] = old.name
            continue
        row = _cluster(hub_id, each, old, tried, watched, now)
        if _says_more(row, old, SAID):
            news.changed.append(row)
        if _says_more(row, old, _TELLING):
            news.moved.add(row.name)
    news.new = [_cluster(hub_id, each, None, tried, watched, now) for each in asked.values()]
    return news


def _says_more(row: ClusterStatus, old: ClusterStatus, columns: Sequence[str]) -> bool:
    """Whether Argo CD says of a cluster something else than before."""
    return any(getattr(row, name) != getattr(old, name) for name in columns)


def _cluster(
    hub_id: int,
    found: RegisteredCluster,
    old: ClusterStatus | None,
    tried: datetime | None,
    watched: Mapping[str, int] | None,
    now: datetime,
) -> ClusterStatus:
    server, name = text(found.server, 500), text(found.name, 253)
    labels = {text(key, 317): text(value, 63) for key, value in found.labels.items()}
    moved = old is None or old.labels != labels
    since = untried_since(found, old, tried, now)
    more, more_since = unwatched(found, old, watched, untried=since is not None, now=now)
    return ClusterStatus(
        hub_id=hub_id,
        name=name,
        server=server,
        labels=labels,
        annotations={text(key, 317): text(each) for key, each in found.annotations.items()},
        connection=text(found.connection, 20),
        connection_message=text(found.connection_message),
        connected_at=found.connected_at,
        untried_since=since,
        unwatched=more,
        unwatched_since=more_since,
        version=text(found.version, 60),
        first_seen_at=old.first_seen_at if old else now,
        labels_changed_at=now if moved or old is None else old.labels_changed_at,
        seen_at=now,
    )
