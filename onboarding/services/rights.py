"""Which rights a person has: the one place that translates Django's permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

_PERMISSIONS = {
    Right.REQUEST: "onboarding.request_change",
    Right.APPROVE: "onboarding.approve_change",
    Right.APPROVE_DESTRUCTIVE: "onboarding.approve_destructive_change",
    Right.ADMINISTER: "onboarding.administer_fleet",
}


def rights_of(user: User | AnonymousUser) -> frozenset[Right]:
    """What this person may do now. Everyone who is signed in and active may view.

    Rights are asked again at each step (also at delivery), never remembered. A service's identity
    has its two whatever groups it was put into: what of them a token gives, the token's verbs say.
    """
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    if is_service(user):
        return frozenset({Right.VIEW, Right.REQUEST})
    granted = {right for right, name in _PERMISSIONS.items() if user.has_perm(name)}
    return frozenset({Right.VIEW, *granted})


def is_service(user: User | AnonymousUser) -> bool:
    """Whether this is the identity of a program, which asks and never decides."""
    return hasattr(user, "service_account")


def require(actor: User, right: Right) -> None:
    """Raise `Refused` where a person lacks a right."""
    if right not in rights_of(actor):
        raise Refused(
            f"Your account may not do this: it needs the right to {right.value}. Ask an administrator.",
            code="forbidden",
        )


def require_administrator(actor: User) -> None:
    """Raise `Refused` where somebody is no administrator."""
    if Right.ADMINISTER not in rights_of(actor):
        raise Refused("Only an administrator can do this.", code="not_allowed")
