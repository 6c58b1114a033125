"""Whence a request comes, and which browser it is."""

from __future__ import annotations

import secrets
from hashlib import sha256

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from onboarding.domain.addresses import visitor_of

DEVICE = "fleetui_device"
_DEVICE_SECONDS = 180 * 24 * 60 * 60
_DEVICE_SALT = "fleetui.device"


def address_of(request: HttpRequest) -> str | None:
    """The visitor's address; None where it is not known."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return visitor_of(request.META.get("REMOTE_ADDR", ""), forwarded, settings.TRUSTED_PROXIES)


def known_device(request: HttpRequest, name: str) -> str:
    """What marks a browser in which the account of this name signed in before; "" for others."""
    try:
        text = signing.loads(
            request.COOKIES.get(_cookie(), ""), salt=_DEVICE_SALT, max_age=_DEVICE_SECONDS
        )
    except signing.BadSignature:
        return ""
    account, _, mark = str(text).partition(":")
    return mark if account == _account(name) else ""


def remember_device(request: HttpRequest, response: HttpResponse, name: str) -> None:
    """Mark the browser as one in which this account signed in."""
    mark = known_device(request, name) or secrets.token_urlsafe(16)
    response.set_cookie(
        _cookie(),
        signing.dumps(f"{_account(name)}:{mark}", salt=_DEVICE_SALT),
        max_age=_DEVICE_SECONDS,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _cookie() -> str:
    return f"{settings.COOKIE_PREFIX}{DEVICE}"


def _account(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]
