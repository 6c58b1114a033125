"""The API as a whole: its description, its limits, and its addresses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET
from ninja import NinjaAPI

from onboarding.api import problems, reading, requesting
from onboarding.api.access import Bearer, TokenThrottle
from onboarding.api.docs import docs_page
from onboarding.api.problems import CONTENT_TYPE, problem
from onboarding.api.schemas import Problem
from onboarding.domain.errors import Refusal

ROOT = "api/v1/"
LARGEST_BODY = 64 * 1024
_ERRORS = {
    400: "The body is no JSON",
    401: "No token that counts",
    403: "The token lacks the verb",
    404: "Absent, or not reached by the token",
    409: "The key was used for another request, or the change is not as you saw it",
    411: "The body's length is not said",
    413: "The body is too large",
    422: "Refused, with every reason at its field",
    429: "Asked too often",
    503: "Try again later",
}
_MOST_NAMED = 20
_OF_POST_ALONE = {400, 409, 411, 413}

api = NinjaAPI(
    title="Fleet UI",
    version="1",
    description="Ask for changes of a fleet, read their plans and follow them. People decide.",
    docs_url=None,
    openapi_url=None,
    urls_namespace="api",
    auth=Bearer(),
    throttle=TokenThrottle(),
)
api.add_router("", requesting.router)
api.add_router("", reading.router)
problems.handle(api)


@cache
def description() -> dict[str, Any]:
    """The OpenAPI description, with every error that an operation may answer."""
    found: dict[str, Any] = api.get_openapi_schema(path_prefix=f"/{ROOT}")
    ref = "#/components/schemas/{model}"
    problem_schema = Problem.model_json_schema(ref_template=ref)
    parts = problem_schema.pop("$defs")
    found["components"]["schemas"] |= {**parts, "Problem": problem_schema}
    content = {CONTENT_TYPE: {"schema": {"$ref": ref.format(model="Problem")}}}
    for operations_of_path in found["paths"].values():
        for method, operation in operations_of_path.items():
            operation["responses"] |= {
                status: {"description": said, "content": content}
                for status, said in _ERRORS.items()
                if method == "post" or status not in _OF_POST_ALONE
            }
    return found


@login_not_required
@require_GET
def openapi(request: HttpRequest) -> HttpResponse:
    """The description as JSON. It is the same for every installation, so that nobody has to sign in."""
    return JsonResponse(description())


@require_GET
def docs(request: HttpRequest) -> HttpResponse:
    """The description for people: every verb with what it takes and what it answers."""
    page = docs_page(description(), url=request.build_absolute_uri("/"))
    return render(request, "onboarding/api/docs.html", {"page": page})


@csrf_exempt
@login_not_required
def nowhere(request: HttpRequest, rest: str) -> HttpResponse:
    """Any other address below the API's: a problem document, where a page would be for people."""
    return problem(404, problems.ABSENT)


def _oversized(request: HttpRequest) -> HttpResponse | None:
    """The answer to a body that is too large, or whose size nobody knows before it is there."""
    if request.method != "POST":
        return None
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length and "HTTP_TRANSFER_ENCODING" not in request.META:
        return None  # no body at all (RFC 9112, 6.3)
    if not (length.isascii() and length.isdigit()):
        return problem(411, "Send the body's length (Content-Length).")
    if int(length) > LARGEST_BODY:
        return problem(413, f"A body has at most {LARGEST_BODY} bytes.")
    return None


@cache
def _parameters(operation_id: str) -> frozenset[str]:
    """The names that an operation takes in the query, as its description says."""
    found = (one for path in description()["paths"].values() for one in path.values())
    return frozenset(
        parameter["name"]
        for operation in found
        if operation["operationId"] == operation_id
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    )


def _misnamed(request: HttpRequest, operation_id: str) -> HttpResponse | None:
    """The answer to a name in the query that nobody reads: a filter with a typo would leave everything."""
    known = _parameters(operation_id)
    odd = [name for name in request.GET if name not in known]
    if not odd:
        return _unkeepable(request)
    those = ", ".join(sorted(known)) or "none"
    errors = [
        Refusal(
            f"There is no parameter {name!r:.80} here. Those are: {those}.",
            name[:80],
            "unknown_parameter",
        )
        for name in odd[:_MOST_NAMED]
    ]
    return problem(422, errors[0].message, errors=errors)


def _unkeepable(request: HttpRequest) -> HttpResponse | None:
    """The answer to a NUL in the query: nothing is called so, and PostgreSQL fails on it."""
    errors = [
        Refusal("There is a NUL character in it, which nothing has.", name, "invalid")
        for name in request.GET
        if any("\0" in value for value in request.GET.getlist(name))
    ]
    return problem(422, errors[0].message, errors=errors) if errors else None


def _finished(response: HttpResponseBase) -> HttpResponseBase:
    """No cache keeps an answer, and a wrong method is a problem document, too."""
    if response.status_code == 405:
        response = problem(405, "This address does not know that method.", Allow=response["Allow"])
    response["Cache-Control"] = "no-store"
    return response


def _guarded(view: Callable[..., Any], operation_id: str) -> Callable[..., Any]:
    """An operation as an address: no session and no form's token, for a service token proves itself."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refused = _oversized(request) or _misnamed(request, operation_id)
            return _finished(refused or await view(request, *args, **kwargs))

        return login_not_required(csrf_exempt(awaited))

    @wraps(view)
    def called(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        refused = _oversized(request) or _misnamed(request, operation_id)
        return _finished(refused or view(request, *args, **kwargs))

    return login_not_required(csrf_exempt(called))


def _addresses() -> list[URLPattern]:
    found = []
    for one in api.urls[0]:
        if isinstance(one, URLPattern) and one.name != "api-root":
            route = f"{ROOT}{one.pattern}"
            operation_id = str(one.name).removeprefix("api-").replace("-", "_")
            found.append(path(route, _guarded(one.callback, operation_id), name=one.name))
    return found


urlpatterns = [
    *_addresses(),
    path("api/", docs, name="api-docs"),
    path(f"{ROOT}openapi.json", openapi, name="api-openapi"),
    # Whatever it is: a line's end in it, which no <path:> takes, leads to no page either.
    re_path(r"^api/(?P<rest>[\s\S]+)", nowhere, name="api-nowhere"),
]
