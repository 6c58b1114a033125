"""Changes: the inbox, the page of one change, and each decision at its own address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.models import Change, Delivery
from onboarding.services import approvals, changes, discussion, waiting_plans, withdrawals
from onboarding.services.delivery import deliveries
from onboarding.views import access, interruptions
from onboarding.views.change_list_page import change_list_page
from onboarding.views.change_page import change_page
from onboarding.views.deciding import approval, decided, said
from onboarding.views.partials import page_or_part
from onboarding.views.values_page import change_values

DETAIL = "onboarding/changes/detail.html"
DETAIL_PART = "onboarding/changes/_detail_part.html"


@require_GET
def change_list(request: HttpRequest) -> HttpResponse:
    """The changes that wait for this person, their own, or all."""
    access.user_with(request, Right.VIEW)
    page = change_list_page(request, now=wiring.clock().now())
    return page_or_part(
        request,
        "onboarding/changes/list.html",
        "onboarding/changes/_list_part.html",
        {"page": page},
    )


@require_GET
def change_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One change: what it will do, who decides, what became of it."""
    change = access.change_for(request, pk)
    if change.state == DecisionState.DRAFT.value:
        return redirect("change-edit", pk)
    return _detail(request, _at_tip(change))


@require_POST
def change_approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve exactly the plan whose digest the page carried."""
    change = access.change_for(request, pk, Right.APPROVE)
    user = access.user_with(request, Right.APPROVE)
    return _decided(
        request,
        change,
        lambda: approvals.approve(
            change_id=change.pk,
            actor=user,
            clock=wiring.clock(),
            queue=wiring.queue(),
            **approval(request),
        ),
        lambda _: _approved(change),
    )


@require_POST
def change_reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Reject the plan whose digest the page carried, with a reason."""
    change = access.change_for(request, pk, Right.APPROVE)
    user = access.user_with(request, Right.APPROVE)
    return _decided(
        request,
        change,
        lambda: approvals.reject(
            change_id=change.pk, actor=user, clock=wiring.clock(), **said(request)
        ),
        "Rejected. The requester sees your reason.",
    )


@require_POST
def change_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an own change back."""
    change = access.change_for(request, pk)
    user = access.user_with(request, Right.VIEW)
    return _decided(
        request,
        change,
        lambda: withdrawals.withdraw(change_id=change.pk, actor=user, clock=wiring.clock()),
        "Withdrawn. Nothing of it was written.",
    )


@require_POST
def change_resubmit(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask again for approval of a change whose approval lapsed."""
    change = access.change_for(request, pk, Right.REQUEST)
    user = access.user_with(request, Right.REQUEST)
    return _decided(
        request,
        change,
        lambda: changes.resubmit(
            change_id=change.pk,
            actor=user,
            repository=wiring.current_repository(change.fleet, max_age=0),
            clock=wiring.clock(),
            renderer=wiring.renderer(),
        ),
        "Asked for approval again, with the plan as it is now.",
    )


@require_POST
def change_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Try a failed delivery again."""
    change = access.change_for(request, pk)
    user = access.user_with(request, Right.VIEW)
    delivery = get_object_or_404(Delivery, change=change, state=DeliveryState.FAILED.value)
    return _decided(
        request,
        change,
        lambda: deliveries.try_again(
            delivery_id=delivery.pk, actor=user, clock=wiring.clock(), queue=wiring.queue()
        ),
        "A worker tries it again now.",
    )


@require_POST
def change_comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Add to the discussion."""
    change = access.change_for(request, pk)
    user = access.user_with(request, Right.VIEW)
    try:
        discussion.comment(
            change_id=change.pk, body=request.POST.get("body", ""), actor=user, clock=wiring.clock()
        )
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect(reverse("change-detail", args=[change.pk]) + "?tab=discussion")


def _approved(change: Change) -> str:
    """What an approval came to."""
    change.refresh_from_db(fields=["state"])
    if change.state == DecisionState.APPROVED.value:
        return "Approved. A worker writes it to Git now."
    return "Your approval counts. It needs another one."


def _decided(
    request: HttpRequest,
    change: Change,
    decide: Callable[[], Any],
    done: str | Callable[[Any], str],
) -> HttpResponse:
    def again(problem: str) -> HttpResponse:
        change.refresh_from_db()
        return _detail(request, change, errors=(problem,), status=422)

    return decided(request, decide, done, back=("change-detail", change.pk), again=again)


def _detail(
    request: HttpRequest, change: Change, *, errors: tuple[str, ...] = (), status: int = 200
) -> HttpResponse:
    typed = interruptions.kept(request) if request.method == "GET" else request.POST
    page = change_page(
        change,
        user=access.user_with(request, Right.VIEW),
        tab=request.GET.get("tab", "plan"),
        now=wiring.clock().now(),
        values=lambda: change_values(
            change,
            repository=lambda: wiring.repository(change.fleet),
            component=request.GET.get("component", ""),
            show_all=bool(request.GET.get("all")),
        ),
        asked=_asked(request),
        moved_page=request.GET.get("page", ""),
        errors=errors,
        reason=typed.get("reason", ""),
        comment=typed.get("body", ""),
    )
    return page_or_part(request, DETAIL, DETAIL_PART, {"page": page}, status=status)


def _asked(request: HttpRequest) -> str:
    """What of the query the values are chosen by, to be asked again."""
    chosen = {
        name: value for name in ("component", "all", "page") if (value := request.GET.get(name))
    }
    return f"&{urlencode(chosen)}" if chosen else ""


def _at_tip(change: Change) -> Change:
    """The change with its plan at the branch's tip; as it is kept where Git is away."""
    if change.state not in (DecisionState.SUBMITTED.value, DecisionState.LAPSED.value):
        return change
    try:
        repository = wiring.current_repository(change.fleet)
        return waiting_plans.replan(
            change=change, repository=repository, clock=wiring.clock(), renderer=wiring.renderer()
        )
    except FleetError:
        return change
