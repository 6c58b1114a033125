"""The inbox of changes, and one change with its plan, delivery and discussion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from onboarding.views.pages.common import (
    Fact,
    Hidden,
    HistoryEntry,
    Link,
    Listing,
    Origin,
    OutcomeNote,
    Pagination,
    Tab,
)
from onboarding.views.pages.values import Comparison


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change in a list. `delivery` is "" while there is none; `waits_for`: who must act."""

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
    """What will happen to Applications. `note` says what could not be known, `basis` how it is known."""

    appear: tuple[ImpactRow, ...] = ()
    change: tuple[ImpactRow, ...] = ()
    disappear: tuple[ImpactRow, ...] = ()
    is_complete: bool = True
    note: str = ""
    basis: str = ""

    @property
    def deletes(self) -> bool:
        """Whether anything on a cluster is deleted."""
        return any(row.deletes_resources for row in self.disappear)


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
class ValueDelta:
    """One effective value of a component before and after, as JSON; None: it is not there."""

    component: str
    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class MovedCluster:
    """One cluster that moves. `note` says that it leaves, `problem` why nothing can be told."""

    hub: str
    name: str
    url: str
    impact: Impact
    labels: tuple[LabelChange, ...] = ()
    values: tuple[ValueDelta, ...] = ()
    note: str = ""
    problem: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be written and what follows from it.

    Of a shared layer: `moved` is one page of the clusters that it moves, of all `moving`. `demand` is
    what approval it will need, where nobody asked for it yet.
    """

    files: tuple[FileChange, ...]
    patch: str
    impact: Impact = Impact()
    labels: tuple[LabelChange, ...] = ()
    notices: tuple[Notice, ...] = ()
    base_commit: str = ""
    digest: str = ""
    is_layer: bool = False
    moved: tuple[MovedCluster, ...] = ()
    moving: int = 0
    moved_pages: Pagination | None = None
    demand: str = ""


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
class RequestCheck:
    """One check of a pull request: its name, a word for its state, and where it tells more."""

    name: str
    state: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """The pull request that carries a delivery."""

    number: int
    url: str
    state: str
    branch: str
    waits_for: str = ""
    actor: str = ""
    acted_at: datetime | None = None
    seen_at: datetime | None = None
    checks: tuple[RequestCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the approved change in Git."""

    state: str
    reason: str = ""
    advice: str = ""
    alarm: str = ""
    commit: str = ""
    commit_url: str = ""
    branch: str = ""
    since: datetime | None = None
    next_try: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    retry_url: str = ""
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the reader may do with this change now; an empty URL is not offered.

    `denied` says why they cannot approve. `confirm_name` is what they must type to approve that
    something goes away, "" where nothing does. `digest` and `revision` go along with the answer, so that
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
    confirm_name: str = ""
    approve_label: str = ""
    help: str = ""
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lapse:
    """Why an approval no longer holds; the sentence names the files that moved under it."""

    at: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True)
class LeavingStep:
    """One step of the plan: what its commit does, to which files and Applications, and what proves it."""

    title: str
    proof: str
    files: tuple[FileChange, ...]
    impact: Impact
    patch: str = ""


@dataclass(frozen=True, slots=True)
class LeavingPlan:
    """Everything that goes away, by step; `taken` loses its objects too, `left` leaves them on the spoke."""

    steps: tuple[LeavingStep, ...]
    taken: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseNote:
    """The pause that a change `begins` or ends: who wants it, until when, and why."""

    begins: bool
    owner: str
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class MoveStep:
    """One of the two changes of a move: what it does, how it stands, and its change once there is one."""

    title: str
    word: str
    detail: str = ""
    change: Link | None = None


@dataclass(frozen=True, slots=True)
class MoveNote:
    """A move as the pages of its two changes show it."""

    sentence: str
    steps: tuple[MoveStep, ...]
    url: str
    note: str = ""
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One change. `tab` is one of plan, diff, values, discussion, delivery, evidence.

    `recalled` is why it waits again although it was approved before.
    """

    number: int
    title: str
    kind: str
    state: str
    requester: str
    at: datetime | None
    tab: str
    tabs: tuple[Tab, ...]
    next_step: str = ""
    rollout: Link | None = None
    waits_since: datetime | None = None
    recalled: str = ""
    policy: str = ""
    plan: Plan | None = None
    values: Comparison | None = None
    plan_problem: str = ""
    leaving: LeavingPlan | None = None
    decision: Decision = Decision()
    delivery: Delivery | None = None
    lapse: Lapse | None = None
    remarks: tuple[Remark, ...] = ()
    evidence: tuple[HistoryEntry, ...] = ()
    facts: tuple[Fact, ...] = ()
    crumbs: tuple[Link, ...] = ()
    edit_url: str = ""
    comment_url: str = ""
    comment: str = ""
    cluster: Link | None = None
    outcome: OutcomeNote | None = None
    move: MoveNote | None = None
    pause: PauseNote | None = None
    is_destructive: bool = False
    as_of: datetime | None = None
    refresh_url: str = ""
