"""Times from the database: the same as Django's own, at the instant that was written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import DataError, connection

from onboarding.models import Heartbeat

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 3, 1, 12, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, 270_000, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_it_reads_what_was_written(at: datetime) -> None:
    Heartbeat.objects.create(part="a", at=at)
    found = Heartbeat.objects.get()
    assert (found.at, found.at.tzinfo) == (at, UTC)
    assert [row.at for row in Heartbeat.objects.iterator()] == [at]
    assert Heartbeat.objects.values_list("at", flat=True).get() == at


def test_every_way_of_asking_reads_them_so() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has texts")
    with connection.cursor() as cursor:
        cursor.execute("SELECT '2026-03-01 12:00:00+02'::timestamptz, NULL::timestamptz, now()")
        at, nothing, now = cursor.fetchone()
    assert (at, at.tzinfo, nothing) == (datetime(2026, 3, 1, 10, tzinfo=UTC), UTC, None)
    assert now.tzinfo is UTC


@pytest.mark.parametrize("said", ["infinity", "0044-03-15 00:00:00+00 BC"])
def test_what_is_no_time_of_python_is_refused_as_psycopg_does(said: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has texts")
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [said])
        with pytest.raises(DataError):
            cursor.fetchone()
