"""The probes: alive, and ready to serve pages."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from fleetui import health


@pytest.fixture
def stranger():
    """A probe: any host name, no session, no HTTPS."""
    health._require_migrations.cache_clear()
    yield Client(headers={"host": "10.0.0.7:8000"})
    health._require_migrations.cache_clear()


def test_it_is_alive_whatever_name_it_is_asked_by(stranger, settings):
    settings.SECURE_SSL_REDIRECT = True

    response = stranger.get("/healthz")

    assert (response.status_code, response.content) == (200, b"alive\n")
    assert not response.cookies


def test_it_is_ready_when_the_database_is_migrated(stranger, db):
    response = stranger.get("/readyz")

    assert (response.status_code, response.content) == (200, b"ready\n")


def test_it_is_not_ready_while_migrations_are_missing(stranger, db):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'onboarding'")

    response = stranger.get("/readyz")

    assert response.status_code == 503
    assert b"manage.py migrate" in response.content


def test_it_is_not_ready_without_its_database_and_says_no_more(stranger, db, monkeypatch):
    def away():
        raise DatabaseError("password=canary")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", away)
        response = stranger.get("/readyz")

    assert (response.status_code, response.content) == (503, b"The database does not answer.\n")
