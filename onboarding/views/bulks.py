"""Bulk changes: many clusters by CSV or by the list's filter, decided on once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.bulk_csv import MOST_CLUSTERS
from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import Right
from onboarding.forms.bulk import CsvForm, SameForm
from onboarding.models import Bulk, Cluster, Fleet, Standing
from onboarding.services import bulks, offers, policies
from onboarding.services.approvals import Decided
from onboarding.views import access, exports
from onboarding.views.bulk_page import (
    TEMPLATE,
    bulk_for,
    bulk_list_page,
    bulk_page,
    edit_page,
    refused_columns,
    refused_rows,
    register_page,
)
from onboarding.views.cluster_list_page import filtered
from onboarding.views.deciding import approval, decided, of_many, said
from onboarding.views.partials import page_or_part
from onboarding.views.policy_part import demand_words
from onboarding.views.standing_rows import standings

FORM = "onboarding/bulks/form.html"


@require_GET
def bulk_list(request: HttpRequest) -> HttpResponse:
    """The bulks of the fleet, the newest first."""
    access.user_with(request, Right.VIEW)
    page = bulk_list_page(request, access.fleet_for(request))
    return page_or_part(
        request, "onboarding/bulks/list.html", "onboarding/bulks/_list_part.html", {"page": page}
    )


@require_http_methods(["GET", "POST"])
def bulk_register(request: HttpRequest) -> HttpResponse:
    """Ask that many clusters join, by a CSV."""
    user = access.user_with(request, Right.REQUEST)
    fleet = access.configured_fleet_for(request)
    form = CsvForm(request.POST or None, request.FILES or None)
    if request.method == "POST":
        form = CsvForm(request.POST, request.FILES)
        if form.is_valid():
            bulk = bulks.register(
                fleet=fleet,
                title=form.cleaned_data["title"],
                table=form.table,
                actor=user,
                clock=wiring.clock(),
                queue=wiring.queue(),
            )
            return redirect("bulk-detail", bulk.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, FORM, {"page": register_page(form)}, status=status)


@require_GET
def bulk_template(request: HttpRequest) -> StreamingHttpResponse:
    """An empty CSV with the columns."""
    access.user_with(request, Right.VIEW)
    return exports.as_csv(request, "clusters-to-register", TEMPLATE, ())


@require_http_methods(["GET", "POST"])
def bulk_edit(request: HttpRequest) -> HttpResponse:
    """Ask the same of many clusters: those that the filter in the URL leaves, less those unticked."""
    user = access.user_with(request, Right.REQUEST)
    fleet = access.configured_fleet_for(request)
    offer, problem = _offer(fleet)
    rows, _ = filtered(
        request, standings(access.reach_of(request.user), fleet, wiring.clock().now())
    )
    found = rows.filter(cluster__isnull=False).order_by("name", "pk")
    chosen: set[str] | None = None
    form = SameForm(offer=offer)
    if request.method == "POST":
        form = SameForm(request.POST, offer=offer)
        chosen = set(request.POST.getlist("cluster"))
        wanted = [row.cluster_id for row in found[:MOST_CLUSTERS] if str(row.cluster_id) in chosen]
        if form.is_valid() and not wanted:
            form.add_error(None, "Choose at least one cluster.")
        if form.is_valid():
            by_id = Cluster.objects.in_bulk(wanted)
            bulk = bulks.edit(
                fleet=fleet,
                title=form.cleaned_data["title"],
                clusters=[by_id[one] for one in wanted if one in by_id],
                answers={"pins": form.pins(), "labels": form.cleaned_data["labels"]},
                actor=user,
                clock=wiring.clock(),
                queue=wiring.queue(),
            )
            return redirect("bulk-detail", bulk.pk)
    page = edit_page(
        form,
        found,
        chosen=chosen,
        query=request.GET.urlencode(),
        problem=problem,
        demand=_demand(fleet, found),
    )
    status = 422 if request.method == "POST" else 200
    return render(request, FORM, {"page": page}, status=status)


def _demand(fleet: Fleet, standings: QuerySet[Standing]) -> str:
    """What is demanded at most where all of these are changed and nothing goes away."""
    places = standings.order_by().values_list("tenant", "environment").distinct()
    demand = policies.demand_on_edits(places, fleet=fleet)
    return demand_words(demand, wiring.clock().now())


def _offer(fleet: Fleet) -> tuple[offers.Offer, str]:
    """What can be chosen for clusters anywhere in the fleet; nothing, and why, where Git cannot tell."""
    try:
        snapshot = wiring.current_repository(fleet).snapshot()
        offer = offers.offer(
            fleet=fleet, snapshot=snapshot, placement=None, pins={}, renderer=wiring.renderer()
        )
    except FleetError as error:
        return offers.empty(fleet=fleet), str(error)
    return offer, "" if snapshot.commit else "The repository has no commit yet."


@require_GET
def bulk_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One bulk with its rows and, for who may, the decision."""
    return _detail(request, _bulk(request, pk))


