"""One cluster as its page shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

from django.urls import reverse

from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.layout import Placement
from onboarding.domain.lifecycle import Right
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.natural import natural_key
from onboarding.domain.progress import ClusterState, Step, StepState
from onboarding.domain.sync import Rollup
from onboarding.models import (
    ApplicationStatus,
    Cluster,
    Delivery,
    Fleet,
    Hub,
)
from onboarding.ports import Clock, FleetRepository
from onboarding.services import places, scope, values
from onboarding.services.layouts import layout_of
from onboarding.services.observing import outcomes, own_argo, stories
from onboarding.services.observing.hub_view import HubView
from onboarding.views import access, cluster_links, freshness
from onboarding.views.application_rows import (
    HUB_SILENT,
    ORDER,
    application_url,
    argocd_url,
    shown_state,
    version_of,
)
from onboarding.views.change_page import outcome_note
from onboarding.views.change_page import row_of as change_row
from onboarding.views.credential_part import credential_part
from onboarding.views.drift_page import drift_part
from onboarding.views.freshness import STALE_AFTER
from onboarding.views.pages import (
    ApplicationRow,
    ChangeRow,
    Channel,
    ClusterPage,
    Count,
    FileEntry,
    HistoryEntry,
    LabelRow,
    Link,
    Origin,
    OwnArgoPart,
    Picker,
    Shadowed,
    Tab,
    TimelineStep,
    ValuesPart,
)
from onboarding.views.standing_rows import CHANNEL_COLUMNS
from onboarding.views.values_page import values_part

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TABS = ("applications", "drift", "labels", "values", "history", "files")
_STATUS: Mapping[StepState, Literal["done", "active", "waiting", "failed", "todo"]] = {
    StepState.DONE: "done",
    StepState.ACTIVE: "active",
    StepState.WAITING: "waiting",
    StepState.FAILED: "failed",
    StepState.TODO: "todo",
    StepState.UNOBSERVED: "todo",
}


def cluster_page(
    cluster: Cluster,
    *,
    user: User,
    tab: str,
    component: str,
    clock: Clock,
    repository: Callable[[], FleetRepository],
) -> ClusterPage:
    """The page of one cluster; Git is read only for the tabs that need it."""
    hub = Hub.objects.filter(name=cluster.hub_name).select_related("watch", "fleet").first()
    seen = HubView(hub, only=[cluster.name])
    story = stories.story(
        cluster=cluster, change=stories.registration_of(cluster), hub=hub, clock=clock, seen=seen
    )
    shown = tab if tab in TABS else "applications"
    here = reverse("cluster-detail", args=[cluster.hub_name, cluster.name])
    live = seen.registered.get(cluster.name)
    applications = _applications(cluster, hub)
    may_edit = Right.REQUEST in access.rights_of(user, places.place_of(cluster))
    leaves = story.timeline.state is ClusterState.LEAVING
    is_paused = story.timeline.state is ClusterState.PAUSED
    total = story.applications
    return ClusterPage(
        name=cluster.name,
        hub=cluster.hub_name,
        tenant=cluster.tenant,
        environment=cluster.environment,
        model=cluster.model.capitalize(),
        state=story.timeline.state.word,
        sentence=story.timeline.sentence,
        advice=story.timeline.advice,
        as_of=story.seen_at,
        tab=shown,
        tabs=_tabs(here, cluster, applications, story.drift),
        steps=_steps(story.timeline.steps),
        is_onboarded=all(
            step.state in (StepState.DONE, StepState.UNOBSERVED) for step in story.timeline.steps
        ),
        channels=_channels(cluster),
        secret_name=cluster.secret_name,
        credentials=credential_part(seen.external_secret(cluster.name), live, story.credentials),
        server=live.server if live else "",
        counts=_counts(total),
        healthy=total.healthy if total else 0,
        total=total.total if total else 0,
        crumbs=(Link("Clusters", reverse("cluster-list")),),
        edit_url=reverse("cluster-edit", args=[cluster.hub_name, cluster.name])
        if may_edit and not cluster.problem and not leaves
        else "",
        edit_denied=cluster_links.edit_denied(cluster, may_edit=may_edit, leaves=leaves),
        pause=cluster_links.pause(cluster, story.timeline.state, may_edit=may_edit),
        offboard=cluster_links.offboard(cluster, may_edit=may_edit, leaves=leaves),
        argocd_url=argocd_url(hub, f"/applications?search={quote(cluster.name)}"),
        open_changes=_open_changes(cluster, user),
        own_argo=_own_argo(cluster, clock),
        applications=tuple(
            _application_row(
                row,
                hub,
                cluster.fleet,
                is_silent=is_paused or _is_silent(story.seen_at, clock),
                silence=stories.PAUSED_SAYS if is_paused else HUB_SILENT,
            )
            for row in applications
        ),
        labels=_label_rows(cluster.labels, live.labels if live else None),
        annotations=_label_rows(cluster.annotations, None),
        drift=drift_part(
            cluster,
            repository=repository,
            may_ask=may_edit,
            is_silent=_is_silent(story.seen_at, clock),
        )
        if shown == "drift"
        else None,
        values=_values(cluster, component, repository) if shown == "values" else None,
        history=_history(cluster, user, repository) if shown == "history" else (),
        files=_files(cluster, repository) if shown == "files" else (),
        outcome=outcome_note(
            outcomes.unforeseen(
                fleet=cluster.fleet, hub_name=cluster.hub_name, cluster_name=cluster.name
            )
        ),
        refresh_url=f"{here}?{urlencode({'tab': shown, 'component': component})}",
    )


def _steps(steps: Sequence[Step]) -> tuple[TimelineStep, ...]:
    """The timeline's steps, each with how long it took and usually takes."""
    return tuple(
        TimelineStep(
            title=step.title,
            status=_STATUS[step.state],
            at=step.at,
            took=step.took,
            since=step.since,
            usual=step.usual,
            reason=step.reason,
            advice=step.remedy,
        )
        for step in steps
    )


