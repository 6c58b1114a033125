"""The row of a fleet member: what its file and the layers of its labels make of it."""

from __future__ import annotations

from onboarding.domain.errors import Refused
from onboarding.domain.hierarchy import Resolved, lay_files, resolve
from onboarding.domain.labels import ClusterLabels, Label, predict_labels
from onboarding.domain.layering import Branch
from onboarding.domain.layout import FleetLayout, LayerPath, Placement
from onboarding.domain.member import FleetMember, parse_member
from onboarding.domain.names import HubName
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.models import Cluster, Fleet


class MemberReader:
    """Reads members of one snapshot into rows; layers that many members share are laid once."""

    def __init__(self, *, fleet: Fleet, layout: FleetLayout, snapshot: Snapshot) -> None:
        self._fleet = fleet
        self._layout = layout
        self._snapshot = snapshot
        self._shared: dict[tuple[LayerPath, ...], Branch] = {}
        self._own = next(
            number for number, layer in enumerate(layout.layers) if "cluster" in layer.narrowed_by
        )

    def read(self, path: str) -> Cluster | None:
        """The member's row, not saved; None where there is no such file.

        What cannot be read is a row with its problem.
        """
        file = self._snapshot.read(path)
        if file is None:
            return None
        row = self._placed(file)
        try:
            self._describe(row, parse_member(file))
        except Refused as refused:
            row.problem = str(refused)
        return row

    def _placed(self, file: SnapshotFile) -> Cluster:
        """What the path alone says, so that a broken file still has a place in the list."""
        hub, _, rest = file.path.removeprefix(self._layout.members_root() + "/").partition("/")
        name = rest.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        return Cluster(
            fleet_id=self._fleet.pk,
            path=file.path,
            blob=file.blob,
            hub_name=hub[:63],
            name=name[:63],
        )

    def _describe(self, row: Cluster, member: FleetMember) -> None:
        row.name, row.tenant, row.environment = member.cluster, member.tenant, member.environment
        row.secret_name, row.model = member.secret_name, member.model.value
        row.remote_addons, row.remote_resources = member.remote_addons, member.remote_resources
        labels = self._labels(row, member)
        row.labels = {label.key: _data(label) for label in labels.labels}
        row.annotations = {label.key: _data(label) for label in labels.annotations}
        values = labels.as_dict()
        row.addons_release = values.get("addonsRelease", "")
        row.resources_release = values.get("resourcesRelease", "")
        row.monitoring_release = values.get("monitoringRelease", "")
        row.fleet_release = values.get("fleetRelease", "")

    def _labels(self, row: Cluster, member: FleetMember) -> ClusterLabels:
        placement = member.placement(HubName(row.hub_name))
        return predict_labels(member, placement, self._resolved(placement))

    def _resolved(self, placement: Placement) -> Resolved:
        layers = self._layout.labels_paths(placement)
        shared, own = layers[: self._own], layers[self._own :]
        if shared not in self._shared:
            self._shared[shared] = lay_files(self._files(shared))
        return resolve(self._files(own), over=self._shared[shared])

    def _files(self, layers: tuple[LayerPath, ...]) -> list[tuple[LayerPath, SnapshotFile | None]]:
        return [(layer, self._snapshot.read(layer.path)) for layer in layers]


def _data(label: Label) -> dict[str, object]:
    origin = label.origin
    return {
        "value": label.value,
        "path": origin.path,
        "line": origin.line,
        "layer": origin.layer,
        "shadowed": [
            {"value": value, "path": below.path, "line": below.line, "layer": below.layer}
            for value, below in label.shadowed
        ],
    }
