"""Where a forge calls when something happened to a pull request: signed, and without a session."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.models import Fleet
from onboarding.services.delivery import forge_calls


@csrf_exempt
@login_not_required
@require_POST
def forge_called(request: HttpRequest, name: str) -> HttpResponse:
    """Look at the fleet's pull requests soon, if the call is signed with the fleet's secret."""
    fleet = Fleet.objects.filter(name=name).first()
    try:
        forge_calls.called(
            fleet=fleet,
            secret=wiring.webhook_secret(fleet) if fleet else "",
            body=request.body,
            headers={header.lower(): value for header, value in request.headers.items()},
            clock=wiring.clock(),
            queue=wiring.queue(),
        )
    except Refused as refused:
        return HttpResponse(str(refused), status=403, content_type="text/plain; charset=utf-8")
    return HttpResponse(status=204)
