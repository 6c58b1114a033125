"""What each page shows, as finished objects: views fill them in, templates only draw them.

Plain frozen dataclasses without behaviour beyond counting, and without the database. Times are
aware datetimes or None ("never"). `word` and `state` are the words that people read ("Healthy",
"Out of sync"); the colour follows from the word. A `url` that is "" is drawn as plain text.
`refresh_url` is where the page's part can be fetched again; "" means that it does not refresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.forms import BaseForm, BoundField

# --- Small things that several pages share ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead somewhere."""

    label: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab of a page. `count` None shows no number; `word` is a state for a dot, or ""."""

    key: str
    label: str
    url: str
    count: int | None = None
    word: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """How many are in a state: one part of a stacked bar and of its legend."""

    word: str
    count: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: a layer in words, and the line of the file that sets it."""

    layer: str
    path: str = ""
    line: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column head. `sort` is the value of ?sort= that a click asks for ("" = cannot be sorted).

    `also` is a second head in the same cell, where a column shows two properties.
    """

    label: str
    sort: str = ""
    direction: Literal["", "ascending", "descending"] = ""
    is_number: bool = False
    also: Column | None = None

    @property
    def sorted_as(self) -> str:
        """How the rows are sorted by this column, if they are: for screen readers."""
        return self.direction or (self.also.direction if self.also else "")


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a facet with how many rows it would leave."""

    label: str
    value: str
    count: int
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Facet:
    """One filter: `name` is the query parameter, `shows_state` puts a dot before each label."""

    name: str
    label: str
    options: tuple[Option, ...]
    shows_state: bool = False


@dataclass(frozen=True, slots=True)
class Pagination:
    """Which rows of how many. `window` holds the page numbers to offer; None stands for a gap."""

    number: int
    count: int
    first: int
    last: int
    total: int
    window: tuple[int | None, ...] = ()

    @property
    def previous(self) -> int:
        return self.number - 1

    @property
    def following(self) -> int:
        return self.number + 1


@dataclass(frozen=True, slots=True)
class Listing:
    """What every list page has beside its rows: how it was filtered and sorted, and its pages."""

    columns: tuple[Column, ...]
    pages: Pagination
    facets: tuple[Facet, ...] = ()
    query: str = ""
    sort: str = ""

    @property
    def chosen(self) -> int:
        """How many filters are set."""
        return sum(option.is_chosen for facet in self.facets for option in facet.options)

    @property
    def is_filtered(self) -> bool:
        return bool(self.query or self.chosen)


