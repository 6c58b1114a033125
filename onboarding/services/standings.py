"""Standings: decision, delivery and observation composed into how each cluster stands.

Nothing is decided here. The story of one cluster is told by `domain.progress` from the rows; this
module gathers those rows for many clusters at once and keeps the answer for the lists.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.progress import (
    ExternalSecretFacts,
    Facts,
    LabelDifference,
    Timeline,
    timeline,
)
from onboarding.domain.selectors import Match, application_set_match
from onboarding.domain.sync import Rollup, Verdict, VerdictState, rollup
from onboarding.models import (
    ApplicationStatus,
    Change,
    Cluster,
    ClusterStatus,
    Delivery,
    Event,
    Fleet,
    Hub,
    HubObject,
    HubWatch,
    Standing,
)
from onboarding.ports import Clock, HubKind
from onboarding.services.hub_text import as_map, moment, text
from onboarding.services.looking import HUB_TOLD

REGISTRATION = "fleet-secret-"
"""The registration Application of a cluster is called this and the cluster's name."""

_TOLD_LATELY = timedelta(minutes=30)
"""How long after its commit it still matters whether the hub was told of a change."""

_COLUMNS = [
    "change",
    "hub_name",
    "name",
    "tenant",
    "environment",
    "model",
    "addons_release",
    "resources_release",
    "monitoring_release",
    "fleet_release",
    "overrides",
    "state",
    "sentence",
    "advice",
    "stage",
    "applications",
    "synced",
    "healthy",
    "counts",
    "seen_at",
    "since",
]


@dataclass(frozen=True, slots=True)
class Story:
    """One cluster told: its timeline, and the rollup of its Applications (None: nobody looked)."""

    timeline: Timeline
    applications: Rollup | None
    seen_at: datetime | None


class HubView:
    """What one hub was last seen to say, laid out for looking up by cluster."""

    def __init__(self, hub: Hub | None) -> None:
        """Read the hub's rows once; `hub` None is a hub that nobody configured."""
        self.watch = HubWatch.objects.filter(hub=hub).first() if hub else None
        self.problem = "" if hub else "No hub of this name is configured here."
        self.applications: dict[str, list[ApplicationStatus]] = defaultdict(list)
        self.registrations: dict[str, ApplicationStatus] = {}
        self.registered: dict[str, ClusterStatus] = {}
        self.servers: dict[str, list[str]] = defaultdict(list)
        self.external_secrets: dict[str, HubObject] = {}
        self.stores: dict[str, HubObject] = {}
        self.sets: list[HubObject] = []
        self._selecting: dict[frozenset[tuple[str, str]], frozenset[str]] = {}
        if hub:
            self._read(hub)

    def silence(self, part: str) -> tuple[datetime | None, str]:
        """Since when one part of the hub ("applications", "clusters") does not answer, and why."""
        seen = as_map(as_map(self.watch.kinds if self.watch else None).get(part))
        return moment(seen.get("problem_since")), text(seen.get("problem"))

    def _read(self, hub: Hub) -> None:
        for application in ApplicationStatus.objects.filter(hub=hub):
            if application.name.startswith(REGISTRATION):
                self.registrations[application.name.removeprefix(REGISTRATION)] = application
            elif application.cluster_name:
                self.applications[application.cluster_name].append(application)
        for status in ClusterStatus.objects.filter(hub=hub):
            self.registered[status.name] = status
            self.servers[status.server].append(status.name)
        for seen in HubObject.objects.filter(hub=hub):
            if seen.kind == HubKind.EXTERNAL_SECRETS.value:
                self.external_secrets[seen.name] = seen
            elif seen.kind == HubKind.SECRET_STORES.value:
                self.stores[seen.name] = seen
            elif seen.kind == HubKind.APPLICATION_SETS.value:
                self.sets.append(seen)

    def selecting(self, labels: Mapping[str, str]) -> frozenset[str]:
        """The ApplicationSets that select these labels; clusters with the same ones are asked for once."""
        key = frozenset(labels.items())
        if key not in self._selecting:
            self._selecting[key] = frozenset(
                row.name
                for row in self.sets
                if application_set_match(row.facts, labels) is Match.YES
            )
        return self._selecting[key]

    def external_secret(self, cluster: str) -> HubObject | None:
        """The ExternalSecret that fetches this cluster's credentials, by the names that charts give it."""
        names = (f"cluster-{cluster}", cluster, f"{REGISTRATION}{cluster}")
        return next(
            (self.external_secrets[name] for name in names if name in self.external_secrets), None
        )


