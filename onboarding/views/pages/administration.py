"""The product's own state, and its fleets and hubs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.forms import BaseForm

from onboarding.views.pages.common import Exports, Fact, HistoryEntry, Link, Pagination, Stat
from onboarding.views.pages.registration import FormField, FormSection


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the product or one thing that it depends on, with its last sign of life."""

    name: str
    state: str
    sentence: str
    last_success: datetime | None = None
    icon: str = "circle-dot"
    advice: str = ""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemPage:
    """Is the product itself well?"""

    state: str
    sentence: str
    as_of: datetime | None
    stats: tuple[Stat, ...] = ()
    parts: tuple[Part, ...] = ()
    events: tuple[HistoryEntry, ...] = ()
    refresh_url: str = ""


@dataclass(frozen=True, slots=True)
class MailPage:
    """Of what a person gets e-mail; `problem` says why none would arrive."""

    address: str
    problem: str
    fields: tuple[FormField, ...]
    action: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One event of the audit trail."""

    number: int
    at: datetime
    who: str
    verb: str
    message: str
    cluster: str = ""
    change: int | None = None
    change_url: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class AuditField:
    """One field of the filter: what was typed, and what is wrong with it."""

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditPage:
    """The trail, the newest event first. `count` and `head` are of the whole trail."""

    rows: tuple[AuditRow, ...]
    fields: tuple[AuditField, ...]
    nouns: tuple[tuple[str, str], ...]
    noun: str
    count: int
    head: str
    is_filtered: bool
    exports: Exports
    older_url: str = ""
    newest_url: str = ""
    verify_url: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The answer of one connection test in plain words."""

    name: str
    state: str
    sentence: str
    advice: str = ""
    took: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """All answers of a test of one fleet or hub."""

    results: tuple[CheckResult, ...]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AdminRow:
    """A fleet, hub or token in the administration, with the facts that tell it apart."""

    name: str
    facts: tuple[Fact, ...]
    state: str = ""
    reason: str = ""
    edit_url: str = ""
    test_url: str = ""
    revoke_url: str = ""
    remove_url: str = ""
    key: str = ""
    test: ConnectionTest | None = None


@dataclass(frozen=True, slots=True)
class AdminListPage:
    """The fleets, the hubs, or the tokens."""

    title: str
    lede: str
    noun: str
    rows: tuple[AdminRow, ...]
    add_url: str = ""
    add_label: str = ""
    adopt_url: str = ""
    icon: str = "settings"
    empty_text: str = ""


@dataclass(frozen=True, slots=True)
class AdminFormPage:
    """The form of one fleet or hub."""

    title: str
    lede: str
    action: str
    form: BaseForm
    sections: tuple[FormSection, ...]
    crumbs: tuple[Link, ...] = ()
    submit_label: str = "Save"
    cancel_url: str = ""


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One role that was given; the three places are a name, a pattern, or words for all."""

    name: str
    is_group: bool
    role: str
    fleet: str
    tenant: str
    environment: str
    given_by: str
    given_at: datetime
    remove_url: str
    until: datetime | None = None
    is_over: bool = False
    sight_url: str = ""


@dataclass(frozen=True, slots=True)
class SightRow:
    """What one right reaches; `more` tenants are not named."""

    may: str
    clusters: int
    tenants: tuple[str, ...]
    fleets: tuple[str, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody sees by all their roles; `problem` says why it is nothing."""

    name: str
    groups: tuple[str, ...] = ()
    rows: tuple[SightRow, ...] = ()
    is_superuser: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RolesPage:
    """Who may what, where; `roles` say of each role what it gives."""

    rows: tuple[RoleRow, ...]
    pages: Pagination
    add_url: str
    list_url: str
    roles: tuple[Fact, ...]
    query: str = ""
    who: str = ""
    sight: Sight | None = None


@dataclass(frozen=True, slots=True)
class TokenPage:
    """A token that was just made; `text` is shown on this page and never again."""

    title: str
    text: str
    facts: tuple[Fact, ...]
    crumbs: tuple[Link, ...]
    list_url: str
    docs_url: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One sentence on what was found or not understood, and where it was read."""

    part: str
    sentence: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class AdoptionPage:
    """A repository on its way into the product.

    `waits` while a worker has it; then it was refused (`problem`), found (`can_adopt`), or it is
    adopted (`clusters_url`). `missing_hubs` are those of its hubs that are not configured.
    """

    title: str
    state: str
    sentence: str
    facts: tuple[Fact, ...]
    url: str
    waits: bool = False
    done: int = 0
    total: int = 0
    problem: str = ""
    can_adopt: bool = False
    adopt_url: str = ""
    again_url: str = ""
    clusters_url: str = ""
    evidence: tuple[Told, ...] = ()
    not_understood: tuple[Told, ...] = ()
    counts: tuple[tuple[str, tuple[Fact, ...]], ...] = ()
    problems: tuple[str, ...] = ()
    unreadable: int = 0
    missing_hubs: tuple[Link, ...] = ()
    crumbs: tuple[Link, ...] = ()
