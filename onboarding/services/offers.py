"""What a form may offer: hubs, tenants, release channels and enable flags, as Git and the hub have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from onboarding.domain import components, releases
from onboarding.domain.hierarchy import Leaf, Resolved
from onboarding.domain.labels import inherited
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.lifecycle import Right
from onboarding.domain.live_sets import KnownSets
from onboarding.domain.natural import natural_key
from onboarding.domain.roles import ALL, matches
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Cluster, Fleet, Hub
from onboarding.ports import ChartRenderer
from onboarding.services import rounds
from onboarding.services.hub_sets import live_sets, sets_seen
from onboarding.services.layouts import layout_of
from onboarding.services.renderings import NO_RENDERER, Renderings
from onboarding.services.rights import Reach


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a label would be without a pin: its value and the file and layer that set it."""

    value: str
    path: str
    line: int
    layer: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One release channel on offer: its label, the types that the versions file knows, what is inherited."""

    label: str
    group: str
    types: tuple[str, ...]
    versions: Mapping[str, str]
    inherited: Inherited | None


@dataclass(frozen=True, slots=True)
class Flag:
    """One enable flag on offer: its label, the component behind it, where that was read, what is inherited."""

    label: str
    component: str
    group: str
    description: str
    version: str
    source: str
    inherited: Inherited | None


@dataclass(frozen=True, slots=True)
class FlagGroup:
    """The flags of one group with the sentence that says where the catalogue was read."""

    group: str
    origin: str
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that the registration form offers for one place in the fleet."""

    hubs: tuple[str, ...]
    tenants: tuple[str, ...]
    environments: tuple[str, ...]
    channels: tuple[Channel, ...]
    flag_groups: tuple[FlagGroup, ...]
    is_place_known: bool = True

    @property
    def flags(self) -> tuple[Flag, ...]:
        """All flags, whatever their group."""
        return tuple(flag for group in self.flag_groups for flag in group.flags)


def offer(
    *,
    fleet: Fleet,
    snapshot: Snapshot,
    placement: Placement | None,
    pins: Mapping[str, str | None],
    renderer: ChartRenderer | None = None,
) -> Offer:
    """What can be chosen for a cluster at this place, with the channels pinned as given.

    `placement` is None while the place is not known yet: then nothing is inherited. `renderer`
    tells of a wrapper chart without a catalogue where no hub was seen. Raises `Refused`
    where the versions file or a layer cannot be read.
    """
    if not snapshot.commit:
        return empty(fleet=fleet)
    layout = layout_of(fleet)
    known = rounds.once(
        ("releases", snapshot, layout),
        lambda: releases.parse_releases(snapshot.read(layout.releases), path=layout.releases),
    )
    below = inherited(placement, snapshot, layout) if placement else None
    channels = tuple(
        _channel(group, label, known, below) for group, label in releases.RELEASE_LABELS.items()
    )
    chosen = {
        channel.group: pins.get(channel.label)
        or (channel.inherited.value if channel.inherited else "default")
        for channel in channels
    }
    tenants, environments = rounds.once(
        ("places", fleet.pk, snapshot), lambda: _places(fleet, snapshot)
    )
    return Offer(
        hubs=hubs_to_join(fleet),
        tenants=tenants,
        environments=environments,
        channels=channels,
        flag_groups=_flag_groups(
            known=known,
            chosen=chosen,
            snapshot=snapshot,
            layout=layout,
            below=below,
            hub=placement.hub if placement else "",
            renderer=renderer,
        ),
        is_place_known=placement is not None,
    )


def empty(*, fleet: Fleet) -> Offer:
    """What can be offered while the repository is empty or away: the hubs, nothing else."""
    hubs = hubs_to_join(fleet)
    return Offer(hubs=hubs, tenants=(), environments=(), channels=(), flag_groups=())


def narrowed(found: Offer, *, fleet: Fleet, reach: Reach) -> Offer:
    """The same with the tenants and environments for which somebody may ask; named ones also before they exist."""
    held = [one for one in reach.having(Right.REQUEST) if matches(one.fleet, fleet.name)]
    return replace(
        found,
        tenants=_within(found.tenants, {one.tenant for one in held}),
        environments=_within(found.environments, {one.environment for one in held}),
    )


