"""What is in an existing repository: its layout, members, tenants, channels and catalogue. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from onboarding.domain import components, releases
from onboarding.domain.errors import Refused
from onboarding.domain.layout import FleetLayout
from onboarding.domain.layout_detection import Detection, Evidence, detect
from onboarding.domain.member import parse_member
from onboarding.domain.snapshot import Snapshot
from onboarding.ports import FleetRepository
from onboarding.services.indexing import Progress, member_paths

_PROGRESS_EVERY = 200
_PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in one repository at one commit.

    The counts are of members, by what their files say; `channels` are the release channels on offer
    by group, `components` the number of components by group; `problems` name the members that
    cannot be read, the first of `unreadable`.
    """

    commit: str
    is_built_in: bool
    layout: Mapping[str, Any]
    members: int
    evidence: tuple[Evidence, ...] = ()
    not_understood: tuple[Evidence, ...] = ()
    hubs: Mapping[str, int] = field(default_factory=dict)
    tenants: Mapping[str, int] = field(default_factory=dict)
    environments: Mapping[str, int] = field(default_factory=dict)
    models: Mapping[str, int] = field(default_factory=dict)
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    components: Mapping[str, int] = field(default_factory=dict)
    unreadable: int = 0
    problems: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """The survey as plain data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Survey:
        """The survey that `to_data` wrote."""
        told = {
            part: tuple(Evidence(**one) for one in data[part])
            for part in ("evidence", "not_understood")
        }
        return cls(**{**data, **told, "problems": tuple(data["problems"])})


def survey(
    *,
    repository: FleetRepository,
    layout: FleetLayout | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Read a repository and say what fleet it is; `layout` is the one to try, None to find it.

    Nothing is written anywhere. Raises `Refused` where it is empty, no fleet, or one whose layout
    has to be described, with all that was understood; and what the repository raises.
    """
    if not repository.fetch():
        raise Refused(
            "The repository has no commit yet, so there is nothing to adopt. Begin a new fleet with "
            "manage.py init_fleet.",
            code="empty",
        )
    snapshot = repository.snapshot()
    found = detect(snapshot, given=layout)
    return _survey(snapshot, found, found.needed(), progress)


def _survey(
    snapshot: Snapshot, found: Detection, layout: FleetLayout, progress: Progress | None
) -> Survey:
    notes = list(found.not_understood)
    channels = _channels(snapshot, layout, notes)
    counts, problems = _members(snapshot, layout, progress)
    return Survey(
        commit=snapshot.commit,
        is_built_in=found.is_built_in,
        layout=layout.to_data(),
        members=sum(counts["hubs"].values()),
        evidence=found.evidence,
        channels={group: channels.types(group) for group in channels.groups},
        components=_catalogue(snapshot, layout, channels, notes),
        not_understood=tuple(notes),
        unreadable=len(problems),
        problems=tuple(problems[:_PROBLEMS_SHOWN]),
        **{name: dict(sorted(counted.items())) for name, counted in counts.items()},
    )


def _members(
    snapshot: Snapshot, layout: FleetLayout, progress: Progress | None
) -> tuple[dict[str, Counter[str]], list[str]]:
    """How many members each hub, tenant, environment and model has; and what cannot be read."""
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("hubs", "tenants", "environments", "models")
    }
    problems: list[str] = []
    paths = member_paths(layout, snapshot)
    for number, path in enumerate(paths):
        if progress and number % _PROGRESS_EVERY == 0:
            progress(number, len(paths))
        place, file = layout.parse_member_path(path), snapshot.read(path)
        counts["hubs"][place[0] if place else "(no hub's folder)"] += 1
        try:
            member = parse_member(file) if file else None
        except Refused as refused:
            problems.append(str(refused))
            continue
        if member:
            counts["tenants"][member.tenant] += 1
            counts["environments"][member.environment] += 1
            counts["models"][member.model.value] += 1
    if progress:
        progress(len(paths), len(paths))
    return counts, problems


def _channels(snapshot: Snapshot, layout: FleetLayout, notes: list[Evidence]) -> releases.Releases:
    try:
        found = releases.parse_releases(snapshot.read(layout.releases), path=layout.releases)
    except Refused as refused:
        notes.append(Evidence("releases", str(refused), layout.releases))
        return releases.Releases(layout.releases)
    notes += [Evidence("releases", note, layout.releases) for note in found.notes]
    return found


def _catalogue(
    snapshot: Snapshot,
    layout: FleetLayout,
    channels: releases.Releases,
    notes: list[Evidence],
) -> dict[str, int]:
    """The number of components that each group's first channel offers."""
    first = {group: entries[0].type for group, entries in channels.groups.items() if entries}
    try:
        found = components.catalogue_from_wrapper(channels, first, snapshot, layout)
    except Refused as refused:
        notes.append(Evidence("catalogue", str(refused), layout.wrapper))
        return {}
    if found is None:
        return {}
    notes += [Evidence("catalogue", note) for note in found.notes]
    return dict(sorted(Counter(component.group for component in found.components).items()))
