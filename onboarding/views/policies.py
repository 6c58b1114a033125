"""Approval policies and the stop switch, by administrators."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.forms.policies import RuleForm, TryForm
from onboarding.models import Fleet, PolicyRule
from onboarding.services import policies, stopping
from onboarding.views import access
from onboarding.views.policies_page import policies_page, rule_form_page

LIST = "onboarding/admin/policies.html"
FORM = "onboarding/admin/form.html"


@require_GET
def policy_list(request: HttpRequest) -> HttpResponse:
    """The rules; with a query, which of them a change would fall under."""
    access.user_with(request, Right.ADMINISTER)
    trial = TryForm(request.GET if "kind" in request.GET else None)
    page = policies_page(trial, now=wiring.clock().now())
    status = 422 if trial.is_bound and not trial.is_valid() else 200
    return render(request, LIST, {"page": page}, status=status)


@require_http_methods(["GET", "POST"])
def policy_form(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Add a rule, or change one."""
    user = access.user_with(request, Right.ADMINISTER)
    row = get_object_or_404(PolicyRule, pk=pk) if pk else None
    form = RuleForm(request.POST if request.method == "POST" else None, row=row)
    if request.method == "POST" and form.is_valid():
        try:
            saved = policies.save(rule=form.rule, actor=user, clock=wiring.clock(), row=row)
        except Refused as refused:
            form.add_error("name", str(refused))
        else:
            messages.success(request, f"Rule {saved.name} is saved, and holds from now on.")
            return redirect("policy-list")
    status = 422 if request.method == "POST" else 200
    return render(request, FORM, {"page": rule_form_page(form, row)}, status=status)


@require_POST
def policy_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a rule."""
    user = access.user_with(request, Right.ADMINISTER)
    row = get_object_or_404(PolicyRule, pk=pk)
    policies.remove(row=row, actor=user, clock=wiring.clock())
    messages.success(request, f"Rule {row.name} is removed. What it asked of changes stays asked.")
    return redirect("policy-list")


@require_POST
def fleet_stop(request: HttpRequest, name: str) -> HttpResponse:
    """Let nothing more be written to a fleet's branch."""
    user = access.user_with(request, Right.ADMINISTER)
    fleet = get_object_or_404(Fleet, name=name)
    try:
        reason = request.POST.get("reason", "")
        under_way = stopping.stop(fleet=fleet, reason=reason, actor=user, clock=wiring.clock())
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("policy-list")
    late = f" {under_way} that were being pushed may still arrive." if under_way else ""
    messages.success(request, f"Deliveries to {fleet.name} are stopped.{late}")
    return redirect("policy-list")


@require_POST
def fleet_go(request: HttpRequest, name: str) -> HttpResponse:
    """Let the deliveries of a fleet go on."""
    user = access.user_with(request, Right.ADMINISTER)
    fleet = get_object_or_404(Fleet, name=name)
    try:
        waiting = stopping.go(fleet=fleet, actor=user, clock=wiring.clock(), queue=wiring.queue())
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("policy-list")
    messages.success(request, f"Deliveries to {fleet.name} go on; {waiting} were waiting.")
    return redirect("policy-list")
