"""Notices: made from the audit trail, sent by whoever is free, tried again, and given up visibly.

Nothing that happens waits for a notice or fails by it: notices are made from events that are already
committed. A notice may arrive twice, with the same delivery number, where a worker died after sending.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import F

from onboarding.domain import notices
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.lifecycle import Right
from onboarding.domain.notices import Format, Told, Topic
from onboarding.models import Event, MailChoice, Notice, NoticeMark, Participant, Webhook
from onboarding.ports import Clock, Mailer, WebhookSender
from onboarding.services import events, places, scope
from onboarding.services.rights import reach_of, require_administrator

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_LOG = logging.getLogger(__name__)
_MOST_EVENTS = 500
_MOST_SENT = 50
# Longer than any one try takes; afterwards another worker takes it for lost.
_UNDER_WAY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Way:
    """Where a webhook's calls go, and what they are signed with; "" where it cannot be read."""

    url: str
    key: str = field(default="", repr=False)


def gather(*, clock: Clock) -> int:
    """Make the notices of events since the last time; returns how many were made."""
    now = clock.now()
    with transaction.atomic():
        mark, _ = NoticeMark.objects.select_for_update().get_or_create(pk=1)
        happened = list(
            Event.objects.filter(pk__gt=mark.event)
            .select_related("change__requester")
            .order_by("pk")[:_MOST_EVENTS]
        )
        if not happened:
            return 0
        rows = list(_wanted(happened, now))
        Notice.objects.bulk_create(rows)
        mark.event = happened[-1].pk
        mark.save(update_fields=["event"])
    return len(rows)


def send_due(
    *,
    clock: Clock,
    sender: WebhookSender,
    mailer: Mailer,
    way_to: Callable[[Webhook], Way],
    page_of: Callable[[int], str],
) -> int:
    """Send what is due; returns how many arrived. Each is taken by one worker at a time."""
    now = clock.now()
    due = (
        Notice.objects.filter(state=Notice.State.WAITING, due_at__lte=now)
        .select_related("event__fleet", "event__change__hub", "webhook", "user")
        .order_by("due_at", "pk")[:_MOST_SENT]
    )
    arrived = 0
    for notice in due:
        taken = Notice.objects.filter(
            pk=notice.pk, state=Notice.State.WAITING, tries=notice.tries
        ).update(tries=F("tries") + 1, due_at=now + _UNDER_WAY)
        if not taken:
            continue
        told = told_of(notice.event, page_of)
        try:
            if notice.webhook is not None:
                call(
                    webhook=notice.webhook,
                    told=told,
                    delivery=str(notice.pk),
                    sender=sender,
                    way=way_to(notice.webhook),
                    now=now,
                )
            elif notice.user is not None:
                _mail(notice.user, told, mailer)
        except FleetError as error:
            _failed(notice, error, now)
        else:
            arrived += 1
            _sent(notice, now)
    return arrived


def call(
    *,
    webhook: Webhook,
    told: Told,
    delivery: str,
    sender: WebhookSender,
    way: Way,
    now: datetime,
) -> None:
    """Tell a webhook; raises `FleetError` in words where it did not take it."""
    if not way.url:
        raise Transient(f"The address of webhook {webhook.name} cannot be read from its file.")
    body = notices.body_of(told, Format(webhook.format))
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Fleet-UI",
        "X-Fleet-Delivery": delivery,
        "X-Fleet-Timestamp": timestamp,
    }
    if webhook.secret_file:
        if not way.key:
            raise Transient(f"The key of webhook {webhook.name} cannot be read from its file.")
        headers["X-Fleet-Signature-256"] = notices.signature(
            way.key, timestamp=timestamp, body=body
        )
    sender.post(way.url, body=body, headers=headers)


def send_test(*, webhook: Webhook, sender: WebhookSender, way: Way, clock: Clock) -> str:
    """Send a webhook one test; one plain sentence, or `FleetError` where it did not take it."""
    now = clock.now()
    told = Told(0, "webhook.tested", now, "This is a test. Nothing happened.")
    call(webhook=webhook, told=told, delivery="test", sender=sender, way=way, now=now)
    return "It took the test."


def save_webhook(
    *, values: Mapping[str, Any], actor: User, clock: Clock, webhook: Webhook | None = None
) -> Webhook:
    """Create or change a webhook. Raises `Refused` where the actor is not an administrator."""
    require_administrator(actor)
    with transaction.atomic():
        row = webhook or Webhook()
        for name, value in values.items():
            setattr(row, name, value)
        row.problem = ""
        row.save()
        # Of an address only the host is kept: what follows may be as good as a password.
        events.record(
            verb="webhook.configured",
            message=f"{actor.get_username()} configured webhook {row.name}.",
            at=clock.now(),
            actor=actor,
            fleet=row.fleet,
            detail={
                "host": urlsplit(row.url).hostname or "",
                "url_file": row.url_file,
                "topics": row.topics,
                "enabled": row.enabled,
            },
        )
    return row


