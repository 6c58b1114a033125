"""A plan held against what its hub was last seen to have, beyond what labels select."""

from __future__ import annotations

from collections.abc import Iterator

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.plans import Plan, PlanWarning
from onboarding.models import ApplicationStatus
from onboarding.services.observing.observation_rows import REGISTRATION

_FROM_ROOT = "$values/"
LONGEST_NAME = 253
"""How long the name of an Application may be: that of any object of Kubernetes (DNS-1123)."""


def check(*, plan: Plan) -> list[PlanWarning]:
    """What the hub shows that the plan cannot know; raises `Refused` where it could not be delivered."""
    refusals = [*_names(plan), *_unread(plan)]
    if refusals:
        raise Refused.of(refusals)
    return [*_finalizers(plan)]


def _names(plan: Plan) -> Iterator[Refusal]:
    """Each Application that appears has a name that is legal and nobody else's."""
    placement = plan.intent.placement
    names = [one.name for one in plan.impact.appear]
    for name in names:
        if len(name) > LONGEST_NAME:
            yield Refusal(
                f"The Application {name:.60}… would have a name of {len(name)} characters; at most "
                f"{LONGEST_NAME} are legal. Choose a shorter name for the cluster.",
                "cluster",
                "application_name",
            )
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


def _unread(plan: Plan) -> Iterator[Refusal]:
    """No values file is written that the cluster's registration on the hub does not read."""
    placement = plan.intent.placement
    name = f"{REGISTRATION}{placement.cluster}"
    row = ApplicationStatus.objects.filter(hub__name=placement.hub, name=name).first()
    files = [str(one) for one in row.facts.get("value_files", ())] if row else []
    if not files or not all(one.startswith(_FROM_ROOT) for one in files):
        return  # it names its files in another way, which cannot be compared with paths
    read = {one.removeprefix(_FROM_ROOT) for one in files}
    for edit in plan.edits:
        if edit.path.endswith("/values.yaml") and edit.path not in read:
            yield Refusal(
                f"Nobody reads {edit.path}: the Application {name} on the hub reads other values "
                "files. Correct the fleet's layout, or what the hub reads.",
                "",
                "unread_file",
            )


def _finalizers(plan: Plan) -> Iterator[PlanWarning]:
    """Where the Applications that go carry another finalizer on the hub than was foreseen."""
    going = {one.name: one for one in plan.impact.disappear if not one.from_hub}
    rows = ApplicationStatus.objects.filter(
        hub__name=plan.intent.placement.hub, name__in=list(going)
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
