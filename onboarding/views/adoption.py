"""Adopting an existing repository: ask, look at what was found, say yes."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.forms.administration import AdoptForm
from onboarding.models import Adoption
from onboarding.services import adopting
from onboarding.views import access
from onboarding.views.administration_page import adopt_form_page
from onboarding.views.adoption_page import adoption_page, again
from onboarding.views.partials import page_or_part


@require_http_methods(["GET", "POST"])
def fleet_adopt(request: HttpRequest) -> HttpResponse:
    """Say which repository to look at."""
    user = access.user_with(request, Right.ADMINISTER)
    form = AdoptForm(request.POST or None, initial=again(request.GET.get("again", "")))
    if request.method == "POST" and form.is_valid():
        adoption = adopting.ask(
            values=form.cleaned_data, actor=user, clock=wiring.clock(), queue=wiring.queue()
        )
        return redirect("adoption-detail", pk=adoption.pk)
    status = 422 if request.method == "POST" else 200
    page = adopt_form_page(form)
    return render(request, "onboarding/admin/form.html", {"page": page}, status=status)


@require_GET
def adoption_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is, what was found and what was not understood."""
    access.user_with(request, Right.ADMINISTER)
    page = adoption_page(get_object_or_404(Adoption.objects.select_related("fleet"), pk=pk))
    return page_or_part(
        request,
        "onboarding/admin/adoption.html",
        "onboarding/admin/_adoption_part.html",
        {"page": page},
    )


@require_POST
def adoption_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Adopt what was found."""
    user = access.user_with(request, Right.ADMINISTER)
    adoption = get_object_or_404(Adoption, pk=pk)
    try:
        adopting.confirm(adoption=adoption, actor=user, clock=wiring.clock(), queue=wiring.queue())
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("adoption-detail", pk=pk)
