"""Rollouts: plan one, ask for it. What decides on it is in `rollout_decisions`, what moves it in `rollout_steps`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.intents import EditCluster
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.member import parse_member
from onboarding.domain.plans import Plan, sha256
from onboarding.domain.prose import line
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.domain.rollout_waves import Candidate, SplitBy, WaveAsk, sort_into_waves
from onboarding.domain.snapshot import RememberingSnapshot, Snapshot
from onboarding.models import Change, Cluster, Fleet, Hub, Rollout, RolloutRow, RolloutWave
from onboarding.ports import ChartRenderer, Clock, FleetRepository
from onboarding.services import (
    changes,
    events,
    indexing,
    member_forms,
    policies,
    previews,
    scope,
)
from onboarding.services.dropping import DROPPED
from onboarding.services.layouts import layout_of
from onboarding.services.rights import Reach, reach_of, require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ENDED = (Rollout.State.DONE, Rollout.State.REVERTED, Rollout.State.STOPPED)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants: clusters on `source` move to `target`, in these waves."""

    label: str
    source: str
    target: str
    waves: tuple[WaveAsk, ...]
    by: SplitBy
    key: str = ""
    patience: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One cluster with what its change would do; `problem` says why it cannot be moved."""

    candidate: Candidate
    plan: Plan | None
    problem: str = ""
    pin_before: str | None = None
    form_data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rollout as it would be asked for; nothing of it is stored."""

    waves: tuple[tuple[WaveAsk, tuple[PlannedRow, ...]], ...]
    left_out: tuple[tuple[Candidate, str], ...]

    @property
    def size(self) -> int:
        """How many clusters would be moved."""
        return sum(row.plan is not None for _, rows in self.waves for row in rows)


def propose(
    *,
    fleet: Fleet,
    asked: Asked,
    actor: User,
    repository: FleetRepository,
    renderer: ChartRenderer | None = None,
) -> Proposal:
    """Sort the clusters for which the actor may ask into waves and plan the move of each; nothing is written.

    Raises `Refused` where the channels are not two of one group, or the waves cannot be read.
    """
    require(actor, Right.REQUEST)
    _check_channels(asked)
    clusters = clusters_of(fleet, reach_of(actor))
    found = sort_into_waves(
        [candidate_of(row, asked.label) for row in clusters.values()],
        asked.waves,
        by=asked.by,
        key=asked.key,
        source=asked.source,
    )
    snapshot = RememberingSnapshot(repository.snapshot())
    waves = []
    for ask, some in found.waves:
        rows = [
            planned_row(
                cluster=clusters[one.hub, one.name],
                label=asked.label,
                channel=asked.target,
                snapshot=snapshot,
                renderer=renderer,
            )
            for one in some
        ]
        waves.append((ask, tuple(rows)))
    return Proposal(waves=tuple(waves), left_out=found.left_out)


def _check_channels(asked: Asked) -> None:
    if asked.label not in RELEASE_LABELS.values():
        raise Refused("Choose a group of components.", field="label", code="invalid")
    if not asked.source or not asked.target or asked.source == asked.target:
        raise Refused(
            "Choose the channel that the clusters are on and another one that they shall go to.",
            field="target",
            code="invalid",
        )


def clusters_of(fleet: Fleet, reach: Reach) -> dict[tuple[str, str], Cluster]:
    """The sound members of a fleet that somebody may ask for, by hub and name."""
    reached = scope.clusters(reach, Right.REQUEST)
    rows = reached.filter(fleet=fleet, problem="").select_related("fleet")
    return {(row.hub_name, row.name): row for row in rows}


def candidate_of(row: Cluster, label: str) -> Candidate:
    """A cluster with the channel that its label `label` says."""
    labels = {key: str(data["value"]) for key, data in row.labels.items()}
    return Candidate(
        row.hub_name, row.name, row.tenant, row.environment, labels.get(label, ""), labels
    )


def planned_row(
    *,
    cluster: Cluster,
    label: str,
    channel: str | None,
    snapshot: Snapshot,
    renderer: ChartRenderer | None,
) -> PlannedRow:
    """What would put one cluster on a channel (None: the inherited one), or why that cannot be."""
    candidate = candidate_of(cluster, label)
    try:
        intent, form_data = channel_intent(
            cluster=cluster, snapshot=snapshot, label=label, channel=channel
        )
        plan = previews.preview(
            fleet=cluster.fleet, intent=intent, snapshot=snapshot, renderer=renderer
        )
    except FleetError as error:
        return PlannedRow(candidate, None, str(error))
    before = form_data.get(f"{member_forms.PIN}{label}")
    pinned = None if before is None else str(before)
    return PlannedRow(candidate, plan, pin_before=pinned, form_data=form_data)


def channel_intent(
    *, cluster: Cluster, snapshot: Snapshot, label: str, channel: str | None
) -> tuple[EditCluster, dict[str, Any]]:
    """The intent that puts a cluster on a channel (None: the inherited one), all else as its files say.

    Beside it what its form would begin with. Raises `Refused` without a sound member file.
    """
    placement, form_data = member_forms.form_data_of(
        cluster=cluster, snapshot=snapshot, layout=layout_of(cluster.fleet)
    )
    file = snapshot.read(cluster.path)
    if file is None:
        raise Refused(f"{cluster.path} is not in the repository any more.", code="gone")
    member = parse_member(file)
    intent = EditCluster(
        placement=placement,
        secret_name=member.secret_name,
        model=member.model,
        remote_addons=member.remote_addons,
        remote_resources=member.remote_resources,
        options=dict(member.options),
        pins={label: channel},
    )
    return intent, form_data


