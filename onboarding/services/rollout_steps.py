"""The steps of a rollout: a wave is released when the gate before it has passed. Rows are the state.

Called every few seconds; it may come twice, late or after a crash, and does each thing once.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.lifecycle import Act, DecisionState, decide
from onboarding.domain.plans import ReadSet
from onboarding.domain.rollout import Move, RowState, WaveFacts, next_step
from onboarding.domain.snapshot import RememberingSnapshot, Snapshot
from onboarding.models import Change, Fleet, Rollout, RolloutRow, RolloutWave
from onboarding.ports import ChartRenderer, Clock, FleetRepository, WorkQueue
from onboarding.services import events, previews, rollout_reverts, rollouts
from onboarding.services.delivery import deliveries
from onboarding.services.rollout_facts import Gathered, gather

_LOG = logging.getLogger(__name__)

_LED = (Rollout.State.RUNNING, Rollout.State.PAUSED, Rollout.State.REVERTING)


def advance(
    *,
    fleet: Fleet,
    repository: FleetRepository,
    clock: Clock,
    queue: WorkQueue,
    renderer: ChartRenderer | None = None,
) -> int:
    """Lead the fleet's open rollouts further, as far as their gates allow; returns how many are open."""
    found = list(
        Rollout.objects.filter(fleet=fleet, state__in=_LED).select_related("fleet", "requester")
    )
    for rollout in found:
        try:
            if rollout.state == Rollout.State.REVERTING:
                rollout_reverts.go_on(
                    rollout=rollout,
                    repository=repository,
                    clock=clock,
                    queue=queue,
                    renderer=renderer,
                )
                continue
            _let_lapse(rollout, repository, clock, renderer)
        except FleetError as error:
            # What Git does not say now, it says later; the gates look at the hubs.
            _LOG.warning("Rollout %s does not go on: %s", rollout.pk, error)
        _step(rollout, clock, queue)
    return len(found)


def _step(rollout: Rollout, clock: Clock, queue: WorkQueue) -> None:
    """Look at every cluster, write down what was seen, and take the next step; one transaction.

    The rollout's row is locked, so that of two workers one comes after the other and sees what it did.
    """
    now = clock.now()
    with transaction.atomic():
        locked = (
            Rollout.objects.select_for_update(of=("self",))
            .select_related("fleet")
            .filter(pk=rollout.pk, state__in=(Rollout.State.RUNNING, Rollout.State.PAUSED))
            .first()
        )
        if locked is None:
            return
        seen = gather(locked, now=now)
        waves = _remember(seen, now)
        Rollout.objects.filter(pk=locked.pk).update(checked_at=now)
        if locked.state == Rollout.State.PAUSED:
            return
        step = next_step(
            waves,
            patience=timedelta(seconds=locked.patience),
            now=now,
            leads_back=locked.undoes_id is not None,
        )
        RolloutWave.objects.filter(
            rollout=locked, number__in=step.passed, passed_at__isnull=True
        ).update(passed_at=now)
        match step.move:
            case Move.RELEASE:
                _release(locked, step.wave or 0, seen, now, queue)
            case Move.PAUSE:
                _pause(locked, step.says, now)
            case Move.FINISH:
                rollouts.end(locked, Rollout.State.DONE, step.says, now)
            case Move.WAIT:
                Rollout.objects.filter(pk=locked.pk).update(note=step.says)


def _remember(seen: Gathered, now: datetime) -> tuple[WaveFacts, ...]:
    """Write since when each cluster is well; the facts with that in them."""
    changed = []
    waves = []
    for wave in seen.waves:
        facts = []
        for one in wave.rows:
            row = seen.rows[one.key]
            since = (row.well_since or now) if one.is_well else None
            says = (one.says if one.state is not RowState.IN_GIT else "") or one.health_says
            if (row.well_since, row.health, row.says) != (since, one.health.value, says):
                row.well_since, row.health, row.says = since, one.health.value, says
                changed.append(row)
            facts.append(replace(one, well_since=since))
        waves.append(replace(wave, rows=tuple(facts)))
    RolloutRow.objects.bulk_update(changed, ["well_since", "health", "says"], batch_size=200)
    return tuple(waves)