def story(
    *, cluster: Cluster | None, change: Change | None, clock: Clock, view: HubView | None = None
) -> Story:
    """Tell one cluster's way: `cluster` as Git has it, `change` the newest one about it (either may be None)."""
    hub_name = cluster.hub_name if cluster else (change.hub.name if change and change.hub else "")
    seen = view or HubView(Hub.objects.filter(name=hub_name).first())
    delivery = change.deliveries.order_by("-pk").first() if change else None
    told = change is not None and change.events.filter(verb=HUB_TOLD).exists()
    return _story(
        cluster=cluster, change=change, delivery=delivery, seen=seen, now=clock.now(), hub_told=told
    )


def registration_of(cluster: Cluster) -> Change | None:
    """The change that registered a cluster, where it was registered here."""
    rows = Change.objects.filter(
        fleet=cluster.fleet_id, hub__name=cluster.hub_name, cluster_name=cluster.name
    )
    return (
        rows.filter(kind=Change.Kind.REGISTER, state=DecisionState.APPROVED.value)
        .order_by("-pk")
        .first()
    )


def recompute(*, fleet: Fleet, clock: Clock) -> int:
    """Bring the standings of a fleet up to date; returns how many there are.

    Clusters of Git, and clusters that open registrations ask for, each one row. Rows that nothing
    stands behind any more are removed.
    """
    now = clock.now()
    views = {hub.name: HubView(hub) for hub in Hub.objects.filter(fleet=fleet)}
    unseen = HubView(None)
    asked, deliveries = _changes(fleet)
    told_of = set(
        Event.objects.filter(fleet=fleet, verb=HUB_TOLD, at__gt=now - _TOLD_LATELY).values_list(
            "change_id", flat=True
        )
    )
    old = {_key(row): row for row in Standing.objects.filter(fleet=fleet)}
    before = {row.pk: _content(row) for row in old.values()}
    fresh: dict[tuple[str, object], Standing] = {}
    for cluster in Cluster.objects.filter(fleet=fleet):
        about = asked.pop((cluster.hub_name, cluster.name), _Asked())
        row = old.get(("cluster", cluster.pk)) or Standing(fleet=fleet, cluster=cluster)
        told = _story(
            cluster=cluster,
            change=about.registration,
            delivery=deliveries.get(about.registration.pk) if about.registration else None,
            seen=views.get(cluster.hub_name, unseen),
            now=now,
            hub_told=about.registration is not None and about.registration.pk in told_of,
        )
        _describe_cluster(row, cluster, about.open, told, now)
        fresh["cluster", cluster.pk] = row
    for (hub_name, _), about in asked.items():
        change = about.registration
        if change is None or change.settled_at:
            continue
        row = old.get(("change", change.pk)) or Standing(fleet=fleet)
        told = _story(
            cluster=None,
            change=change,
            delivery=deliveries.get(change.pk),
            seen=views.get(hub_name, unseen),
            now=now,
            hub_told=change.pk in told_of,
        )
        _describe_change(row, change, told, now)
        fresh["change", change.pk] = row
    _write(old, before, fresh, now)
    return len(fresh)


def _write(
    old: Mapping[tuple[str, object], Standing],
    before: Mapping[int, tuple[object, ...]],
    fresh: Mapping[tuple[str, object], Standing],
    now: datetime,
) -> None:
    """Write what differs; what stayed as it was only gets the new time, all of it in one statement."""
    same, changed, new = [], [], []
    for row in fresh.values():
        row.computed_at = now
        if not row.pk:
            new.append(row)
        elif before[row.pk] == _content(row):
            same.append(row.pk)
        else:
            changed.append(row)
    gone = [row.pk for key, row in old.items() if key not in fresh]
    with transaction.atomic():
        for some in batched(gone):
            Standing.objects.filter(pk__in=some).delete()
        for some in batched(same):
            Standing.objects.filter(pk__in=some).update(computed_at=now)
        Standing.objects.bulk_create(new, batch_size=500)
        Standing.objects.bulk_update(changed, [*_COLUMNS, "computed_at"], batch_size=300)


