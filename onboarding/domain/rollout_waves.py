"""Which cluster goes in which wave: by environment, tenant, label or list, in the order that was written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from onboarding.domain.errors import Refused
from onboarding.domain.natural import natural_key

MOST_WAVES = 50
LONGEST_SOAK = timedelta(days=14)
_SOAK = re.compile(r"^(?P<values>.*?)(?:@\s*(?P<number>\d{1,5})\s*(?P<unit>[mh]?))?$")


class SplitBy(StrEnum):
    """What a line of the waves names."""

    ENVIRONMENT = "environment"
    TENANT = "tenant"
    LABEL = "label"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class WaveAsk:
    """One wave as it was asked for: what it takes in, and how long it soaks."""

    name: str
    values: tuple[str, ...]
    soak: timedelta


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cluster that may be moved. `channel` is the one that it is on now."""

    hub: str
    name: str
    tenant: str
    environment: str
    channel: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sorting:
    """The clusters of each wave, and those that are left out with the reason."""

    waves: tuple[tuple[WaveAsk, tuple[Candidate, ...]], ...]
    left_out: tuple[tuple[Candidate, str], ...]


def parse_waves(text: str, *, soak: timedelta) -> tuple[WaveAsk, ...]:
    """Read one wave a line: values, separated by commas or spaces, and `@ 30m` for its own soak.

    Raises `Refused` (field `waves`) without a wave, with too many, or for a soak of more than 14 days.
    """
    asks: list[WaveAsk] = []
    for line in text.splitlines():
        found = _SOAK.match(line.strip())
        values = tuple(re.split(r"[,\s]+", found["values"].strip(" ,"))) if found else ()
        values = tuple(value for value in values if value)
        if found is None or not values:
            if line.strip():
                raise Refused(
                    f"This line names no wave: {line.strip()[:80]}", field="waves", code="invalid"
                )
            continue
        own = soak
        if found["number"]:
            unit = timedelta(hours=1) if found["unit"] == "h" else timedelta(minutes=1)
            own = int(found["number"]) * unit
        if own > LONGEST_SOAK:
            raise Refused("A wave soaks for 14 days at most.", field="waves", code="invalid")
        asks.append(WaveAsk(f"Wave {len(asks) + 1}", values, own))
    if not asks:
        raise Refused("Write at least one wave, one a line.", field="waves", code="required")
    if len(asks) > MOST_WAVES:
        raise Refused(f"At most {MOST_WAVES} waves.", field="waves", code="too_many")
    return tuple(asks)


def sort_into_waves(
    candidates: Sequence[Candidate],
    asks: Sequence[WaveAsk],
    *,
    by: SplitBy,
    key: str = "",
    source: str,
) -> Sorting:
    """Put each cluster that is on channel `source` into the first wave that names it.

    `key` is the label's for a split by label. A wave that comes to no cluster is left out. Raises
    `Refused` (field `waves`) for a listed cluster that does not exist, or one that two hubs have.
    """
    if by is SplitBy.LIST:
        _check_list(candidates, asks)
    waves: list[list[Candidate]] = [[] for _ in asks]
    left_out = []
    for one in sorted(candidates, key=lambda each: (natural_key(each.hub), natural_key(each.name))):
        found = _values(one, by, key)
        number = next((n for n, ask in enumerate(asks) if found & set(ask.values)), None)
        if number is None:
            if one.channel == source:
                left_out.append((one, "No wave names it, so it stays where it is."))
        elif one.channel != source:
            left_out.append((one, f"It is on {one.channel or 'no channel'}, not on {source}."))
        else:
            waves[number].append(one)
    return Sorting(
        waves=tuple((ask, tuple(some)) for ask, some in zip(asks, waves, strict=True) if some),
        left_out=tuple(left_out),
    )


def _values(one: Candidate, by: SplitBy, key: str) -> set[str]:
    match by:
        case SplitBy.ENVIRONMENT:
            return {one.environment}
        case SplitBy.TENANT:
            return {one.tenant}
        case SplitBy.LABEL:
            return {one.labels[key]} if key in one.labels else set()
        case SplitBy.LIST:
            return {one.name, f"{one.hub}/{one.name}"}


def _check_list(candidates: Sequence[Candidate], asks: Sequence[WaveAsk]) -> None:
    listed = [value for ask in asks for value in ask.values]
    known = {one.name for one in candidates} | {f"{one.hub}/{one.name}" for one in candidates}
    if unknown := sorted(set(listed) - known):
        raise Refused(
            f"There is no cluster called {', '.join(unknown[:5])}.", field="waves", code="unknown"
        )
    hubs: dict[str, set[str]] = {}
    for one in candidates:
        hubs.setdefault(one.name, set()).add(one.hub)
    if doubled := sorted(name for name in set(listed) if len(hubs.get(name, ())) > 1):
        raise Refused(
            f"Two hubs have {doubled[0]}: write it as hub/{doubled[0]}.",
            field="waves",
            code="ambiguous",
        )
