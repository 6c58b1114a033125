"""The audit trail: search it, take it away as a file, verify it; and the evidence of one change."""

from __future__ import annotations

import json

from django.contrib import messages
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from onboarding import wiring
from onboarding.domain.lifecycle import Right
from onboarding.services import auditing
from onboarding.views import access, exports
from onboarding.views.audit_page import audit_page, filtered
from onboarding.views.partials import page_or_part


@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    """The events that fit the filter, the newest first."""
    access.user_with(request, Right.VIEW)
    page = audit_page(request)
    return page_or_part(
        request,
        "onboarding/audit/audit.html",
        "onboarding/audit/_audit_part.html",
        {"page": page},
    )


@require_GET
def audit_csv(request: HttpRequest) -> StreamingHttpResponse:
    """All events of the filter, as CSV."""
    access.user_with(request, Right.VIEW)
    rows = (
        {**row, "detail": json.dumps(row["detail"], sort_keys=True)}
        for row in map(auditing.as_row, filtered(request).iterator())
    )
    return exports.as_csv(request, "audit", auditing.COLUMNS, rows)


@require_GET
def audit_json(request: HttpRequest) -> StreamingHttpResponse:
    """All events of the filter, as JSON."""
    access.user_with(request, Right.VIEW)
    rows = map(auditing.as_row, filtered(request).iterator())
    now = wiring.clock().now()
    return exports.as_json(request, "audit", auditing.COLUMNS, rows, as_of=now)


@require_POST
def audit_verify(request: HttpRequest) -> HttpResponse:
    """Read the whole trail and say whether it is whole."""
    access.user_with(request, Right.ADMINISTER)
    result = auditing.verify()
    if result.problem:
        messages.error(request, f"The trail is not whole. {result.problem}")
    else:
        messages.success(
            request, f"The trail is whole: {result.events} events, head {result.head[:16]}."
        )
    return redirect("audit")


@require_GET
def change_evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything that shows how one change came about and what became of it, as one JSON file."""
    change = access.change_for(request, pk)
    data = auditing.evidence(change, at=wiring.clock().now())
    text = json.dumps(data, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
    return HttpResponse(
        text,
        content_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="change-{change.pk}-evidence.json"',
            "Cache-Control": "no-store",
        },
    )
