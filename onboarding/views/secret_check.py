"""Whether the secret that is being typed is in Secrets Manager."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import Right
from onboarding.domain.names import SecretName
from onboarding.views import access


@require_GET
def secret_check(request: HttpRequest) -> HttpResponse:
    """Say whether a secret is in Secrets Manager: one of six answers, never its value."""
    access.user_with(request, Right.REQUEST)
    hub = access.hub_named(request, request.GET.get("hub", ""))
    name = request.GET.get("secret_name", "").strip()
    state, sentence = "", ""
    try:
        if name and hub:
            facts = wiring.credentials(hub).describe(SecretName(name))
            state, sentence = facts.presence.replace("_", " ").capitalize(), facts.detail
        elif name:
            state, sentence = "Unknown", "Choose the hub first: its AWS account is asked."
    except FleetError as error:
        state, sentence = "Unknown", str(error)
    return render(
        request,
        "onboarding/clusters/_secret_check_part.html",
        {"state": state, "sentence": sentence},
    )