def _release(
    rollout: Rollout, number: int, seen: Gathered, now: datetime, queue: WorkQueue
) -> None:
    """Put the changes of one wave into the delivery queue, once."""
    mine = RolloutWave.objects.filter(
        rollout=rollout, number=number, released_at__isnull=True, skipped_at__isnull=True
    )
    if not mine.update(released_at=now):
        return
    wave = next(one for one in seen.waves if one.number == number)
    due = [seen.rows[one.key].change for one in wave.rows if one.state is RowState.HELD]
    for change in due:
        change.fleet = rollout.fleet
    deliveries.enqueue(due, at=now, queue=queue)
    says = f"{wave.name} begins: {len(due)} cluster{'' if len(due) == 1 else 's'}."
    Rollout.objects.filter(pk=rollout.pk).update(note=says)
    events.record(
        verb="rollout.released",
        message=f"“{rollout.title}”: {says}",
        at=now,
        fleet=rollout.fleet,
        detail={"rollout": rollout.pk, "wave": number},
    )


def _pause(rollout: Rollout, says: str, now: datetime) -> None:
    Rollout.objects.filter(pk=rollout.pk).update(state=Rollout.State.PAUSED, note=says)
    events.record(
        verb="rollout.paused",
        message=f"“{rollout.title}” paused by itself. {says}",
        at=now,
        fleet=rollout.fleet,
        detail={"rollout": rollout.pk},
    )


def _let_lapse(
    rollout: Rollout, repository: FleetRepository, clock: Clock, renderer: ChartRenderer | None
) -> None:
    """Let the approval of each row lapse that would do something else on today's branch."""
    tip = rollout.fleet.indexed_commit
    if tip == rollout.looked_commit:
        return
    repository.fetch()
    snapshot = RememberingSnapshot(repository.snapshot())
    held = Change.objects.filter(
        rollout_row__wave__rollout=rollout,
        state=DecisionState.APPROVED.value,
        deliveries__isnull=True,
    ).select_related("fleet", "requester", "hub")
    for change in held:
        if why := _why_lapsed(change, repository, snapshot, renderer):
            _lapse(rollout, change, why, clock.now())
    Rollout.objects.filter(pk=rollout.pk).update(looked_commit=tip)


def _why_lapsed(
    change: Change,
    repository: FleetRepository,
    snapshot: Snapshot,
    renderer: ChartRenderer | None,
) -> str:
    moved = ReadSet.from_data(change.read_set).moved(snapshot)
    if not moved:
        return ""
    try:
        found = previews.preview_change(
            change=change, repository=repository, commit=snapshot.commit, renderer=renderer
        )
    except Refused as refused:
        return str(refused)
    if found.digest == change.plan_digest:
        return ""
    return (
        "What it would do is not what was approved any more. These files are not as they were: "
        f"{', '.join(moved[:5])}. Look at the new plan and approve it again."
    )


def _lapse(rollout: Rollout, change: Change, why: str, now: datetime) -> None:
    lapsed = decide(DecisionState.APPROVED, Act.LAPSE, actor_is_author=False, actor_may=frozenset())
    with transaction.atomic():
        # The lock of the release: what is queued meanwhile lapses where it is delivered.
        Rollout.objects.select_for_update(of=("self",)).get(pk=rollout.pk)
        moved = Change.objects.filter(
            pk=change.pk, state=DecisionState.APPROVED.value, deliveries__isnull=True
        ).update(state=lapsed.value, state_note=why, updated_at=now)
        if moved:
            events.record(
                verb="change.lapsed",
                message=f"The approval lapsed. {why}",
                at=now,
                change=change,
                detail={"digest": change.plan_digest, "rollout": rollout.pk},
            )