def remove_webhook(*, webhook: Webhook, actor: User, clock: Clock) -> None:
    """Remove a webhook, and what was still to be sent to it."""
    require_administrator(actor)
    with transaction.atomic():
        events.record(
            verb="webhook.removed",
            message=f"{actor.get_username()} removed webhook {webhook.name}.",
            at=clock.now(),
            actor=actor,
            fleet=webhook.fleet,
        )
        webhook.delete()


def choose_mail(*, user: User, topics: Sequence[Topic]) -> MailChoice:
    """Set of what a person gets e-mail; of nothing, where `topics` is empty."""
    chosen = sorted({topic.value for topic in topics})
    row, _ = MailChoice.objects.update_or_create(user=user, defaults={"topics": chosen})
    return row


def told_of(event: Event, page_of: Callable[[int], str]) -> Told:
    """What a notice says of an event; `page_of` gives the address of a change's page."""
    told = Told(
        event.pk,
        event.verb,
        event.at,
        event.message,
        fleet=event.fleet.name if event.fleet else "",
        cluster=event.cluster_name,
    )
    change = event.change
    if change is None:
        return told
    return replace(
        told,
        change=change.pk,
        kind=change.kind,
        hub=change.hub.name if change.hub else "",
        tenant=change.tenant,
        environment=change.environment,
        url=page_of(change.pk),
    )


def _wanted(happened: Sequence[Event], now: datetime) -> Iterator[Notice]:
    hooks = list(Webhook.objects.filter(enabled=True))
    choices = list(
        MailChoice.objects.exclude(topics=[]).select_related("user").exclude(user__email="")
    )
    changes = {event.change_id for event in happened if event.change_id}
    authors: dict[int, set[int]] = {}
    if choices:
        people = Participant.objects.filter(change__in=changes, role=Participant.Role.AUTHOR)
        for change_id, user_id in people.values_list("change_id", "user_id"):
            authors.setdefault(change_id, set()).add(user_id)
    for event in happened:
        topic = notices.topic_of(event.verb)
        if topic is None:
            continue
        for hook in hooks:
            if topic in hook.topics and hook.fleet_id in (None, event.fleet_id):
                yield Notice(event=event, webhook=hook, due_at=now)
        for choice in choices:
            if topic in choice.topics and _concerns(choice.user, event, topic, authors):
                yield Notice(event=event, user=choice.user, due_at=now)


def _concerns(user: User, event: Event, topic: Topic, authors: dict[int, set[int]]) -> bool:
    """Whether an event is a person's: others' requests are the approvers', the rest the authors'."""
    if event.actor_id == user.pk or not user.is_active:
        return False
    if topic is Topic.STOPPED:
        return scope.fleets(reach_of(user)).filter(pk=event.fleet_id or 0).exists()
    if event.change is None:
        return False
    wrote = authors.get(event.change.pk, set()) | {event.change.requester_id}
    if (topic is Topic.SUBMITTED) == (user.pk in wrote):
        return False
    right = Right.APPROVE if topic is Topic.SUBMITTED else Right.VIEW
    return right in reach_of(user).at_all(places.touched_by(event.change))


def _mail(user: User, told: Told, mailer: Mailer) -> None:
    if not user.is_active or not user.email:
        raise Refused("The person has no address any more.", code="no_address")
    subject, text = notices.mail_of(told)
    mailer.send(to=user.email, subject=subject, text=text)


def _sent(notice: Notice, now: datetime) -> None:
    Notice.objects.filter(pk=notice.pk).update(state=Notice.State.SENT, sent_at=now, problem="")
    Webhook.objects.filter(notices=notice.pk).update(sent_at=now, problem="")


def _failed(notice: Notice, error: FleetError, now: datetime) -> None:
    """Wait for another try, or give up: at once where it can never work, else after the last try."""
    wait = None if isinstance(error, Refused) else notices.wait_after(notice.tries + 1)
    state = Notice.State.WAITING if wait else Notice.State.FAILED
    Notice.objects.filter(pk=notice.pk).update(
        state=state, due_at=now + (wait or timedelta()), problem=str(error)
    )
    Webhook.objects.filter(notices=notice.pk).update(problem=str(error))
    _LOG.warning("A notice of event %s was not taken: %s", notice.event_id, error)