@require_http_methods(["GET", "POST"])
def bulk_correct(request: HttpRequest, pk: int) -> HttpResponse:
    """Send corrected lines; what is done is skipped."""
    user = access.user_with(request, Right.REQUEST)
    bulk = _bulk(request, pk)
    form = CsvForm()
    if request.method == "POST":
        form = CsvForm(request.POST, request.FILES)
        if form.is_valid():
            try:
                taken = bulks.correct(
                    bulk_id=bulk.pk,
                    table=form.table,
                    actor=user,
                    clock=wiring.clock(),
                    queue=wiring.queue(),
                )
            except FleetError as error:
                messages.error(request, str(error))
                return redirect("bulk-detail", bulk.pk)
            skipped = f" {taken.skipped} were done already." if taken.skipped else ""
            corrected = f" {taken.corrected} of them take the place of lines that were refused."
            said = f"{taken.added} lines are checked now.{corrected if taken.corrected else ''}{skipped}"
            messages.success(request, said)
            return redirect("bulk-detail", bulk.pk)
    page = register_page(form)
    status = 422 if request.method == "POST" else 200
    return render(
        request, FORM, {"page": page, "action": request.path, "correcting": bulk}, status=status
    )


@require_GET
def bulk_refused(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """What was refused, as it was sent, with why: to be mended and sent again."""
    bulk = _bulk(request, pk)
    columns = refused_columns(bulk)
    return exports.as_csv(request, f"bulk-{bulk.pk}-refused", columns, refused_rows(bulk, columns))


@require_POST
def bulk_approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve every open row, exactly as the page showed them."""
    user = access.user_with(request, Right.APPROVE)
    bulk = _bulk(request, pk)
    return _decided(
        request,
        bulk,
        lambda: bulks.approve(
            bulk_id=bulk.pk,
            actor=user,
            clock=wiring.clock(),
            queue=wiring.queue(),
            **approval(request),
        ),
        "{} changes are approved. Workers write them to Git now.",
    )


@require_POST
def bulk_reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Reject every open row."""
    user = access.user_with(request, Right.APPROVE)
    bulk = _bulk(request, pk)
    return _decided(
        request,
        bulk,
        lambda: bulks.reject(bulk_id=bulk.pk, actor=user, clock=wiring.clock(), **said(request)),
        "{} changes are rejected.",
    )


@require_POST
def bulk_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an own bulk back."""
    user = access.user_with(request, Right.REQUEST)
    bulk = _bulk(request, pk)
    return _decided(
        request,
        bulk,
        lambda: bulks.withdraw(bulk_id=bulk.pk, actor=user, clock=wiring.clock()),
        "{} changes are withdrawn. Nothing of them was written.",
    )


def _bulk(request: HttpRequest, pk: int) -> Bulk:
    access.user_with(request, Right.VIEW)
    bulk = bulk_for(request, pk)
    if bulk is None:
        raise Http404("There is no such bulk change.")
    return bulk


def _detail(request: HttpRequest, bulk: Bulk, *, typed: str = "", **more: Any) -> HttpResponse:
    page = bulk_page(request, bulk, wiring.clock().now())
    page = replace(page, decision=replace(page.decision, reason=typed))
    return page_or_part(
        request,
        "onboarding/bulks/detail.html",
        "onboarding/bulks/_detail_part.html",
        {"page": page, **more},
        status=422 if more else 200,
    )


def _decided(
    request: HttpRequest, bulk: Bulk, decide: Callable[[], Decided], sentence: str
) -> HttpResponse:
    typed = request.POST.get("reason", "")
    return decided(
        request,
        decide,
        of_many(sentence),
        back=("bulk-detail", bulk.pk),
        again=lambda problem: _detail(request, bulk, problem=problem, typed=typed),
    )
