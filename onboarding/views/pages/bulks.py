"""Bulks: many clusters asked for at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onboarding.views.pages.changes import Decision
from onboarding.views.pages.common import Count, Link, Pagination
from onboarding.views.pages.registration import FormField


@dataclass(frozen=True, slots=True)
class BulkListRow:
    """One bulk in the list; `done` of `total` rows have nothing more to come."""

    number: int
    url: str
    title: str
    kind: str
    state: str
    requester: str
    at: datetime
    total: int
    done: int
    refused: int


@dataclass(frozen=True, slots=True)
class BulkListPage:
    """All bulks of a fleet, the newest first."""

    rows: tuple[BulkListRow, ...]
    pages: Pagination
    register_url: str = ""
    edit_url: str = ""
    refresh_url: str = ""


@dataclass(frozen=True, slots=True)
class BulkFormPage:
    """A form that begins a bulk; `clusters` are those that an edit would be asked for."""

    title: str
    lede: str
    action: str
    fields: tuple[FormField, ...]
    crumbs: tuple[Link, ...] = ()
    errors: tuple[str, ...] = ()
    clusters: tuple[BulkCluster, ...] = ()
    template_url: str = ""
    columns: tuple[str, ...] = ()
    most: int = 0
    is_upload: bool = False
    submit_label: str = "Check them"


@dataclass(frozen=True, slots=True)
class BulkCluster:
    """A cluster that can be ticked."""

    value: str
    name: str
    hub: str
    placement: str
    is_chosen: bool = True


@dataclass(frozen=True, slots=True)
class BulkProblem:
    """What is wrong with a row, at which column ("" for the whole)."""

    column: str
    sentence: str


@dataclass(frozen=True, slots=True)
class BulkDetailRow:
    """One row: what became of it. `changes` are short words such as "+5 Applications"."""

    line: int
    cluster: str
    hub: str
    result: str
    url: str = ""
    change: int | None = None
    summary: str = ""
    problems: tuple[BulkProblem, ...] = ()
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class BulkPage:
    """One bulk. `counts` are of all rows, by result; `checked` of `total` were looked at."""

    number: int
    title: str
    kind: str
    state: str
    sentence: str
    requester: str
    at: datetime
    total: int
    checked: int
    settled: int
    counts: tuple[Count, ...]
    rows: tuple[BulkDetailRow, ...]
    pages: Pagination
    decision: Decision
    chosen: str = ""
    impact: str = ""
    policy: str = ""
    note: str = ""
    all_url: str = ""
    correct_url: str = ""
    refused_url: str = ""
    refresh_url: str = ""
    crumbs: tuple[Link, ...] = ()
    is_moving: bool = False
