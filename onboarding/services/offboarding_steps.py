"""The steps of an offboarding: each waits for its evidence, then the next commit is made. Rows are the state.

Called every few seconds; it may come twice, late or after a crash, and does each thing once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from onboarding.domain import diff
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.leaving import LeaveStep
from onboarding.domain.leaving_evidence import Evidence, judge
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.outcome import prediction_of
from onboarding.domain.plans import Plan
from onboarding.models import Change, Cluster, Fleet, Offboarding, OffboardingStep
from onboarding.ports import ChartRenderer, Clock, FleetRepository, WorkQueue
from onboarding.services import events, follow_ups, leaving_guard, previews
from onboarding.services.observing.leaving import applications_seen, seen_of
from onboarding.services.offboarding import intent_for, is_committed

_LOG = logging.getLogger(__name__)

_NOT_MADE = (DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)
_NEEDS_SOMEBODY = (DeliveryState.FAILED.value, DeliveryState.MERGED_DIFFERENTLY.value)
_ALREADY = ("nothing_to_change", "not_registered")
"""Refusals that say that Git is already as the step would make it."""


def advance(
    *,
    fleet: Fleet,
    repository: FleetRepository,
    clock: Clock,
    queue: WorkQueue,
    renderer: ChartRenderer | None = None,
) -> int:
    """Lead the fleet's open offboardings further, as far as evidence allows; returns how many are open."""
    runs = Offboarding.objects.filter(fleet=fleet, ended_at__isnull=True).select_related(
        "change__requester", "fleet", "hub"
    )
    for run in runs:
        way = _Way(run, repository, clock, queue, renderer)
        try:
            way.go_on()
        except FleetError as error:
            _LOG.warning("Offboarding %s does not go on: %s", run.pk, error)
            way.say(Evidence(False, str(error), stuck=True))
    return len(runs)


