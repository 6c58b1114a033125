"""Applications as a cluster's story reads them: of many, and only what it needs of each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet
from django.db.models.fields.json import KT

from onboarding.models import ApplicationStatus


class SeenApplication(NamedTuple):
    """What a hub was last seen to say of an Application; a row of `ApplicationStatus`, read in a tenth of the time.

    `made_at` is when Kubernetes made it, as the hub wrote that.
    """

    hub_id: int
    name: str
    cluster_name: str
    application_set: str
    sync: str
    verdict: str
    reason: str
    first_seen_at: datetime
    synced_at: datetime | None
    healthy_at: datetime | None
    made_at: str | None


def seen_applications(rows: QuerySet[ApplicationStatus]) -> Iterator[SeenApplication]:
    """What these rows say."""
    told = rows.annotate(made_at=KT("facts__created_at"))
    return map(SeenApplication._make, told.values_list(*SeenApplication._fields))
