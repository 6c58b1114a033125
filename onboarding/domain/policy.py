"""Approval policies: which rules a change falls under, what they demand together, whether that is met.

Pure. That nobody approves what they asked for or edited is no rule: it holds everywhere, always
(`domain.lifecycle`). Rules only add to it, and several that match add up to the strictest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from onboarding.domain import freezes
from onboarding.domain.freezes import Freeze

MOST_APPROVERS = 9


class Destroys(StrEnum):
    """Whether a rule is about changes after which something that runs goes away."""

    ANY = "any"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules look at. An edit of a shared layer has "" for a tenant or environment: it reaches all."""

    fleet: str
    kind: str
    tenant: str
    environment: str
    destructive: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it matches, and what it demands of that.

    `fleets`, `tenants` and `environments` are patterns with `*` and `?`, `kinds` kinds of changes; an
    empty one matches everything. Of each of `groups` somebody has to be among the approvers.
    `expires_after`: for how long an approval counts. `freezes`: when nothing is written.
    """

    name: str
    fleets: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    destroys: Destroys = Destroys.ANY
    approvers: int = 1
    groups: tuple[str, ...] = ()
    expires_after: timedelta | None = None
    freezes: tuple[Freeze, ...] = ()

    def matches(self, subject: Subject) -> bool:
        """Whether a change falls under this rule."""
        if self.destroys is not Destroys.ANY and subject.destructive != (
            self.destroys is Destroys.YES
        ):
            return False
        return (
            _fits(self.fleets, subject.fleet)
            and _fits(self.tenants, subject.tenant)
            and _fits(self.environments, subject.environment)
            and (not self.kinds or subject.kind in self.kinds)
        )

    def to_data(self) -> dict[str, Any]:
        """The rule without its name, as it is stored."""
        return {
            "fleets": list(self.fleets),
            "tenants": list(self.tenants),
            "environments": list(self.environments),
            "kinds": list(self.kinds),
            "destroys": self.destroys.value,
            "approvers": self.approvers,
            "groups": list(self.groups),
            "expires_after": _seconds(self.expires_after),
            "freezes": [str(one) for one in self.freezes],
        }

    @classmethod
    def from_data(cls, name: str, data: Mapping[str, Any]) -> Rule:
        """A rule as `to_data` wrote it."""
        return cls(
            name=name,
            fleets=tuple(data["fleets"]),
            tenants=tuple(data["tenants"]),
            environments=tuple(data["environments"]),
            kinds=tuple(data["kinds"]),
            destroys=Destroys(data["destroys"]),
            approvers=int(data["approvers"]),
            groups=tuple(data["groups"]),
            expires_after=_span(data["expires_after"]),
            freezes=tuple(freezes.parse(one) for one in data["freezes"]),
        )


@dataclass(frozen=True, slots=True)
class Demand:
    """What is demanded of one change. `rules` are the names of those that said so; none: the default."""

    approvers: int = 1
    groups: tuple[str, ...] = ()
    expires_after: timedelta | None = None
    freezes: tuple[Freeze, ...] = ()
    rules: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """What was asked of a change, as it is kept with it: all but the freezes, which only hold when they do."""
        return {
            "approvers": self.approvers,
            "groups": list(self.groups),
            "expires_after": _seconds(self.expires_after),
            "rules": list(self.rules),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Demand:
        """A demand as `to_data` wrote it; the default where nothing was kept."""
        if not data:
            return cls()
        return cls(
            approvers=int(data["approvers"]),
            groups=tuple(data["groups"]),
            expires_after=_span(data["expires_after"]),
            rules=tuple(data["rules"]),
        )

    @property
    def one_is_enough(self) -> bool:
        """Whether anybody's approval meets it."""
        return self.approvers == 1 and not self.groups

    def frozen_until(self, now: datetime) -> datetime | None:
        """When it may be written at the earliest; None where that is now."""
        return freezes.frozen_until(self.freezes, now)


