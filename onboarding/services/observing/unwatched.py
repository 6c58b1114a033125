"""Applications that Argo CD has for a cluster and that are not watched: those outside its own namespace.

Argo CD may be told to take Applications from other namespaces too (`application.namespaces`). We may read its
own alone; but its API counts for each cluster all Applications that it works on, so that it shows where some
are missing here. Source: Argo CD 3.2, controller/clusterinfoupdater.go, `getUpdatedClusterInfo`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Count

from onboarding.models import ApplicationStatus, ClusterStatus, HubWatch
from onboarding.ports import HubKind, RegisteredCluster
from onboarding.services.observing.hub_text import as_map

STANDS = timedelta(seconds=90)
"""How long a difference has to stand: Argo CD counts every ten seconds, and we see each Application at once."""

_IN_CLUSTER = "https://kubernetes.default.svc"
_IN_CLUSTER_NAME = "in-cluster"
"""Argo CD's own name for the hub itself, whatever the hub is registered as."""


def watched_by_server(hub_id: int, found: Iterable[RegisteredCluster]) -> Mapping[str, int] | None:
    """How many Applications of each server are watched: Argo CD tells clusters apart by nothing else.

    None while the hub's Applications are not heard of.
    """
    kinds = as_map(HubWatch.objects.filter(hub_id=hub_id).values_list("kinds", flat=True).first())
    applications = as_map(kinds.get(HubKind.APPLICATIONS.value))
    if not applications.get("listed_at") or applications.get("problem"):
        return None
    rows = ApplicationStatus.objects.filter(hub_id=hub_id).order_by()
    counted = dict(rows.values_list("cluster_name").annotate(count=Count("pk")))
    named = {(each.server, each.name) for each in found}
    named |= {(server, server) for server, _ in named}
    named |= {(_IN_CLUSTER, _IN_CLUSTER_NAME)}
    watched = Counter[str]()
    for server, name in named:
        watched[server] += counted.get(name, 0)
    return watched


def unwatched(
    one: RegisteredCluster,
    old: ClusterStatus | None,
    watched: Mapping[str, int] | None,
    *,
    untried: bool,
    now: datetime,
) -> tuple[int, datetime | None]:
    """How many more Applications Argo CD has for a cluster than are watched, and since when it has more.

    The number is 0 until the difference has stood for a while. `watched` None says that Applications are not
    heard of; then, and where nobody counts (`untried`), what was known stays.
    """
    known = (old.unwatched, old.unwatched_since) if old else (0, None)
    if watched is None or untried or one.connected_at is None:
        return known
    more = one.applications - watched[one.server]
    if more <= 0:
        return 0, None
    since = known[1] or now
    return (more if now - since >= STANDS else known[0]), since