def _tabs(
    here: str, cluster: Cluster, applications: Sequence[ApplicationStatus], drift: int | None
) -> tuple[Tab, ...]:
    return (
        Tab("applications", "Applications", f"{here}?tab=applications", count=len(applications)),
        Tab(
            "drift",
            "Drift",
            f"{here}?tab=drift",
            count=drift or None,
            word="Out of sync" if drift else "",
        ),
        Tab("labels", "Labels", f"{here}?tab=labels", count=len(cluster.labels)),
        Tab("values", "Values", f"{here}?tab=values"),
        Tab("history", "History", f"{here}?tab=history"),
        Tab("files", "Files", f"{here}?tab=files"),
    )


def _applications(cluster: Cluster, hub: Hub | None) -> list[ApplicationStatus]:
    """The cluster's Applications, what is wrong first."""
    rows = ApplicationStatus.objects.filter(hub=hub, cluster_name=cluster.name) if hub else ()
    return sorted(rows, key=lambda row: (ORDER.get(row.verdict, 0), natural_key(row.name)))


def _own_argo(cluster: Cluster, clock: Clock) -> OwnArgoPart | None:
    """What the cluster's own Argo CD deploys, or that this is not known; None for a centralized one."""
    groups = own_argo.groups_of(cluster)
    if not groups:
        return None
    hub = Hub.objects.filter(fleet=cluster.fleet_id, name=cluster.name).select_related("watch")
    own = hub.first()
    if own is None:
        return OwnArgoPart(groups=groups)
    found = freshness.hub_row(own, clock.now())
    rows = sorted(
        ApplicationStatus.objects.filter(hub=own),
        key=lambda row: (ORDER.get(row.verdict, 0), natural_key(row.name)),
    )
    return OwnArgoPart(
        groups=groups,
        hub=found,
        applications=tuple(
            _application_row(row, own, cluster.fleet, is_silent=_is_silent(found.seen_at, clock))
            for row in rows
        ),
    )


def _is_silent(seen_at: datetime | None, clock: Clock) -> bool:
    return seen_at is None or clock.now() - seen_at > STALE_AFTER


def _application_row(
    row: ApplicationStatus,
    hub: Hub | None,
    fleet: Fleet,
    *,
    is_silent: bool,
    silence: str = HUB_SILENT,
) -> ApplicationRow:
    return ApplicationRow(
        name=row.name,
        component=row.component,
        sync=row.sync or "Unknown",
        health=row.health or "Unknown",
        state=shown_state(row, is_silent=is_silent).word,
        version=version_of(row, fleet),
        message=silence if is_silent else row.reason,
        seen_at=row.seen_at,
        argocd_url=application_url(hub, row.name),
    )


def _counts(total: Rollup | None) -> tuple[Count, ...]:
    return tuple(Count(state.word, count) for state, count in total.counts.items()) if total else ()


