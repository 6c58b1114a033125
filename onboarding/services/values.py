"""Effective values: what each component of a cluster gets, where each value comes from, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onboarding.domain.component_values import (
    NO_EDITS,
    ComponentValues,
    cluster_facts,
    component_values,
    lay_catalogue,
    view_of,
)
from onboarding.domain.components import Component
from onboarding.domain.errors import Refused
from onboarding.domain.hierarchy import Resolved
from onboarding.domain.impact import Forecaster
from onboarding.domain.labels import cluster_labels
from onboarding.domain.layering import Branch, leaves
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.member import parse_member
from onboarding.domain.names import ClusterName, HubName
from onboarding.domain.plans import blob_id
from onboarding.domain.releases import parse_releases
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.models import Change, Cluster
from onboarding.services.layouts import layout_of


@dataclass(frozen=True, slots=True)
class Offered:
    """A component that a cluster's release channels offer, and whether its labels switch it on."""

    component: Component
    channel: str
    enabled: bool


class ClusterValues:
    """The values of one cluster at one commit, with the files of a change laid over it if asked.

    Making it raises `Refused` where the member file is gone or something cannot be read.
    """

    def __init__(
        self,
        *,
        hub_name: str,
        member_path: str,
        snapshot: Snapshot,
        layout: FleetLayout,
        edited: Mapping[str, SnapshotFile] = NO_EDITS,
    ) -> None:
        file = edited.get(member_path) or snapshot.read(member_path)
        if file is None:
            raise Refused(f"{member_path} is not in the repository.", code="gone")
        hub, member = HubName(hub_name), parse_member(file)
        self._snapshot, self._layout = snapshot, layout
        self.placement: Placement = member.placement(hub)
        labels = cluster_labels(member, hub, snapshot, layout, edited)
        self._view = view_of(member, labels, edited)
        self._forecaster = Forecaster(
            self.placement,
            parse_releases(snapshot.read(layout.releases), path=layout.releases),
            snapshot,
            layout,
        )
        self.offered: Mapping[str, Offered] = {
            component.name: Offered(
                component, entry.type, self._view.labels.get(component.flag) == "true"
            )
            for component, entry in self._forecaster.offered(self._view)
        }

    @property
    def unread(self) -> Mapping[str, str]:
        """The groups whose components another repository describes, with their release."""
        return self._forecaster.unread

    def of(self, component: str) -> ComponentValues | None:
        """The values of one component, on or off; None where the cluster's channels lack it.

        Raises `MalformedYaml` with file and line where Helm would fail.
        """
        found = self.offered.get(component)
        if found is None:
            return None
        return component_values(
            found.component, self._view, self.placement, self._snapshot, self._layout
        )

    def fixed(self, component: str) -> dict[str, Any]:
        """What the catalogue and the cluster's facts fix: `valuesObject` of the Application."""
        branch = Branch()
        offered = self.offered[component].component
        lay_catalogue(branch, offered, cluster_facts(offered.cluster_values, self._view))
        return Resolved(tuple(leaves(branch))).values()


def values_of_cluster(*, cluster: Cluster, snapshot: Snapshot) -> ClusterValues:
    """The values of a registered cluster as the repository has them at one commit."""
    return ClusterValues(
        hub_name=cluster.hub_name,
        member_path=cluster.path,
        snapshot=snapshot,
        layout=layout_of(cluster.fleet),
    )


def values_of_change(
    *, change: Change, snapshot: Snapshot
) -> tuple[ClusterValues | None, ClusterValues | None]:
    """The values before and after the plan that is kept with a change, on the commit it was planned on.

    `snapshot` is that commit's. None for a side on which the cluster is not there.
    """
    layout = layout_of(change.fleet)
    hub_name = change.hub.name if change.hub else ""
    edited: dict[str, SnapshotFile] = {}
    path = layout.member_path(HubName(hub_name), ClusterName(change.cluster_name))
    leaves = False
    for edit in change.plan.get("edits", ()):
        if edit["after"] is None:
            leaves = leaves or edit["path"] == path
            continue
        content = str(edit["after"]).encode()
        edited[edit["path"]] = SnapshotFile(edit["path"], blob_id(content), content)

    def side(files: Mapping[str, SnapshotFile]) -> ClusterValues | None:
        if files.get(path) is None and snapshot.read(path) is None:
            return None
        return ClusterValues(
            hub_name=hub_name, member_path=path, snapshot=snapshot, layout=layout, edited=files
        )

    return side(NO_EDITS), None if leaves else side(edited)
