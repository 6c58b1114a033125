"""Exports: a spreadsheet never runs what somebody wrote into a fleet, and rows stream."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import AsyncRequestFactory, RequestFactory

from onboarding.views import exports
from tests.asynchronous import run


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_it_takes_the_sting_out_of_a_formula(sign: str) -> None:
    assert exports.harmless(f"{sign}cmd|' /C calc'!A0") == f"'{sign}cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("spoke-a", "spoke-a"),
        ("", ""),
        (None, ""),
        (-3, -3),
        (datetime(2026, 3, 4, 12, tzinfo=UTC), "2026-03-04T12:00:00+00:00"),
    ],
)
def test_it_leaves_all_else_as_it_is(value: object, cell: object) -> None:
    assert exports.harmless(value) == cell


def rows(count: int, made: list[int]) -> Iterator[dict[str, object]]:
    for number in range(count):
        made.append(number)
        yield {"name": f"=spoke-{number}", "note": 'a "b", c\nd'}


def test_it_writes_what_a_reader_of_csv_reads_back() -> None:
    request = RequestFactory().get("/")
    answer = exports.as_csv(request, "clusters", ("name", "note"), rows(2, []))
    text = b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["name", "note"],
        ["'=spoke-0", 'a "b", c\nd'],
        ["'=spoke-1", 'a "b", c\nd'],
    ]


def test_it_reads_no_more_rows_than_it_has_sent() -> None:
    made: list[int] = []
    answer = exports.as_csv(RequestFactory().get("/"), "x", ("name", "note"), rows(5000, made))
    assert made == []
    next(iter(answer.streaming_content))  # type: ignore[arg-type]
    assert 0 < len(made) <= exports.ROWS_AT_ONCE


def test_it_streams_to_an_asynchronous_server_too() -> None:
    request = AsyncRequestFactory().get("/")
    assert isinstance(request, ASGIRequest)
    made: list[int] = []
    answer = exports.as_json(request, "x", ("name",), rows(3, made), as_of=None)
    assert answer.is_async

    async def read() -> str:
        return "".join([piece.decode() async for piece in answer])

    assert run(read()) == (
        '{"as_of": null, "x": [\n{"name": "=spoke-0"},\n{"name": "=spoke-1"},\n{"name": "=spoke-2"}\n]}\n'
    )


@pytest.mark.parametrize(
    ("query", "url"),
    [
        ({}, "/x"),
        ({"page": ["2"]}, "/x"),
        ({"state": ["a", "b"], "page": ["2"], "fleet": ["f"]}, "/x?state=a&state=b"),
    ],
)
def test_it_offers_the_filter_without_the_page(query: dict[str, list[str]], url: str) -> None:
    assert exports.with_query("/x", query) == url
