"""Signing in, by password or by way of the identity provider, and out again.

Where the way leads to another host after a form was sent, a page of ours stands between the two: the
Content-Security-Policy lets forms go nowhere else. It goes on by itself, also without JavaScript.
"""

from __future__ import annotations

import time
import unicodedata
from dataclasses import asdict
from http import HTTPStatus
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.openid import Provider
from onboarding.ports import IdentityProvider, SignInBegun
from onboarding.services import attempts, identities, sign_ins
from onboarding.views import signed_in
from onboarding.views.interruptions import fields_of, keep
from onboarding.views.sign_in_page import Problem, SignInPage, problem_of, sign_in_answer
from onboarding.views.visitors import address_of, known_device, remember_device

_BEGUN = "sign_ins_begun"
"""Where the session keeps the sign-ins that went to the provider, by their state."""
_MOST_BEGUN = 8
_BEGUN_SECONDS = 15 * 60
_LATER = {"server_error", "temporarily_unavailable"}
_NEEDS_A_PAGE = {
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
}


class SignIn(LoginView):
    """Signing in. What was being typed when the session ended goes along, and is there again after it."""

    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Judge name and password, if they may be tried now."""
        if not settings.LOCAL_ACCOUNTS:
            raise PermissionDenied("Nobody signs in with a password here.")
        name = _typed_name(request)
        if not name or not request.POST.get("password"):
            return super().post(request, *args, **kwargs)
        self.attempt = attempts.at_account(
            name=name,
            address=address_of(request),
            device=known_device(request, name),
            clock=wiring.clock(),
        )
        if self.attempt.wait:
            return self._too_often(self.attempt.wait.total_seconds())
        return super().post(request, *args, **kwargs)

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """The page, with what was typed, so that a mistyped password does not lose it."""
        return sign_in_answer(self.request, self._page(form=context.get("form")))

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign in, and keep for the page that comes next what was typed for it."""
        attempts.succeeded(self.attempt)
        answer = super().form_valid(form)
        user = form.get_user()
        sign_ins.record(owner=user, way="a password", clock=wiring.clock())
        if fields := fields_of(self.request.POST.get("kept", "")):
            keep(self.request, self.get_redirect_url(), fields)
        remember_device(self.request, answer, user.get_username())
        return answer

    def _page(self, **given: Any) -> SignInPage:
        kept = self.request.POST.get("kept", "")
        return SignInPage(next_url=self.get_redirect_url(), kept=kept, **given)

    def _too_often(self, seconds: float) -> HttpResponse:
        minutes = ceil(seconds / 60)
        when = f"{ceil(seconds)} seconds" if seconds <= 60 else f"{minutes} minutes"
        said = (
            f"This name was tried with wrong passwords too often, from here or elsewhere. Wait {when}, "
            "then try again. A browser in which you signed in before is not held up by what others try."
        )
        problem = Problem("Too many attempts", said, HTTPStatus.TOO_MANY_REQUESTS)
        answer = sign_in_answer(self.request, self._page(problem=problem))
        answer["Retry-After"] = str(ceil(seconds))
        return answer


@login_not_required
@require_http_methods(["GET", "POST"])
def provider_begin(request: HttpRequest) -> HttpResponse:
    """Send a browser to the identity provider; what was typed waits in its session meanwhile."""
    provider = _provider()
    given = request.POST if request.method == "POST" else request.GET
    next_url, kept = _local(request, given.get("next", "")), request.POST.get("kept", "")
    is_silent = "silent" in given and request.user.is_authenticated
    try:
        begun = provider.begin(redirect_uri=_callback(request), silent=is_silent)
    except FleetError as error:
        page = SignInPage(next_url=next_url, kept=kept, problem=problem_of(error))
        return sign_in_answer(request, page)
    flow = {**asdict(begun), "next": next_url, "silent": is_silent, "at": time.time()}
    flows = [*_flows(request).values(), flow][-_MOST_BEGUN:]
    request.session[_BEGUN] = {one["state"]: one for one in flows}
    if fields := fields_of(kept):
        keep(request, next_url, fields)
    return _elsewhere(request, begun.url) if request.method == "POST" else redirect(begun.url)


@login_not_required
@require_GET
@sensitive_post_parameters()
def provider_callback(request: HttpRequest) -> HttpResponse:
    """Back from the identity provider: sign in whom it vouches for."""
    provider = _provider()
    flows = _flows(request)
    flow = flows.pop(request.GET.get("state", ""), None)
    request.session[_BEGUN] = flows
    if flow is None:
        return _failed(request, _lost(), "")
    try:
        _require_code(request, provider)
        begun = SignInBegun(flow["url"], flow["state"], flow["nonce"], flow["verifier"])
        tokens = provider.finish(
            code=request.GET["code"], begun=begun, redirect_uri=_callback(request)
        )
        admitted = identities.admit(tokens=tokens, provider=_settings(), clock=wiring.clock())
    except FleetError as error:
        if flow["silent"] and isinstance(error, Refused):
            _leave(request)  # whoever was here is not confirmed any more
        return _failed(request, error, flow["next"])
    is_same = flow["silent"] and request.user.pk == admitted.user.pk
    if not is_same:
        login(request, admitted.user, backend=signed_in.BACKEND)
        if admitted.unread:
            messages.warning(request, f"No groups came from {_settings().name}. {admitted.unread}")
    sign_ins.attach(
        pk=request.session[signed_in.SIGN_IN],
        identity=admitted.identity,
        tokens=tokens,
        provider=_settings(),
        clock=wiring.clock(),
        anew=not is_same,
    )
    return redirect(flow["next"] or settings.LOGIN_REDIRECT_URL)


