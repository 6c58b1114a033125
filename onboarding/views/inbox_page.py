"""The inbox as a page. Many changes that are decided on at once are one line of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Bulk, Change, Delivery, Participant, Rollout
from onboarding.services import policies
from onboarding.views import access
from onboarding.views.change_page import row_of
from onboarding.views.frame import waits_for
from onboarding.views.pages import InboxPage, InboxRow
from onboarding.views.pause_part import PAUSES
from onboarding.views.rollout_page import ROLLOUT_TONES

SHOWN = 50
_UNDECIDED_BULKS = (Bulk.State.CHECKING, Bulk.State.PROPOSED)


def inbox_page(request: HttpRequest, *, now: datetime) -> InboxPage:
    """What waits for this person, and what they asked for and is still open."""
    me, mine = request.user.pk or 0, waits_for(request)
    asked = access.changes_for(request).filter(
        participants__user=me, participants__role=Participant.Role.AUTHOR, settled_at__isnull=True
    )
    bulks = access.bulks_for(request).filter(state__in=_UNDECIDED_BULKS)
    rollouts = access.rollouts_for(request)
    # Of a whole that this person may not see as a whole, they see the changes. What a rollout that goes
    # on needs of somebody is a change of its own.
    of_bulks = Q(bulk_row__bulk__in=bulks.order_by().values("pk"))
    open_rollouts = rollouts.filter(ended_at__isnull=True).order_by()
    of_rollouts = Q(rollout_row__wave__rollout__in=open_rollouts.values("pk"))
    proposed = Q(
        rollout_row__wave__rollout__in=open_rollouts.filter(state=Rollout.State.PROPOSED).values(
            "pk"
        )
    )
    waiting = _singles(mine.filter(~(of_bulks | proposed)))
    held = of_rollouts & Q(state=DecisionState.APPROVED.value)
    own = _singles(asked.filter(~(of_bulks | proposed | held)))
    so_far = policies.in_short([*waiting[:SHOWN], *own[:SHOWN]])
    return InboxPage(
        waiting=(*_wholes(mine, bulks, rollouts), *_rows(waiting[:SHOWN], so_far)),
        asked=(*_own_wholes(bulks, rollouts, me), *_rows(own[:SHOWN], so_far)),
        waiting_count=mine.count(),
        more_waiting_url=_all("me") if len(waiting) > SHOWN else "",
        more_asked_url=_all("mine") if len(own) > SHOWN else "",
        as_of=now,
        refresh_url=request.get_full_path(),
    )


def _singles(changes: QuerySet[Change]) -> list[Change]:
    """Those that are decided on by themselves, one more than are shown."""
    rows = changes.select_related("fleet", "requester", "hub", *PAUSES)
    rows = rows.defer("plan", "read_set", "intent")
    return list(rows.order_by("-updated_at", "-pk")[: SHOWN + 1])


def _rows(changes: list[Change], so_far: dict[int, str]) -> Iterator[InboxRow]:
    found = Delivery.objects.filter(change__in=[one.pk for one in changes]).order_by("pk")
    deliveries = {row.change_id: row for row in found}
    for one in changes:
        row = row_of(one, deliveries.get(one.pk), so_far.get(one.pk, ""))
        yield InboxRow(
            title=row.title,
            url=row.url,
            kind=row.kind,
            state=row.delivery or row.state,
            requester=row.requester,
            at=row.at,
            note=row.waits_for,
            is_destructive=row.is_destructive,
        )


def _wholes(
    mine: QuerySet[Change], bulks: QuerySet[Bulk], rollouts: QuerySet[Rollout]
) -> Iterator[InboxRow]:
    """Bulks and rollouts with changes that wait for this person."""
    wanted = mine.order_by().values("pk")
    of_bulks = bulks.filter(state=Bulk.State.PROPOSED).annotate(
        count=Count("rows", filter=Q(rows__change__in=wanted), distinct=True)
    )
    of_rollouts = rollouts.filter(state=Rollout.State.PROPOSED).annotate(
        count=Count("waves__rows", filter=Q(waves__rows__change__in=wanted), distinct=True)
    )
    for whole in (of_bulks, of_rollouts):
        for row in whole.filter(count__gt=0).select_related("requester")[:SHOWN]:
            one = row.count == 1
            yield _whole(
                row, f"{row.count} cluster{' waits' if one else 's wait'} for your decision."
            )


def _own_wholes(bulks: QuerySet[Bulk], rollouts: QuerySet[Rollout], me: int) -> Iterator[InboxRow]:
    """Bulks that nobody has decided on yet, and rollouts that have not ended, of this person."""
    for whole in (bulks, rollouts.filter(ended_at__isnull=True)):
        for row in whole.filter(requester=me).select_related("requester")[:SHOWN]:
            yield _whole(row, row.note)


def _whole(row: Any, note: str) -> InboxRow:
    noun, kind = ("bulk", "Bulk change") if isinstance(row, Bulk) else ("rollout", "Rollout")
    proposed = row.state == "proposed"
    return InboxRow(
        title=row.title,
        url=reverse(f"{noun}-detail", args=[row.pk]),
        kind=kind,
        state=DecisionState.SUBMITTED.word if proposed else row.get_state_display(),
        requester=row.requester.get_username(),
        at=row.created_at,
        tone="" if isinstance(row, Bulk) else ROLLOUT_TONES[row.state],
        note=note or ("Somebody who did not ask for it decides on it." if proposed else ""),
    )


def _all(tab: str) -> str:
    return f"{reverse('change-list')}?inbox={tab}"
