"""What can be done with a cluster from its page, or why not."""

from __future__ import annotations

from django.urls import reverse

from onboarding.domain.progress import ClusterState
from onboarding.models import Cluster
from onboarding.views.pages import Link


def offboard(cluster: Cluster, *, may_edit: bool, leaves: bool) -> Link | None:
    """The way out: to ask for it, or to follow it."""
    if not leaves and (cluster.problem or not may_edit):
        return None
    url = reverse("cluster-offboard", args=[cluster.hub_name, cluster.name])
    return Link("Offboarding" if leaves else "Offboard", url)


def pause(cluster: Cluster, state: ClusterState, *, may_edit: bool) -> Link | None:
    """To pause it, or to the pause that there is."""
    paused = state is ClusterState.PAUSED
    if cluster.problem or state is ClusterState.LEAVING or not (may_edit or paused):
        return None
    url = reverse("cluster-pause", args=[cluster.hub_name, cluster.name])
    return Link("Pause", url)


def edit_denied(cluster: Cluster, *, may_edit: bool, leaves: bool) -> str:
    """Why it cannot be edited; "" where it can."""
    if leaves:
        return "It is leaving the fleet, so it cannot be edited."
    if cluster.problem:
        return "Its member file cannot be read; mend it in Git first."
    return "" if may_edit else "Your account may not request changes."
