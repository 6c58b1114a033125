"""Lists as files: CSV and JSON, written row by row while they are sent."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import urlencode

Row = Mapping[str, Any]
ROWS_AT_ONCE = 500
# Also in full width, which some spreadsheets read as the same.
_BEGINS_A_FORMULA = (*"=+-@\uff1d\uff0b\uff0d\uff20", "\t", "\r", "\n")


class _Echo:
    """A file that gives back what is written to it (Django's own way to stream CSV)."""

    def write(self, text: str) -> str:
        return text


def harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: texts that begin like one get a quote before them.

    Source: OWASP, CSV injection. What is in a fleet was written by many; a spreadsheet would run it.
    """
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def as_csv(
    request: HttpRequest, name: str, columns: Sequence[str], rows: Iterable[Row]
) -> StreamingHttpResponse:
    """Rows as a CSV file with a head."""
    return _file(request, _csv(columns, rows), "text/csv; charset=utf-8", f"{name}.csv")


def as_json(
    request: HttpRequest,
    name: str,
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    as_of: datetime | None,
) -> StreamingHttpResponse:
    """Rows as one JSON object: when the data was true, and the rows below `name`."""
    parts = _json(name, columns, rows, as_of)
    return _file(request, parts, "application/json", f"{name}.json")


def with_query(url: str, query: Mapping[str, Sequence[str]]) -> str:
    """An export's address with the filter of the page that offers it; the page number stays behind."""
    kept = {key: values for key, values in query.items() if key not in ("page", "fleet")}
    return f"{url}?{urlencode(kept, doseq=True)}" if kept else url


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([harmless(row[column]) for column in columns])


def _json(
    name: str, columns: Sequence[str], rows: Iterable[Row], as_of: datetime | None
) -> Iterator[str]:
    yield f'{{"as_of": {json.dumps(as_of.isoformat() if as_of else None)}, "{name}": ['
    for number, row in enumerate(rows):
        data = {column: _plain(row[column]) for column in columns}
        yield f"{',' if number else ''}\n{json.dumps(data)}"
    yield "\n]}\n"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _file(
    request: HttpRequest, parts: Iterator[str], kind: str, name: str
) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    pieces = _together(parts)
    # An asynchronous server would gather what a plain iterator gives before it sends the first byte.
    content = _awaited(pieces) if isinstance(request, ASGIRequest) else pieces
    return StreamingHttpResponse(content, content_type=kind, headers=headers)


def _together(parts: Iterator[str]) -> Iterator[str]:
    """Some hundred rows in one piece, so that each is worth its way to the browser."""
    while piece := "".join(islice(parts, ROWS_AT_ONCE)):
        yield piece


async def _awaited(pieces: Iterator[str]) -> AsyncIterator[str]:
    following = sync_to_async(lambda: next(pieces, ""))
    while piece := await following():
        yield piece