def _within(names: tuple[str, ...], patterns: set[str]) -> tuple[str, ...]:
    taken = {name for name in names if any(matches(pattern, name) for pattern in patterns)}
    return tuple(
        sorted(taken | {one for one in patterns if not one.endswith(ALL)}, key=natural_key)
    )


def _channel(group: str, label: str, known: releases.Releases, below: Resolved | None) -> Channel:
    entries = known.groups.get(group, ())
    return Channel(
        label=label,
        group=group,
        types=tuple(entry.type for entry in entries),
        versions={entry.type: entry.version for entry in entries},
        inherited=_inherited(below, label),
    )


def _inherited(below: Resolved | None, label: str) -> Inherited | None:
    leaf: Leaf | None = below.get(("externalSecret", "labels", label)) if below else None
    if leaf is None:
        return None
    return Inherited(str(leaf.value), leaf.origin.path, leaf.origin.line, str(leaf.origin.layer))


def _flag_groups(
    *,
    known: releases.Releases,
    chosen: Mapping[str, str],
    snapshot: Snapshot,
    layout: FleetLayout,
    below: Resolved | None,
    hub: str,
    renderer: ChartRenderer | None,
) -> tuple[FlagGroup, ...]:
    """The catalogue of each group at the chosen channel; where it has none, from the ApplicationSets.

    These are the hub's, or rendered ones where no hub was seen.
    """
    groups = []
    sets: KnownSets | None = None
    for group in releases.RELEASE_LABELS:
        channel = {group: chosen[group]}
        catalogue = rounds.once(
            ("catalogue", group, chosen[group], snapshot, layout),
            partial(components.catalogue_from_wrapper, known, channel, snapshot, layout),
        )
        if catalogue is None:
            sets = sets or Renderings(
                snapshot=snapshot, layout=layout, hub_name=hub, renderer=renderer or NO_RENDERER
            ).known(live_sets(hub_name=hub), asked=sets_seen(hub_name=hub))
            catalogue = components.catalogue_from_selectors(sets.sets, rendered_by=sets.rendered_by)
        flags = tuple(
            _flag(component, below)
            for component in catalogue.components
            if component.group == group and component.can_be_pinned
        )
        if flags:
            groups.append(FlagGroup(group=group, origin=catalogue.origin, flags=flags))
    return tuple(groups)


def _flag(component: components.Component, below: Resolved | None) -> Flag:
    return Flag(
        label=component.flag,
        component=component.name,
        group=component.group,
        description=component.description,
        version=component.version,
        source=component.source,
        inherited=_inherited(below, component.flag),
    )


def _places(fleet: Fleet, snapshot: Snapshot) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tenants and the environments that there are, in Git as indexed or with a folder of values."""
    clusters = Cluster.objects.filter(fleet=fleet).exclude(tenant="").order_by()
    found = set(clusters.values_list("tenant", "environment").distinct())
    tenants = {tenant for tenant, _ in found} | _tenant_folders(snapshot)
    return tuple(sorted(tenants, key=natural_key)), tuple(
        sorted({environment for _, environment in found}, key=natural_key)
    )


def _tenant_folders(snapshot: Snapshot) -> set[str]:
    """Tenants that already have a folder of values."""
    return _second_part(snapshot.paths("addons/tenants"), depth=2) - {"defaults"}


def _second_part(paths: Iterable[str], *, depth: int) -> set[str]:
    return {parts[depth] for parts in (path.split("/") for path in paths) if len(parts) > depth + 1}


def hubs_to_join(fleet: Fleet) -> tuple[str, ...]:
    """The hubs that a cluster can join; a hub that is a spoke's own Argo CD is none."""
    return rounds.once(("hubs to join", fleet.pk), lambda: _hubs_to_join(fleet))


def _hubs_to_join(fleet: Fleet) -> tuple[str, ...]:
    spokes = Cluster.objects.filter(fleet=fleet).values("name")
    hubs = Hub.objects.filter(fleet=fleet).exclude(name__in=spokes)
    return tuple(hubs.values_list("name", flat=True))
