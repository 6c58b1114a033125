"""Figures for a monitoring system, which signs in by a token of its own."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST

from onboarding import wiring
from onboarding.services import metrics as figures


@login_not_required
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format; without the right token the address does not exist."""
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if not token or not secrets.compare_digest(given, token.encode()):
        raise Http404
    answer = HttpResponse(
        figures.exposition(now=wiring.clock().now()), content_type=CONTENT_TYPE_LATEST
    )
    answer["Cache-Control"] = "no-store"
    return answer
