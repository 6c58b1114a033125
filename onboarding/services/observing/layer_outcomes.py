"""Outcomes of edits of shared layers: each cluster that was to move is held against its hub."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from onboarding.domain.applications import moment
from onboarding.domain.lifecycle import DeliveryState
from onboarding.domain.outcome import (
    MOST_DIFFERENCES,
    Expected,
    OutcomeState,
    Read,
    Seen,
    Written,
    differences,
    judge,
    prediction_of_moved,
)
from onboarding.domain.stages import POLL_INTERVAL
from onboarding.models import ApplicationStatus, Change, ClusterStatus, Delivery, Fleet, HubWatch
from onboarding.services import plan_records
from onboarding.services.observing.hub_text import as_list, text
from onboarding.services.observing.observation_rows import REGISTRATION

MOST_LACKING = 200
"""How many clusters that do not have it yet are named."""

_AT_ONCE = 500
_READ_WITHIN = timedelta(hours=1)
Place = tuple[str, str]
"""A cluster: its hub's name and its own."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How many of the clusters have what was foreseen, and the first of those that do not, with why."""

    state: OutcomeState
    clusters: int
    agreeing: int
    lacking: tuple[tuple[str, str, str], ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """The differences as sentences, each with its cluster."""
        return tuple(f"{name}: {said}" for _, name, said in self.lacking[:MOST_DIFFERENCES])


def places_of(change: Change) -> frozenset[Place]:
    """The clusters that the kept plan of a layer's change moves."""
    return frozenset((one["hub"], one["cluster"]) for one in change.plan.get("moved", ()))


def newer_layers(*, fleet: Fleet, after: datetime | None) -> Iterable[Delivery]:
    """The edits of layers of a fleet that came into Git after a moment."""
    return Delivery.objects.filter(
        fleet=fleet,
        state=DeliveryState.COMMITTED.value,
        change__kind=Change.Kind.LAYER,
        committed_at__gt=after,
    ).select_related("change")


def compare(delivery: Delivery, now: datetime) -> Compared:
    """Hold a delivered edit of a layer against what the hubs were last seen to have.

    A cluster that a later change is about, or that has left Git or its hub since, is none of this one
    any more; where none is left, or the same file was edited again, this one is superseded.
    """
    change = delivery.change
    newer = list(newer_layers(fleet=delivery.fleet, after=delivery.committed_at))
    path = change.intent.get("path")
    if any(one.change.intent.get("path") == path for one in newer):
        return Compared(OutcomeState.SUPERSEDED, 0, 0)
    overtaken = _overtaken(delivery).union(*(places_of(one.change) for one in newer))
    parts = [
        (one, impact)
        for one, impact in plan_records.moved_of(change.plan)
        if (one["hub"], one["cluster"]) not in overtaken
    ]
    if not parts:
        state = OutcomeState.SUPERSEDED if change.plan.get("moved") else OutcomeState.AGREES
        return Compared(state, 0, 0)
    hubs: dict[str, list[str]] = defaultdict(list)
    for one, _ in parts:
        hubs[one["hub"]].append(one["cluster"])
    seen = {hub: seen_of(hub, names) for hub, names in hubs.items()}
    looked = {hub: looked_at(hub) for hub in hubs}
    committed = delivery.committed_at or now
    written = written_by(delivery, commits_since([delivery], now), now)
    lacking, states = [], set()
    for one, impact in parts:
        hub, name = one["hub"], one["cluster"]
        foreseen = replace(prediction_of_moved(one, impact), written=written)
        found = differences(foreseen, seen[hub][name])
        state = judge(found, committed_at=committed, seen_at=looked[hub], now=now)
        states.add(state)
        if state is not OutcomeState.AGREES:
            said = found[0] if found else "Its hub has not been looked at since."
            lacking.append((hub, name, said))
    worst = next(
        (one for one in (OutcomeState.DIFFERS, OutcomeState.WAITING) if one in states),
        OutcomeState.AGREES,
    )
    agreeing = len(parts) - len(lacking)
    return Compared(worst, len(parts), agreeing, tuple(lacking[:MOST_LACKING]))


def _overtaken(delivery: Delivery) -> frozenset[Place]:
    """The clusters that a change of their own came into Git for after a delivery."""
    rows = Delivery.objects.filter(
        Q(change__hub__isnull=False),
        fleet=delivery.fleet_id,
        state=DeliveryState.COMMITTED.value,
        committed_at__gt=delivery.committed_at,
    )
    return frozenset(rows.values_list("change__hub__name", "change__cluster_name"))


def seen_of(hub: str, names: list[str]) -> dict[str, Seen]:
    """What a hub was last seen to have of some clusters, by a few queries however many they are."""
    labels: dict[str, dict[str, str]] = {}
    applications: dict[str, dict[str, Expected]] = defaultdict(dict)
    read: dict[str, dict[str, Read]] = defaultdict(dict)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        for status in ClusterStatus.objects.filter(hub__name=hub, name__in=some):
            labels[status.name] = status.labels
        rows = ApplicationStatus.objects.filter(hub__name=hub, cluster_name__in=some)
        for row in rows.only("name", "cluster_name", "version", "facts"):
            if not row.name.startswith(REGISTRATION):
                release = str(row.facts.get("release", ""))
                applications[row.cluster_name][row.name] = Expected(row.version, release)
                read[row.cluster_name][row.name] = _read(row)
    return {
        name: Seen(labels.get(name), applications.get(name, {}), read.get(name, {}))
        for name in names
    }


def _read(row: ApplicationStatus) -> Read:
    files = as_list(row.facts.get("value_files"))
    return Read(
        paths=frozenset(text(file).removeprefix("$values/") for file in files),
        revisions=tuple(map(text, as_list(row.facts.get("revisions")))),
        at=moment(row.facts.get("reconciled_at")),
    )


Commits = Sequence[tuple[datetime, str]]


def commits_since(rows: Sequence[Delivery], now: datetime) -> Commits:
    """The commits of one fleet that came into Git since the oldest of some deliveries, each with its time.

    Only of what is young: of the older ones the time alone tells whether they were compared.
    """
    young = [row for row in rows if row.committed_at and now - row.committed_at <= _READ_WITHIN]
    if not young:
        return ()
    fleet = young[0].fleet
    since = min(row.committed_at for row in young if row.committed_at)
    found = Delivery.objects.filter(fleet=fleet, committed_at__gte=since).exclude(commit="")
    commits = [(at, commit) for at, commit in found.values_list("committed_at", "commit") if at]
    if fleet.indexed_at and fleet.indexed_commit:
        commits.append((fleet.indexed_at, fleet.indexed_commit))
    return commits


def written_by(delivery: Delivery, commits: Commits, now: datetime) -> Written:
    """What a delivery wrote, and which of these commits have it."""
    committed = delivery.committed_at or now
    edits = delivery.change.plan.get("edits", ())
    return Written(
        paths=frozenset(text(edit.get("path"), 500) for edit in edits if isinstance(edit, dict)),
        known=frozenset(commit for at, commit in commits if at >= committed) | {delivery.commit},
        certain_at=committed + POLL_INTERVAL,
    )


def looked_at(hub: str) -> datetime | None:
    """Since when everything that is compared was seen: labels and Applications are read apart."""
    watch = HubWatch.objects.filter(hub__name=hub).first()
    if watch is None or watch.seen_at is None or watch.clusters_seen_at is None:
        return None
    return min(watch.seen_at, watch.clusters_seen_at)