class _Way:
    """One run, looked at once."""

    def __init__(
        self,
        run: Offboarding,
        repository: FleetRepository,
        clock: Clock,
        queue: WorkQueue,
        renderer: ChartRenderer | None,
    ) -> None:
        self._run = run
        self._repository = repository
        self._clock = clock
        self._queue = queue
        self._renderer = renderer

    def go_on(self) -> None:
        """Look at the step that is open; where its evidence is there, begin the next one."""
        run = self._run
        if run.change.state in _NOT_MADE:
            self._end(Offboarding.State.STOPPED, f"The change was {run.change.state}.")
            return
        if run.change.state != DecisionState.APPROVED.value:
            return
        if is_committed(run.change) is None:
            Offboarding.objects.filter(pk=run.pk).update(
                seen=applications_seen(hub=run.hub, cluster=run.cluster_name)
            )
            return
        self._lay_out()
        if run.state != Offboarding.State.RUNNING:
            return
        step = run.steps.filter(done_at__isnull=True).select_related("change").first()
        if step is None:
            self._end(Offboarding.State.DONE, f"{run.cluster_name} has left the fleet.")
        elif step.change is None and step.begun_at is None:
            self._begin(step)
        elif self._is_in_git(step):
            self._look(step)

    def say(self, evidence: Evidence) -> None:
        """Write on the open step where it stands."""
        step = self._run.steps.filter(done_at__isnull=True).first()
        if step is not None:
            self._tell(step, evidence)

    def _lay_out(self) -> None:
        """Write the steps of the approved plan down, once it is in Git and cannot change any more."""
        if self._run.steps.exists():
            return
        way = self._run.change.plan.get("way", ())
        OffboardingStep.objects.bulk_create(
            [
                OffboardingStep(
                    offboarding=self._run,
                    number=number,
                    step=one["step"],
                    change=self._run.change if number == 0 else None,
                )
                for number, one in enumerate(way)
            ],
            ignore_conflicts=True,
        )

    def _is_in_git(self, step: OffboardingStep) -> bool:
        """Whether the step's commit is there; if not, say what it waits for."""
        if step.begun_at is not None:
            return True
        change = step.change
        delivery = is_committed(change)
        if delivery is not None and delivery.committed_at is not None:
            step.begun_at = delivery.committed_at
            OffboardingStep.objects.filter(pk=step.pk, begun_at__isnull=True).update(
                begun_at=delivery.committed_at
            )
            return True
        if change is None:
            return False
        if change.state in _NOT_MADE:
            Offboarding.objects.filter(pk=self._run.pk, state=Offboarding.State.RUNNING).update(
                state=Offboarding.State.PAUSED,
                note=f"Its change #{change.pk} was {change.state}. Resume to ask again, or stop.",
            )
            return False
        self._tell(step, _waits(change))
        return False

    def _look(self, step: OffboardingStep) -> None:
        """Hold what the hub shows against what the step needs."""
        run = self._run
        seen = seen_of(hub=run.hub, cluster=run.cluster_name)
        known = self._known(step) | {one.name: one.cascades for one in seen.applications}
        evidence = judge(
            LeaveStep(step.step),
            seen,
            foreseen=prediction_of(self._record(step)),
            committed_at=step.begun_at or self._clock.now(),
            now=self._clock.now(),
            given_up=run.given_up_at is not None,
            gone=known,
        )
        step.seen = known
        self._tell(step, evidence)
        if evidence.done:
            self._finish(step, evidence)

    def _known(self, step: OffboardingStep) -> dict[str, bool]:
        """The Applications that were seen before, each with whether it takes its objects along."""
        known: dict[str, bool] = dict(self._run.seen)
        for one in self._run.steps.filter(number__lte=step.number):
            known |= one.seen
        return known

    def _finish(self, step: OffboardingStep, evidence: Evidence) -> None:
        now = self._clock.now()
        with transaction.atomic():
            done = OffboardingStep.objects.filter(pk=step.pk, done_at__isnull=True).update(
                done_at=now
            )
            if done:
                events.record(
                    verb="offboarding.seen",
                    message=f"{LeaveStep(step.step).words}: {evidence.says}",
                    at=now,
                    change=self._run.change,
                    detail={"step": step.step, "applications": step.seen},
                )
        self._run.refresh_from_db(fields=["state", "ended_at", "given_up_at"])
        self.go_on()

    def _record(self, step: OffboardingStep) -> Mapping[str, Any]:
        """What the approved plan says of one step."""
        way = self._run.change.plan["way"]
        found: Mapping[str, Any] = way[step.number]
        return found

    def _begin(self, step: OffboardingStep) -> None:
        """Make the step's commit as a change of its own: approved where it is what was approved."""
        run, now = self._run, self._clock.now()
        self._repository.fetch()
        try:
            plan = self._plan(step)
        except Refused as refused:
            if any(one.code in _ALREADY for one in refused.refusals):
                # Somebody wrote it by hand: only what the hub makes of it is waited for.
                OffboardingStep.objects.filter(pk=step.pk).update(begun_at=now)
                return
            raise
        step.seen = applications_seen(hub=run.hub, cluster=run.cluster_name)
        same = diff.substance(plan) == self._record(step)["substance"]
        with transaction.atomic():
            running = Offboarding.objects.select_for_update().filter(
                pk=run.pk, state=Offboarding.State.RUNNING, ended_at__isnull=True
            )
            if not running.exists():
                return
            parent = run.change
            change = follow_ups.ask(
                parent=parent,
                plan=plan,
                message=f"The evidence before it is there: the next step of change #{parent.pk}.",
                detail={"offboarding": parent.pk},
                at=now,
            )
            if same:
                follow_ups.carry_approval(
                    parent=parent, change=change, part="a step", at=now, queue=self._queue
                )
            mine = OffboardingStep.objects.filter(pk=step.pk, change=None)
            if not mine.update(change=change, seen=step.seen):
                transaction.set_rollback(True)

    def _plan(self, step: OffboardingStep) -> Plan:
        """Plan the step on the branch as it is."""
        run = self._run
        cluster = Cluster(
            fleet=run.fleet,
            hub_name=run.hub.name,
            name=run.cluster_name,
            tenant=run.change.tenant,
            environment=run.change.environment,
        )
        snapshot = self._repository.snapshot()
        intent = intent_for(
            cluster=cluster,
            snapshot=snapshot,
            keep=run.keep,
            step=LeaveStep(step.step),
            to_hub=str(run.change.intent.get("to_hub", "")),
        )
        plan = previews.preview(
            fleet=run.fleet, intent=intent, snapshot=snapshot, renderer=self._renderer
        )
        leaving_guard.refuse_removal(fleet=run.fleet, plan=plan, now=self._clock.now())
        return plan

    def _tell(self, step: OffboardingStep, evidence: Evidence) -> None:
        OffboardingStep.objects.filter(pk=step.pk, done_at__isnull=True).update(
            says=evidence.says,
            remedy=evidence.remedy,
            stuck=evidence.stuck,
            unreachable=evidence.unreachable,
            seen=step.seen,
            checked_at=self._clock.now(),
        )

    def _end(self, state: Offboarding.State, note: str) -> None:
        now = self._clock.now()
        with transaction.atomic():
            ended = Offboarding.objects.filter(pk=self._run.pk, ended_at__isnull=True).update(
                state=state, note=note, ended_at=now
            )
            if ended:
                events.record(
                    verb=f"offboarding.{state.value}", message=note, at=now, change=self._run.change
                )


def _waits(change: Change) -> Evidence:
    """What a step whose commit is not in Git waits for."""
    if change.state == DecisionState.APPROVED.value:
        delivery = change.deliveries.order_by("-pk").first()
        reason = f" {delivery.reason}" if delivery and delivery.reason else ""
        stuck = delivery is not None and delivery.state in _NEEDS_SOMEBODY
        if not stuck:
            return Evidence(False, f"Its commit is on the way to Git.{reason}")
        return Evidence(
            False,
            f"Its commit did not come to Git as it was approved.{reason}",
            f"Look at change #{change.pk}, which says what to do.",
            stuck=True,
        )
    if change.approvals.filter(digest=change.plan_digest).exists():
        return Evidence(
            False,
            f"Its approvals are not enough by the policies of today. {change.state_note}".strip(),
            f"Look at change #{change.pk}: it needs another approval.",
            stuck=True,
        )
    return Evidence(
        False,
        f"The files moved, so this step is not what was approved any more. {change.state_note}".strip(),
        f"Look at change #{change.pk}: it needs an approval of its own.",
        stuck=True,
    )
