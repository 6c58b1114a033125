"""People for tests, with roles for everything or for a part of the fleet."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.auth.models import User

from onboarding.domain.roles import ALL
from onboarding.models import Grant

GIVEN_AT = datetime(2026, 1, 1, tzinfo=UTC)


def give(
    person: User, *roles: str, fleet: str = ALL, tenant: str = ALL, environment: str = ALL
) -> User:
    """Give a person these roles at the places that the patterns match."""
    for role in roles:
        Grant.objects.create(
            user=person,
            role=role,
            fleet=fleet,
            tenant=tenant,
            environment=environment,
            granted_at=GIVEN_AT,
        )
    return person
