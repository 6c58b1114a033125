"""Service tokens: issue one, revoke one, know whose one is. Their text is never kept."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from onboarding.domain.errors import Refused
from onboarding.domain.roles import Role
from onboarding.domain.tokens import (
    MOST_DAYS,
    PREFIX_LENGTH,
    Verb,
    check_name,
    digest,
    is_token,
    write,
)
from onboarding.models import Fleet, Grant, ServiceAccount, ServiceToken
from onboarding.ports import Clock
from onboarding.services import events
from onboarding.services.rights import require_administrator

_USE_IS_NOTED_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was just made, with its text: the only time that it is there."""

    token: ServiceToken
    text: str


def issue(
    *,
    name: str,
    verbs: Collection[Verb],
    fleets: Collection[Fleet],
    days: int,
    actor: User | None,
    clock: Clock,
) -> Issued:
    """Make a token for a service, which is made with its first one.

    `actor` None is whoever may run the product's commands on its server. Raises `Refused` where the
    actor is not an administrator, a part is missing, or a person has the name.
    """
    if actor is not None:
        require_administrator(actor)
    check_name(name)
    if not verbs:
        raise Refused("Choose at least one thing that it may do.", field="verbs", code="required")
    if not fleets:
        raise Refused("Choose at least one fleet.", field="fleets", code="required")
    if not 1 <= days <= MOST_DAYS:
        raise Refused(
            f"A token lives 1 to {MOST_DAYS} days.", field="days", code="invalid_lifetime"
        )
    now = clock.now()
    prefix = secrets.token_hex(PREFIX_LENGTH // 2)
    text = write(prefix=prefix, secret=secrets.token_urlsafe(32))
    with transaction.atomic():
        token = ServiceToken.objects.create(
            account=_account(name, clock),
            prefix=prefix,
            digest=digest(text),
            verbs=sorted(verb.value for verb in verbs),
            created_by=actor,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        token.fleets.set(fleets)
        events.record(
            verb="token.issued",
            message=f"{_called(actor)} issued the token {prefix} to the service {name}.",
            at=now,
            actor=actor,
            detail={
                "prefix": prefix,
                "service": name,
                "verbs": token.verbs,
                "fleets": sorted(fleet.name for fleet in fleets),
                "expires_at": token.expires_at.isoformat(),
            },
        )
    return Issued(token=token, text=text)


def revoke(*, prefix: str, actor: User | None, clock: Clock) -> ServiceToken:
    """End a token now. What its service asked for stays. Raises `Refused` where there is no such one."""
    if actor is not None:
        require_administrator(actor)
    now = clock.now()
    with transaction.atomic():
        revoked = ServiceToken.objects.filter(prefix=prefix, revoked_at__isnull=True).update(
            revoked_at=now
        )
        if not revoked:
            raise Refused("There is no token with this prefix that is not revoked.", code="absent")
        events.record(
            verb="token.revoked",
            message=f"{_called(actor)} revoked the token {prefix}.",
            at=now,
            actor=actor,
            detail={"prefix": prefix},
        )
    return ServiceToken.objects.select_related("account__user").get(prefix=prefix)


def authenticate(*, text: str, clock: Clock) -> ServiceToken | None:
    """The token that this text is, with its service's user and its fleets; None where it counts no more.

    Why it does not count is not told: unknown, expired and revoked are one answer.
    """
    if not is_token(text):
        return None
    now = clock.now()
    token = (
        ServiceToken.objects.filter(
            digest=digest(text), revoked_at__isnull=True, expires_at__gt=now
        )
        .filter(account__user__is_active=True)
        .select_related("account__user")
        .prefetch_related("fleets")
        .first()
    )
    if token is None:
        return None
    if token.last_used_at is None or now - token.last_used_at >= _USE_IS_NOTED_AFTER:
        long_ago = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now)
        ServiceToken.objects.filter(long_ago, pk=token.pk).update(last_used_at=now)
    return token


def _account(name: str, clock: Clock) -> ServiceAccount:
    """The service of this name; raises `Refused` where a person is called so."""
    found = ServiceAccount.objects.filter(user__username=name).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            user = User.objects.create_user(name)  # without a password: nobody signs in as it
            # Its tokens say which fleets; an administrator narrows it to tenants by other grants.
            Grant.objects.create(user=user, role=Role.REQUESTER.value, granted_at=clock.now())
            return ServiceAccount.objects.create(user=user, created_at=clock.now())
    except IntegrityError as error:
        raise Refused(
            "A person has this name, or somebody made the service just now. Choose another name, "
            "or send it again.",
            field="name",
            code="taken",
        ) from error


def _called(actor: User | None) -> str:
    return actor.get_username() if actor else "A command"
