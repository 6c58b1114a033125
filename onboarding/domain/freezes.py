"""Freeze windows: times in which nothing is written, by the week or by the date, in a zone's own time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onboarding.domain.errors import Refused

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TIME = r"([01]\d|2[0-3]):([0-5]\d)"
_WEEKLY = re.compile(rf"(\w{{3}}) +{_TIME} *[-\u2013] *(\w{{3}}) +{_TIME} +(\S+)")
_DATED = re.compile(
    rf"(\d{{4}}-\d\d-\d\d) +({_TIME}) *[-\u2013] *(\d{{4}}-\d\d-\d\d) +({_TIME}) +(\S+)"
)
_WEEK = timedelta(days=7)
# Windows that follow each other without a gap are one; more than these are as good as no end.
_MOST_IN_A_ROW = 60


@dataclass(frozen=True, slots=True)
class Weekly:
    """Every week from one day's time to another's; `Fri 16:00` to `Mon 08:00` spans the weekend."""

    first: int
    begins: time
    last: int
    ends: time
    zone: str

    def end(self, now: datetime) -> datetime | None:
        """When the window that `now` lies in ends; None outside of it."""
        local = now.astimezone(ZoneInfo(self.zone))
        monday = (local - timedelta(days=local.weekday())).date()
        days = (self.last - self.first) % 7
        if days == 0 and self.ends <= self.begins:
            days = 7
        for week in (timedelta(), _WEEK):
            day = monday + timedelta(days=self.first) - week
            begins = _at(day.isoformat(), self.begins, self.zone)
            ends = _at((day + timedelta(days=days)).isoformat(), self.ends, self.zone)
            if begins <= now < ends:
                return ends
        return None

    def __str__(self) -> str:
        return (
            f"{DAYS[self.first]} {self.begins:%H:%M} - {DAYS[self.last]} {self.ends:%H:%M} "
            f"{self.zone}"
        )


@dataclass(frozen=True, slots=True)
class Dated:
    """Once, from one date and time to another."""

    begins: datetime
    ends: datetime
    zone: str

    def end(self, now: datetime) -> datetime | None:
        """When the window ends, where `now` lies in it; None outside of it."""
        zone = ZoneInfo(self.zone)
        begins = self.begins.replace(tzinfo=zone).astimezone(UTC)
        ends = self.ends.replace(tzinfo=zone).astimezone(UTC)
        return ends if begins <= now < ends else None

    def __str__(self) -> str:
        return f"{self.begins:%Y-%m-%d %H:%M} - {self.ends:%Y-%m-%d %H:%M} {self.zone}"


Freeze = Weekly | Dated


def parse(text: str) -> Freeze:
    """A window from one line, as `str` of it writes it.

    `Fri 16:00 - Mon 08:00 Europe/Berlin` every week, or `2026-12-20 00:00 - 2027-01-04 08:00 UTC` once.
    Raises `Refused` with what is wrong in the line.
    """
    line = " ".join(text.split())
    weekly, dated = _WEEKLY.fullmatch(line), _DATED.fullmatch(line)
    if weekly:
        one, hour, minute, other, last_hour, last_minute, zone = weekly.groups()
        begins, ends = time(int(hour), int(minute)), time(int(last_hour), int(last_minute))
        first, last = _day(one), _day(other)
        if (first, begins) == (last, ends):
            raise Refused(f"“{line}” begins when it ends: nothing would ever be written.")
        return Weekly(first, begins, last, ends, _zone(zone))
    if dated:
        groups = dated.groups()
        try:
            start = datetime.fromisoformat(f"{groups[0]} {groups[1]}")
            end = datetime.fromisoformat(f"{groups[4]} {groups[5]}")
        except ValueError as error:
            raise Refused(f"“{line}” names a day that no calendar has.") from error
        if end <= start:
            raise Refused(f"“{line}” ends before it begins.")
        return Dated(start, end, _zone(groups[8]))
    raise Refused(
        f"“{line[:80]}” is no window. Write “Fri 16:00 - Mon 08:00 Europe/Berlin” for every week, or "
        "“2026-12-20 00:00 - 2027-01-04 08:00 UTC” for once."
    )


def frozen_until(windows: Iterable[Freeze], now: datetime) -> datetime | None:
    """When writing is free again, through windows that follow each other; None where it is now.

    `now` is aware; so is what is returned, in UTC.
    """
    all_windows, free = tuple(windows), now
    for _ in range(_MOST_IN_A_ROW):
        ends = [end for one in all_windows if (end := one.end(free)) is not None]
        if not ends:
            break
        free = max(ends)
    return None if free == now else free.astimezone(UTC)


def _at(day: str, at: time, zone: str) -> datetime:
    return (
        datetime.fromisoformat(f"{day}T{at:%H:%M}").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    )


def _day(word: str) -> int:
    try:
        return DAYS.index(word.capitalize())
    except ValueError as error:
        raise Refused(f"{word} is no day. Write one of {', '.join(DAYS)}.") from error


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(f"{name} is no time zone. Write one like Europe/Berlin or UTC.") from error
    return name
