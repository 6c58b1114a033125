"""The list of clusters, and one cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from onboarding.views.pages.changes import ChangeRow
from onboarding.views.pages.common import (
    Column,
    Count,
    Exports,
    HistoryEntry,
    HubRow,
    Link,
    Listing,
    Narrowed,
    Origin,
    OutcomeNote,
    SavedFilters,
    Tab,
)
from onboarding.views.pages.values import Shadowed, ValuesPart


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
    healthy: int = 0
    applications: int = 0
    counts: tuple[Count, ...] = ()
    seen_at: datetime | None = None
    open_change: Link | None = None
    drift: int = 0
    drift_url: str = ""
    credentials: str = ""
    credentials_url: str = ""

    @property
    def special_channels(self) -> tuple[Channel, ...]:
        """The channels that are not simply `default`: what a reader of a list looks for."""
        return tuple(
            channel
            for channel in self.channels
            if channel.is_pinned or channel.is_unknown or channel.value != "default"
        )

    @property
    def drift_words(self) -> str:
        """How many labels of the live cluster secret are not as Git says."""
        return f"{self.drift} label{'' if self.drift == 1 else 's'} drifted"

    @property
    def channels_word(self) -> str:
        """What a list says where no channel is special: all are `default`, or none is known."""
        return "default" if self.channels else "none"


@dataclass(frozen=True, slots=True)
class ClusterListPage:
    """The clusters of the fleet. `is_fleet_empty`: there are none at all, filter or not.

    The listing's columns are, in this order: State, Cluster, Tenant, Environment, Hub, Model,
    Channels, Applications, Seen, Change.
    """

    rows: tuple[ClusterRow, ...]
    listing: Listing
    as_of: datetime | None
    is_fleet_empty: bool = False
    register_url: str = ""
    register_denied: str = ""
    has_fleet: bool = True
    setup_url: str = ""
    exports: Exports | None = None
    saved: SavedFilters | None = None
    narrowed: tuple[Narrowed, ...] = ()
    hubs: tuple[HubRow, ...] = ()
    refresh_url: str = ""
    problems: tuple[str, ...] = ()

    @property
    def heads(self) -> tuple[Column, ...]:
        """The column heads as drawn: Environment stands with Tenant, and Model with Hub."""
        heads: list[Column] = []
        for column in self.listing.columns:
            if column.label in {"Environment", "Model"} and heads:
                heads[-1] = replace(heads[-1], also=column)
            else:
                heads.append(column)
        return tuple(heads)


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step from approval to healthy.

    `at` is when it was reached, `took` how long after the steps before, `since` since when it waits,
    `usual` how long it usually takes (None: no history yet). A waiting or failed step carries its
    reason and what to do.
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
class OwnArgoPart:
    """What a spoke's own Argo CD deploys: `groups` of components. `hub` None: access is not configured."""

    groups: tuple[str, ...]
    hub: HubRow | None = None
    applications: tuple[ApplicationRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedApplication(ApplicationRow):
    """One Application of the fleet-wide list: with its cluster and hub."""

    cluster: str = ""
    cluster_url: str = ""
    hub: str = ""


@dataclass(frozen=True, slots=True)
class ApplicationListPage:
    """The Applications of all hubs of the fleet, what is wrong first.

    `counts` are those of what the filter leaves, by state.
    """

    rows: tuple[ListedApplication, ...]
    listing: Listing
    as_of: datetime | None
    counts: tuple[Count, ...] = ()
    hubs: tuple[HubRow, ...] = ()
    exports: Exports | None = None
    saved: SavedFilters | None = None
    narrowed: tuple[Narrowed, ...] = ()
    has_fleet: bool = True
    is_empty: bool = False
    setup_url: str = ""
    refresh_url: str = ""


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
class DriftRow:
    """One thing that is not as Git says; None is absent. `key` is what Adopt sends, "" where it cannot."""

    what: str
    subject: str
    git: str | None
    hub: str | None
    cause: str
    tone: str
    who: str
    key: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class DriftPart:
    """Git, the live cluster secret and the Applications held against each other.

    `note` says what limits the comparison; `is_silent`: nobody has heard of the hub lately.
    """

    rows: tuple[DriftRow, ...]
    is_registered: bool = True
    is_silent: bool = False
    commit: str = ""
    note: str = ""
    problem: str = ""
    adopt_url: str = ""
    reassert_url: str = ""
    denied: str = ""

    @property
    def adoptable(self) -> tuple[DriftRow, ...]:
        """The rows whose live value can be written into Git."""
        return tuple(row for row in self.rows if row.key)


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
class CredentialPart:
    """The clock of a cluster's credentials: what changed when, and whether the hub has it."""

    word: str
    tone: str
    sentence: str
    advice: str = ""
    stands_out: bool = False
    version_at: datetime | None = None
    fetched_at: datetime | None = None
    fetched_version: str = ""
    asked_at: datetime | None = None
    connection: str = ""
    connected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PausePage:
    """Pausing one cluster: the form, or the pause that is open, with its `word` and `sentence`.

    `chosen` is for how many of the `hours` was asked, `denied` why this reader may not ask.
    """

    name: str
    hub: str
    crumbs: tuple[Link, ...]
    hours: tuple[tuple[str, str], ...]
    chosen: str = ""
    word: str = ""
    sentence: str = ""
    demand: str = ""
    reason: str = ""
    problem: str = ""
    denied: str = ""
    owner: str = ""
    why: str = ""
    note: str = ""
    until: datetime | None = None
    change: Link | None = None
    end_url: str = ""


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """One cluster. `tab` is one of applications, drift, labels, values, history, files."""

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
    advice: str = ""
    steps: tuple[TimelineStep, ...] = ()
    is_onboarded: bool = False
    channels: tuple[Channel, ...] = ()
    secret_name: str = ""
    credentials: CredentialPart | None = None
    server: str = ""
    counts: tuple[Count, ...] = ()
    healthy: int = 0
    total: int = 0
    crumbs: tuple[Link, ...] = ()
    edit_url: str = ""
    edit_denied: str = ""
    offboard: Link | None = None
    pause: Link | None = None
    argocd_url: str = ""
    open_changes: tuple[ChangeRow, ...] = ()
    applications: tuple[ApplicationRow, ...] = ()
    own_argo: OwnArgoPart | None = None
    labels: tuple[LabelRow, ...] = ()
    annotations: tuple[LabelRow, ...] = ()
    drift: DriftPart | None = None
    values: ValuesPart | None = None
    history: tuple[HistoryEntry, ...] = ()
    files: tuple[FileEntry, ...] = ()
    outcome: OutcomeNote | None = None
    refresh_url: str = ""
