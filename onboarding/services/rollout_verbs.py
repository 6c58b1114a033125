"""What people do with a running rollout: pause, continue, skip, revert and stop. One click each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.domain.prose import prose
from onboarding.domain.rollout import next_step
from onboarding.models import Rollout, RolloutRow, RolloutWave
from onboarding.ports import Clock, WorkQueue
from onboarding.services import events, places, rollouts
from onboarding.services.dropping import drop
from onboarding.services.rights import require
from onboarding.services.rollout_facts import gather

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_LEAD = "onboarding.lead_rollouts"


def pause(*, rollout_id: int, actor: User, reason: str, clock: Clock) -> None:
    """Release no further wave until somebody goes on; what is on its way to Git still arrives."""
    said = _reason(reason)
    with transaction.atomic():
        rollout = _locked(rollout_id, actor, Rollout.State.RUNNING)
        _move(rollout, Rollout.State.PAUSED, actor, f"paused it: {said}", clock.now())


def go_on(*, rollout_id: int, actor: User, clock: Clock, queue: WorkQueue) -> None:
    """Go on although clusters are not well: the gates ask no more about those that stop it now."""
    now = clock.now()
    with transaction.atomic():
        rollout = _locked(rollout_id, actor, Rollout.State.PAUSED)
        step = next_step(
            gather(rollout, now=now).waves,
            patience=timedelta(seconds=rollout.patience),
            now=now,
            leads_back=rollout.undoes_id is not None,
        )
        keys = [trouble.key for trouble in step.troubles]
        RolloutRow.objects.filter(pk__in=keys).update(excused_at=now)
        names = ", ".join(trouble.name for trouble in step.troubles[:5])
        said = f"continued it without regard to {names}." if names else "continued it."
        _move(rollout, Rollout.State.RUNNING, actor, said, now)
    queue.wake(_LEAD)


def skip(*, rollout_id: int, actor: User, clock: Clock, queue: WorkQueue) -> None:
    """Leave the wave that it stands at: what of it is not in Git is withdrawn, and the next one begins."""
    now = clock.now()
    with transaction.atomic():
        rollout = _locked(rollout_id, actor, Rollout.State.RUNNING, Rollout.State.PAUSED)
        wave = (
            RolloutWave.objects.filter(
                rollout=rollout, passed_at__isnull=True, skipped_at__isnull=True
            )
            .order_by("number")
            .first()
        )
        if wave is None:
            raise Refused("There is no wave left to skip.", code="wrong_state")
        RolloutWave.objects.filter(pk=wave.pk).update(skipped_at=now)
        for row in wave.rows.select_related("change__fleet"):
            drop(row.change, at=now, why=f"{wave.name} was skipped.")
        _move(rollout, Rollout.State.RUNNING, actor, f"skipped {wave.name}.", now)
    queue.wake(_LEAD)


def revert(*, rollout_id: int, actor: User, clock: Clock, queue: WorkQueue) -> None:
    """Move back what was moved, a commit for each cluster; what was not begun is withdrawn."""
    now = clock.now()
    with transaction.atomic():
        rollout = _locked(rollout_id, actor, Rollout.State.RUNNING, Rollout.State.PAUSED)
        for row in RolloutRow.objects.filter(wave__rollout=rollout).select_related("change__fleet"):
            drop(row.change, at=now, why="Its rollout is reverted.")
        _move(rollout, Rollout.State.REVERTING, actor, "reverts it.", now)
    queue.wake(_LEAD)


def stop(*, rollout_id: int, actor: User, reason: str, clock: Clock) -> None:
    """End it where it is: what is in Git stays, and nothing more is written for it."""
    said, now = _reason(reason), clock.now()
    with transaction.atomic():
        rollout = _locked(
            rollout_id,
            actor,
            Rollout.State.PROPOSED,
            Rollout.State.RUNNING,
            Rollout.State.PAUSED,
            Rollout.State.REVERTING,
        )
        rows = RolloutRow.objects.filter(wave__rollout=rollout)
        for row in rows.select_related("change__fleet", "revert__fleet"):
            for change in (row.change, row.revert):
                if change is not None:
                    drop(change, at=now, why=f"Its rollout was stopped: {said}")
        note = f"{actor.get_username()} stopped it: {said}"
        rollouts.end(rollout, Rollout.State.STOPPED, note, now)


def _locked(rollout_id: int, actor: User, *states: Rollout.State) -> Rollout:
    rollout = (
        Rollout.objects.select_for_update(of=("self",))
        .select_related("fleet", "requester")
        .get(pk=rollout_id)
    )
    require(actor, Right.REQUEST, *places.of_rollout(rollout))
    if rollout.state not in states:
        raise Refused(
            f"This rollout is {rollout.get_state_display().lower()}, so this cannot be done now. "
            "Reload the page.",
            code="wrong_state",
        )
    return rollout


def _move(rollout: Rollout, state: Rollout.State, actor: User, said: str, now: datetime) -> None:
    note = f"{actor.get_username()} {said}"
    Rollout.objects.filter(pk=rollout.pk).update(state=state, note=note)
    events.record(
        verb=f"rollout.{state.value}",
        message=f"“{rollout.title}”: {note}",
        at=now,
        actor=actor,
        fleet=rollout.fleet,
        detail={"rollout": rollout.pk},
    )


def _reason(reason: str) -> str:
    said = prose(reason, field="reason")
    if not said:
        raise Refused("Say why, so that others can act on it.", field="reason", code="required")
    return said
