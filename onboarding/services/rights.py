"""Which rights a person has: the one place that translates Django's permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    Rights are asked again at each step (also at delivery), never remembered.
    """
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    granted = {right for right, name in _PERMISSIONS.items() if user.has_perm(name)}
    return frozenset({Right.VIEW, *granted})