# --- The frame ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FleetChoice:
    """One fleet in the switch of the top bar."""

    label: str
    url: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame around every page knows; a context processor provides it as `frame`."""

    fleet_name: str = ""
    fleets: tuple[FleetChoice, ...] = ()
    inbox_count: int = 0
    search_query: str = ""
    role: str = ""
    may_administer: bool = False
    is_demo: bool = False


# --- Overview -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stat:
    """A number that is a link."""

    label: str
    value: int | str
    url: str = ""
    word: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many clusters stand at one stage of their onboarding."""

    title: str
    count: int
    oldest: datetime | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits: what, for whom or what, since when."""

    title: str
    url: str
    waits_for: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause and how many suffer from it: "17 clusters: AccessDenied on the secret"."""

    word: str
    count: int
    noun: str
    cause: str
    advice: str = ""
    url: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class BreakdownRow:
    """One tenant, environment, channel or model with its clusters by state."""

    label: str
    url: str
    counts: tuple[Count, ...]

    @property
    def total(self) -> int:
        return sum(part.count for part in self.counts)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The fleet by one property."""

    title: str
    rows: tuple[BreakdownRow, ...]


@dataclass(frozen=True, slots=True)
class HubRow:
    """A hub and how fresh our picture of it is. `state`: Connected, Unreachable, Stale, Never seen."""

    name: str
    state: str
    seen_at: datetime | None
    clusters: int
    reason: str = ""
    url: str = ""
    argocd_url: str = ""
    version: str = ""
    is_demo: bool = False


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """Is the fleet well? `state` and `sentence` answer in one line."""

    state: str
    sentence: str
    as_of: datetime | None
    counts: tuple[Count, ...]
    stats: tuple[Stat, ...] = ()
    stages: tuple[StageCount, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    problems: tuple[Problem, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    recent_changes: tuple[ChangeRow, ...] = ()
    hubs: tuple[HubRow, ...] = ()
    register_url: str = ""
    setup_url: str = ""
    refresh_url: str = ""

    @property
    def total(self) -> int:
        return sum(part.count for part in self.counts)


# --- Clusters -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Channel:
    """A release channel of a cluster; `is_pinned` when its own file sets it."""

    label: str
    value: str
    is_pinned: bool = False
    is_unknown: bool = False


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """One line of the clusters page."""

    name: str
    url: str
    state: str
    hub: str
    tenant: str
    environment: str
    model: str
    reason: str = ""
    since: datetime | None = None
    channels: tuple[Channel, ...] = ()
    synced: int = 0
    applications: int = 0
    counts: tuple[Count, ...] = ()
    seen_at: datetime | None = None
    open_change: Link | None = None


@dataclass(frozen=True, slots=True)
class ClusterListPage:
    """The clusters of the fleet. `is_fleet_empty`: there are none at all, filter or not.

    The listing's columns are, in this order: State, Cluster, Tenant (also Environment), Hub (also
    Model), Channels, Applications, Seen, Change.
    """

    rows: tuple[ClusterRow, ...]
    listing: Listing
    as_of: datetime | None
    is_fleet_empty: bool = False
    register_url: str = ""
    register_denied: str = ""
    adopt_url: str = ""
    export_url: str = ""
    refresh_url: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step from approval to healthy.

    `at` is when it was reached, `took` how long after the step before, `since` since when it waits,
    `usual` how long it usually takes. A waiting or failed step carries its reason and what to do.
    """

    title: str
    status: Literal["done", "active", "waiting", "failed", "todo"]
    at: datetime | None = None
    took: timedelta | None = None
    since: datetime | None = None
    usual: timedelta | None = None
    reason: str = ""
    advice: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """One Application of a cluster, with Argo CD's own words for sync and health."""

    name: str
    component: str
    sync: str
    health: str
    state: str
    version: str = ""
    message: str = ""
    seen_at: datetime | None = None
    argocd_url: str = ""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A value that a higher layer covers."""

    value: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label or annotation as Git makes it. `live` None: the hub was not seen to have it."""

    key: str
    value: str
    origin: Origin
    shadowed: tuple[Shadowed, ...] = ()
    live: str | None = None
    is_compared: bool = False

    @property
    def differs(self) -> bool:
        return self.is_compared and self.live != self.value


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One effective value of a component."""

    key: str
    value: str
    origin: Origin
    shadowed: tuple[Shadowed, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A commit or an event in the life of a cluster or change."""

    title: str
    at: datetime | None
    who: str = ""
    url: str = ""
    icon: str = "git-commit-horizontal"
    detail: str = ""
    commit: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that says something about this cluster. `exists` False: the layer is there to use."""

    path: str
    role: str
    exists: bool = True
    text: str = ""
    url: str = ""
    commit: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """One cluster. `tab` is one of applications, labels, values, history, files."""

    name: str
    hub: str
    tenant: str
    environment: str
    model: str
    state: str
    sentence: str
    as_of: datetime | None
    tab: str
    tabs: tuple[Tab, ...]
    steps: tuple[TimelineStep, ...] = ()
    is_onboarded: bool = False
    channels: tuple[Channel, ...] = ()
    secret_name: str = ""
    server: str = ""
    counts: tuple[Count, ...] = ()
    synced: int = 0
    total: int = 0
    crumbs: tuple[Link, ...] = ()
    edit_url: str = ""
    edit_denied: str = ""
    argocd_url: str = ""
    open_changes: tuple[ChangeRow, ...] = ()
    applications: tuple[ApplicationRow, ...] = ()
    labels: tuple[LabelRow, ...] = ()
    annotations: tuple[LabelRow, ...] = ()
    values: tuple[ValueRow, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    files: tuple[FileEntry, ...] = ()
    refresh_url: str = ""


# --- Changes ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change in a list. `delivery` is "" while there is none; `waits_for` names who must act."""

    number: int
    url: str
    title: str
    kind: str
    state: str
    requester: str
    at: datetime | None
    delivery: str = ""
    waits_for: str = ""
    clusters: str = ""
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class ChangeListPage:
    """The inbox. `tab` is one of me, mine, all.

    The listing's columns are, in this order: State, Change, Requested by, Waits for, Age.
    """

    rows: tuple[ChangeRow, ...]
    listing: Listing
    tab: str
    tabs: tuple[Tab, ...]
    as_of: datetime | None = None
    register_url: str = ""
    refresh_url: str = ""

    @property
    def keep(self) -> tuple[Hidden, ...]:
        """The tab, which a filter must not forget."""
        return (Hidden("inbox", self.tab),)


