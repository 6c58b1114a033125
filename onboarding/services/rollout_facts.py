"""Rollout facts: decision, delivery and observation of every cluster of a rollout, read for all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.outcome import OutcomeState
from onboarding.domain.progress import ClusterState
from onboarding.domain.rollout import Health, RowFacts, RowState, WaveFacts, health_of
from onboarding.models import ClusterStatus, Delivery, Outcome, Rollout, RolloutRow, Standing

STALE_AFTER = timedelta(minutes=2)
"""A standing that nobody recomputed for this long says nothing about now."""

_NOT_MADE = (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)
_FAILED = (DeliveryState.FAILED.value, DeliveryState.MERGED_DIFFERENTLY.value)


@dataclass(frozen=True, slots=True)
class Gathered:
    """A rollout's waves as facts, and its rows by their keys."""

    waves: tuple[WaveFacts, ...]
    rows: Mapping[int, RolloutRow]


def gather(rollout: Rollout, *, now: datetime) -> Gathered:
    """Read what is known of every cluster of a rollout; a handful of queries for any number of them."""
    rows = list(
        RolloutRow.objects.filter(wave__rollout=rollout)
        .select_related("wave", "hub", "change")
        .defer("change__plan", "change__read_set", "change__form_data", "change__intent")
        .order_by("wave__number", "cluster_name")
    )
    deliveries = {
        one.change_id: one
        for one in Delivery.objects.filter(change__rollout_row__wave__rollout=rollout).order_by(
            "pk"
        )
    }
    outcomes = {
        one.delivery_id: one
        for one in Outcome.objects.filter(delivery__change__rollout_row__wave__rollout=rollout)
    }
    names = [row.cluster_name for row in rows]
    standings = {
        (one.hub_name, one.name): one
        for one in Standing.objects.filter(
            fleet=rollout.fleet_id, cluster__isnull=False, name__in=names
        )
    }
    live = {
        (one.hub_id, one.name): one
        for one in ClusterStatus.objects.filter(name__in=names).only("hub_id", "name", "labels")
    }
    facts: dict[int, list[RowFacts]] = {}
    for row in rows:
        delivery = deliveries.get(row.change_id)
        found = _row(
            row,
            delivery,
            outcomes.get(delivery.pk) if delivery else None,
            standings.get((row.hub.name, row.cluster_name)),
            live.get((row.hub_id, row.cluster_name)),
            rollout.label,
            rollout.target,
            now,
        )
        facts.setdefault(row.wave_id, []).append(found)
    waves = tuple(
        WaveFacts(
            number=wave.number,
            name=wave.name,
            soak=timedelta(seconds=wave.soak),
            rows=tuple(facts.get(wave.pk, ())),
            released_at=wave.released_at,
            passed=wave.passed_at is not None,
            skipped=wave.skipped_at is not None,
        )
        for wave in rollout.waves.order_by("number")
    )
    return Gathered(waves, {row.pk: row for row in rows})


def _row(
    row: RolloutRow,
    delivery: Delivery | None,
    outcome: Outcome | None,
    standing: Standing | None,
    live: ClusterStatus | None,
    label: str,
    target: str,
    now: datetime,
) -> RowFacts:
    state = _state(row, delivery)
    health, health_says = _health(standing, now)
    return RowFacts(
        name=row.cluster_name,
        key=row.pk,
        state=state,
        says=_says(row, delivery, state),
        committed_at=delivery.committed_at if delivery else None,
        health=health,
        health_says=health_says,
        followed=_followed(outcome, live, label, target),
        differs=_differs(outcome),
        seen_at=standing.seen_at if standing else None,
        well_since=row.well_since,
        excused=row.excused_at is not None,
    )


def _state(row: RolloutRow, delivery: Delivery | None) -> RowState:
    if row.change.state in _NOT_MADE:
        return RowState.DROPPED
    if row.change.state != DecisionState.APPROVED.value:
        return RowState.OPEN
    if delivery is None:
        return RowState.HELD if row.wave.released_at is None else RowState.ON_ITS_WAY
    if delivery.state == DeliveryState.COMMITTED.value:
        return RowState.IN_GIT
    return RowState.FAILED if delivery.state in _FAILED else RowState.ON_ITS_WAY


def _says(row: RolloutRow, delivery: Delivery | None, state: RowState) -> str:
    if state is RowState.OPEN:
        return row.change.state_note
    return delivery.reason if delivery else ""


def _health(standing: Standing | None, now: datetime) -> tuple[Health, str]:
    """How a cluster is; a line that nobody brought up to date for a while is as good as silence."""
    if standing is None:
        return Health.BAD, "It is not in the fleet's repository any more."
    if now - standing.computed_at > STALE_AFTER:
        return Health.BAD, "Nobody has looked at it for a while: is the watcher running?"
    state = ClusterState(standing.state)
    return health_of(state), f"{state.word}. {standing.sentence}".strip()


def _followed(outcome: Outcome | None, live: ClusterStatus | None, label: str, target: str) -> bool:
    if outcome is None:
        return False
    if outcome.state == OutcomeState.SUPERSEDED.value:
        # Another change of the cluster came after it: it still has to be on the channel.
        return live is not None and live.labels.get(label) == target
    return outcome.state == OutcomeState.AGREES.value


def _differs(outcome: Outcome | None) -> str:
    if outcome is None or outcome.state != OutcomeState.DIFFERS.value:
        return ""
    found: Sequence[str] = outcome.differences
    return found[0] if found else "See its change."
