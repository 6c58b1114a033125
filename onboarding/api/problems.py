"""Errors as problem documents (RFC 9457): what happened, and each field that has to be mended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError

from onboarding.automation.asking import said_at
from onboarding.domain.errors import FleetError, Refusal, Refused, Transient

CONTENT_TYPE = "application/problem+json"
ABSENT = "There is no such thing, or this token does not reach it."
_FORBIDDEN = {"forbidden", "not_allowed", "not_yours", "service", "verb"}
_CONFLICT = {"key_reused", "raced", "wrong_state"}
_MOST_ERRORS = 50


def problem(
    status: int, detail: str, *, errors: Iterable[Refusal] = (), **headers: str
) -> HttpResponse:
    """One answer that says what is wrong; header names have underscores for hyphens."""
    phrase = HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail,
        "errors": [
            {"field": one.field, "code": one.code, "message": one.message} for one in errors
        ],
    }
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=said)


def of_refused(refused: Refused) -> HttpResponse:
    """What was refused, each reason at its field: 403 without the right, 409 where it came too late, else 422."""
    errors = [Refusal(one.message, said_at(one.field), one.code) for one in refused.refusals]
    codes = {one.code for one in errors}
    status = 403 if codes & _FORBIDDEN else 409 if codes & _CONFLICT else 422
    return problem(status, str(refused), errors=errors)


def handle(api: NinjaAPI) -> None:
    """Have every foreseen error answered by a problem document."""
    handlers: dict[type[Exception], Any] = {
        Refused: lambda request, error: of_refused(error),
        Transient: _transient,
        FleetError: lambda request, error: problem(503, str(error)),
        Http404: lambda request, error: problem(404, ABSENT),
        AuthenticationError: _unknown,
        Throttled: _throttled,
        ValidationError: _invalid,
        HttpError: lambda request, error: problem(error.status_code, str(error)),
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _transient(request: HttpRequest, error: Transient) -> HttpResponse:
    after = str(max(1, ceil(error.retry_after or 5)))
    return problem(503, str(error) or "Try again in a moment.", Retry_After=after)


def _unknown(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    said = (
        "Send a service token that counts: Authorization: Bearer fui_… An administrator makes one."
    )
    return problem(401, said, WWW_Authenticate='Bearer realm="fleet-ui"')


def _throttled(request: HttpRequest, error: Throttled) -> HttpResponse:
    after = str(max(1, ceil(error.wait or 1)))
    said = (
        f"Too many requests by this token, or too many with wrong ones. Go on in {after} seconds."
    )
    return problem(429, said, Retry_After=after)


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [_refusal(one) for one in error.errors[:_MOST_ERRORS]]
    said = " ".join(f"{one.field}: {one.message}" if one.field else one.message for one in errors)
    return problem(422, said[:2000], errors=errors)


def _refusal(error: Mapping[str, Any]) -> Refusal:
    """One error of the body or a parameter. Its own name stands last in pydantic's way to it."""
    where = [str(part)[:80] for part in error["loc"]]
    # ("body", "asked", "pins", "enable_x") or ("query", "limit")
    # A name that is wrong itself has "[key]" behind it.
    names = [part for part in where if part != "[key]"]
    field = ".".join(names[2:] if names[:1] == ["body"] else names[1:])
    return Refusal(f"{error['msg']}.", field, str(error["type"]))
