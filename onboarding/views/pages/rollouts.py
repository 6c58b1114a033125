"""What the pages of rollouts show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from onboarding.views.pages.changes import Decision
from onboarding.views.pages.common import Count, Link, Pagination


@dataclass(frozen=True, slots=True)
class RolloutLine:
    """One rollout in the list."""

    title: str
    url: str
    state: str
    tone: str
    moves: str
    note: str
    requester: str
    created_at: datetime
    clusters: int
    waves: int
    waves_done: int


@dataclass(frozen=True, slots=True)
class RolloutListPage:
    """All rollouts of a fleet, newest first."""

    rows: tuple[RolloutLine, ...]
    pages: Pagination
    has_fleet: bool
    setup_url: str = ""
    new_url: str = ""
    new_denied: str = ""
    refresh_url: str = ""


@dataclass(frozen=True, slots=True)
class RolloutClusterRow:
    """One cluster of a wave: where its change stands, how it is, and why."""

    name: str
    url: str
    state: str
    says: str
    change: Link
    applications: str = ""
    is_destructive: bool = False
    well_since: datetime | None = None
    is_excused: bool = False
    back: Link | None = None


@dataclass(frozen=True, slots=True)
class RolloutWavePart:
    """One wave: its gate, and its clusters."""

    number: int
    name: str
    state: str
    tone: str
    soak: timedelta
    rows: tuple[RolloutClusterRow, ...]
    counts: tuple[Count, ...] = ()
    released_at: datetime | None = None
    passed_at: datetime | None = None
    skipped_at: datetime | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class RolloutVerb:
    """One thing that can be done with a rollout."""

    label: str
    url: str
    icon: str
    help: str
    kind: str = "fui-btn"


@dataclass(frozen=True, slots=True)
class RolloutPage:
    """One rollout with its waves."""

    title: str
    moves: str
    state: str
    tone: str
    note: str
    requester: str
    patience: timedelta
    waves: tuple[RolloutWavePart, ...]
    crumbs: tuple[Link, ...]
    created_at: datetime
    approved_at: datetime | None = None
    ended_at: datetime | None = None
    checked_at: datetime | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    verbs: tuple[RolloutVerb, ...] = ()
    needs_reason: tuple[RolloutVerb, ...] = ()
    runs: bool = False
    verbs_denied: str = ""
    decision: Decision = field(default_factory=Decision)
    policy: str = ""
    refresh_url: str = ""
    undoes: Link | None = None
    ways_back: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class RolloutPreviewRow:
    """One cluster as it would be moved, or why it would not."""

    name: str
    url: str
    applications: str
    warnings: tuple[str, ...] = ()
    problem: str = ""
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class RolloutPreviewWave:
    """One wave as it would be."""

    name: str
    soak: timedelta
    rows: tuple[RolloutPreviewRow, ...]


@dataclass(frozen=True, slots=True)
class RolloutFormPage:
    """What shall be moved and in which waves, with what that comes to."""

    form: Any
    crumbs: tuple[Link, ...]
    waves: tuple[RolloutPreviewWave, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    clusters: int = 0
    problem: str = ""
    demand: str = ""
