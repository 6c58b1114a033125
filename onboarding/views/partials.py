"""The one place that knows how a part of a page is asked for and answered."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import quote_etag


def is_partial(request: HttpRequest) -> bool:
    """Whether only a part is wanted: asked by htmx, and not as a whole page (boosted, history)."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def page_or_part(
    request: HttpRequest, page: str, part: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The whole page, or the part of it that htmx asked for.

    A part that has not changed since the browser's copy is answered by 304 without a body, so that
    pages which refresh themselves cost little.
    """
    partial = is_partial(request)
    response = render(request, part if partial else page, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    patch_cache_control(response, private=True, no_cache=True)
    if partial and request.method == "GET":
        etag = quote_etag(blake2b(response.content, digest_size=12).hexdigest())
        response["ETag"] = etag
        if request.headers.get("If-None-Match") == etag:
            return HttpResponse(status=304, headers={"ETag": etag, "Vary": response["Vary"]})
    return response
