"""The inbox: what somebody can decide on now, and what became of what they asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A change, or many that are decided on at once; `note` is what it comes to or waits for."""

    title: str
    url: str
    kind: str
    state: str
    requester: str
    at: datetime | None
    note: str = ""
    tone: str = ""
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Both lists, the newest first; `more_...` leads to the rest, "" where there is none."""

    waiting: tuple[InboxRow, ...]
    asked: tuple[InboxRow, ...]
    waiting_count: int
    more_waiting_url: str = ""
    more_asked_url: str = ""
    as_of: datetime | None = None
    refresh_url: str = ""
