"""The list of changes as a page: inbox tabs, filters, pages, all in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, Exists, F, Min, OuterRef, Q, QuerySet, Subquery, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.models import Change, Delivery, Participant
from onboarding.services import policies
from onboarding.views import access, listing
from onboarding.views.change_page import row_of
from onboarding.views.frame import waiting_count, waits_for
from onboarding.views.numbers import number_in
from onboarding.views.pages import ChangeListPage, Tab
from onboarding.views.pause_part import PAUSES

SORTS = {
    "age": ("-updated_at", "-pk"),
    "-age": ("updated_at", "pk"),
    "cluster": ("cluster_name", "-pk"),
    "-cluster": ("-cluster_name", "-pk"),
    "state": ("state", "-updated_at"),
    "-state": ("-state", "-updated_at"),
    "requester": ("requester__username", "-updated_at"),
    "-requester": ("-requester__username", "-updated_at"),
}
FACETS = (
    ("state", "State"),
    ("delivery", "Delivery"),
    ("kind", "Kind"),
    ("tenant", "Tenant"),
    ("environment", "Environment"),
    ("in_fleet", "Fleet"),
)
ON_THE_WAY = (DeliveryState.QUEUED, DeliveryState.PUSHING, DeliveryState.IN_REVIEW)
"""Approved and not yet on the fleet's branch, and nobody has to mend anything."""
COLUMNS = (
    ("State", "state"),
    ("Change", "cluster"),
    ("Requested by", "requester"),
    ("Waits for", ""),
    ("Age", "age"),
)
_SHOWN = (
    "kind",
    "cluster_name",
    "tenant",
    "environment",
    "state",
    "submitted_at",
    "updated_at",
    "destructive",
    "demand",
    "plan_digest",
    "requester__username",
    "requester__first_name",
    "requester__last_name",
    "fleet__name",
    "pause__change",
    "pause_ended__end_change",
)
"""What a row reads of a change: a plan alone can be larger than the whole page."""


def change_list_page(request: HttpRequest, *, now: datetime) -> ChangeListPage:
    """The page for the tab, filters, sort and page number that the URL names."""
    visible = _visible(request)
    tab = request.GET.get("inbox", "")
    if tab not in ("me", "mine", "all"):
        tab = "me" if waiting_count(request) else "all"
    chosen = listing.choices(request, [name for name, _ in FACETS])
    facets = FACETS if len(access.fleets_for(request)) > 1 else FACETS[:-1]
    query, of_tab = listing.query_of(request), _of_tab(request, visible, tab)
    rows = _filtered(of_tab, query, chosen)
    sort = request.GET.get("sort", "age")
    rows = rows.order_by(*SORTS.get(sort, SORTS["age"]))
    counted = listing.counted(of_tab, chosen, facets)
    pages, found = listing.paginate(request, rows, total=None if query else counted.total)
    deliveries, so_far = _latest_deliveries(found), policies.in_short(found)
    return ChangeListPage(
        rows=tuple(
            row_of(change, deliveries.get(change.pk), so_far.get(change.pk, "")) for change in found
        ),
        listing=listing.listing(
            request,
            columns=COLUMNS,
            pages=pages,
            facets=listing.facets(
                counted,
                chosen,
                facets,
                words=_word,
                states=("state", "delivery"),
            ),
            sort=sort,
        ),
        tab=tab,
        tabs=_tabs(request),
        as_of=now,
        register_url=reverse("cluster-register")
        if Right.REQUEST in access.rights_of(request.user)
        else "",
        refresh_url=request.get_full_path(),
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """How many changes a choice of facets leaves, the address of exactly these, and since when the first waits."""

    count: int
    url: str
    since: datetime | None


class Tallies:
    """The changes that somebody may see, counted once by decision and delivery."""

    def __init__(self, request: HttpRequest, **chosen: Sequence[str]) -> None:
        """Count what a choice of facets leaves; each tally chooses more."""
        self._chosen = chosen
        rows: QuerySet[Any] = _filtered(_visible(request), "", chosen).order_by()
        counted = rows.values_list("state", "delivery").annotate(Count("pk"), Min("submitted_at"))
        self._rows = tuple(counted)

    def of(self, *, state: Sequence[str] = (), delivery: Sequence[str] = ()) -> Tally:
        """Those of these decisions and deliveries; of any where none is named."""
        found = [
            (count, since)
            for decided, delivered, count, since in self._rows
            if (not state or decided in state) and (not delivery or delivered in delivery)
        ]
        asked = {"state": state, "delivery": delivery}
        query = {"inbox": "all", **{name: found for name, found in asked.items() if found}}
        return Tally(
            count=sum(count for count, _ in found),
            url=f"{reverse('change-list')}?{urlencode({**query, **self._chosen}, doseq=True)}",
            since=min((since for _, since in found if since), default=None),
        )


def _visible(request: HttpRequest) -> QuerySet[Change]:
    """All changes that somebody may see, each with its fleet and what became of its approval in Git.

    As the rows tell it: a delivery counts while the approval that it acts out is in force.
    """
    last = Delivery.objects.filter(change=OuterRef("pk")).order_by("-pk").values("state")[:1]
    # The others' deliveries are not even looked up.
    in_force = Case(When(state=DecisionState.APPROVED.value, then=Subquery(last)))
    return (
        access.changes_for(request)
        .select_related("requester", "fleet", *PAUSES)
        .only(*_SHOWN)
        .annotate(delivery=in_force, in_fleet=F("fleet__name"))
    )


def _of_tab(request: HttpRequest, visible: QuerySet[Change], tab: str) -> QuerySet[Change]:
    if tab == "me":
        return visible.filter(pk__in=waits_for(request).values("pk"))
    if tab == "mine":
        return visible.filter(_is_mine(request))
    return visible


def _filtered(
    rows: QuerySet[Change], query: str, chosen: Mapping[str, Sequence[str]]
) -> QuerySet[Change]:
    if query:
        by_text = (
            Q(cluster_name__icontains=query)
            | Q(tenant__icontains=query)
            | Q(requester__username__icontains=query)
        )
        number = number_in(query)
        rows = rows.filter(by_text if number is None else by_text | Q(pk=number))
    for name, values in chosen.items():
        if values:
            rows = rows.filter(**{f"{name}__in": values})
    return rows


def _is_mine(request: HttpRequest) -> Exists:
    """Whether somebody had a part in a change as an author."""
    me, author = request.user.pk or 0, Participant.Role.AUTHOR
    return Exists(Participant.objects.filter(change=OuterRef("pk"), user_id=me, role=author))


def _tabs(request: HttpRequest) -> tuple[Tab, ...]:
    here, visible = reverse("change-list"), access.changes_for(request).order_by()
    in_all = visible.aggregate(all=Count("pk"), mine=Count("pk", filter=_is_mine(request)))
    counts = {"me": waiting_count(request), **in_all}
    labels = {"me": "Waits for me", "mine": "Mine", "all": "All"}
    return tuple(
        Tab(key, label, f"{here}?inbox={key}", count=counts[key]) for key, label in labels.items()
    )


def _latest_deliveries(rows: list[Change]) -> dict[int, Delivery]:
    found = Delivery.objects.filter(change__in=[row.pk for row in rows]).order_by("pk")
    return {delivery.change_id: delivery for delivery in found}


def _word(name: str, value: str) -> str:
    if name == "state":
        return DecisionState(value).word
    if name == "delivery":
        return DeliveryState(value).word
    return str(Change.Kind(value).label) if name == "kind" else value
