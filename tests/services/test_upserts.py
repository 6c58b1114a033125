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


def pages_that_all_may_see() -> int:
    with connection.cursor() as cursor:
        table = ApplicationStatus._meta.db_table
        cursor.execute("SELECT relallvisible FROM pg_class WHERE relname = %s", [table])
        return int(cursor.fetchone()[0])


def test_it_lets_an_index_alone_answer_afterwards() -> None:
    hub = Hub.objects.create(fleet=Fleet.objects.create(name="fleet-a"), name="hub-a")
    ApplicationStatus.objects.bulk_create(
        ApplicationStatus(hub=hub, uid=f"{n}", name=f"app-{n}", first_seen_at=START, seen_at=START)
        for n in range(500)
    )
    with transaction.atomic():
        tidy(ApplicationStatus)  # PostgreSQL refuses it in a transaction: it is left out
    assert pages_that_all_may_see() == 0
    tidy(ApplicationStatus)
    assert pages_that_all_may_see() > 0
