"""Answers the probes of an orchestrator: /healthz (alive) and /readyz (can serve pages)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse


class ProbeMiddleware:
    """Stands before everything else: a probe knows neither host name, nor HTTPS, nor session.

    The broker is no part of readiness: without it pages still answer and work waits in its rows.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == "/healthz":
            return _plain("alive")
        if request.path_info == "/readyz":
            return _readiness()
        return self.get_response(request)


def _readiness() -> HttpResponse:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _require_migrations()
    except DatabaseError:
        return _plain("The database does not answer.", status=503)
    except LookupError:
        return _plain("The database is not migrated: run `manage.py migrate`.", status=503)
    return _plain("ready")


@cache
def _require_migrations() -> None:
    """Raise LookupError while migrations are missing; once they are there, never look again."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise LookupError("unapplied migrations")


def _plain(text: str, *, status: int = 200) -> HttpResponse:
    response = HttpResponse(f"{text}\n", content_type="text/plain", status=status)
    response["Cache-Control"] = "no-store"
    return response
