"""Forms whose member cannot be read now: the repository is away, the file broken or gone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from onboarding.domain.errors import FleetError
from onboarding.views.pages import Hidden, UnreadableFormPage
from onboarding.views.partials import is_partial

View = Callable[..., HttpResponse]


def kept_while_unreadable(view: View) -> View:
    """Where the member that a form is about cannot be read: say why, and keep what was typed."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except FleetError as error:
            page = _page(request, str(error))
        if is_partial(request):
            return render(request, "onboarding/clusters/_preview_part.html", {"page": page})
        status = 200 if request.method == "GET" else 422
        name = "onboarding/clusters/form_unreadable.html"
        return render(request, name, {"page": page}, status=status)

    return answer


def _page(request: HttpRequest, problem: str) -> UnreadableFormPage:
    typed = {name: str(request.POST[name]) for name in request.POST}
    typed.pop("csrfmiddlewaretoken", None)
    return UnreadableFormPage(
        problem=problem,
        action=request.path,
        show_url=reverse("register-preview"),
        draft_url=reverse("register-draft"),
        typed=tuple(Hidden(name, value) for name, value in typed.items()),
    )
