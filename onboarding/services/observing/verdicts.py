"""Verdicts: what the stored facts of an Application amount to at the time of now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from django.db.models import Q, QuerySet, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from onboarding.domain.applications import moment
from onboarding.domain.sync import (
    COMPARED_WITHIN,
    ApplicationFacts,
    Condition,
    VerdictState,
    verdict,
)
from onboarding.models import ApplicationStatus
from onboarding.services.observing.controller_watch import ALL_TRIED, Silence
from onboarding.services.observing.hub_text import text
from onboarding.services.observing.upserts import upsert

UNREADABLE = "What the hub says of this object could not be read or stored. Look at it on the hub."
_UNTRIED = "Argo CD's application controller has shown no sign of life for its cluster since"
STALE_AFTER = timedelta(minutes=3)
"""How long an observation counts: several times the longest silence of a watch that works."""


def facts_of(row: ApplicationStatus, *, heard_at: datetime | None) -> ApplicationFacts:
    """The facts of a stored Application, for a verdict at the time of reading.

    `heard_at` is when the hub's Applications were last heard of at all (`observations.heard_at`):
    a watch that works and says nothing confirms what the row says.
    """
    data = row.facts
    return ApplicationFacts(
        name=row.name,
        sync=row.sync,
        health=row.health,
        health_message=data.get("health_message", ""),
        revisions=tuple(data.get("revisions", ())),
        operation_phase=data.get("operation_phase", ""),
        operation_message=data.get("operation_message", ""),
        operation_revisions=tuple(data.get("operation_revisions", ())),
        operation_finished_at=moment(data.get("operation_finished_at")),
        operation_retries=data.get("operation_retries", 0),
        operation_outdated=data.get("operation_outdated", False),
        reconciled_at=moment(data.get("reconciled_at")),
        conditions=tuple(Condition(kind, message) for kind, message in data.get("conditions", ())),
        destination=data.get("destination", ""),
        namespace=data.get("namespace", ""),
        version=row.version,
        application_set=row.application_set,
        deleting=bool(data.get("deleting")),
        moved=data.get("moved", ""),
        requested=bool(data.get("requested")),
        left_alone=bool(data.get("left_alone")),
        seen_at=max(row.seen_at, heard_at) if heard_at else row.seen_at,
    )


def judge(
    row: ApplicationStatus,
    *,
    now: datetime,
    heard_at: datetime | None,
    silence: Silence = ALL_TRIED,
) -> bool:
    """Judge a stored Application by the time of now; True where that changed the row (not saved).

    `heard_at` is when the hub's Applications were last heard of (`observations.heard_at`), `silence`
    says which of them its Argo CD does not compare any more.
    """
    before = (row.verdict, row.reason, row.synced_at, row.healthy_at)
    facts = facts_of(row, heard_at=heard_at)
    conclude(row, facts, now=now, untried_since=silence.of(row.cluster_name))
    return before != (row.verdict, row.reason, row.synced_at, row.healthy_at)


def that_time_may_change(
    *,
    hub_id: int,
    now: datetime,
    heard_at: datetime | None,
    silence: Silence = ALL_TRIED,
) -> QuerySet[ApplicationStatus]:
    """The hub's Applications whose verdict may be another one by the time of now alone.

    Those that wait for it (unknown, stale), those whose last comparison is too old by now, and
    where the hub is silent, those that it has not named since; those that its Argo CD does not compare
    any more. The others say what they said until the hub says something new.
    """
    rows = ApplicationStatus.objects.filter(hub_id=hub_id).exclude(reason=UNREADABLE)
    waiting = Q(verdict__in=[VerdictState.UNKNOWN.value, VerdictState.STALE.value])
    if heard_at is None or now - heard_at > STALE_AFTER:
        waiting |= Q(seen_at__lt=now - STALE_AFTER)
    if silence.whole:
        waiting = Q()
    elif silence.clusters:
        waiting |= Q(cluster_name__among=list(silence.clusters))
    # Both are written in UTC with the same digits, so that their texts are in the order of time.
    earliest = (now - COMPARED_WITHIN).replace(microsecond=0).isoformat()
    compared = rows.alias(compared=Cast(KT("facts__reconciled_at"), TextField()))
    return compared.filter(waiting | Q(compared__lt=earliest) if waiting else Q())


class Judged(Protocol):
    """What of an Application's row its verdict decides."""

    verdict: str
    reason: str
    synced_at: datetime | None
    healthy_at: datetime | None


def conclude(
    row: Judged,
    facts: ApplicationFacts,
    *,
    now: datetime,
    untried_since: datetime | None = None,
) -> None:
    """Set the row's verdict, its reason, and since when it is synced and healthy.

    `untried_since`: from then on Argo CD's application controller did nothing about its cluster.
    """
    judged = verdict(facts, now=now, stale_after=STALE_AFTER)
    row.verdict, row.reason = judged.state.value, text(judged.reason)
    # An age in words would be wrong a minute later; what was known stays known.
    if facts.seen_at and now - facts.seen_at > STALE_AFTER:
        row.reason = text(f"Nothing was heard of it since {_said(facts.seen_at, facts)}")
        return
    if untried_since is not None:
        row.verdict = VerdictState.STALE.value
        row.reason = text(f"{_UNTRIED} {_said(untried_since, facts)}")
        return
    row.synced_at = (row.synced_at or facts.operation_finished_at or now) if judged.synced else None
    row.healthy_at = (row.healthy_at or now) if judged.state is VerdictState.HEALTHY else None


def _said(since: datetime, facts: ApplicationFacts) -> str:
    words = ", ".join(word for word in (facts.sync, facts.health) if word) or "nothing"
    return f"{since:%Y-%m-%d %H:%M} UTC. It last said: {words}."


def keep_judgements(judged: Sequence[ApplicationStatus]) -> None:
    """Save what `judge` changed, except where a newer event was written in between.

    Call it while the hub's row is held: nobody else writes its Applications then, and all of them
    are saved at once. A hub that was silent makes a hundred thousand of them stale.
    """
    same = ApplicationStatus.objects.filter(pk__among=[row.pk for row in judged])
    versions = dict(same.values_list("pk", "resource_version"))
    upsert(
        ApplicationStatus,
        [row for row in judged if versions.get(row.pk) == row.resource_version],
        unique=("hub", "uid"),
        columns=("verdict", "reason", "synced_at", "healthy_at"),
    )
