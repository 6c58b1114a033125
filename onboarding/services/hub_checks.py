"""A plan held against what its hub was last seen to have, beyond what labels select."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.layout import FleetLayout
from onboarding.domain.member import parse_member
from onboarding.domain.names import HubName
from onboarding.domain.plans import DeployedBy, Plan, PlanWarning
from onboarding.domain.snapshot import Snapshot
from onboarding.models import ApplicationStatus, Cluster, Fleet
from onboarding.services import rounds
from onboarding.services.observing.observation_rows import REGISTRATION

_FROM_ROOT = "$values/"
_SAMPLE = 20
LONGEST_NAME = 253
"""How long the name of an Application may be: that of any object of Kubernetes (DNS-1123)."""

LONGEST_LABEL = 63
"""How long it may be where it becomes a label: of what is deployed, if Argo CD tracks it by label."""


def check(
    *, plan: Plan, fleet: Fleet, snapshot: Snapshot, layout: FleetLayout
) -> list[PlanWarning]:
    """What the hub shows that the plan cannot know; raises `Refused` where it could not be delivered."""
    refusals = [*_names(plan), *_unread(plan, fleet, snapshot, layout)]
    if refusals:
        raise Refused.of(refusals)
    return [*_long_names(plan), *_finalizers(plan)]


def _names(plan: Plan) -> Iterator[Refusal]:
    """Each Application that appears has a name that is legal and nobody else's.

    One that the cluster's own Argo CD makes lives there, so that it meets no other on the hub.
    """
    placement = plan.of_cluster.placement
    of_hub = [one for one in plan.impact.appear if one.deployed_by is DeployedBy.HUB]
    twice = Counter([*(one.name for one in of_hub), *_staying(plan)])
    for name in sorted(name for name, count in twice.items() if count > 1):
        yield Refusal(
            f"Two ApplicationSets would make an Application {name} for this cluster, and would take "
            "it from each other. Switch one of them off, or choose another name for the cluster.",
            "cluster",
            "application_name",
        )
    for name in dict.fromkeys(one.name for one in plan.impact.appear):
        if len(name) > LONGEST_NAME:
            yield Refusal(
                f"The Application {name:.60}… would have a name of {len(name)} characters; at most "
                f"{LONGEST_NAME} are legal. Choose a shorter name for the cluster.",
                "cluster",
                "application_name",
            )
    names = [one.name for one in of_hub]
    taken = (
        ApplicationStatus.objects.filter(hub__name=placement.hub, name__in=names)
        .exclude(cluster_name__in=("", placement.cluster))
        .values_list("name", "cluster_name")
    )
    for name, cluster in taken if names else ():
        yield Refusal(
            f"The Application {name} exists already: it is that of {cluster}. Two cannot have one "
            "name. Choose another name for the cluster.",
            "cluster",
            "application_name",
        )


def _staying(plan: Plan) -> Iterator[str]:
    """The names of the hub's Applications of the cluster that change, and so are there anyway."""
    return (after.name for _, after in plan.impact.change if after.deployed_by is DeployedBy.HUB)


def _long_names(plan: Plan) -> Iterator[PlanWarning]:
    names = [
        one.name for one in plan.impact.appear if LONGEST_LABEL < len(one.name) <= LONGEST_NAME
    ]
    if names:
        yield PlanWarning(
            f"More than {LONGEST_LABEL} characters have the names of {', '.join(names[:_SAMPLE])}. They "
            "do not fit into a label: an Argo CD that tracks by label cuts them off (the default is "
            "to track by annotation).",
            "long_name",
        )


def _unread(plan: Plan, fleet: Fleet, snapshot: Snapshot, layout: FleetLayout) -> Iterator[Refusal]:
    """No values file is written that a registration on the hub does not read.

    For a cluster that joins, others of the hub tell: all read the same layers. It is enough that one
    reads its own file, for the hub may be about to read the rest.
    """
    placement = plan.of_cluster.placement
    own = f"{REGISTRATION}{placement.cluster}"
    read = _read_files(placement.hub, [own]).get(own)
    others = ("registrations", fleet.pk, placement.hub, snapshot, layout)
    unread = (
        own
        if read
        else rounds.once(others, lambda: _of_others(placement.hub, fleet, snapshot, layout))
    )
    for edit in plan.edits if unread else ():
        written = edit.after is not None and edit.path.endswith("/values.yaml")
        if written and edit.path not in (read or ()):
            yield Refusal(
                f"Nobody reads {edit.path}: the Application {unread} on the hub reads other values "
                "files. Correct the fleet's layout, or what the hub reads.",
                "",
                "unread_file",
            )


def _of_others(hub: HubName, fleet: Fleet, snapshot: Snapshot, layout: FleetLayout) -> str:
    """A registration that does not read its cluster's own labels file; "" where one does, or none tells."""
    members = Cluster.objects.filter(fleet=fleet, hub_name=hub).order_by("name")
    paths = dict(members.values_list("name", "path")[:_SAMPLE])
    reading = _read_files(hub, [f"{REGISTRATION}{name}" for name in paths])
    found = ""
    for name, path in paths.items():
        read, file = reading.get(f"{REGISTRATION}{name}"), snapshot.read(path)
        if not read or file is None:
            continue
        try:
            place = parse_member(file).placement(hub)
            if layout.cluster_labels_path(place) in read:
                return ""
        except Refused:
            continue
        found = found or f"{REGISTRATION}{name}"
    return found


def reads_of_registrations(*, hub: str, clusters: Sequence[str]) -> dict[str, set[str]]:
    """The registration Applications of these clusters on a hub, each with the values files it reads."""
    return _read_files(hub, [f"{REGISTRATION}{name}" for name in clusters])


def _read_files(hub: str, names: Sequence[str]) -> dict[str, set[str]]:
    """The values files of registration Applications, by their paths; not of those that name them otherwise."""
    rows = ApplicationStatus.objects.filter(hub__name=hub, name__in=names).only("name", "facts")
    found = {row.name: [str(one) for one in row.facts.get("value_files", ())] for row in rows}
    return {
        name: {one.removeprefix(_FROM_ROOT) for one in files}
        for name, files in found.items()
        if files and all(one.startswith(_FROM_ROOT) for one in files)
    }


def _finalizers(plan: Plan) -> Iterator[PlanWarning]:
    """Where the Applications that go carry another finalizer on the hub than was foreseen."""
    going = {one.name: one for one in plan.impact.disappear if not one.from_hub}
    rows = ApplicationStatus.objects.filter(
        hub__name=plan.of_cluster.placement.hub, name__in=list(going)
    )
    for row in rows.only("name", "facts") if going else ():
        cascades = row.facts.get("cascades")
        if cascades is not None and cascades is not going[row.name].deletes_resources:
            yield PlanWarning(
                f"On the hub, {row.name} carries {'a' if cascades else 'no'} finalizer that deletes "
                "its resources, other than the repository says: "
                f"{'they are deleted' if cascades else 'they stay'}.",
                "hub_differs",
            )