@dataclass(frozen=True, slots=True)
class ImpactRow:
    """One Application that appears, changes or disappears on the hub."""

    name: str
    component: str = ""
    version_before: str = ""
    version_after: str = ""
    destination: str = ""
    cause: str = ""
    deletes_resources: bool = False


@dataclass(frozen=True, slots=True)
class Impact:
    """What will happen to Applications. `note` says what could not be known."""

    appear: tuple[ImpactRow, ...] = ()
    change: tuple[ImpactRow, ...] = ()
    disappear: tuple[ImpactRow, ...] = ()
    is_complete: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A label before and after; None: it is not there."""

    key: str
    before: str | None
    after: str | None
    origin: Origin | None = None

    @property
    def word(self) -> str:
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that the commit will write."""

    path: str
    verb: Literal["new file", "changed", "deleted"]
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning or refusal of the planner, with the field or path that it is about."""

    message: str
    tone: Literal["amber", "red", "blue"] = "amber"
    about: str = ""
    field_id: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be written and what follows from it."""

    files: tuple[FileChange, ...]
    patch: str
    impact: Impact = Impact()
    labels: tuple[LabelChange, ...] = ()
    notices: tuple[Notice, ...] = ()
    base_commit: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """One contribution to the discussion."""

    who: str
    at: datetime
    text: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of the worker to deliver."""

    number: int
    state: str
    started: datetime | None
    took: timedelta | None = None
    reason: str = ""
    commit: str = ""
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the approved change in Git."""

    state: str
    reason: str = ""
    advice: str = ""
    commit: str = ""
    commit_url: str = ""
    branch: str = ""
    since: datetime | None = None
    next_try: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    retry_url: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the reader may do with this change now; an empty URL is not offered.

    `denied` says why they cannot approve. `digest` and `revision` go along with the answer, so that
    what is approved is what was seen.
    """

    digest: str = ""
    revision: int = 0
    approve_url: str = ""
    reject_url: str = ""
    withdraw_url: str = ""
    submit_url: str = ""
    denied: str = ""
    reason: str = ""
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lapse:
    """Why an approval no longer holds, and which paths moved under it."""

    at: datetime | None
    sentence: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One change. `tab` is one of plan, diff, discussion, delivery, evidence."""

    number: int
    title: str
    kind: str
    state: str
    requester: str
    at: datetime | None
    tab: str
    tabs: tuple[Tab, ...]
    next_step: str = ""
    waits_since: datetime | None = None
    policy: str = ""
    plan: Plan | None = None
    plan_problem: str = ""
    decision: Decision = Decision()
    delivery: Delivery | None = None
    lapse: Lapse | None = None
    remarks: tuple[Remark, ...] = ()
    evidence: tuple[HistoryEntry, ...] = ()
    facts: tuple[Fact, ...] = ()
    crumbs: tuple[Link, ...] = ()
    edit_url: str = ""
    comment_url: str = ""
    cluster: Link | None = None
    is_destructive: bool = False
    as_of: datetime | None = None
    refresh_url: str = ""


