"""Which rights a person has, and where: the one place that reads what was granted."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.functions import Now

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.domain.roles import (
    EVERYWHERE,
    PROGRAMS_MAY,
    Held,
    Place,
    Role,
    matches,
    rights_anywhere,
    rights_at,
)
from onboarding.models import Fleet, Grant
from onboarding.services import rounds

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

# Who is a superuser in Django may all, so that an installation can always be mended.
_ALL_ROLES = tuple(
    Held(role) for role in (Role.REQUESTER, Role.REMOVAL_APPROVER, Role.ADMINISTRATOR)
)


class Reach:
    """What somebody may, where: read once, and asked by all that one page or one step decides."""

    def __init__(self, held: Iterable[Held], *, may_at_most: frozenset[Right] = frozenset(Right)):
        self.held = tuple(held)
        self._at_most = may_at_most

    @property
    def key(self) -> Hashable:
        """Equal for whoever may the same at the same places."""
        return self.held, self._at_most

    @cached_property
    def anywhere(self) -> frozenset[Right]:
        """The rights at one place or another: what is worth offering at all."""
        return rights_anywhere(self.held) & self._at_most

    def at(self, place: Place) -> frozenset[Right]:
        """The rights at the whole of a place."""
        return rights_at(self.held, place) & self._at_most

    def at_all(self, places: Iterable[Place]) -> frozenset[Right]:
        """The rights at each of these places; none where there is no place."""
        found = [self.at(place) for place in places]
        return frozenset.intersection(*found) if found else frozenset()

    def having(self, right: Right) -> tuple[Held, ...]:
        """The roles that give a right."""
        if right not in self._at_most:
            return ()
        return tuple(one for one in self.held if right in one.role.rights)

    def names_of(self, pattern: str) -> list[int]:
        """The fleets (keys) whose name a pattern takes in."""
        return [key for key, name in self._fleets.items() if matches(pattern, name)]

    @cached_property
    def _fleets(self) -> Mapping[int, str]:
        return dict(Fleet.objects.values_list("pk", "name"))


NOWHERE = Reach(())


def reach_of(user: User | AnonymousUser) -> Reach:
    """What was granted to this person and to their groups, as it counts now; one query.

    Rights are asked again at each step (also at delivery), never remembered. A program's identity
    may at most view and ask, whatever groups it was put into: what of it a token gives, the token's
    verbs say.
    """
    if not user.is_authenticated or not user.is_active:
        return NOWHERE
    if user.is_superuser and not is_service(user):
        return Reach(_ALL_ROLES)
    counting = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
    rows = Grant.objects.filter(Q(user=user.pk) | Q(group__user=user.pk), counting)
    columns = rows.order_by().values_list("role", "fleet", "tenant", "environment").distinct()
    held = (Held(Role(role), *patterns) for role, *patterns in columns)
    return Reach(held, may_at_most=PROGRAMS_MAY if is_service(user) else frozenset(Right))


def rights_of(user: User | AnonymousUser, at: Place | None = None) -> frozenset[Right]:
    """What this person may do now at the whole of a place; without one, at one place or another."""
    reach = reach_of(user)
    return reach.anywhere if at is None else reach.at(at)


def is_service(user: User | AnonymousUser) -> bool:
    """Whether this is the identity of a program, which asks and never decides."""
    return hasattr(user, "service_account")


def require(actor: User, right: Right, *places: Place) -> None:
    """Raise `Refused` where a person lacks a right at the whole of one of these places.

    Without a place they need it anywhere: what is asked for is known only later, and checked then.
    """
    reach = rounds.once(("reach", actor.pk), lambda: reach_of(actor))
    lacking = next((place for place in places if right not in reach.at(place)), None)
    if right not in reach.anywhere:
        raise Refused(
            f"Your account may not do this: it needs the right to {right.value}. Ask an administrator.",
            code="forbidden",
        )
    if lacking is not None:
        raise Refused(
            f"Your account may not do this: it needs the right to {right.value} for {lacking}. Ask "
            "an administrator.",
            code="forbidden",
        )


def require_administrator(actor: User) -> None:
    """Raise `Refused` where somebody is no administrator."""
    if Right.ADMINISTER not in rights_of(actor, EVERYWHERE):
        raise Refused("Only an administrator can do this.", code="not_allowed")
