"""What an edit of a shared layer would do to every cluster; nothing is written."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.intents import EditLayer
from onboarding.domain.layer_plan import plan_layer
from onboarding.domain.plans import DeployedBy, Plan
from onboarding.domain.secret_labels import from_secret
from onboarding.domain.snapshot import Snapshot
from onboarding.models import ApplicationStatus, Fleet
from onboarding.ports import ChartRenderer
from onboarding.services.fleet_plans import unnamed
from onboarding.services.hub_checks import LONGEST_NAME, reads_of_registrations
from onboarding.services.hub_sets import HeldSets
from onboarding.services.layouts import layout_of

_SAMPLE = 20
_AT_ONCE = 500


def preview(
    *,
    fleet: Fleet,
    intent: EditLayer,
    snapshot: Snapshot,
    renderer: ChartRenderer | None = None,
    seconds: float = float("inf"),
) -> Plan:
    """Plan an edit of a layer on one snapshot; after `seconds` no further cluster is looked at.

    Raises `Refused` with every reason at its key: also where an Application that would appear has a
    name that is not legal or somebody else's on its hub, and where no registration on the hub reads
    the file of labels.
    """
    layout, until = layout_of(fleet), time.monotonic() + seconds
    held = HeldSets(layout, renderer)
    found = plan_layer(
        intent,
        snapshot,
        layout,
        go_on=lambda: time.monotonic() < until,
        sets_of=held.between,
    )
    refusals = [*_names(found), *_unread(found, layout.labels_component)]
    if refusals:
        raise Refused.of(refusals)
    warnings = [
        *found.warnings,
        *held.warnings,
        *unnamed(((one.hub, one.cluster, one.impact) for one in found.moved), held),
        *from_secret(snapshot),
    ]
    return replace(found, warnings=tuple(dict.fromkeys(warnings)))


def _names(plan: Plan) -> Iterator[Refusal]:
    """Each Application that appears on a hub has a name that is legal and nobody else's."""
    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    for moved in plan.moved:
        for one in moved.impact.appear:
            if len(one.name) > LONGEST_NAME:
                yield Refusal(
                    f"The Application {one.name:.60}… of {moved.cluster} would have a name of "
                    f"{len(one.name)} characters; at most {LONGEST_NAME} are legal.",
                    "",
                    "application_name",
                )
            if one.deployed_by is DeployedBy.HUB:
                wanted[moved.hub][one.name] = moved.cluster
    for hub, names in wanted.items():
        asked = sorted(names)
        for start in range(0, len(asked), _AT_ONCE):
            rows = ApplicationStatus.objects.filter(
                hub__name=hub, name__in=asked[start : start + _AT_ONCE]
            ).exclude(cluster_name="")
            for name, cluster in rows.values_list("name", "cluster_name"):
                if cluster != names[name]:
                    yield Refusal(
                        f"The Application {name} exists already: it is that of {cluster}. "
                        f"{names[name]} cannot have one of the same name.",
                        "",
                        "application_name",
                    )


def _unread(plan: Plan, labels_component: str) -> Iterator[Refusal]:
    """No file of labels is written that the registrations of the clusters that move do not read."""
    path = plan.edits[0].path
    if not path.endswith(f"/{labels_component}/values.yaml"):
        return
    for hub in sorted({one.hub for one in plan.moved}):
        names = [one.cluster for one in plan.moved if one.hub == hub][:_SAMPLE]
        reading = reads_of_registrations(hub=hub, clusters=names)
        if reading and all(path not in files for files in reading.values()):
            yield Refusal(
                f"Nobody reads {path}: the Application {min(reading)} on the hub {hub} reads other "
                "values files. Correct the fleet's layout, or what the hub reads.",
                "",
                "unread_file",
            )
