"""The clusters that a rollout did not take in, by the reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from onboarding.models import Rollout
from onboarding.services import scope
from onboarding.views import access

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def left_out(rollout: Rollout, user: User | AnonymousUser) -> tuple[tuple[str, str], ...]:
    """The clusters that were not taken in, with the reason; of those that this reader may not see, how many."""
    reach = access.reach_of(user)
    found = [(name, why) for name, why in rollout.left_out]
    if scope.sees_all(reach, rollout.fleet):
        return by_reason(found)
    names = [name for name, _ in found]
    rows = scope.clusters(reach).filter(fleet=rollout.fleet, name__in=names)
    seen = set(rows.values_list("name", flat=True))
    shown = [*by_reason(one for one in found if one[0] in seen)]
    if unseen := len(found) - len(shown):
        noun = "cluster" if unseen == 1 else "clusters"
        shown.append((f"{unseen} {noun} that you may not see", ""))
    return tuple(shown)


def by_reason(found: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Names and reasons with all names of one reason together, as they came."""
    names: dict[str, list[str]] = {}
    for name, why in found:
        names.setdefault(why, []).append(name)
    return tuple((", ".join(some), why) for why, some in names.items())
