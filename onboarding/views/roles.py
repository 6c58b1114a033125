"""Administration: who may what, where; and what somebody sees by it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.forms.roles import RoleForm
from onboarding.services import grants
from onboarding.views import access
from onboarding.views.roles_page import role_form_page, roles_page


@require_GET
def role_list(request: HttpRequest) -> HttpResponse:
    """Every role that was given, and what the person in ?who= sees."""
    access.user_with(request, Right.ADMINISTER)
    page = roles_page(request, now=wiring.clock().now())
    return render(request, "onboarding/admin/roles.html", {"page": page})


@require_http_methods(["GET", "POST"])
def role_add(request: HttpRequest) -> HttpResponse:
    """Give a role."""
    user = access.user_with(request, Right.ADMINISTER)
    form = RoleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            given = grants.give(**form.values, actor=user, clock=wiring.clock())
            messages.success(request, f"{form.cleaned_data['name']} is {given.held.role.word}.")
            return redirect("role-list")
        except Refused as refused:
            form.refuse(refused)
    status = 422 if request.method == "POST" else 200
    return render(
        request, "onboarding/admin/form.html", {"page": role_form_page(form)}, status=status
    )


@require_POST
def role_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a role away."""
    user = access.user_with(request, Right.ADMINISTER)
    try:
        grants.take_away(grant_id=pk, actor=user, clock=wiring.clock())
        messages.success(request, "The role is taken away. What it gave ended now.")
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("role-list")