def request(
    *,
    fleet: Fleet,
    asked: Asked,
    title: str,
    actor: User,
    repository: FleetRepository,
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> Rollout:
    """Ask for approval of a whole rollout: one change for each cluster, all decided on together.

    What cannot be moved is left out and said. Raises `Refused` where nothing can be moved, or a
    cluster is in a rollout that has not ended.
    """
    require(actor, Right.REQUEST)
    indexing.index(fleet=fleet, repository=repository, clock=clock)
    found = propose(fleet=fleet, asked=asked, actor=actor, repository=repository, renderer=renderer)
    refused = [
        [row.candidate.name, row.problem]
        for _, rows in found.waves
        for row in rows
        if row.plan is None
    ]
    if not found.size:
        why = f" {refused[0][0]}: {refused[0][1]}" if refused else ""
        raise Refused(
            f"No cluster that is on {asked.source} can be moved by these waves.{why}",
            code="nothing",
        )
    return keep(
        Rollout(
            fleet=fleet,
            title=line(title, field="title") or f"{asked.label}: {asked.source} to {asked.target}",
            label=asked.label,
            source=asked.source,
            target=asked.target,
            patience=int(asked.patience.total_seconds()),
            left_out=[[one.name, why] for one, why in found.left_out] + refused,
            requester=actor,
            created_at=clock.now(),
        ),
        [(", ".join(ask.values), ask.soak, rows) for ask, rows in found.waves],
        clock=clock,
    )


def keep(
    rollout: Rollout,
    waves: Iterable[tuple[str, timedelta, Sequence[PlannedRow]]],
    *,
    clock: Clock,
) -> Rollout:
    """Write a rollout with its waves (what they are called, how long they soak) and a change for each row.

    Raises `Refused` where a cluster is in a rollout that has not ended; then nothing was written.
    """
    fleet, actor = rollout.fleet, rollout.requester
    hubs = {hub.name: hub for hub in Hub.objects.filter(fleet=fleet)}
    try:
        with transaction.atomic():
            rollout.save()
            number = size = 0
            for name, soak, rows in waves:
                planned = [row for row in rows if row.plan is not None]
                if not planned:
                    continue
                number, size = number + 1, size + len(planned)
                wave = RolloutWave.objects.create(
                    rollout=rollout,
                    number=number,
                    name=f"Wave {number}: {name}"[:200],
                    soak=int(soak.total_seconds()),
                )
                for row in planned:
                    _row(wave, row, hubs, actor, clock)
            policies.ask_together(submitted(rollout).select_related("fleet"))
            events.record(
                verb="rollout.requested",
                message=f"{actor.get_username()} asked for “{rollout.title}”: {size} clusters "
                f"in {number} wave{'' if number == 1 else 's'}.",
                at=clock.now(),
                actor=actor,
                fleet=fleet,
                detail={"rollout": rollout.pk, "digest": digest_of(rollout)},
            )
    except IntegrityError as error:
        raise Refused(
            "One of these clusters is in another rollout that has not ended.", code="busy"
        ) from error
    return rollout


def _row(
    wave: RolloutWave, row: PlannedRow, hubs: Mapping[str, Hub], actor: User, clock: Clock
) -> None:
    hub = hubs.get(row.candidate.hub)
    if hub is None or row.plan is None:
        raise Refused(f"No hub called {row.candidate.hub} is configured here.", code="no_hub")
    change = changes.submit_planned(
        fleet=wave.rollout.fleet,
        plan=row.plan,
        form_data=member_forms.as_sent(row.form_data or {}),
        actor=actor,
        clock=clock,
    )
    RolloutRow.objects.create(
        wave=wave,
        hub=hub,
        cluster_name=row.candidate.name,
        change=change,
        pin_before=row.pin_before,
    )


def digest_of(rollout: Rollout) -> str:
    """What an approval of the whole is bound to: the waves, their gates, and every row's own digest.

    A row that was withdrawn is not in it; one that was planned anew makes it another one.
    """
    by_number: dict[int, list[list[str]]] = {}
    waves = []
    for wave in rollout.waves.order_by("number"):
        by_number[wave.number] = []
        waves.append({"number": wave.number, "soak": wave.soak, "rows": by_number[wave.number]})
    rows = RolloutRow.objects.filter(wave__rollout=rollout).exclude(change__state__in=DROPPED)
    for number, hub, name, uid, digest in rows.order_by("hub__name", "cluster_name").values_list(
        "wave__number", "hub__name", "cluster_name", "change__uid", "change__plan_digest"
    ):
        by_number[number].append([hub, name, str(uid), digest])
    return sha256(
        {
            "format": 1,
            "fleet": rollout.fleet.name,
            "label": rollout.label,
            "source": rollout.source,
            "target": rollout.target,
            "patience": rollout.patience,
            "requester": rollout.requester.get_username(),
            "waves": waves,
        }
    )


def submitted(rollout: Rollout) -> QuerySet[Change]:
    """The changes of a rollout that wait for a decision, wave by wave."""
    return Change.objects.filter(
        rollout_row__wave__rollout=rollout, state=DecisionState.SUBMITTED.value
    ).order_by("rollout_row__wave__number", "cluster_name")


def end(rollout: Rollout, state: Rollout.State, note: str, at: datetime) -> bool:
    """End a rollout once: its clusters are free for others. In the caller's transaction."""
    ended = Rollout.objects.filter(pk=rollout.pk, ended_at__isnull=True).update(
        state=state, note=note, ended_at=at
    )
    if ended:
        RolloutRow.objects.filter(wave__rollout=rollout).update(is_open=False)
        events.record(
            verb=f"rollout.{state.value}",
            message=f"“{rollout.title}”: {note}",
            at=at,
            fleet=rollout.fleet,
            detail={"rollout": rollout.pk},
        )
    return bool(ended)
