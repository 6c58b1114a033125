"""A token's text is in no row, no log, no page but the one that made it, and no traceback."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from onboarding.automation import telling
from onboarding.models import Change
from tests.journey.conftest import Place
from tests.journey.test_api import REGISTRATIONS, Program, approve, body, told
from tests.journey.test_service_tokens import FORM, shown


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """What the log prints, every level of it, in the format of an installation."""
    root = logging.getLogger()
    formatter = next(one.formatter for one in root.handlers if one.name == "stdout")
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(formatter)
    root.addHandler(handler)
    yield handler.stream
    root.removeHandler(handler)


def rows() -> str:
    """Everything that the database holds, as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            found += [table, *map(repr, cursor.fetchall())]
    return "\n".join(found)


def test_a_token_is_nowhere_but_with_its_owner(
    place: Place,
    caplog: pytest.LogCaptureFixture,
    printed: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    caplog.set_level(logging.DEBUG)
    with CaptureQueriesContext(connection) as asked:
        made = place.post("administrator", "/admin/tokens/add/", FORM)
        text = shown(made.content.decode())
        caller = Program(text)
        answers = [
            caller.post(REGISTRATIONS, body(place)),
            caller.post(REGISTRATIONS, body(place, cluster="Bad Name"), key="k2"),
            caller.post(REGISTRATIONS, "{", key="k3"),
            caller.get("/api/v1/token"),
            caller.get("/api/v1/clusters"),
            caller.get("/api/v1/nothing"),
            # Where it does not belong: as a key, in the address, and half of it.
            caller.post("/api/v1/clusters/a/b/edits", {}),
            Program(text[:-1]).get("/api/v1/clusters"),
        ]
        change = Change.objects.get()
        answers.append(caller.get(f"/api/v1/changes/{change.pk}/wait?until=decided&timeout=0"))
        approve(place, change)
        pages = [
            place.get("administrator", path).content
            for path in ("/admin/tokens/", "/system/", f"/changes/{change.pk}/?tab=evidence")
        ]

    def broken(change: Change) -> dict[str, Any]:
        raise RuntimeError("something that nobody foresaw")

    monkeypatch.setattr(telling, "change_told", broken)
    client = Client(raise_request_exception=False)
    failed = client.get(f"/api/v1/changes/{change.pk}", headers=caller.headers())
    assert failed.status_code == 500
    assert told(answers[3])["service"] == "terraform"

    secret = text.split("_", 2)[2]
    places = {
        "rows": rows(),
        "queries": str(asked.captured_queries),
        "logs": caplog.text + "".join(str(record.__dict__) for record in caplog.records),
        "output": printed.getvalue(),
        "answers": "".join(answer.content.decode() for answer in (*answers, failed)),
        "pages": b"".join(pages).decode(),
    }
    assert len(secret) == 43
    for name, content in places.items():
        # A log record may carry the request itself, as its object; what is written of it is the text.
        assert secret not in content, name
    prefix = text.split("_")[1]
    assert prefix in places["rows"]
    assert prefix in places["output"], "the log says which token it was"