@dataclass(frozen=True, slots=True)
class Given:
    """An approval of the plan that is shown: by whom, when, in which groups they are by now.

    `void` is why it does not count any more whatever the policy says, "" where it does.
    """

    who: str
    at: datetime
    groups: frozenset[str] = frozenset()
    void: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """How far the approvals of a plan meet what is demanded."""

    demand: Demand
    counted: tuple[str, ...] = ()
    missing: int = 0
    missing_groups: tuple[str, ...] = ()
    void: tuple[tuple[str, str], ...] = field(default=())

    @property
    def is_met(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing and not self.missing_groups

    @property
    def only_groups(self) -> tuple[str, ...]:
        """The groups of which one has to be in for an approval to help; () where anybody's does."""
        return self.missing_groups if self.missing <= 1 else ()

    @property
    def words(self) -> str:
        """How far it is: `1 of 2 approvals`."""
        return f"{len(self.counted)} of {_approvals(self.demand.approvers)}"

    @property
    def lacks(self) -> str:
        """What is still missing, as a sentence; "" where nothing is."""
        if self.is_met:
            return ""
        people = max(self.missing, 1)
        more = " more" if self.counted else ""
        whose = f", {_whose(self.missing_groups, people)}" if self.missing_groups else ""
        return f"It needs {people}{more} approval{'' if people == 1 else 's'}{whose}."


def strictest(demands: Iterable[Demand]) -> Demand:
    """What all of some demands come to together: the most approvers, every group, the shortest time."""
    found = Demand()
    for one in demands:
        spans = [span for span in (found.expires_after, one.expires_after) if span is not None]
        found = Demand(
            approvers=max(found.approvers, one.approvers),
            groups=_united(found.groups, one.groups),
            expires_after=min(spans, default=None),
            freezes=(*found.freezes, *(each for each in one.freezes if each not in found.freezes)),
            rules=tuple(dict.fromkeys((*found.rules, *one.rules))),
        )
    return found


def demand_on(subject: Subject, rules: Iterable[Rule]) -> Demand:
    """What the rules demand of a change; without any that matches, one approval."""
    return strictest(
        Demand(one.approvers, one.groups, one.expires_after, one.freezes, (one.name,))
        for one in rules
        if one.matches(subject)
    )


def in_force(asked: Demand, today: Demand) -> Demand:
    """What holds for a change: what was asked of it, and what the rules say today, whichever is stricter.

    A rule that was loosened takes nothing back that was asked for. Freezes are today's alone.
    """
    return replace(strictest((asked, today)), freezes=today.freezes)


def judge(demand: Demand, given: Sequence[Given], now: datetime) -> Tally:
    """Count the approvals of a plan against what is demanded of it."""
    counted, void, seen = [], [], set[str]()
    for one in given:
        why = one.void
        if not why and demand.expires_after is not None and now >= one.at + demand.expires_after:
            why = f"it is older than {span_words(demand.expires_after)}"
        if why:
            void.append((one.who, why))
        else:
            counted.append(one.who)
            seen |= one.groups
    return Tally(
        demand=demand,
        counted=tuple(counted),
        missing=max(demand.approvers - len(set(counted)), 0),
        missing_groups=tuple(group for group in demand.groups if group not in seen),
        void=tuple(void),
    )


def words(demand: Demand) -> str:
    """What is demanded, as one sentence without the freezes."""
    said = f"Needs {_approvals(demand.approvers)}"
    if demand.groups:
        said += f", {_whose(demand.groups, demand.approvers)}"
    if demand.expires_after is not None:
        said += f"; an approval counts for {span_words(demand.expires_after)}"
    return f"{said}."


def span_words(span: timedelta) -> str:
    """A time in whole hours or days."""
    hours = int(span.total_seconds() // 3600)
    amount, unit = (hours // 24, "day") if hours and hours % 24 == 0 else (hours, "hour")
    return f"{amount} {unit}{'' if amount == 1 else 's'}"


def _fits(patterns: Sequence[str], value: str) -> bool:
    return not patterns or not value or any(fnmatchcase(value, one) for one in patterns)


def _united(some: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*some, *others}))


def _approvals(count: int) -> str:
    return f"{count} approval{'' if count == 1 else 's'}"


def _whose(groups: Sequence[str], people: int) -> str:
    named = " and one from ".join(groups)
    return f"from {groups[0]}" if people == 1 and len(groups) == 1 else f"one from {named}"


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def _span(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
