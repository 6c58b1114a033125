"""What a distributed spoke's own Argo CD deploys, where it can be seen.

Access is configured as for a hub: one of the fleet's hubs that is called like the cluster is its own
Argo CD. Without one, what it deploys is not known, and that is said.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from onboarding.domain.member import DeploymentModel
from onboarding.models import ApplicationStatus, Cluster, Hub, HubWatch
from onboarding.services.observing.application_rows import SeenApplication, seen_applications


@dataclass(frozen=True, slots=True)
class OwnArgo:
    """A spoke's own Argo CD as it was last seen: when, and its Applications."""

    seen_at: datetime | None
    applications: Sequence[SeenApplication] = field(default_factory=list)


def groups_of(cluster: Cluster | None) -> tuple[str, ...]:
    """The groups of components that a cluster's own Argo CD deploys; none of a centralized one."""
    if cluster is None or cluster.model != DeploymentModel.DISTRIBUTED.value:
        return ()
    groups = (("add-ons", cluster.remote_addons), ("resources", cluster.remote_resources))
    return tuple(group for group, own in groups if own)


def own_argos(*, fleet_id: int, names: Collection[str]) -> dict[str, OwnArgo]:
    """The own Argo CDs of these clusters that access is configured to, by the cluster's name."""
    hubs = {hub.pk: hub.name for hub in Hub.objects.filter(fleet_id=fleet_id, name__in=names)}
    if not hubs:
        return {}
    seen = dict(HubWatch.objects.filter(hub__in=hubs).values_list("hub_id", "seen_at"))
    rows: dict[int, list[SeenApplication]] = {pk: [] for pk in hubs}
    for row in seen_applications(ApplicationStatus.objects.filter(hub__in=hubs)):
        rows[row.hub_id].append(row)
    return {name: OwnArgo(seen.get(pk), rows[pk]) for pk, name in hubs.items()}
