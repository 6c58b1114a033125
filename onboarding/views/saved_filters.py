"""Saved filters: keep the filter of a list, forget one, and show them as chips."""

from __future__ import annotations

from urllib.parse import parse_qsl

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.models import SavedFilter
from onboarding.services import saved_filters
from onboarding.views import access
from onboarding.views.pages import SavedChip, SavedFilters

LISTS = {
    SavedFilter.List.CLUSTERS.value: "cluster-list",
    SavedFilter.List.APPLICATIONS.value: "application-list",
}


@require_POST
def filter_save(request: HttpRequest) -> HttpResponse:
    """Keep the filter that the list was shown with, under a name."""
    user = access.user_with(request, Right.VIEW)
    of, query = request.POST.get("list", ""), request.POST.get("query", "")
    try:
        kept = saved_filters.save(actor=user, of=of, name=request.POST.get("name", ""), query=query)
    except (Refused, ValueError) as error:
        messages.error(request, str(error))
        return redirect(reverse(LISTS.get(of, "cluster-list")))
    messages.success(request, f"The filter {kept.name} is kept for you.")
    return redirect(f"{reverse(LISTS[of])}?{kept.query}")


@require_POST
def filter_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a filter of one's own."""
    user = access.user_with(request, Right.VIEW)
    try:
        of = saved_filters.remove(actor=user, pk=pk)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("cluster-list")
    messages.success(request, "The filter is removed.")
    return redirect(LISTS[of])


def saved_part(request: HttpRequest, of: str) -> SavedFilters:
    """This person's filters of a list, the one that is shown now marked; one query."""
    query = request.GET.copy()
    for name in ("page", "fleet"):
        query.pop(name, None)
    shown = sorted((key, value) for key in query for value in query.getlist(key) if value)
    here = reverse(LISTS[of])
    rows = SavedFilter.objects.filter(user_id=request.user.pk or 0, list=of)
    return SavedFilters(
        of=of,
        query=query.urlencode(),
        chips=tuple(
            SavedChip(
                name=row.name,
                url=f"{here}?{row.query}",
                remove_url=reverse("filter-remove", args=[row.pk]),
                is_current=sorted(_pairs(row.query)) == shown,
            )
            for row in rows
        ),
        save_url=reverse("filter-save"),
    )


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query)
