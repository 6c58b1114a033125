"""Channel rollouts: the list, a new one, one with its waves, and what people do with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.lifecycle import Right
from onboarding.domain.natural import natural_key
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.forms.rollout import RolloutForm
from onboarding.models import Fleet, Rollout
from onboarding.services import (
    policies,
    rollout_decisions,
    rollout_undo,
    rollout_verbs,
    rollouts,
    scope,
)
from onboarding.services.approvals import Decided
from onboarding.services.rollouts import Proposal
from onboarding.views import access
from onboarding.views.deciding import approval, decided, of_many, said
from onboarding.views.partials import page_or_part
from onboarding.views.policy_part import demand_words
from onboarding.views.rollout_page import rollout_form_page, rollout_list_page, rollout_page

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@require_GET
def rollout_list(request: HttpRequest) -> HttpResponse:
    """Every rollout of the fleet, newest first."""
    access.user_with(request, Right.VIEW)
    page = rollout_list_page(request, access.fleet_for(request))
    return page_or_part(
        request,
        "onboarding/rollouts/list.html",
        "onboarding/rollouts/_list_part.html",
        {"page": page},
    )


@require_http_methods(["GET", "POST"])
def rollout_new(request: HttpRequest) -> HttpResponse:
    """What shall be moved and in which waves; with what that comes to, and asked for by a POST."""
    user = access.user_with(request, Right.REQUEST)
    fleet = access.configured_fleet_for(request)
    typed = request.POST if request.method == "POST" else request.GET
    form = RolloutForm(typed if "waves" in typed else None, **_offered(user, fleet))
    proposal, problem = None, ""
    if form.is_bound and form.is_valid():
        try:
            if request.method == "POST":
                rollout = rollouts.request(
                    fleet=fleet,
                    asked=form.asked(),
                    title=form.cleaned_data["title"],
                    actor=user,
                    repository=wiring.current_repository(fleet, max_age=0),
                    clock=wiring.clock(),
                    renderer=wiring.renderer(),
                )
                messages.success(request, "The rollout waits for approval, as a whole.")
                return redirect("rollout-detail", rollout.pk)
            proposal = _proposal(fleet, form, user)
        except Refused as refused:
            form.refuse(refused)
        except FleetError as error:
            problem = str(error)
    demand = _demand(fleet, proposal) if proposal else ""
    page = rollout_form_page(form, proposal, problem=problem, demand=demand)
    failed = problem or (form.is_bound and form.errors)
    return render(
        request, "onboarding/rollouts/new.html", {"page": page}, status=422 if failed else 200
    )


def _demand(fleet: Fleet, proposal: Proposal) -> str:
    plans = [row.plan for _, rows in proposal.waves for row in rows if row.plan is not None]
    demand = policies.demand_on_plans(plans, fleet=fleet)
    return demand_words(demand, wiring.clock().now())


def _proposal(fleet: Fleet, form: RolloutForm, user: User) -> Proposal:
    return rollouts.propose(
        fleet=fleet,
        asked=form.asked(),
        actor=user,
        repository=wiring.current_repository(fleet),
        renderer=wiring.renderer(),
    )


def _offered(user: User, fleet: Fleet) -> dict[str, tuple[str, ...]]:
    """The channels and environments that clusters of the fleet are on; any other may be typed."""
    columns = [f"{group}_release" for group in RELEASE_LABELS]
    seen = scope.clusters(access.reach_of(user)).filter(fleet=fleet)
    rows = list(seen.order_by().values_list("environment", *columns).distinct())
    named = {
        "environments": {row[0] for row in rows},
        "channels": {one for row in rows for one in row[1:]},
    }
    return {name: tuple(sorted(found - {""}, key=natural_key)) for name, found in named.items()}


@require_GET
def rollout_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One rollout with every wave and cluster."""
    access.user_with(request, Right.VIEW)
    return _detail(request, _rollout(request, pk))


