"""Where somebody is signed in, and how to end it there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.browsers import called
from onboarding.models import SignIn
from onboarding.services import attempts, sign_ins
from onboarding.views import signed_in

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One browser in which somebody is signed in."""

    pk: int
    browser: str
    address: str
    started_at: datetime
    seen_at: datetime
    ends_at: datetime
    way: str
    is_this: bool


def _person(request: HttpRequest) -> User:
    """Whoever is signed in: one's sessions are one's own, also without any right."""
    return cast("User", request.user)


@require_GET
def session_list(request: HttpRequest) -> HttpResponse:
    """One's own sessions, this one first."""
    user = _person(request)
    this, limits = request.session.get(signed_in.SIGN_IN), signed_in.limits()
    rows = [
        SessionRow(
            pk=row.pk,
            browser=called(row.agent),
            address=row.address or "",
            started_at=row.started_at,
            seen_at=row.seen_at,
            ends_at=min(row.started_at + limits.whole, row.seen_at + limits.idle),
            way="Identity provider" if row.identity_id else "Password",
            is_this=row.pk == this,
        )
        for row in SignIn.objects.filter(user=user)
        if sign_ins.counts(row, limits, wiring.clock())
    ]
    rows.sort(key=lambda row: not row.is_this)
    answer = render(
        request,
        "onboarding/sessions.html",
        {"rows": rows, "has_password": user.has_usable_password()},
    )
    add_never_cache_headers(answer)
    return answer


@require_POST
def session_end(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own sessions."""
    user = _person(request)
    if not sign_ins.end(owner=user, pk=pk):
        raise Http404("There is no such session of yours.")
    messages.success(request, "That session is ended.")
    return redirect("session-list")


@require_POST
def session_end_others(request: HttpRequest) -> HttpResponse:
    """End all of one's own sessions but this one."""
    user = _person(request)
    ended = sign_ins.end_others(owner=user, but=request.session.get(signed_in.SIGN_IN))
    messages.success(request, f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return redirect("session-list")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password_change(request: HttpRequest) -> HttpResponse:
    """Change the password of a local account. All its other sessions end."""
    user = _person(request)
    if not user.has_usable_password():
        raise Http404("Your account has no password here.")
    form = PasswordChangeForm(user, request.POST or None)
    wait = 0.0
    if request.method == "POST":
        attempt = attempts.at_account(
            name=user.username, address=None, device=f"signed in {user.pk}", clock=wiring.clock()
        )
        wait = attempt.wait.total_seconds()
        if not wait and form.is_valid():
            attempts.succeeded(attempt)
            form.save()
            update_session_auth_hash(request, user)
            sign_ins.end_others(owner=user, but=request.session.get(signed_in.SIGN_IN))
            messages.success(
                request, "Your password is changed, and your other sessions are ended."
            )
            return redirect("session-list")
    status = 429 if wait else 422 if request.method == "POST" else 200
    found = {"form": form, "wait_seconds": round(wait)}
    answer = render(request, "onboarding/password.html", found, status=status)
    add_never_cache_headers(answer)
    return answer