def batched(keys: Sequence[int], size: int = 500) -> Iterator[Sequence[int]]:
    """The keys in parts that every database takes as parameters of one statement."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _content(row: Standing) -> tuple[object, ...]:
    return (row.change_id, *(getattr(row, name) for name in _COLUMNS if name != "change"))


@dataclass(slots=True)
class _Asked:
    """The changes about one cluster: the one that registered it or shall, and the newest open one."""

    registration: Change | None = None
    open: Change | None = None


def _changes(fleet: Fleet) -> tuple[dict[tuple[str, str], _Asked], dict[int, Delivery]]:
    """What was asked about each cluster, by hub and name (drafts never), and the newest delivery of each change."""
    rows = (
        Change.objects.filter(fleet=fleet)
        .filter(
            Q(settled_at__isnull=True)
            | Q(kind=Change.Kind.REGISTER, state=DecisionState.APPROVED.value)
        )
        .exclude(state=DecisionState.DRAFT.value)
        .select_related("hub")
        .defer("plan", "read_set", "form_data")
        .order_by("pk")
    )
    asked: dict[tuple[str, str], _Asked] = defaultdict(_Asked)
    for row in rows:
        about = asked[row.hub.name if row.hub else "", row.cluster_name]
        if row.kind == Change.Kind.REGISTER:
            about.registration = row
        if row.settled_at is None:
            about.open = row
    deliveries = {row.change_id: row for row in Delivery.objects.filter(fleet=fleet).order_by("pk")}
    return asked, deliveries


def _key(row: Standing) -> tuple[str, object]:
    return ("cluster", row.cluster_id) if row.cluster_id else ("change", row.change_id)


def _story(
    *,
    cluster: Cluster | None,
    change: Change | None,
    delivery: Delivery | None,
    seen: HubView,
    now: datetime,
    hub_told: bool,
) -> Story:
    name = cluster.name if cluster else change.cluster_name if change else ""
    rows = seen.applications.get(name, [])
    looked = seen.watch is not None and seen.watch.seen_at is not None
    total = rollup(_verdict(row) for row in rows) if looked else None
    facts = _facts(cluster, change, delivery, seen, rows, total)
    facts = replace(facts, webhook=hub_told)
    return Story(timeline(facts, now=now), total, seen.watch.seen_at if seen.watch else None)


def _verdict(row: ApplicationStatus) -> Verdict:
    state = VerdictState(row.verdict) if row.verdict else VerdictState.UNKNOWN
    return Verdict(state, row.reason, synced=row.sync == "Synced")


def _facts(
    cluster: Cluster | None,
    change: Change | None,
    delivery: Delivery | None,
    seen: HubView,
    rows: Sequence[ApplicationStatus],
    total: Rollup | None,
) -> Facts:
    """Every fact about one cluster; what nobody saw stays absent."""
    name = cluster.name if cluster else change.cluster_name if change else ""
    watch = seen.watch
    registration, registered = seen.registrations.get(name), seen.registered.get(name)
    about_registration = change if change and change.kind == Change.Kind.REGISTER else None
    decided = about_registration or (change if cluster is None else None)
    hub_silent, hub_problem = seen.silence(HubKind.APPLICATIONS.value)
    argocd_silent, argocd_problem = seen.silence("clusters")
    return Facts(
        decision=DecisionState(decided.state) if decided else None,
        submitted_at=decided.submitted_at if decided else None,
        approved_at=decided.decided_at
        if decided and decided.state == DecisionState.APPROVED.value
        else None,
        delivery=DeliveryState(delivery.state) if delivery and decided else None,
        delivery_reason=delivery.reason if delivery and decided else "",
        commit=delivery.commit if delivery and decided else "",
        committed_at=delivery.committed_at if delivery and decided else None,
        in_git=cluster is not None,
        hub_seen_at=watch.seen_at if watch else None,
        hub_problem=hub_problem or (watch.problem if watch else seen.problem),
        hub_silent_since=hub_silent,
        argocd_silent_since=argocd_silent,
        argocd_problem=argocd_problem,
        noticed_at=registration.first_seen_at if registration else None,
        registration_problem=_registration_problem(cluster, registration, seen),
        external_secret=_external_secret(name, seen),
        registered_at=registered.first_seen_at if registered else None,
        label_differences=_differences(cluster, registered),
        same_server=_same_server(name, registered, seen),
        connection=registered.connection if registered else "",
        connection_message=registered.connection_message if registered else "",
        matched=_matched(registered, rows, seen),
        matched_at=min((_made_at(row) for row in rows), default=None),
        applications=total,
        failures=tuple(
            (row.name, row.reason) for row in rows if row.verdict == VerdictState.FAILED.value
        ),
        synced_at=_when_all(row.synced_at for row in rows),
        healthy_at=_when_all(row.healthy_at for row in rows),
    )


def _registration_problem(
    cluster: Cluster | None, registration: ApplicationStatus | None, seen: HubView
) -> str:
    """Why the hub cannot register: the member file, its registration Application, or a set that fails."""
    if cluster is not None and cluster.problem:
        return cluster.problem
    if registration is not None:
        return registration.reason if registration.verdict == VerdictState.FAILED.value else ""
    failing = [row for row in seen.sets if row.ready is False and _reads_members(row)]
    return f"ApplicationSet {failing[0].name}: {failing[0].message}" if failing else ""


def _reads_members(row: HubObject) -> bool:
    return "fleet-members" in str(row.facts.get("spec", ""))


def _external_secret(name: str, seen: HubView) -> ExternalSecretFacts | None:
    found = seen.external_secret(name)
    if found is None:
        return None
    store = seen.stores.get(str(found.facts.get("store", "")))
    return ExternalSecretFacts(
        ready=found.ready,
        reason=str(found.facts.get("reason", "")),
        message=found.message,
        at=found.changed_at,
        store_ready=store.ready if store else None,
        store_message=store.message if store else "",
        presence=SecretPresence(found.presence) if found.presence else None,
        presence_detail=found.presence_detail,
    )


def _differences(
    cluster: Cluster | None, registered: ClusterStatus | None
) -> tuple[LabelDifference, ...]:
    """The labels of Git that the live cluster secret does not carry as predicted."""
    if cluster is None or registered is None:
        return ()
    live: Mapping[str, str] = registered.labels
    return tuple(
        LabelDifference(key=key, predicted=data["value"], live=live.get(key))
        for key, data in sorted(cluster.labels.items())
        if live.get(key) != data["value"]
    )


def _same_server(name: str, registered: ClusterStatus | None, seen: HubView) -> tuple[str, ...]:
    if registered is None:
        return ()
    return tuple(sorted(other for other in seen.servers[registered.server] if other != name))


def _matched(
    registered: ClusterStatus | None, rows: Sequence[ApplicationStatus], seen: HubView
) -> int | None:
    """How many ApplicationSets select the cluster: by its Applications, and by its live labels."""
    if registered is None:
        return None
    made = {row.application_set for row in rows if row.application_set}
    if not seen.sets:
        return len(made) or None
    return len(seen.selecting(registered.labels) | made)


def _made_at(row: ApplicationStatus) -> datetime:
    """When an Application was made by its ApplicationSet; at the latest when it was first seen."""
    made = moment(row.facts.get("created_at"))
    return min(made, row.first_seen_at) if made else row.first_seen_at


def _when_all(times: Iterable[datetime | None]) -> datetime | None:
    """When the last of all was reached; None where one was not."""
    found = list(times)
    if not found or any(moment is None for moment in found):
        return None
    return max(moment for moment in found if moment is not None)


def _describe_cluster(
    row: Standing, cluster: Cluster, change: Change | None, told: Story, now: datetime
) -> None:
    row.hub_name, row.name = cluster.hub_name, cluster.name
    row.tenant, row.environment, row.model = cluster.tenant, cluster.environment, cluster.model
    row.addons_release, row.resources_release = cluster.addons_release, cluster.resources_release
    row.monitoring_release, row.fleet_release = cluster.monitoring_release, cluster.fleet_release
    row.overrides = sorted(
        key for key, data in cluster.labels.items() if data["layer"] == "cluster"
    )
    row.change = change if change and change.settled_at is None else None
    _tell(row, told, now)


def _describe_change(row: Standing, change: Change, told: Story, now: datetime) -> None:
    row.change = change
    row.hub_name, row.name = change.hub.name if change.hub else "", change.cluster_name
    row.tenant, row.environment = change.tenant, change.environment
    row.model = str(change.intent.get("model", ""))
    pins = change.intent.get("pins", {})
    row.addons_release = pins.get("addonsRelease") or ""
    row.resources_release = pins.get("resourcesRelease") or ""
    row.monitoring_release = pins.get("monitoringRelease") or ""
    row.fleet_release = pins.get("fleetRelease") or ""
    row.overrides = sorted(key for key, value in pins.items() if value)
    _tell(row, told, now)


def _tell(row: Standing, told: Story, now: datetime) -> None:
    """Write what the story says; `since` moves only when the state does."""
    state = told.timeline.state.value
    if row.state != state or row.since is None:
        row.since = now
    current = told.timeline.current
    row.state, row.sentence, row.advice = state, told.timeline.sentence, told.timeline.advice
    row.stage = current.stage.value if current else ""
    total = told.applications
    row.applications = total.total if total else 0
    row.synced, row.healthy = (total.synced, total.healthy) if total else (0, 0)
    row.counts = {each.word: count for each, count in total.counts.items()} if total else {}
    row.seen_at = told.seen_at
