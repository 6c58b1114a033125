"""Give roles and take them away, and say what somebody sees with those that they have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.domain.roles import Held, Role, check_held, parse_pattern
from onboarding.models import Grant
from onboarding.ports import Clock
from onboarding.services import events, scope
from onboarding.services.rights import is_service, reach_of, require_administrator

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECIDING = frozenset({Role.APPROVER, Role.REMOVAL_APPROVER, Role.ADMINISTRATOR})
_MOST_NAMED = 50


@dataclass(frozen=True, slots=True)
class Seen:
    """What one right of a person reaches: so many clusters of Git, of these tenants, in these fleets."""

    right: Right
    clusters: int
    tenants: tuple[str, ...]
    fleets: tuple[str, ...]


def give(
    *,
    role: Role,
    patterns: Mapping[str, str],
    actor: User,
    clock: Clock,
    person: str = "",
    group: str = "",
    until: datetime | None = None,
) -> Grant:
    """Give a role to a person, or to a group, which is made where it is new: who is in it, others say.

    `patterns` has `fleet`, `tenant` and `environment` as they were typed. Raises `Refused` at the
    field where the actor is no administrator, one is wrong, or this was given before.
    """
    require_administrator(actor)
    now = clock.now()
    held = Held(role, **{name: parse_pattern(patterns[name], field=name) for name in _PATTERNS})
    check_held(held)
    if bool(person) == bool(group):
        raise Refused("Name a person or a group.", field="name", code="required")
    if until is not None and until <= now:
        raise Refused("Choose a day that is still to come.", field="until", code="past")
    try:
        with transaction.atomic():
            found = _person(person, role) if person else None
            members = Group.objects.get_or_create(name=group)[0] if group else None
            # What had expired is no hindrance to giving it anew.
            given = Grant(
                user=found,
                group=members,
                role=role.value,
                fleet=held.fleet,
                tenant=held.tenant,
                environment=held.environment,
                granted_by=actor,
                granted_at=now,
                expires_at=until,
            )
            _same(given).filter(expires_at__lte=now).delete()
            given.save()
            _record("role.granted", "gave", "to", given, actor, now)
    except IntegrityError as error:
        raise Refused("This role was given already.", field="role", code="given") from error
    return given


def take_away(*, grant_id: int, actor: User, clock: Clock) -> None:
    """Take a role away; what it gave ends at once, also for what is approved and not yet in Git.

    Raises `Refused` where it is gone already, or nobody would be left to administer.
    """
    require_administrator(actor)
    now = clock.now()
    with transaction.atomic():
        # Two who take each other's role away at once: the second waits here, and then sees the first.
        list(Grant.objects.select_for_update().filter(role=Role.ADMINISTRATOR.value).order_by("pk"))
        row = Grant.objects.select_related("user", "group").filter(pk=grant_id).first()
        if row is None:
            raise Refused("This role was taken away already. Load the page again.", code="gone")
        taken = Grant.objects.filter(pk=row.pk)
        taken.delete()
        if row.role == Role.ADMINISTRATOR.value and not administrators(now).exists():
            raise Refused(
                "Nobody would be left who administers. Make somebody else an administrator first.",
                code="last_administrator",
            )
        _record("role.removed", "took", "from", row, actor, now)


def administrators(now: datetime) -> QuerySet[User]:
    """The people who administer now: by a role of theirs or of a group, or as Django's superusers."""
    counting = Grant.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now), role=Role.ADMINISTRATOR.value
    )
    return User.objects.filter(is_active=True, service_account=None).filter(
        Q(is_superuser=True)
        | Q(pk__in=counting.filter(user__isnull=False).values("user"))
        | Q(groups__in=counting.filter(group__isnull=False).values("group"))
    )


def seen_by(person: User) -> tuple[Seen, ...]:
    """What somebody reaches by each right that they have anywhere."""
    reach = reach_of(person)
    found = []
    for right in Right:
        if right not in reach.anywhere:
            continue
        rows = scope.clusters(reach, right).order_by()
        tenants = rows.exclude(tenant="").values_list("tenant", flat=True).distinct()
        found.append(
            Seen(
                right,
                rows.count(),
                tuple(tenants.order_by("tenant")[:_MOST_NAMED]),
                tuple(scope.fleets(reach, right).values_list("name", flat=True)),
            )
        )
    return tuple(found)


_PATTERNS = ("fleet", "tenant", "environment")


def _person(name: str, role: Role) -> User:
    found = User.objects.filter(username=name).first()
    if found is None:
        raise Refused(
            "Nobody of this name has signed in yet. Check the name, or give the role to a group.",
            field="name",
            code="nobody",
        )
    if is_service(found) and role in _DECIDING:
        raise Refused(
            "A program asks and never decides: make it a viewer or a requester.",
            field="role",
            code="service",
        )
    return found


def _same(row: Grant) -> QuerySet[Grant]:
    return Grant.objects.filter(
        user=row.user,
        group=row.group,
        role=row.role,
        fleet=row.fleet,
        tenant=row.tenant,
        environment=row.environment,
    )


def _record(verb: str, did: str, word: str, row: Grant, actor: User, now: datetime) -> None:
    whom = row.user.get_username() if row.user else f"the group {row.group}"
    where = f"{row.fleet}/{row.tenant}/{row.environment}"
    events.record(
        verb=verb,
        message=f"{actor.get_username()} {did} the role {Role(row.role).word} {word} {whom} for {where}.",
        at=now,
        actor=actor,
        detail={
            "role": row.role,
            "person": row.user.get_username() if row.user else "",
            "group": str(row.group or ""),
            "fleet": row.fleet,
            "tenant": row.tenant,
            "environment": row.environment,
            "until": row.expires_at.isoformat() if row.expires_at else "",
        },
    )
