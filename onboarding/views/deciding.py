"""What the pages of changes, bulks and rollouts have in common where somebody decides on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, TypeVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from onboarding.domain.errors import FleetError
from onboarding.services.approvals import Decided

_Result = TypeVar("_Result")


class Said(TypedDict):
    """What a decision carries: the digest that the page showed, and the reason."""

    digest: str
    reason: str


class Confirmed(Said):
    """The same, and the name as typed where something goes away."""

    confirmed: str


def said(request: HttpRequest) -> Said:
    """What a decision to reject carries."""
    return {
        "digest": request.POST.get("digest", ""),
        "reason": request.POST.get("reason", "").strip(),
    }


def approval(request: HttpRequest) -> Confirmed:
    """What a decision to approve carries."""
    return {**said(request), "confirmed": request.POST.get("confirm", "")}


def decided(
    request: HttpRequest,
    decide: Callable[[], _Result],
    done: str | Callable[[_Result], str],
    *,
    back: tuple[str, int],
    again: Callable[[str], HttpResponse],
) -> HttpResponse:
    """Decide, say what was done and go back to the page; or `again`, with the reason why not.

    `back` is the page's name and number. What was typed is in the request, for `again` to keep.
    """
    try:
        result = decide()
    except FleetError as error:
        return again(str(error))
    messages.success(request, done if isinstance(done, str) else done(result))
    return redirect(*back)


def of_many(sentence: str) -> Callable[[Decided], str]:
    """What is said of a decision on many: `sentence` has their number; what waits for others is said."""

    def words(found: Decided) -> str:
        if not found.waiting:
            return sentence.format(found.count)
        return (
            f"Your approval of {found.count} changes counts; {found.waiting} need another approval."
        )

    return words
