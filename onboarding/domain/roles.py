"""Who may what, where: roles, the places of a fleet, and the patterns that a grant names them with.

Pure. A place is a fleet, a tenant and an environment; a grant gives a role at every place that its
three patterns match. What reaches further than one cluster has a wide place: `*` stands for all
tenants, or all environments, and only a grant that covers all of them covers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right

ALL = "*"
"""The pattern that matches everything, and the part of a place that stands for all there are."""

_LONGEST = 63
# A name of the fleet, or the beginning of one with the star at its end. Nothing else: a pattern
# becomes a condition that an index answers, and a reader sees at once what it takes in.
_PATTERN = re.compile(r"\*|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|[a-z0-9][a-z0-9._-]*\*")


class Role(StrEnum):
    """What somebody is to a part of the fleet. Every role may view; no role includes another one."""

    VIEWER = "viewer"
    REQUESTER = "requester"
    APPROVER = "approver"
    REMOVAL_APPROVER = "removal_approver"
    ADMINISTRATOR = "administrator"

    @property
    def word(self) -> str:
        """The word that pages show."""
        return _WORDS[self]

    @property
    def gives(self) -> str:
        """What it gives, in a sentence."""
        return _GIVES[self]

    @property
    def rights(self) -> frozenset[Right]:
        """The rights that it gives."""
        return _RIGHTS[self]


_WORDS: Mapping[Role, str] = {
    Role.VIEWER: "Viewer",
    Role.REQUESTER: "Requester",
    Role.APPROVER: "Approver",
    Role.REMOVAL_APPROVER: "Approver, also of removals",
    Role.ADMINISTRATOR: "Administrator",
}
_GIVES: Mapping[Role, str] = {
    Role.VIEWER: "Sees it.",
    Role.REQUESTER: "Sees it, and asks for changes.",
    Role.APPROVER: "Sees it, and decides on changes that take nothing away.",
    Role.REMOVAL_APPROVER: "Sees it, and decides on all changes.",
    Role.ADMINISTRATOR: "Sees everything, and configures fleets, hubs, roles and tokens.",
}
_RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.VIEW}),
    Role.REQUESTER: frozenset({Right.VIEW, Right.REQUEST}),
    Role.APPROVER: frozenset({Right.VIEW, Right.APPROVE}),
    Role.REMOVAL_APPROVER: frozenset({Right.VIEW, Right.APPROVE, Right.APPROVE_DESTRUCTIVE}),
    Role.ADMINISTRATOR: frozenset({Right.VIEW, Right.ADMINISTER}),
}
PROGRAMS_MAY = frozenset({Right.VIEW, Right.REQUEST})
"""What a program may hold at most: it never decides and never configures."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: fleet, tenant and environment, each a name or `ALL` of them."""

    fleet: str = ALL
    tenant: str = ALL
    environment: str = ALL

    @classmethod
    def of(cls, fleet: str, tenant: str = "", environment: str = "") -> Place:
        """The place with these names; an empty one is unknown, or none in particular: all."""
        return cls(fleet or ALL, tenant or ALL, environment or ALL)

    def __str__(self) -> str:
        if self.fleet == ALL:
            return "the whole installation"
        names = [name for name in (self.tenant, self.environment) if name != ALL]
        where = "/".join(names) if self.tenant != ALL or not names else f"{names[0]} of all tenants"
        return f"{where} in fleet {self.fleet}" if names else f"the whole fleet {self.fleet}"


EVERYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Held:
    """A role that somebody holds, where the three patterns match."""

    role: Role
    fleet: str = ALL
    tenant: str = ALL
    environment: str = ALL

    def covers(self, place: Place) -> bool:
        """Whether the whole place is within the patterns."""
        return (
            matches(self.fleet, place.fleet)
            and matches(self.tenant, place.tenant)
            and matches(self.environment, place.environment)
        )


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern takes in this name; `ALL` as a name only by `ALL`."""
    if pattern == ALL:
        return True
    if pattern.endswith(ALL):
        return name != ALL and name.startswith(pattern[:-1])
    return pattern == name


def parse_pattern(text: str, *, field: str) -> str:
    """A pattern as it was typed: a name, the beginning of names with a `*` at its end, or `*` alone.

    Raises `Refused` at the field otherwise.
    """
    typed = text.strip()
    if len(typed) > _LONGEST or not _PATTERN.fullmatch(typed):
        raise Refused(
            "Write one name, the beginning of names with a * at its end (team-*), or * for all.",
            field=field,
            code="pattern",
        )
    return typed


def check_held(held: Held) -> None:
    """Raise `Refused` where a role cannot be held so: nobody configures a part alone.

    Who configures a fleet or hub names files of credentials, and the addresses to which they go:
    an administrator of one fleet could send another one's anywhere.
    """
    if held.role is not Role.ADMINISTRATOR:
        return
    for field in ("fleet", "tenant", "environment"):
        if getattr(held, field) != ALL:
            raise Refused(
                "An administrator configures the whole installation: write * here, or choose "
                "another role.",
                field=field,
                code="whole",
            )


def rights_at(held: Iterable[Held], place: Place) -> frozenset[Right]:
    """Which rights these roles give at a place, the whole of it."""
    return frozenset().union(*(one.role.rights for one in held if one.covers(place)))


def rights_anywhere(held: Iterable[Held]) -> frozenset[Right]:
    """Which rights these roles give at one place or another."""
    return frozenset().union(*(one.role.rights for one in held))