def _detail(
    request: HttpRequest, rollout: Rollout, *, problem: str = "", typed: str = ""
) -> HttpResponse:
    page = rollout_page(request, rollout, now=wiring.clock().now(), typed=typed)
    return page_or_part(
        request,
        "onboarding/rollouts/detail.html",
        "onboarding/rollouts/_detail_part.html",
        {"page": page, "problem": problem},
        status=422 if problem else 200,
    )


@require_POST
def rollout_approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve all of it, as it was shown."""
    user = access.user_with(request, Right.APPROVE)
    rollout = _rollout(request, pk)
    return _decided(
        request,
        rollout,
        lambda: rollout_decisions.approve(
            rollout_id=rollout.pk,
            actor=user,
            clock=wiring.clock(),
            queue=wiring.queue(),
            **approval(request),
        ),
        "All waves are approved: {} clusters.",
    )


@require_POST
def rollout_reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Reject all of it."""
    user = access.user_with(request, Right.APPROVE)
    rollout = _rollout(request, pk)
    return _decided(
        request,
        rollout,
        lambda: rollout_decisions.reject(
            rollout_id=rollout.pk, actor=user, clock=wiring.clock(), **said(request)
        ),
        "The rollout is rejected: {} clusters stay as they are.",
    )


@require_POST
def rollout_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin no further wave."""
    user, reason = access.user_with(request, Right.REQUEST), request.POST.get("reason", "")
    return _moved(request, pk, partial(rollout_verbs.pause, actor=user, reason=reason))


@require_POST
def rollout_continue(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on."""
    user = access.user_with(request, Right.REQUEST)
    return _moved(request, pk, partial(rollout_verbs.go_on, actor=user, queue=wiring.queue()))


@require_POST
def rollout_skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave the wave that it stands at."""
    user = access.user_with(request, Right.REQUEST)
    return _moved(request, pk, partial(rollout_verbs.skip, actor=user, queue=wiring.queue()))


@require_POST
def rollout_revert(request: HttpRequest, pk: int) -> HttpResponse:
    """Move back what was moved: at once while it runs; once it has ended, by a rollout that is asked for."""
    user = access.user_with(request, Right.REQUEST)
    rollout = _rollout(request, pk)
    if rollout.ended_at is None:
        return _moved(request, pk, partial(rollout_verbs.revert, actor=user, queue=wiring.queue()))
    try:
        back = rollout_undo.request(
            rollout_id=rollout.pk,
            actor=user,
            repository=wiring.current_repository(rollout.fleet, max_age=0),
            clock=wiring.clock(),
            renderer=wiring.renderer(),
        )
    except FleetError as error:
        messages.error(request, str(error))
        return redirect("rollout-detail", rollout.pk)
    messages.success(request, "The way back waits for approval, as a whole.")
    return redirect("rollout-detail", back.pk)


@require_POST
def rollout_stop(request: HttpRequest, pk: int) -> HttpResponse:
    """End it where it is."""
    user, reason = access.user_with(request, Right.REQUEST), request.POST.get("reason", "")
    return _moved(request, pk, partial(rollout_verbs.stop, actor=user, reason=reason))


def _rollout(request: HttpRequest, pk: int) -> Rollout:
    rows = access.rollouts_for(request).select_related("fleet", "requester", "undoes")
    return access.first(rows.filter(pk=pk), "rollout")


def _decided(
    request: HttpRequest, rollout: Rollout, decide: Callable[[], Decided], sentence: str
) -> HttpResponse:
    typed = request.POST.get("reason", "")
    return decided(
        request,
        decide,
        of_many(sentence),
        back=("rollout-detail", rollout.pk),
        again=lambda problem: _detail(request, rollout, problem=problem, typed=typed),
    )


def _moved(request: HttpRequest, pk: int, move: Callable[..., Any]) -> HttpResponse:
    """Do it to the rollout, and say what was refused."""
    rollout = _rollout(request, pk)
    try:
        move(rollout_id=rollout.pk, clock=wiring.clock())
    except FleetError as error:
        messages.error(request, str(error))
    return redirect("rollout-detail", rollout.pk)
