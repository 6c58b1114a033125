"""Administration: fleets and hubs, each with a connection test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.layout_detection import OWN
from onboarding.domain.lifecycle import Right
from onboarding.forms.administration import FleetForm, HubForm
from onboarding.models import Fleet, Hub
from onboarding.services import configuration
from onboarding.views import access
from onboarding.views.administration_page import (
    connection_test,
    fleet_form_page,
    fleets_page,
    hub_form_page,
    hubs_page,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LIST = "onboarding/admin/list.html"
FORM = "onboarding/admin/form.html"


@require_GET
def fleet_list(request: HttpRequest) -> HttpResponse:
    """The fleets."""
    access.user_with(request, Right.ADMINISTER)
    return render(request, LIST, {"page": fleets_page()})


@require_GET
def hub_list(request: HttpRequest) -> HttpResponse:
    """The hubs."""
    access.user_with(request, Right.ADMINISTER)
    return render(request, LIST, {"page": hubs_page()})


@require_http_methods(["GET", "POST"])
def fleet_form(request: HttpRequest, name: str = "") -> HttpResponse:
    """Add a fleet, or change one."""
    user = access.user_with(request, Right.ADMINISTER)
    fleet = get_object_or_404(Fleet, name=name) if name else None
    form = FleetForm(request.POST or None, fleet=fleet, initial=_initial(fleet))
    saved = _saved(form, user, fleet) if request.method == "POST" and form.is_valid() else None
    if saved is not None:
        wiring.queue().wake("onboarding.refresh_fleet", fleet_id=saved.pk)
        messages.success(request, f"Fleet {saved.name} is saved. Test its connection now.")
        return redirect("fleet-list")
    status = 422 if request.method == "POST" else 200
    return render(request, FORM, {"page": fleet_form_page(form, fleet)}, status=status)


@require_http_methods(["GET", "POST"])
def hub_form(request: HttpRequest, name: str = "") -> HttpResponse:
    """Add a hub, or change one."""
    user = access.user_with(request, Right.ADMINISTER)
    hub = get_object_or_404(Hub, name=name) if name else None
    asked = {"name": request.GET.get("name", "")}
    form = HubForm(request.POST or None, hub=hub, initial=_initial(hub) or asked)
    if request.method == "POST" and form.is_valid():
        saved = configuration.save_hub(
            values=form.cleaned_data, actor=user, clock=wiring.clock(), hub=hub
        )
        messages.success(request, f"Hub {saved.name} is saved. Test its connections now.")
        return redirect("hub-list")
    status = 422 if request.method == "POST" else 200
    return render(request, FORM, {"page": hub_form_page(form, hub)}, status=status)


@require_POST
def fleet_test(request: HttpRequest, name: str) -> HttpResponse:
    """Test whether the fleet's repository can be read."""
    user = access.user_with(request, Right.ADMINISTER)
    fleet = get_object_or_404(Fleet, name=name)
    checks = {"Git": lambda: wiring.repository(fleet).check()}
    if fleet.delivery_mode == Fleet.DeliveryMode.PULL_REQUEST:
        checks = {
            "Git": lambda: f"Reached it at {wiring.repository(fleet).fetch()[:10] or 'no commit'}.",
            fleet.get_forge_display(): lambda: wiring.forge(fleet).check(),
        }
    results = configuration.run_checks(actor=user, checks=checks)
    return _tested(
        request, fleets_page(tested=name, test=connection_test(results, wiring.clock().now()))
    )


@require_POST
def hub_test(request: HttpRequest, name: str) -> HttpResponse:
    """Test the hub's Kubernetes API, its Argo CD and its Secrets Manager."""
    user = access.user_with(request, Right.ADMINISTER)
    hub = get_object_or_404(Hub, name=name)
    results = configuration.run_checks(
        actor=user,
        checks={
            "Kubernetes API": lambda: wiring.hub_reader(hub).check(),
            "Argo CD": lambda: wiring.argocd(hub).check(),
            "Secrets Manager": lambda: wiring.credentials(hub).check(),
        },
    )
    return _tested(
        request, hubs_page(tested=name, test=connection_test(results, wiring.clock().now()))
    )


def _saved(form: FleetForm, user: User, fleet: Fleet | None) -> Fleet | None:
    """The fleet as it was entered; None where it is refused, which the form then says."""
    try:
        return configuration.save_fleet(
            values=form.cleaned_data, actor=user, clock=wiring.clock(), fleet=fleet
        )
    except Refused as refused:
        for one in refused.refusals:
            form.add_error(one.field if one.field in form.fields else None, one.message)
        return None


def _tested(request: HttpRequest, page: Any) -> HttpResponse:
    return render(request, LIST, {"page": page})


def _initial(row: Fleet | Hub | None) -> dict[str, Any]:
    found = model_to_dict(row) if row else {}
    if found.get("layout_data"):
        found |= {"layout": OWN, "layout_text": json.dumps(found["layout_data"], indent=2)}
    return found
