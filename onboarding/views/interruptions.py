"""What becomes of somebody's work where the way is barred: signed out, an old form, the wrong verb.

Nothing that was typed is lost, and every answer says where it goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import reverse

from onboarding.domain.lifecycle import Right
from onboarding.views import access
from onboarding.views.numbers import number_in
from onboarding.views.partials import is_partial
from onboarding.views.sign_in_page import SignInPage, sign_in_answer

KEPT = "kept"
"""Where the session keeps what was typed: the page's path and its fields."""
LARGEST = 20_000
_NEVER_KEPT = {"csrfmiddlewaretoken", "password", "kept", "digest", "revision", "confirm"}

# An address that is only posted to, and the page that its form stands on.
_PAGES = {
    "change-approve": "change-detail",
    "change-reject": "change-detail",
    "change-withdraw": "change-detail",
    "change-resubmit": "change-detail",
    "change-retry": "change-detail",
    "change-comment": "change-detail",
    "draft-discard": "change-edit",
    "adoption-confirm": "adoption-detail",
    "fleet-test": "fleet-edit",
    "hub-test": "hub-edit",
    "layer-preview": "layer-edit",
    "session-end": "session-list",
    "session-end-others": "session-list",
}
# What everybody may who is signed in: where that is, and an end to it.
_OF_ONESELF = {"logout", "session-list", "session-end", "session-end-others", "password-change"}
_OF_THE_FORM = ("register-preview", "register-draft")


def _without_nul(query: QueryDict) -> QueryDict:
    """The query itself where it has none."""
    if not any("\0" in value for _, values in query.lists() for value in values):
        return query
    readable = QueryDict(mutable=True)
    for name, values in query.lists():
        readable.setlist(name, [value.replace("\0", "\ufffd") for value in values])
    readable._mutable = False
    return readable


class InterruptionMiddleware(LoginRequiredMiddleware):
    """Sends strangers to sign in with what they typed, tells people without a role whom to ask, and gives
    an address of the wrong verb a page.
    """

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., Any],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Nobody who has no role sees anything but that, wherever they ask, and their own sessions.

        A NUL in a query becomes the sign for what cannot be shown: PostgreSQL fails on it, and nothing
        is called so either way.
        """
        barred = super().process_view(request, view_func, view_args, view_kwargs)
        if barred is not None or not getattr(view_func, "login_required", True):
            return barred
        request.GET = _without_nul(request.GET)  # type: ignore[assignment]  # it may be the same
        if not request.user.is_authenticated or Right.VIEW in access.rights_of(request.user):
            return None
        if request.resolver_match and request.resolver_match.url_name in _OF_ONESELF:
            return None
        if is_partial(request):
            return HttpResponse(status=HTTPStatus.FORBIDDEN)
        return render(request, "no_role.html", status=HTTPStatus.FORBIDDEN)

    def handle_no_permission(  # type: ignore[override]  # Django's own knows only redirects
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        """Ask to sign in. A part of a page is not replaced by the sign-in page: the script says it (401)."""
        if is_partial(request):
            return HttpResponse(status=HTTPStatus.UNAUTHORIZED)
        if request.method != "POST":
            return super().handle_no_permission(request, view_func)
        typed = json.dumps(_typed(request))
        return sign_in_answer(request, SignInPage(next_url=page_of(request), kept=typed))

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Say in words what an empty 405 leaves unsaid."""
        barred = (
            response.status_code == HTTPStatus.METHOD_NOT_ALLOWED
            and response.get("Content-Type") != "application/problem+json"
        )
        if not barred or request.resolver_match is None or is_partial(request):
            return response
        said = render(request, "405.html", {"again_url": page_of(request)}, status=405)
        said["Allow"] = response.get("Allow", "")
        return said


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from before the last sign-in: nothing is done, and what was typed is kept for the page."""
    page = page_of(request)
    if request.user.is_authenticated:
        keep(request, page, _typed(request))
    return render(request, "403_csrf.html", {"again_url": page}, status=403)


def page_of(request: HttpRequest) -> str:
    """The page on which the form stands that posts to this address."""
    match = request.resolver_match
    name = match.url_name if match else ""
    if name in _OF_THE_FORM:
        return _form_of(request)
    if match and name in _PAGES:
        kwargs = {} if name.startswith("session-") else match.kwargs
        return reverse(_PAGES[name], kwargs=kwargs)
    return request.path


def kept(request: HttpRequest) -> dict[str, str]:
    """What was typed on this page before it was interrupted, once; empty where nothing was."""
    found = request.session.get(KEPT)
    if not found or found["path"] != request.path:
        return {}
    del request.session[KEPT]
    messages.warning(request, "What you typed is still here; it was not sent yet.")
    return dict(found["fields"])


def _form_of(request: HttpRequest) -> str:
    """The registration form that was filled in: of a change, of a cluster, or a new one."""
    number = number_in(request.POST.get("change", ""))
    if number is not None:
        return reverse("change-edit", args=[number])
    place = (request.POST.get("editing_hub", ""), request.POST.get("editing_name", ""))
    slugs = all(part and part.replace("-", "").replace("_", "").isalnum() for part in place)
    if slugs and "".join(place).isascii():
        return reverse("cluster-edit", args=place)
    return reverse("cluster-register")


def _typed(request: HttpRequest) -> dict[str, str]:
    return {key: request.POST[key] for key in request.POST if key not in _NEVER_KEPT}


def keep(request: HttpRequest, page: str, fields: dict[str, str]) -> None:
    """Have the session keep what was typed for a page, unless it is too much."""
    if len(json.dumps(fields)) <= LARGEST:
        request.session[KEPT] = {"path": page, "fields": fields}


def fields_of(text: str) -> dict[str, str]:
    """The fields that a sign-in page carried; nothing where they are not what it was given."""
    try:
        found = json.loads(text) if len(text) <= LARGEST else {}
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}
