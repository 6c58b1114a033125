"""The sign-in page: which ways there are, what went wrong with one, what is kept for afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from onboarding.domain.errors import FleetError, Refused


@dataclass(frozen=True, slots=True)
class Problem:
    """Why somebody was not signed in, in words, and the status that says the same to programs."""

    title: str
    said: str
    status: int


@dataclass(frozen=True, slots=True)
class SignInPage:
    """What the page says and carries: where it goes on, and what was typed before (JSON)."""

    next_url: str = ""
    kept: str = ""
    problem: Problem | None = None
    form: AuthenticationForm | None = None

    @property
    def provider_name(self) -> str:
        """Whom people sign in with besides, or instead of, a password; "" for nobody."""
        return settings.OPENID.name if settings.OPENID else ""

    @property
    def has_local_accounts(self) -> bool:
        """Whether there is a form for a password."""
        return bool(settings.LOCAL_ACCOUNTS)


_TITLES = {
    "state": ("This sign-in was begun elsewhere, or too long ago", HTTPStatus.BAD_REQUEST),
    "grant": ("This sign-in was used already, or took too long", HTTPStatus.BAD_REQUEST),
    "denied": ("You were not let in", HTTPStatus.FORBIDDEN),
    "group": ("You may not sign in here", HTTPStatus.FORBIDDEN),
    "inactive": ("You may not sign in here", HTTPStatus.FORBIDDEN),
    "taken": ("Your name is taken here", HTTPStatus.FORBIDDEN),
    "clock": ("The clocks do not agree", HTTPStatus.BAD_GATEWAY),
    "client": ("Signing in is not set up as it should be", HTTPStatus.BAD_GATEWAY),
    "claims": ("Something about you is missing", HTTPStatus.BAD_GATEWAY),
    "token": ("The answer cannot be relied on", HTTPStatus.BAD_GATEWAY),
}


def problem_of(error: FleetError) -> Problem:
    """What an error of signing in with the provider means for who tried."""
    if isinstance(error, Refused):
        title, status = _TITLES.get(
            error.refusals[0].code, ("You were not signed in", HTTPStatus.FORBIDDEN)
        )
        return Problem(title, str(error), status)
    return Problem(
        "The identity provider cannot be reached",
        f"{error} Try again in a minute. If it stays so, tell whoever runs it: nothing is wrong "
        "with your account.",
        HTTPStatus.SERVICE_UNAVAILABLE,
    )


def sign_in_answer(request: HttpRequest, page: SignInPage) -> HttpResponse:
    """The page as an answer that no browser keeps."""
    form = (page.form or AuthenticationForm(request)) if page.has_local_accounts else None
    status = page.problem.status if page.problem else HTTPStatus.OK
    response = render(
        request, "registration/login.html", {"page": page, "form": form}, status=status
    )
    add_never_cache_headers(response)
    return response
