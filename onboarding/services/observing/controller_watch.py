"""Whether Argo CD's application controller works: nothing else says so while it is the only part away.

Every ten seconds it notes of each cluster when it last tried it, whether or not anything changed. While it is
away, Applications keep saying what they said last. Where there are several, each has a shard of the clusters,
and one that is away leaves the clusters of its shard alone. Source: Argo CD 3.2, controller/clusterinfoupdater.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from onboarding.domain.applications import moment
from onboarding.domain.labels import SKIP_RECONCILE, is_paused
from onboarding.models import ClusterStatus, HubWatch
from onboarding.ports import RegisteredCluster
from onboarding.services.observing.hub_text import as_map
from onboarding.services.observing.watches import Watch

PART = "controller"
PATIENCE = timedelta(seconds=90)
"""How long it may note nothing of any cluster; several times what it takes."""

PROBLEM = "The application controller has tried no cluster since."
FORGOTTEN = "Argo CD knows nothing of its application controller's tries any more: it, or Argo CD's Redis, is away."
OTHERS_TRIED = (
    "It still tries other clusters of this hub: the controller of this one's shard is away."
)


@dataclass(frozen=True, slots=True)
class Silence:
    """Since when nobody can say that Applications are compared: of a `whole` hub, or of single clusters."""

    whole: datetime | None = None
    clusters: Mapping[str, datetime] = field(default_factory=dict)

    def of(self, cluster_name: str) -> datetime | None:
        """Since when it is so for one cluster; None where it is tried."""
        return self.whole or self.clusters.get(cluster_name)


ALL_TRIED = Silence()


def silence_of(watch: Watch, kinds: Mapping[str, Any], now: datetime) -> Silence:
    """What is known of a hub's controllers; an Argo CD that is away for long says nothing of them.

    `kinds` is what the hub's row says of its parts.
    """
    times = [moment(as_map(kinds.get(part)).get("problem_since")) for part in (PART, "clusters")]
    whole = min((at for at in times if at and now - at >= PATIENCE), default=None)
    if watch.untried.clusters is None:
        remember(watch)
    return Silence(whole, watch.untried.clusters or {})


def remember(watch: Watch) -> None:
    """Read which clusters are not tried; only the holder of the watch writes that."""
    rows = ClusterStatus.objects.filter(hub_id=watch.hub_id, untried_since__isnull=False)
    watch.untried.clusters = {
        name: at for name, at in rows.values_list("name", "untried_since") if at
    }


def newest(found: Iterable[RegisteredCluster]) -> datetime | None:
    """When any controller last tried any cluster, by its own clock; None where Argo CD does not say."""
    return max((one.connected_at for one in found if one.connected_at), default=None)


def untried_since(
    one: RegisteredCluster, old: ClusterStatus | None, tried: datetime | None, now: datetime
) -> datetime | None:
    """Since when a cluster is not tried while others are, by our clock; None where it is, or is paused.

    `tried` is when the newest of all was. The two times are of one Argo CD and only compared with each
    other. One that was never tried has the patience that any has.
    """
    if tried is None or is_paused(one.annotations.get(SKIP_RECONCILE)):
        return None
    lag = timedelta()
    if one.connected_at is not None:
        lag = tried - one.connected_at
    elif old is not None:
        lag = now - old.first_seen_at
    if lag < PATIENCE:
        return None
    return (old.untried_since if old else None) or now - lag


def hear(row: HubWatch, tried: datetime | None, now: datetime) -> None:
    """Note on the hub's row (not saved) whether the controller did anything since it was last asked.

    `tried` is when any cluster last was. These times are only compared with each other, for its clock
    need not be ours; so that of several controllers all have to be away.
    """
    entry = row.kinds.setdefault(PART, {})
    if tried is not None and tried.isoformat() != entry.get("tried"):
        row.kinds[PART] = {"tried": tried.isoformat(), "moved_at": now.isoformat(), "problem": ""}
        return
    # After ten minutes Argo CD forgets what its controller noted: nothing is no sign of life.
    since = moment(entry.get("moved_at"))
    if since is not None and now - since >= PATIENCE:
        entry["problem"] = PROBLEM if tried is not None else FORGOTTEN
        entry.setdefault("problem_since", since.isoformat())
        row.problem_since = row.problem_since or now
