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


def test_it_has_the_table_looked_through_at_once() -> None:
    hub = Hub.objects.create(fleet=Fleet.objects.create(name="fleet-a"), name="hub-a")
    ApplicationStatus.objects.bulk_create(
        ApplicationStatus(hub=hub, uid=f"{n}", name=f"app-{n}", first_seen_at=START, seen_at=START)
        for n in range(500)
    )
    before = times_looked_through()
    with transaction.atomic():
        tidy(ApplicationStatus)  # PostgreSQL refuses it in a transaction: it is left out
    assert times_looked_through() == before
    tidy(ApplicationStatus)
    assert times_looked_through() == before + 1