# --- Register and edit --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Card:
    """One answer of a choice that needs a sentence to be understood."""

    value: str
    title: str
    text: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class AnswerOption:
    """A value to pin to."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Inherit or pin: the three answers for a release channel or an enable flag.

    `name` is the field's name in the form; "" is posted for inherit. `now` is what is inherited
    ("" when no layer sets it), `origin` the file that sets it, `note` a version or a description.
    """

    name: str
    label: str
    options: tuple[AnswerOption, ...]
    chosen: str = ""
    now: str = ""
    origin: str = ""
    note: str = ""
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerGroup:
    """Answers that belong together, and where the choice on offer was read."""

    title: str
    answers: tuple[Answer, ...]
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value; `why` says why it cannot be changed, or where it comes from."""

    label: str
    value: str
    why: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class FormField:
    """An input of the form. `cards` draws a choice as cards, `check_url` answers while typing."""

    bound: BoundField
    is_optional: bool = False
    cards: tuple[Card, ...] = ()
    check_url: str = ""
    is_switch: bool = False


@dataclass(frozen=True, slots=True)
class FormSection:
    """One numbered step: its inputs, its three-answer groups, and the facts that stay."""

    id: str
    title: str
    hint: str
    text: str = ""
    fields: tuple[FormField, ...] = ()
    groups: tuple[AnswerGroup, ...] = ()
    facts: tuple[Fact, ...] = ()
    problem: str = ""
    status: Literal["", "done", "wrong"] = ""
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What the form, as it stands, would write. `plan` None: not yet, and `waits_for` says why."""

    plan: Plan | None = None
    waits_for: str = ""
    refusals: tuple[Notice, ...] = ()
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class FormPage:
    """Registering a cluster, or editing one. POST goes to `action`.

    `preview_url` and `draft_url` take the same POST. The preview answers htmx with its part and
    everybody else with the whole page; without a `draft_url` no draft is offered.
    """

    title: str
    lede: str
    action: str
    form: BaseForm
    sections: tuple[FormSection, ...]
    preview: Preview
    preview_url: str = ""
    draft_url: str = ""
    crumbs: tuple[Link, ...] = ()
    submit_label: str = "Request approval"
    cancel_url: str = ""
    draft_saved_at: datetime | None = None
    hidden: tuple[Hidden, ...] = ()
    problem: str = ""

    @property
    def rail(self) -> tuple[FormSection | Step, ...]:
        """The numbered steps: every section, then the review."""
        return (*self.sections, Step("review", "Review", "what will happen"))


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the rail that has no inputs of its own."""

    id: str
    title: str
    hint: str
    status: Literal["", "done", "wrong"] = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that goes along with a form."""

    name: str
    value: str


# --- Releases, tenants, lint, search ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One channel of a group: its version and the clusters on it."""

    channel: str
    version: str
    clusters: int
    counts: tuple[Count, ...] = ()
    url: str = ""
    is_default: bool = False
    is_unknown: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseGroup:
    """A group of components (addons, monitoring, …) with its channels."""

    name: str
    label: str
    rows: tuple[ReleaseRow, ...]
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class ReleaseListPage:
    """Which channels there are, at which version, and who is on them."""

    groups: tuple[ReleaseGroup, ...]
    as_of: datetime | None = None
    commit: str = ""
    path: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant with its environments and clusters."""

    name: str
    url: str
    environments: tuple[str, ...]
    clusters: int
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantListPage:
    """The tenants of the fleet."""

    rows: tuple[TenantRow, ...]
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A values file of a layer. `is_dead`: no lookup path reads it."""

    path: str
    keys: int = 0
    is_dead: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class LayerNode:
    """One layer in a tenant's tree, with who inherits from it."""

    title: str
    files: tuple[LayerFile, ...] = ()
    inherits: str = ""
    children: tuple[LayerNode, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantPage:
    """One tenant: its layers from the lowest to its clusters."""

    name: str
    layers: tuple[LayerNode, ...]
    clusters: tuple[ClusterRow, ...]
    crumbs: tuple[Link, ...] = ()
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the repository that is not as it seems. `severity`: Error, Warning, Info."""

    severity: str
    title: str
    path: str
    line: int | None = None
    why: str = ""
    advice: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class LintPage:
    """Findings in the fleet's repository at one commit."""

    findings: tuple[Finding, ...]
    listing: Listing | None = None
    commit: str = ""
    files_read: int = 0
    as_of: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that a search found."""

    kind: str
    title: str
    url: str
    detail: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What was found for `query`, by kind; `truncated` when there is more than is shown."""

    query: str
    hits: tuple[Hit, ...] = ()
    truncated: bool = False


# --- System and administration ------------------------------------------------------------------


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
    """A fleet or hub in the administration, with the facts that tell it apart."""

    name: str
    facts: tuple[Fact, ...]
    state: str = ""
    reason: str = ""
    edit_url: str = ""
    test_url: str = ""
    key: str = ""
    test: ConnectionTest | None = None


@dataclass(frozen=True, slots=True)
class AdminListPage:
    """The fleets, or the hubs."""

    title: str
    lede: str
    noun: str
    rows: tuple[AdminRow, ...]
    add_url: str = ""
    add_label: str = ""
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
    test_url: str = ""
    test: ConnectionTest | None = None
