"""Releases, tenants, findings in the repository, and the search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onboarding.views.pages.common import Count, Link, Listing, Origin, Pagination


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One channel of a group: its version and the clusters on it."""

    channel: str
    version: str
    clusters: int
    counts: tuple[Count, ...] = ()
    url: str = ""
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
class MatrixCell:
    """The channel of one group on one cluster; "" where it has none. `origin` is the layer that sets it."""

    group: str
    channel: str = ""
    version: str = ""
    url: str = ""
    origin: Origin | None = None
    is_unknown: bool = False
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One cluster with its channels, in the order of the matrix's groups."""

    name: str
    url: str
    hub: str
    state: str
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True)
class ReleaseMatrix:
    """Clusters against groups, one page of them."""

    groups: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    pages: Pagination
    query: str = ""
    only_pinned: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseListPage:
    """Which channels there are, at which version, and who is on them."""

    groups: tuple[ReleaseGroup, ...]
    matrix: ReleaseMatrix | None = None
    refresh_url: str = ""
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
    refresh_url: str = ""


@dataclass(frozen=True, slots=True)
class LayerKey:
    """One value that a file sets. `covers` is what a lower layer says, `covered_by` who says otherwise higher up."""

    name: str
    value: str
    line: int
    covers: Origin | None = None
    covered_value: str = ""
    covered_by: tuple[Link, ...] = ()
    covered_more: int = 0


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A values file of a layer. `dead`: why no lookup path reads it; `others`: who may cover it unseen."""

    anchor: str
    title: str
    path: str
    settings: tuple[LayerKey, ...] = ()
    more: int = 0
    dead: str = ""
    problem: str = ""
    others: str = ""
    edit_url: str = ""


@dataclass(frozen=True, slots=True)
class LayerNode:
    """One layer or branch of a tenant's tree, with who inherits from it."""

    title: str
    id: str = ""
    icon: str = "layers-2"
    files: tuple[LayerFile, ...] = ()
    inherits: Link | None = None
    note: str = ""
    state: str = ""
    url: str = ""
    url_words: str = ""
    is_open: bool = False
    children: tuple[LayerNode, ...] = ()
    pages: Pagination | None = None


@dataclass(frozen=True, slots=True)
class TenantPage:
    """One tenant: its layers from the lowest to its environments and clusters."""

    name: str
    layers: tuple[LayerNode, ...]
    counts: tuple[Count, ...] = ()
    clusters: int = 0
    stray: tuple[LayerFile, ...] = ()
    crumbs: tuple[Link, ...] = ()
    as_of: datetime | None = None
    commit: str = ""
    problem: str = ""
    edit_url: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the repository that is not as it seems. `severity`: Error, Warning, Info.

    `url` leads to the page of what the file belongs to.
    """

    severity: str
    title: str
    path: str
    line: int
    column: int = 1
    rule: str = ""
    rule_url: str = ""
    why: str = ""
    advice: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class LintPage:
    """Findings in the fleet's repository at one commit; `behind` where the branch has moved since."""

    findings: tuple[Finding, ...]
    listing: Listing | None = None
    counts: tuple[Count, ...] = ()
    exports: tuple[Link, ...] = ()
    commit: str = ""
    files_read: int = 0
    left_out: int = 0
    as_of: datetime | None = None
    behind: bool = False
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
    """What was found for `query`, by kind; `truncated` when there is more than is shown.

    `values_url` is where the search goes on among the keys and values in Git.
    """

    query: str
    hits: tuple[Hit, ...] = ()
    truncated: bool = False
    values_url: str = ""
