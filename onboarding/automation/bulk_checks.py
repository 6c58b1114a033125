"""Checking the rows of bulks: each is asked for as a program would, once, by whoever is free."""

from __future__ import annotations

import logging
from datetime import timedelta

from onboarding import wiring
from onboarding.automation import asking
from onboarding.automation.asking import MODEL, PLACE, Answers
from onboarding.domain.errors import FleetError, Refused
from onboarding.forms.registration import OPTIONS
from onboarding.models import Bulk, BulkRow, Cluster
from onboarding.services import bulks, rounds

_LOG = logging.getLogger(__name__)
_UNDER_WAY = timedelta(minutes=2)
_AGAIN_AFTER = timedelta(seconds=20)
_BRANCH_AGE = 20.0
"""How many seconds old the branch may be that a row is planned on: many rows share one fetch, and the
writer looks again at each before it commits."""


def check_due(*, most: int) -> int:
    """Check up to `most` rows; returns how many were checked. Bulks without any left are proposed.

    Each row is taken by one worker; one that died is followed by another after two minutes, and no
    row ever gets a second change.
    """
    clock = wiring.clock()
    now = clock.now()
    due = BulkRow.objects.filter(
        is_checked=False, due_at__lte=now, bulk__state=Bulk.State.CHECKING
    ).select_related("bulk__fleet", "bulk__requester")
    checked = 0
    with rounds.begun():
        for row in due.order_by("due_at", "bulk", "number")[:most]:
            taken = BulkRow.objects.filter(pk=row.pk, is_checked=False, due_at=row.due_at)
            if taken.update(due_at=clock.now() + _UNDER_WAY):
                _check(row)
                checked += 1
    bulks.propose_checked(clock=clock)
    return checked


def _check(row: BulkRow) -> None:
    try:
        if row.bulk.kind == Bulk.Kind.REGISTER:
            _register(row)
        else:
            _edit(row)
    except Refused as refused:
        bulks.refuse(row, [(_column(one.field), one.message) for one in refused.refusals])
    except FleetError as error:
        # The remote or AWS is away: that is no fault of the row.
        BulkRow.objects.filter(pk=row.pk, change=None).update(
            due_at=wiring.clock().now() + _AGAIN_AFTER,
            problems=[["", f"{error} It is tried again."]],
        )
    except Exception:
        # One row that nobody foresaw does not hold up the decision on all others.
        _LOG.exception("Row %s of bulk %s could not be checked", row.number, row.bulk_id)
        bulks.refuse(row, [("", "It could not be checked, for a reason that only the log has.")])


def _column(field: str) -> str:
    """A field as the columns of a CSV are called."""
    return field.removeprefix("pins.").removeprefix("options.")


def _register(row: BulkRow) -> None:
    fields: dict[str, str | bool | None] = {}
    options: dict[str, str | None] = {}
    pins: dict[str, str | None] = {}
    for name, value in row.said.items():
        if name in ("remote_addons", "remote_resources"):
            fields[name] = value == "true"
        elif name in PLACE or name in MODEL:
            fields[name] = value
        elif name in OPTIONS:
            options[name] = value
        else:
            pins[name] = value
    asking.register(
        fleet=row.bulk.fleet,
        answers=Answers(fields, options, pins),
        actor=row.bulk.requester,
        also=lambda change: bulks.bind(row, change),
        max_age=_BRANCH_AGE,
    )


def _edit(row: BulkRow) -> None:
    cluster = (
        Cluster.objects.filter(
            fleet=row.bulk.fleet, hub_name=row.hub_name, name=row.cluster_name, problem=""
        )
        .select_related("fleet")
        .first()
    )
    if cluster is None:
        raise Refused("There is no such cluster in Git any more.", code="gone")
    asking.edit(
        cluster=cluster,
        answers=Answers(**row.bulk.answers),
        actor=row.bulk.requester,
        also=lambda change: bulks.bind(row, change),
        max_age=_BRANCH_AGE,
    )
