"""The inbox."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import Right
from onboarding.views import access
from onboarding.views.inbox_page import inbox_page
from onboarding.views.partials import page_or_part


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """What waits for this person, and what they asked for."""
    access.user_with(request, Right.VIEW)
    page = inbox_page(request, now=wiring.clock().now())
    return page_or_part(
        request,
        "onboarding/changes/inbox.html",
        "onboarding/changes/_inbox_part.html",
        {"page": page},
    )
