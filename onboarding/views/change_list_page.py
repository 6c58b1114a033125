"""The list of changes as a page: inbox tabs, filters, pages, all in the URL."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.models import Change, Delivery
from onboarding.services.rights import rights_of
from onboarding.views import listing
from onboarding.views.change_page import row_of
from onboarding.views.frame import waits_for
from onboarding.views.pages import ChangeListPage, Tab

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
COLUMNS = (
    ("State", "state"),
    ("Change", "cluster"),
    ("Requested by", "requester"),
    ("Waits for", ""),
    ("Age", "age"),
)


def change_list_page(request: HttpRequest, *, now: datetime) -> ChangeListPage:
    """The page for the tab, filters, sort and page number that the URL names."""
    visible = _visible(request)
    tab = request.GET.get("inbox", "")
    if tab not in ("me", "mine", "all"):
        tab = "me" if waits_for(request).exists() else "all"
    chosen = listing.choices(request, ("state", "kind", "tenant", "environment"))
    rows = _filtered(_of_tab(request, visible, tab), request.GET.get("q", "").strip(), chosen)
    sort = request.GET.get("sort", "age")
    rows = rows.order_by(*SORTS.get(sort, SORTS["age"]))
    pages, found = listing.paginate(request, rows)
    deliveries = _latest_deliveries(found)
    return ChangeListPage(
        rows=tuple(row_of(change, deliveries.get(change.pk)) for change in found),
        listing=listing.listing(
            request,
            columns=COLUMNS,
            pages=pages,
            facets=listing.facets(
                _of_tab(request, visible, tab),
                chosen,
                (
                    ("state", "State"),
                    ("kind", "Kind"),
                    ("tenant", "Tenant"),
                    ("environment", "Environment"),
                ),
                words=lambda name, value: _word(name, value),
            ),
            sort=sort,
        ),
        tab=tab,
        tabs=_tabs(request, visible, tab),
        as_of=now,
        register_url=reverse("cluster-register")
        if Right.REQUEST in rights_of(request.user)
        else "",
        refresh_url=request.get_full_path(),
    )


def _visible(request: HttpRequest) -> QuerySet[Change]:
    """All changes but the drafts of others."""
    rows = Change.objects.select_related("requester", "hub")
    return rows.filter(~Q(state=DecisionState.DRAFT.value) | Q(requester_id=request.user.pk))


def _of_tab(request: HttpRequest, visible: QuerySet[Change], tab: str) -> QuerySet[Change]:
    if tab == "me":
        return visible.filter(pk__in=waits_for(request).values("pk"))
    if tab == "mine":
        return visible.filter(
            participants__user_id=request.user.pk or 0, participants__role="author"
        ).distinct()
    return visible


def _filtered(rows: QuerySet[Change], query: str, chosen: dict[str, list[str]]) -> QuerySet[Change]:
    if query:
        by_text = (
            Q(cluster_name__icontains=query)
            | Q(tenant__icontains=query)
            | Q(requester__username__icontains=query)
        )
        rows = rows.filter(
            by_text | (Q(pk=int(query)) if query.isdigit() and len(query) < 10 else Q())
        )
    for name, values in chosen.items():
        if values:
            rows = rows.filter(**{f"{name}__in": values})
    return rows


def _tabs(request: HttpRequest, visible: QuerySet[Change], tab: str) -> tuple[Tab, ...]:
    here = reverse("change-list")
    labels = {"me": "Waits for me", "mine": "Mine", "all": "All"}
    return tuple(
        Tab(key, label, f"{here}?inbox={key}", count=_of_tab(request, visible, key).count())
        for key, label in labels.items()
    )


def _latest_deliveries(rows: list[Change]) -> dict[int, Delivery]:
    found = Delivery.objects.filter(change__in=[row.pk for row in rows]).order_by("pk")
    return {delivery.change_id: delivery for delivery in found}


def _word(name: str, value: str) -> str:
    if name == "state":
        return DecisionState(value).word
    return str(Change.Kind(value).label) if name == "kind" else value
