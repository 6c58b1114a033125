"""The audit trail as a page: filters and place, all in the URL. It is read by place, never counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import Right
from onboarding.models import Event, EventHead
from onboarding.services import auditing
from onboarding.views import access, exports, listing
from onboarding.views.pages import AuditField, AuditPage, AuditRow, Exports

NOUNS = (
    ("", "everything"),
    ("change", "changes"),
    ("delivery", "deliveries"),
    ("offboarding", "offboardings"),
    ("outcome", "outcomes on the hub"),
    ("hub", "hubs"),
    ("fleet", "fleets"),
    ("role", "roles"),
    ("policy", "approval policies"),
    ("token", "tokens"),
)
FIELDS = (
    ("q", "Part of the sentence, or a cluster", "search"),
    ("who", "Who", "text"),
    ("change", "Change", "text"),
    ("since", "From day (UTC)", "date"),
    ("until", "To day (UTC)", "date"),
)
_LARGEST = 2**63 - 1


def audit_page(request: HttpRequest) -> AuditPage:
    """The page for the filter and the place that the URL names."""
    rows = filtered(request)
    before = _number(request, "before")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    events = list(rows.select_related("change")[: listing.PAGE_SIZE + 1])
    more = len(events) > listing.PAGE_SIZE
    events = events[: listing.PAGE_SIZE]
    head = EventHead.objects.filter(pk=1).first()
    query = dict(request.GET.lists())
    return AuditPage(
        rows=tuple(_row(event) for event in events),
        count=head.count if head else 0,
        head=head.digest if head else "",
        fields=_fields(request),
        nouns=NOUNS,
        noun=_noun(request),
        is_filtered=any(_text(request, name) for name in ("noun", *(one for one, *_ in FIELDS))),
        older_url=_with(request, before=str(events[-1].pk)) if more else "",
        newest_url=_with(request, before="") if before is not None else "",
        exports=Exports(
            exports.with_query(reverse("audit-csv"), query),
            exports.with_query(reverse("audit-json"), query),
        ),
        verify_url=reverse("audit-verify")
        if Right.ADMINISTER in access.rights_of(request.user)
        else "",
    )


def filtered(request: HttpRequest) -> QuerySet[Event]:
    """The events that the URL's filter leaves; what cannot be read as a day or a number filters nothing."""
    until = _day(request, "until")
    return auditing.found(
        text=listing.query_of(request),
        noun=_noun(request),
        who=_text(request, "who"),
        change=_number(request, "change"),
        since=_day(request, "since"),
        until=until + timedelta(days=1) if until else None,
        among=access.events_for(request),
    )


def _fields(request: HttpRequest) -> tuple[AuditField, ...]:
    return tuple(
        AuditField(name, label, _text(request, name), kind, _problems(request, name, kind))
        for name, label, kind in FIELDS
    )


def _problems(request: HttpRequest, name: str, kind: str) -> tuple[str, ...]:
    if not _text(request, name):
        return ()
    if kind == "date" and _day(request, name) is None:
        return ("Not a day, and left out: write it as 2026-12-31.",)
    if name == "change" and _number(request, name) is None:
        return ("Not the number of a change, and left out.",)
    return ()


def _row(event: Event) -> AuditRow:
    return AuditRow(
        number=event.pk,
        at=event.at,
        who=event.actor.get_username() if event.actor else "Fleet UI",
        verb=event.verb,
        message=event.message or event.verb,
        cluster=event.cluster_name,
        change=event.change_id,
        change_url=reverse("change-detail", args=[event.change_id]) if event.change_id else "",
        digest=event.digest,
    )


def _text(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace(listing.NUL, "").strip()[: listing.LONGEST_QUERY]


def _noun(request: HttpRequest) -> str:
    asked = _text(request, "noun")
    return asked if asked in dict(NOUNS) else ""


def _number(request: HttpRequest, name: str) -> int | None:
    text = _text(request, name).removeprefix("#")
    if not (text.isascii() and text.isdigit()):
        return None
    return min(int(text), _LARGEST) if len(text) < 20 else _LARGEST


def _day(request: HttpRequest, name: str) -> datetime | None:
    try:
        return datetime.strptime(_text(request, name), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _with(request: HttpRequest, *, before: str) -> str:
    query = request.GET.copy()
    query.pop("before", None)
    if before:
        query["before"] = before
    return f"{request.path}?{query.urlencode()}" if query else request.path
