"""Releases, tenants, findings in the repository, and the search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onboarding.views.pages.clusters import ClusterRow
from onboarding.views.pages.common import Count, Link, Listing, Origin


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
