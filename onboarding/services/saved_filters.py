"""Saved filters: keep, replace and forget a person's own filters of the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from django.db import transaction

from onboarding.domain.errors import Refused
from onboarding.domain.prose import line
from onboarding.models import SavedFilter

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST = 30
_LONGEST_QUERY = 1000
_NOT_KEPT = frozenset({"page", "fleet"})


def save(*, actor: User, of: str, name: str, query: str) -> SavedFilter:
    """Keep a list's query string under a name; a filter of that name is replaced.

    `of` is a value of `SavedFilter.List`. The page number and the fleet are not kept. Raises `Refused` where the
    name or the query is empty or too long, or the person has too many.
    """
    if of not in SavedFilter.List.values:
        raise Refused("There is no such list.", code="unknown")
    said = line(" ".join(name.split()), field="name", longest=60)
    if not said:
        raise Refused("Give the filter a name of at most 60 characters.", field="name")
    kept = urlencode(
        [
            (key, value)
            for key, value in parse_qsl(query.removeprefix("?"), max_num_fields=100)
            if key not in _NOT_KEPT and "\0" not in key + value
        ]
    )
    if not kept:
        raise Refused("Nothing is filtered. Choose something first.", field="query")
    if len(kept) > _LONGEST_QUERY:
        raise Refused("This filter is too long to be kept.", field="query")
    mine = SavedFilter.objects.filter(user=actor, list=of)
    with transaction.atomic():
        if not mine.filter(name=said).exists() and mine.count() >= MOST:
            raise Refused(f"You have {MOST} filters of this list. Remove one first.", code="many")
        found, _ = SavedFilter.objects.update_or_create(
            user=actor, list=of, name=said, defaults={"query": kept}
        )
    return found


def remove(*, actor: User, pk: int) -> str:
    """Forget a filter of one's own; returns which list it was of. Raises `Refused` for others'."""
    found = SavedFilter.objects.filter(user=actor, pk=pk).first()
    if found is None:
        raise Refused("You have no such filter.", code="gone")
    found.delete()
    return found.list
