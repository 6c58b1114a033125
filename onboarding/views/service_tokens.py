"""Administration: the tokens of programs. A token's text is shown once, when it is made."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.forms.tokens import TokenForm
from onboarding.services import service_tokens
from onboarding.views import access
from onboarding.views.service_tokens_page import issued_page, token_form_page, tokens_page


@require_GET
def token_list(request: HttpRequest) -> HttpResponse:
    """Every token, the newest first: whose, for what, until when, last used when."""
    access.user_with(request, Right.ADMINISTER)
    page = tokens_page(now=wiring.clock().now())
    return render(request, "onboarding/admin/list.html", {"page": page})


@never_cache
@sensitive_variables("issued")
@require_http_methods(["GET", "POST"])
def token_form(request: HttpRequest) -> HttpResponse:
    """Make a token, and show it this once."""
    user = access.user_with(request, Right.ADMINISTER)
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            issued = service_tokens.issue(
                name=form.cleaned_data["name"],
                verbs=form.verbs,
                fleets=form.fleets,
                days=form.cleaned_data["days"],
                actor=user,
                clock=wiring.clock(),
            )
            return render(request, "onboarding/admin/token.html", {"page": issued_page(issued)})
        except Refused as refused:
            form.refuse(refused)
    status = 422 if request.method == "POST" else 200
    page = token_form_page(form)
    return render(request, "onboarding/admin/form.html", {"page": page}, status=status)


@require_POST
def token_revoke(request: HttpRequest, prefix: str) -> HttpResponse:
    """End a token now."""
    user = access.user_with(request, Right.ADMINISTER)
    try:
        revoked = service_tokens.revoke(prefix=prefix, actor=user, clock=wiring.clock())
        messages.success(request, f"The token {revoked.prefix} is revoked.")
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("token-list")
