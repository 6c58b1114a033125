"""A tenant's hierarchy as a tree: layer, file, what it sets, who inherits it; and the list of tenants."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.errors import FleetError
from onboarding.domain.layout import LayerName
from onboarding.domain.lifecycle import Right
from onboarding.domain.natural import natural_key
from onboarding.domain.roles import Place
from onboarding.models import Fleet, Standing
from onboarding.ports import FleetRepository
from onboarding.services.layers import (
    MOST_KEYS,
    Setting,
    TenantLayers,
    ValuesFile,
    tenant_layers,
    tenants_with_files,
)
from onboarding.services.layouts import layout_of
from onboarding.services.rights import Reach
from onboarding.services.shown import state_of
from onboarding.views import access, freshness, listing
from onboarding.views.layer_page import edit_url
from onboarding.views.pages import (
    LayerFile,
    LayerKey,
    LayerNode,
    Link,
    Origin,
    Pagination,
    TenantListPage,
    TenantPage,
    TenantRow,
)
from onboarding.views.standing_counts import StandingCounts
from onboarding.views.standing_rows import list_url, standings, url_of

Repository = Callable[[Fleet], FleetRepository]
_SHOWN_COVERING = 3
# Each with all files that are laid over it: many on one page would be hundreds of kilobytes.
_CLUSTERS_ON_A_PAGE = 6
_TITLES = {
    LayerName.SYSTEM: "Everywhere",
    LayerName.TENANT_DEFAULTS: "Every tenant",
    LayerName.TENANT: "The whole tenant",
    LayerName.ENVIRONMENT: "Environment",
    LayerName.CLUSTER: "Cluster",
}


def tenant_list_page(
    reach: Reach, fleet: Fleet | None, *, now: datetime, repository: Repository
) -> TenantListPage:
    """All tenants that somebody may see: those of clusters, and those that have only a folder of values yet."""
    if fleet is None:
        return TenantListPage(rows=())
    counted = StandingCounts.of_fleet(reach, fleet, now)
    environments: dict[str, set[str]] = defaultdict(set)
    for some in counted.alike:
        if some.values["tenant"]:
            environments[some.values["tenant"]].add(some.values["environment"])
    counts = counted.by("tenant")

    def sees(tenant: str) -> bool:
        return Right.VIEW in reach.at(Place.of(fleet.name, tenant))

    try:
        snapshot = repository(fleet).snapshot()
        named = tenants_with_files(fleet=fleet, snapshot=snapshot)
    except FleetError:
        named = frozenset()
    seen = {*environments, *(name for name in named if _is_slug(name) and sees(name))}
    tenants = sorted(seen, key=natural_key)
    return TenantListPage(
        rows=tuple(
            TenantRow(
                name=tenant,
                url=reverse("tenant-detail", args=[tenant]),
                environments=tuple(sorted(environments[tenant], key=natural_key)),
                clusters=sum(part.count for part in counts.get(tenant, ())),
                counts=counts.get(tenant, ()),
            )
            for tenant in tenants
        ),
        as_of=freshness.oldest(freshness.hub_rows(reach, fleet, now)),
        refresh_url=reverse("tenant-list"),
    )


def _is_slug(name: str) -> bool:
    return name.replace("-", "").replace("_", "").isalnum() and name.isascii()


def tenant_page(
    request: HttpRequest, fleet: Fleet, name: str, *, now: datetime, repository: Repository
) -> TenantPage | None:
    """The page of one tenant; None where neither a cluster nor a folder has this name.

    ?environment= opens one environment, ?page= its clusters.
    """
    reach = access.reach_of(request.user)
    everyone = StandingCounts.of_fleet(reach, fleet, now)
    counted = everyone.where("tenant", name)
    numbers: dict[str, int] = counted.numbers("environment")
    chosen = request.GET.get("environment") or min(numbers, key=natural_key, default="")
    rows = standings(reach, fleet, now).filter(tenant=name, environment=chosen)
    ordered = rows.select_related("change").order_by("name", "pk")
    pages, found = listing.paginate(
        request, ordered, size=_CLUSTERS_ON_A_PAGE, total=numbers.get(chosen, 0)
    )
    problem, commit, layers = "", "", None
    try:
        snapshot = repository(fleet).snapshot()
        commit = snapshot.commit
        layers = tenant_layers(
            fleet=fleet, tenant=name, clusters=[one.name for one in found], snapshot=snapshot
        )
    except FleetError as error:
        problem = str(error)
    if Right.VIEW not in reach.at(Place.of(fleet.name, name)):
        if not numbers:
            return None
        layers = layers and layers.only(set(numbers))
    if not numbers and (layers is None or not _has_own(layers)):
        return None
    may_ask = any(
        Right.REQUEST in reach.at(Place.of(fleet.name, name, one)) for one in ("", *numbers)
    )
    tree = _Tree(fleet, name, layers, numbers, now, reach=reach, everyone=everyone.total)
    return TenantPage(
        name=name,
        layers=(*tree.shared(), *tree.environments(chosen, found, pages)),
        counts=counted.by_state(tenant=name),
        clusters=sum(numbers.values()),
        stray=tree.stray(),
        crumbs=(Link("Tenants", reverse("tenant-list")),),
        as_of=fleet.indexed_at,
        commit=commit,
        problem=problem,
        edit_url=f"{reverse('layer-edit')}?{urlencode({'tenant': name})}" if may_ask else "",
    )


def _has_own(layers: TenantLayers) -> bool:
    shared = (one for files in layers.shared.values() for one in files)
    return bool(layers.environments or layers.own_files) or any(one.scope.tenant for one in shared)


class _Tree:
    """Draws the layers of one tenant as nodes; without layers (the repository is away) only who there is."""

    def __init__(
        self,
        fleet: Fleet,
        tenant: str,
        layers: TenantLayers | None,
        numbers: dict[str, int],
        now: datetime,
        *,
        reach: Reach,
        everyone: int,
    ) -> None:
        self._reach = reach
        self._everyone = everyone
        self._fleet = fleet
        self._tenant = tenant
        self._layers = layers
        self._numbers = numbers
        self._now = now

    def shared(self) -> tuple[LayerNode, ...]:
        """The layers that are not of one environment or cluster, lowest first."""
        if self._layers is None:
            return ()
        return tuple(
            LayerNode(
                title=self._tenant if layer.name is LayerName.TENANT else _TITLES[layer.name],
                id=f"layer-{layer.name.name.lower()}",
                files=self._files(self._layers.shared.get(layer.name, ())),
                inherits=self._heirs(layer.name),
                note="" if self._layers.shared.get(layer.name) else "No file at this layer.",
                is_open=True,
            )
            for layer in layout_of(self._fleet).layers
            if "{environment}" not in layer.pattern and "{cluster}" not in layer.pattern
        )

    def environments(
        self, chosen: str, rows: Sequence[Standing], pages: Pagination
    ) -> tuple[LayerNode, ...]:
        """The environments with their files; the chosen one with a page of its clusters."""
        files = self._layers.environments if self._layers else {}
        return tuple(
            LayerNode(
                title=name,
                id=f"environment-{name}",
                icon="milestone",
                url=_place(name) if name in self._numbers and name != chosen else "",
                url_words="Show its clusters here",
                files=self._files(files.get(name, ())),
                inherits=self._who(name) if name in self._numbers else None,
                note="" if name in self._numbers else "No cluster yet: nobody inherits this.",
                is_open=name == chosen,
                children=tuple(self._cluster(row) for row in rows) if name == chosen else (),
                pages=pages if name == chosen and pages.count > 1 else None,
            )
            for name in sorted({*self._numbers, *files} - {""}, key=natural_key)
        )

    def stray(self) -> tuple[LayerFile, ...]:
        """Files in the tenant's folders that nobody reads and that belong to no layer shown."""
        found = self._layers.stray if self._layers else ()
        return tuple(LayerFile(_anchor(path), path, path, dead=why) for path, why in found)

    def _cluster(self, row: Standing) -> LayerNode:
        files = self._layers.clusters.get(row.name, ()) if self._layers else ()
        return LayerNode(
            title=row.name,
            icon="box",
            url=url_of(row),
            url_words="Open the cluster",
            state=state_of(row, self._now).word,
            files=self._files(files, row.environment),
            note="" if files else "inherits all",
        )

    def _heirs(self, layer: LayerName) -> Link:
        if layer is LayerName.TENANT:
            count = sum(self._numbers.values())
            return Link(_clusters(count), list_url(tenant=self._tenant))
        return Link(f"{_clusters(self._everyone)} of the fleet", reverse("cluster-list"))

    def _who(self, environment: str) -> Link:
        return Link(
            _clusters(self._numbers[environment]),
            list_url(tenant=self._tenant, environment=environment),
        )

    def _files(self, files: Sequence[ValuesFile], environment: str = "") -> tuple[LayerFile, ...]:
        return tuple(self._file(one, environment) for one in files)

    def _file(self, file: ValuesFile, environment: str) -> LayerFile:
        layers = self._layers
        settings = layers.settings(file, environment) if layers else ()
        is_labels = file.scope.component == layout_of(self._fleet).labels_component
        return LayerFile(
            anchor=_anchor(file.path),
            title="Cluster labels" if is_labels else file.scope.component,
            path=file.path,
            settings=tuple(_key(one) for one in settings),
            more=max(0, len(file.leaves) - MOST_KEYS),
            dead=file.dead,
            problem=file.problem,
            others="" if file.scope.cluster else self._unseen(file),
            edit_url=edit_url(file.path, self._tenant)
            if not file.scope.cluster and not file.problem and self._may_edit(file)
            else "",
        )

    def _may_edit(self, file: ValuesFile) -> bool:
        place = Place.of(self._fleet.name, file.scope.tenant, file.scope.environment)
        return Right.REQUEST in self._reach.at(place)

    def _unseen(self, file: ValuesFile) -> str:
        """How many clusters have a file of this component that is not on the page and may cover it."""
        if self._layers is None:
            return ""
        scope = file.scope
        own = self._layers.own_files.get(f"{scope.base}/{scope.component}", 0)
        here = sum(
            one.scope.component == scope.component and one.scope.base == scope.base
            for files in self._layers.clusters.values()
            for one in files
        )
        count = own - here
        if count <= 0:
            return ""
        have = "cluster that is not shown has" if count == 1 else "clusters not shown have"
        return f"{count} {have} a file of their own for it and may say otherwise."


def _place(environment: str) -> str:
    return f"?{urlencode({'environment': environment})}#environment-{environment}"


def _clusters(count: int) -> str:
    return f"{count:,} cluster{'' if count == 1 else 's'}"


def _anchor(path: str) -> str:
    return "file-" + hashlib.sha256(path.encode()).hexdigest()[:10]


def _key(one: Setting) -> LayerKey:
    covers = one.covers
    shown = one.covered_by[:_SHOWN_COVERING]
    return LayerKey(
        name=".".join(one.keys),
        value=_text(one.value),
        line=one.line,
        covers=Origin(_of(covers[0]), covers[0].path, covers[2], f"#{_anchor(covers[0].path)}")
        if covers
        else None,
        covered_value=_text(covers[1]) if covers else "",
        covered_by=tuple(Link(_of(file), f"#{_anchor(file.path)}") for file in shown),
        covered_more=len(one.covered_by) - len(shown),
    )


def _of(file: ValuesFile) -> str:
    """Whose file it is, in a word or two."""
    scope = file.scope
    return scope.cluster or scope.environment or scope.tenant or _TITLES[scope.layer].lower()


def _text(value: object) -> str:
    """A value in a line: text as it is, all else as JSON."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:119]}…"