@csrf_exempt
@login_not_required
@require_POST
def provider_ended(request: HttpRequest) -> HttpResponse:
    """The identity provider says that somebody signed out there (Back-Channel Logout 1.0)."""
    provider = _provider()
    try:
        said = provider.signed_out(request.POST.get("logout_token", ""))
        sign_ins.end_by_provider(said=said, provider=_settings())
    except Refused as refused:
        return _to_a_program(str(refused), HTTPStatus.BAD_REQUEST)
    except Transient as error:
        return _to_a_program(str(error), HTTPStatus.SERVICE_UNAVAILABLE)
    return _to_a_program("", HTTPStatus.OK)


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out here and, where one came by it, at the identity provider."""
    elsewhere = _sign_out_url(request)
    _leave(request)
    answer = _elsewhere(request, elsewhere) if elsewhere else redirect(settings.LOGOUT_REDIRECT_URL)
    if settings.HTTPS:
        answer["Clear-Site-Data"] = '"cache"'  # no page is shown again by going back
    return answer


# --- The pieces ---------------------------------------------------------------------------------


def _provider() -> IdentityProvider:
    provider = wiring.identity_provider()
    if provider is None:
        raise Http404("No identity provider is configured here.")
    return provider


def _settings() -> Provider:
    found = settings.OPENID
    if found is None:
        raise Http404("No identity provider is configured here.")
    return found


def _callback(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("provider-callback"))


def _local(request: HttpRequest, address: str) -> str:
    """An address of this installation; "" for any other."""
    is_local = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if is_local else ""


def _flows(request: HttpRequest) -> dict[str, Any]:
    """The sign-ins that this browser began and that can still come back."""
    oldest = time.time() - _BEGUN_SECONDS
    found = request.session.get(_BEGUN) or {}
    return {state: flow for state, flow in found.items() if flow["at"] >= oldest}


def _require_code(request: HttpRequest, provider: IdentityProvider) -> None:
    """Raise the error that the provider sent instead of a code, or that somebody else sent one."""
    name = _settings().name
    said = request.GET.get("error", "")
    if said in _LATER:
        raise Transient(f"{name} cannot do it now.")
    if said in _NEEDS_A_PAGE:
        raise Refused(f"{name} wants to see you again. Sign in once more.", code="denied")
    if said == "access_denied":
        raise Refused(
            f"{name} did not let you in, or you went back there. Try again, or ask whoever "
            f"administers {name} whether you may use this installation.",
            code="denied",
        )
    if said or not request.GET.get("code"):
        raise Refused(
            f"{name} refused the way in which this installation asks. An administrator has to look "
            "at how it is registered there.",
            code="client",
        )
    if request.GET.get("iss", _settings().issuer) != _settings().issuer:
        raise Refused("The answer came from another provider. Nobody was signed in.", code="token")


def _lost() -> Refused:
    return Refused(
        "Nothing was signed in. This happens when a page is opened again from the history, when it "
        "was left for more than a quarter of an hour, or where the browser takes no cookies. Sign in "
        "again from here.",
        code="state",
    )


def _failed(request: HttpRequest, error: FleetError, next_url: str) -> HttpResponse:
    return sign_in_answer(request, SignInPage(next_url=next_url, problem=problem_of(error)))


def _leave(request: HttpRequest) -> None:
    if request.user.is_authenticated and (sign_in := signed_in.current(request)):
        sign_ins.end(owner=sign_in.user, pk=sign_in.pk)
    logout(request)


def _sign_out_url(request: HttpRequest) -> str:
    """Where somebody goes on to sign out; "" where that is here, or the provider is away."""
    sign_in = signed_in.current(request) if request.user.is_authenticated else None
    token = sign_ins.id_token_of(sign_in) if sign_in else ""
    provider = wiring.identity_provider()
    if not token or provider is None:
        return ""
    try:
        return_to = request.build_absolute_uri(reverse("login"))
        return provider.sign_out_url(id_token=token, return_to=return_to)
    except FleetError:
        return ""


def _elsewhere(request: HttpRequest, url: str) -> HttpResponse:
    """A page that goes on to the identity provider by itself."""
    found = {"url": url, "provider_name": _settings().name}
    answer = render(request, "registration/elsewhere.html", found)
    add_never_cache_headers(answer)
    return answer


def _to_a_program(text: str, status: HTTPStatus) -> HttpResponse:
    answer = HttpResponse(text, content_type="text/plain", status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def _typed_name(request: HttpRequest) -> str:
    return unicodedata.normalize("NFKC", request.POST.get("username", "")).strip()[:254]
