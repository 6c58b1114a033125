"""Many rows at once: what PostgreSQL is told after it."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from onboarding.models import ApplicationStatus, Fleet, Hub
from onboarding.services.observing.upserts import tidy
from tests.fakes import START

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps no such map"),
]


def times_looked_through() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_get_vacuum_count(%s::regclass)", [ApplicationStatus._meta.db_table]
        )
        return int(cursor.fetchone()[0])


def heap_fetches() -> int:
    """How many rows PostgreSQL reads to answer what an index could answer alone."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT name FROM onboarding_applicationstatus ORDER BY name"
        )
        plan = cursor.fetchone()[0][0]["Plan"]
        cursor.execute("RESET enable_seqscan; RESET enable_bitmapscan")
        return int(plan["Heap Fetches"])


def test_it_lets_an_index_alone_answer_afterwards() -> None:
    hub = Hub.objects.create(fleet=Fleet.objects.create(name="fleet-a"), name="hub-a")
    ApplicationStatus.objects.bulk_create(
        ApplicationStatus(hub=hub, uid=f"{n}", name=f"app-{n}", first_seen_at=START, seen_at=START)
        for n in range(500)
    )
    before = times_looked_through()
    with transaction.atomic():
        tidy(ApplicationStatus)  # PostgreSQL refuses it in a transaction: it is left out
    assert times_looked_through() == before
    assert heap_fetches() >= 500
    tidy(ApplicationStatus)
    assert (times_looked_through(), heap_fetches()) == (before + 1, 0)
