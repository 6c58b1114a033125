"""What a hub was last seen to have of a cluster that leaves, and since when each part is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from onboarding.domain.applications import moment
from onboarding.domain.leaving_evidence import Seen, SeenApplication
from onboarding.domain.lifecycle import DecisionState
from onboarding.models import (
    ApplicationStatus,
    ClusterStatus,
    Hub,
    HubObject,
    HubWatch,
    Offboarding,
)
from onboarding.ports import HubKind
from onboarding.services.observing.hub_text import as_list, as_map, text
from onboarding.services.observing.observation_rows import REGISTRATION

_CLUSTERS = "clusters"
_DELETION = "DeletionError"


def seen_of(*, hub: Hub, cluster: str) -> Seen:
    """What the rows hold of one cluster; nothing is asked of the hub."""
    watch = HubWatch.objects.filter(hub=hub).first()
    registered = ClusterStatus.objects.filter(hub=hub, name=cluster).first()
    # One that was seen before its cluster was has its API address in the place of the name.
    called = {cluster, registered.server} - {""} if registered else {cluster}
    applications, registration = [], None
    rows = ApplicationStatus.objects.filter(hub=hub).order_by("name")
    for row in rows.filter(cluster_name__in=called).exclude(name=f"{REGISTRATION}{cluster}"):
        applications.append(_application(row))
    if found := rows.filter(name=f"{REGISTRATION}{cluster}").first():
        registration = _application(found)
    secrets = HubObject.objects.filter(
        hub=hub, kind=HubKind.EXTERNAL_SECRETS.value, name__in=external_secrets_of(cluster)
    )
    return Seen(
        hub=hub.name,
        cluster=cluster,
        namespace=hub.namespace,
        applications_at=_heard(watch, HubKind.APPLICATIONS.value),
        secrets_at=_heard(watch, HubKind.EXTERNAL_SECRETS.value),
        clusters_at=watch.clusters_seen_at if watch else None,
        problem=watch.problem if watch else "",
        applications=tuple(applications),
        registration=registration,
        external_secret=next(iter(secrets.values_list("name", flat=True)), ""),
        labels=registered.labels if registered else None,
        connection=registered.connection if registered else "",
        connection_message=registered.connection_message if registered else "",
    )


def applications_seen(*, hub: Hub, cluster: str) -> dict[str, bool]:
    """The Applications of a cluster as they are seen now, each with whether it takes its objects along."""
    return {one.name: one.cascades for one in seen_of(hub=hub, cluster=cluster).applications}


@dataclass(frozen=True, slots=True)
class Leaving:
    """Where a cluster's way out of the fleet stands, in a sentence, and what to do about it."""

    change_id: int
    says: str
    remedy: str = ""


def leaving_of(*, hub_name: str, names: Collection[str]) -> Mapping[str, Leaving]:
    """The clusters among `names` whose offboarding is approved and has not ended."""
    runs = Offboarding.objects.filter(
        hub__name=hub_name,
        cluster_name__in=names,
        ended_at__isnull=True,
        change__state=DecisionState.APPROVED.value,
    ).prefetch_related("steps")
    return {run.cluster_name: _leaving(run) for run in runs}


def _leaving(run: Offboarding) -> Leaving:
    steps = list(run.steps.all())
    step = next((one for one in steps if one.done_at is None), None)
    if run.state == Offboarding.State.PAUSED:
        return Leaving(run.change_id, f"paused. {run.note}", "Resume or stop it on its page.")
    if step is None and steps:
        return Leaving(run.change_id, "all evidence is there.")
    if step is None:
        return Leaving(run.change_id, "its first commit is on the way to Git.")
    words = f"step {step.number + 1} of {len(steps)}, {step.get_step_display().lower()}."
    return Leaving(run.change_id, f"{words} {step.says}".strip(), step.remedy)


def external_secrets_of(cluster: str) -> tuple[str, ...]:
    """The names that charts give the ExternalSecret of a cluster."""
    return (f"cluster-{cluster}", cluster, f"{REGISTRATION}{cluster}")


def _application(row: ApplicationStatus) -> SeenApplication:
    conditions = [as_list(one) for one in as_list(row.facts.get("conditions"))]
    errors = [text(one[1]) for one in conditions if len(one) > 1 and one[0] == _DELETION]
    return SeenApplication(
        name=row.name,
        group=str(row.facts.get("group", "")),
        version=row.version,
        release=str(row.facts.get("release", "")),
        deleting=row.facts.get("deleting") is True,
        cascades=row.facts.get("cascades") is True,
        error=next(iter(errors), ""),
        made_by=row.application_set,
    )


def _heard(watch: HubWatch | None, kind: str) -> datetime | None:
    """When one kind was last heard of, also where it had nothing new to say; None for never."""
    entry = as_map(as_map(watch.kinds if watch else None).get(kind))
    return moment(entry.get("seen_at"))
