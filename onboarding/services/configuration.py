"""Configuration by administrators: fleets and hubs, and tests of their connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Delivery, Fleet, Hub
from onboarding.ports import Clock
from onboarding.services import events
from onboarding.services.rights import require_administrator

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one connection test found: whether it works, and one sentence."""

    subject: str
    works: bool
    sentence: str


def save_fleet(
    *, values: Mapping[str, Any], actor: User | None, clock: Clock, fleet: Fleet | None = None
) -> Fleet:
    """Create or change a fleet. Raises `Refused` where the actor is not an administrator.

    `actor` None is whoever may run the product's commands on its server. Another repository, branch
    or layout makes what was indexed worthless: it is indexed anew. How, and on which forge, changes
    are delivered stays while one is on its way.
    """
    if actor is not None:
        require_administrator(actor)
    with transaction.atomic():
        row = fleet or Fleet()
        moved = [
            name
            for name in ("repository_url", "branch", "layout", "layout_data")
            if name in values and getattr(row, name) != values[name]
        ]
        _keep_way_of_delivery(row, values)
        for name, value in values.items():
            setattr(row, name, value)
        if moved:
            row.indexed_commit, row.indexed_at = "", None
        row.save()
        events.record(
            verb="fleet.configured",
            message=f"{actor.get_username() if actor else 'A command'} configured fleet {row.name}.",
            at=clock.now(),
            actor=actor,
            fleet=row,
            detail={"values": {name: str(value) for name, value in values.items()}},
        )
    return row


def save_hub(
    *, values: Mapping[str, Any], actor: User, clock: Clock, hub: Hub | None = None
) -> Hub:
    """Create or change a hub. Raises `Refused` where the actor is not an administrator."""
    require_administrator(actor)
    with transaction.atomic():
        row = hub or Hub()
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
        events.record(
            verb="hub.configured",
            message=f"{actor.get_username()} configured hub {row.name}.",
            at=clock.now(),
            actor=actor,
            fleet=row.fleet,
            detail={"values": {name: str(value) for name, value in values.items()}},
        )
    return row


def run_checks(*, actor: User, checks: Mapping[str, Callable[[], str]]) -> tuple[CheckResult, ...]:
    """Run connection tests, each by itself: subject -> a call that answers one sentence or raises.

    Raises `Refused` where the actor is not an administrator; a failed test is a result.
    """
    require_administrator(actor)
    return tuple(_run(subject, check) for subject, check in checks.items())


def _keep_way_of_delivery(fleet: Fleet, values: Mapping[str, Any]) -> None:
    """Refuse another way of delivering while pushes or pull requests of the old one are open."""
    way = ("delivery_mode", "forge", "forge_url", "repository_url", "branch")
    changed = [name for name in way if name in values and values[name] != getattr(fleet, name)]
    if not fleet.pk or not changed:
        return
    states = [DeliveryState.PUSHING.value]
    if fleet.delivery_mode == Fleet.DeliveryMode.PULL_REQUEST:
        states.append(DeliveryState.IN_REVIEW.value)
    count = Delivery.objects.filter(fleet=fleet, state__in=states).count()
    if count:
        subject = "1 change is" if count == 1 else f"{count} changes are"
        raise Refused(
            f"{subject} on the way to Git as it is configured now. Merge or close the open pull "
            f"requests first, and wait until nothing is being pushed.",
            field=changed[0],
            code="on_its_way",
        )


def _run(subject: str, check: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(subject, True, check())
    except FleetError as error:
        return CheckResult(subject, False, str(error))