def _channels(cluster: Cluster) -> tuple[Channel, ...]:
    return tuple(
        Channel(
            label=label.removesuffix("Release"),
            value=value,
            is_pinned=cluster.labels.get(label, {}).get("layer") == "cluster",
        )
        for label, column in CHANNEL_COLUMNS.items()
        if (value := getattr(cluster, column))
    )


def _open_changes(cluster: Cluster, user: User) -> tuple[ChangeRow, ...]:
    rows = list(
        scope.changes(access.reach_of(user), user)
        .filter(fleet=cluster.fleet_id, cluster_name=cluster.name, settled_at__isnull=True)
        .exclude(state="draft")
        .select_related("requester")
        .order_by("-pk")[:5]
    )
    deliveries = {
        row.change_id: row for row in Delivery.objects.filter(change__in=rows).order_by("pk")
    }
    return tuple(change_row(row, deliveries.get(row.pk)) for row in rows)


def _label_rows(labels: Mapping[str, Any], live: Mapping[str, str] | None) -> tuple[LabelRow, ...]:
    return tuple(
        LabelRow(
            key=key,
            value=data["value"],
            origin=Origin(layer=data["layer"], path=data["path"], line=data["line"] or None),
            shadowed=tuple(
                Shadowed(
                    one["value"],
                    Origin(layer=one["layer"], path=one["path"], line=one["line"] or None),
                )
                for one in data["shadowed"]
            ),
            live=live.get(key) if live is not None else None,
            is_compared=live is not None,
        )
        for key, data in sorted(labels.items())
    )


def _placement(cluster: Cluster) -> Placement | None:
    try:
        return Placement(
            hub=HubName(cluster.hub_name),
            cluster=ClusterName(cluster.name),
            tenant=TenantName(cluster.tenant),
            environment=Environment(cluster.environment),
        )
    except Refused:
        return None


def _values(
    cluster: Cluster, component: str, repository: Callable[[], FleetRepository]
) -> ValuesPart:
    """The values of one component, with a picker for the others."""
    try:
        found = values.values_of_cluster(cluster=cluster, snapshot=repository().snapshot())
    except FleetError as error:
        return ValuesPart(picker=Picker(()), problem=str(error))
    return values_part(found, component, name=cluster.name, hub=cluster.hub_name)


def _history(
    cluster: Cluster, user: User, repository: Callable[[], FleetRepository]
) -> tuple[HistoryEntry, ...]:
    """The commits that touched the cluster's own files, newest first."""
    placement = _placement(cluster)
    paths = [cluster.path]
    if placement:
        paths.append(layout_of(cluster.fleet).cluster_labels_path(placement))
    try:
        commits = repository().history(paths, limit=50)
    except FleetError as error:
        return (
            HistoryEntry(
                title=f"The history cannot be read. {error}", at=None, icon="triangle-alert"
            ),
        )
    changes = {
        str(row.uid): row.pk
        for row in scope.changes(access.reach_of(user), user)
        .filter(cluster_name=cluster.name)
        .only("uid")
    }
    return tuple(
        HistoryEntry(
            title=commit.subject,
            at=commit.authored_at,
            who=commit.author_name,
            url=_change_url(changes.get(commit.trailers.get("Change-Id", ""))),
            detail=_approved(commit.trailers),
            commit=commit.sha,
        )
        for commit in commits
    )


def _change_url(pk: int | None) -> str:
    return reverse("change-detail", args=[pk]) if pk else ""


def _approved(trailers: Mapping[str, str]) -> str:
    approver = trailers.get("Approved-by", "")
    return f"approved by {approver}" if approver else "made outside of this product"


def _files(cluster: Cluster, repository: Callable[[], FleetRepository]) -> tuple[FileEntry, ...]:
    """The member file and the labels layers, those that exist and those that could."""
    placement = _placement(cluster)
    wanted = [(cluster.path, "Fleet member")]
    if placement:
        layers = layout_of(cluster.fleet).labels_paths(placement)
        wanted += [(layer.path, f"Labels, layer {layer.layer}") for layer in reversed(layers)]
    try:
        snapshot = repository().snapshot()
    except FleetError as error:
        return tuple(FileEntry(path=path, role=role, problem=str(error)) for path, role in wanted)
    entries = []
    for path, role in wanted:
        file = snapshot.read(path)
        text = file.content.decode(errors="replace") if file else ""
        problem = cluster.problem if path == cluster.path else ""
        entries.append(
            FileEntry(path=path, role=role, exists=file is not None, text=text, problem=problem)
        )
    return tuple(entries)
