"""Auditing: whether the trail is whole, what happened, and one change's evidence as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from onboarding.models import Change, Delivery, Event, EventHead, Standing
from onboarding.services.events import digest_of

EVIDENCE_FORMAT = 1
COLUMNS = (
    "number",
    "at",
    "who",
    "verb",
    "message",
    "fleet",
    "cluster",
    "change",
    "detail",
    "previous",
    "digest",
)
"""What a row of the trail has outside of the database."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at the whole trail found.

    `problem` is "" where the trail is whole, else one sentence; `first_bad` is the number of the
    first event that does not fit, None where none is left to name.
    """

    events: int
    head: str
    problem: str = ""
    first_bad: int | None = None


def verify(*, heads_in_git: Iterable[tuple[str, str]] = ()) -> Verification:
    """Read every event, in order, and hold it against its digest, its predecessor and the recorded end.

    `heads_in_git` are commits with the head that each names in its `Audit-Head` trailer: a trail that
    was cut or rewritten as a whole, its recorded end with it, lacks a head that a commit names.
    """
    wanted = {head: commit for commit, head in heads_in_git if head}
    previous, count = "", 0
    for event in Event.objects.order_by("pk").iterator():
        if event.previous != previous:
            problem = "does not follow the event before it: one in between was removed or changed"
            return _bad(event, count, previous, problem)
        if event.digest != digest_of(event):
            return _bad(event, count, previous, "was changed after it was written")
        previous, count = event.digest, count + 1
        wanted.pop(previous, None)
    end = EventHead.objects.filter(pk=1).first()
    if end and (end.digest, end.count) != (previous, count):
        problem = (
            f"The trail has {count} events, but {end.count} were recorded: its end was removed."
        )
        return Verification(count, previous, problem)
    if wanted:
        head, commit = next(iter(wanted.items()))
        problem = (
            f"Commit {commit[:10]} names the head {head[:16]}, which no event has: "
            "the trail was cut or replaced after that commit."
        )
        return Verification(count, previous, problem)
    return Verification(count, previous)


def _bad(event: Event, count: int, head: str, problem: str) -> Verification:
    said = f"Event {event.pk} of {event.at:%Y-%m-%d %H:%M:%S} UTC ({event.verb}) {problem}."
    return Verification(count, head, said, event.pk)


def found(
    *,
    text: str = "",
    noun: str = "",
    who: str = "",
    change: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    among: QuerySet[Event] | None = None,
) -> QuerySet[Event]:
    """The events (`among` some, else all) that fit, newest first; an argument that is empty leaves all.

    `text` is part of a sentence or the beginning of a cluster's name, `noun` what the event is about
    (`change` of `change.approved`), `who` a user name, `until` the first moment that is left out.
    """
    everything = Event.objects.all() if among is None else among
    rows = everything.select_related("actor", "fleet").order_by("-pk")
    if text:
        rows = rows.filter(Q(message__icontains=text) | Q(cluster_name__startswith=text))
    if noun:
        rows = rows.filter(verb__startswith=f"{noun}.")
    if who:
        rows = rows.filter(actor__username=who)
    if change is not None:
        rows = rows.filter(change_id=change)
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    return rows


def as_row(event: Event) -> dict[str, Any]:
    """An event as plain data, by `COLUMNS`."""
    values = (
        event.pk,
        event.at,
        event.actor.get_username() if event.actor else "",
        event.verb,
        event.message,
        event.fleet.name if event.fleet else "",
        event.cluster_name,
        event.change_id,
        event.detail,
        event.previous,
        event.digest,
    )
    return dict(zip(COLUMNS, values, strict=True))


def evidence(change: Change, *, at: datetime) -> dict[str, Any]:
    """All that shows how one change came about and what became of it, as data for one file.

    The request, the plan with its files, who decided on which digest, the commit and its tries, what
    the hub was then seen to do, and the events of the trail. What is not there yet is None or empty.
    """
    head = EventHead.objects.filter(pk=1).first()
    deliveries = change.deliveries.select_related("outcome").prefetch_related("attempts")
    return {
        "format": EVIDENCE_FORMAT,
        "made_at": at,
        "change": _change(change),
        "request": change.intent,
        "plan": {
            "digest": change.plan_digest,
            "base_commit": change.base_commit,
            "destructive": change.destructive,
            **change.plan,
        },
        "decisions": [
            {
                "who": one.user.get_username(),
                "verdict": one.verdict,
                "digest": one.digest,
                "reason": one.reason,
                "at": one.created_at,
            }
            for one in change.approvals.select_related("user")
        ],
        "discussion": [
            {"who": one.author.get_username(), "text": one.body, "at": one.created_at}
            for one in change.comments.select_related("author")
        ],
        "deliveries": [_delivery(one) for one in deliveries],
        "cluster_now": _standing(change),
        "trail": {
            "head": head.digest if head else "",
            "count": head.count if head else 0,
            "events": list(_trail(change)),
        },
    }


def _change(change: Change) -> Mapping[str, Any]:
    return {
        "number": change.pk,
        "uid": str(change.uid),
        "kind": change.kind,
        "fleet": change.fleet.name,
        "hub": change.hub.name if change.hub else "",
        "cluster": change.cluster_name,
        "tenant": change.tenant,
        "environment": change.environment,
        "requester": change.requester.get_username(),
        "authors_and_approvers": [
            {"who": one.user.get_username(), "as": one.role}
            for one in change.participants.select_related("user").order_by("pk")
        ],
        "revision": change.revision,
        "demand": change.demand,
        "state": change.state,
        "state_note": change.state_note,
        "submitted_at": change.submitted_at,
        "decided_at": change.decided_at,
        "settled_at": change.settled_at,
    }


def _delivery(delivery: Delivery) -> Mapping[str, Any]:
    outcome = getattr(delivery, "outcome", None)
    return {
        "digest": delivery.digest,
        "state": delivery.state,
        "reason": delivery.reason,
        "commit": delivery.commit,
        "base_commit": delivery.base_commit,
        "queued_at": delivery.queued_at,
        "committed_at": delivery.committed_at,
        "attempts": [
            {
                "number": one.number,
                "started_at": one.started_at,
                "finished_at": one.finished_at,
                "commit": one.commit,
                "outcome": one.outcome,
                "reason": one.reason,
            }
            for one in delivery.attempts.all()
        ],
        "outcome": outcome
        and {
            "state": outcome.state,
            "differences": outcome.differences,
            "since": outcome.since,
            "checked_at": outcome.checked_at,
        },
    }


def _standing(change: Change) -> Mapping[str, Any] | None:
    standing = Standing.objects.filter(
        fleet=change.fleet,
        hub_name=change.hub.name if change.hub else "",
        name=change.cluster_name,
    ).first()
    if standing is None:
        return None
    return {
        "state": standing.state,
        "sentence": standing.sentence,
        "applications": standing.applications,
        "synced": standing.synced,
        "healthy": standing.healthy,
        "seen_at": standing.seen_at,
        "computed_at": standing.computed_at,
    }


def _trail(change: Change) -> Iterator[dict[str, Any]]:
    yield from (as_row(one) for one in found(change=change.pk).order_by("pk"))
