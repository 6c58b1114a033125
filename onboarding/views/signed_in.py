"""Whether whoever a session names is still signed in, asked on every request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.http import urlencode

from onboarding import wiring
from onboarding.models import SignIn
from onboarding.services import sign_ins
from onboarding.services.sign_ins import Limits, Standing
from onboarding.views.partials import is_partial
from onboarding.views.visitors import address_of

SIGN_IN = "sign_in"
"""Where the session keeps which sign-in it is of."""
BACKEND = "onboarding.views.signed_in.ProviderBackend"


class ProviderBackend(ModelBackend):
    """Accounts for which the identity provider vouches. No password is asked here."""

    def authenticate(  # nobody proves themselves here
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Take no password: it would be somebody else's matter."""
        return


class SignedInMiddleware:
    """Signs out whoever's session ended, wherever it was ended."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Ask the row before the page is made."""
        if request.user.is_authenticated and (elsewhere := self._check(request)):
            return elsewhere
        response = self.get_response(request)
        if request.user.is_authenticated and not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_cache=True)
        return response

    def _check(self, request: HttpRequest) -> HttpResponseBase | None:
        clock = wiring.clock()
        sign_in = current(request)
        standing = (
            Standing.ENDED
            if sign_in is None
            else sign_ins.standing(
                sign_in=sign_in,
                limits=limits(),
                provider=settings.OPENID,
                ask=wiring.identity_provider,
                clock=clock,
            )
        )
        if sign_in is None or standing is Standing.ENDED:
            if sign_in is not None:
                sign_ins.end(owner=sign_in.user, pk=sign_in.pk)
            logout(request)
            return None
        # The same row, read with what `rights` asks of each person.
        request.user = sign_in.user
        if _is_by_a_person(request):
            sign_ins.touch(sign_in=sign_in, clock=clock)
            is_page = request.method == "GET" and not request.path.startswith(reverse("login"))
            if standing is Standing.DUE and is_page and _can_be_asked():
                asked = urlencode({"next": request.get_full_path(), "silent": "1"})
                return redirect(f"{reverse('provider-begin')}?{asked}")
        return None


def limits() -> Limits:
    """How long sessions last here."""
    return Limits(
        idle=timedelta(minutes=settings.SESSION_IDLE_MINUTES),
        whole=timedelta(hours=settings.SESSION_HOURS),
    )


def current(request: HttpRequest) -> SignIn | None:
    """The sign-in that this session is of."""
    pk, user = request.session.get(SIGN_IN), request.user.pk
    if not pk or not user:
        return None
    rows = SignIn.objects.select_related("identity", "user__service_account")
    return rows.filter(pk=pk, user_id=user).first()


@receiver(user_logged_in)
def begin(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    """Begin a sign-in, whichever way somebody came in; the one that this browser had is over."""
    if before := request.session.get(SIGN_IN):
        sign_ins.end(owner=user, pk=before)
    row = sign_ins.begin(
        owner=user,
        address=address_of(request),
        agent=request.headers.get("User-Agent", ""),
        limits=limits(),
        clock=wiring.clock(),
    )
    request.session[SIGN_IN] = row.pk


def _is_by_a_person(request: HttpRequest) -> bool:
    """Whether somebody did this: pages that follow by themselves keep no session alive."""
    is_followed = is_partial(request) and request.method == "GET"
    return not is_followed and request.path != reverse("live")


def _can_be_asked() -> bool:
    provider = wiring.identity_provider()
    return provider is not None and provider.answers()
