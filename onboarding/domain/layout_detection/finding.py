"""The detection itself: from what the repository says to a layout, or to a plain no."""

from __future__ import annotations

from dataclasses import dataclass

from onboarding.domain.errors import Refused
from onboarding.domain.layout import LAYOUTS, FleetLayout
from onboarding.domain.layout_detection.channels import find_channels
from onboarding.domain.layout_detection.layers import Layers, LayersFinder, bases_agree
from onboarding.domain.layout_detection.members import members_pattern, registration_of
from onboarding.domain.layout_detection.notes import Evidence, Notes
from onboarding.domain.layout_detection.patterns import is_read, named_layers
from onboarding.domain.layout_detection.sets import application_sets
from onboarding.domain.snapshot import Snapshot

OWN = "own"
"""The name of a layout that is none of the built-in ones."""

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Detection:
    """What a repository was found to be.

    `layout` is None where it is no fleet, or where it is one whose layout has to be described;
    `is_given` tells that a layout was tried instead of looked for.
    """

    is_fleet: bool
    layout: FleetLayout | None
    evidence: tuple[Evidence, ...] = ()
    not_understood: tuple[Evidence, ...] = ()
    is_given: bool = False

    @property
    def is_built_in(self) -> bool:
        """Whether the repository follows one of the built-in layouts."""
        return self.layout is not None and LAYOUTS.get(self.layout.name) == self.layout

    def needed(self) -> FleetLayout:
        """The layout; raises `Refused` with why there is none, and all that was not understood."""
        if self.layout is not None:
            return self.layout
        raise Refused(self._why_none(), code="no_layout" if self.is_fleet else "no_fleet")

    def _why_none(self) -> str:
        if self.is_fleet:
            told = " ".join(
                f"{one.sentence} ({one.place})" if one.place else one.sentence
                for one in self.not_understood
            )
            return f"This is a fleet, but its layout was not understood. {told}"
        if self.is_given:
            return (
                "Nothing in this repository stands where the given layout looks: neither members "
                "nor values. Is it the right repository, branch and layout?"
            )
        return (
            "This repository is not a fleet: it has no ApplicationSet that reads fleet members, "
            "and no file that looks like a fleet member. Is it the right repository and branch?"
        )


def detect(snapshot: Snapshot, *, given: FleetLayout | None = None) -> Detection:
    """Find the layout that a repository follows, or try the one that is `given` on its files."""
    paths = tuple(snapshot.paths())
    notes = Notes()
    if given is not None:
        return _try(given, snapshot, paths, notes)
    sets = tuple(application_sets(snapshot, paths))
    registration = registration_of(sets, notes)
    members = members_pattern(snapshot, paths, registration, notes)
    if not registration and not members:
        return Detection(is_fleet=False, layout=None)
    layers = LayersFinder(snapshot, paths, notes).find(registration, members)
    layout = None
    if layers is None or not members:
        what = "values layers" if members else "member files"
        notes.puzzle("layers", f"Nothing says where the {what} are. Describe the layout to go on.")
    else:
        layout = _compose(members, layers, find_channels(snapshot, paths, sets, notes), notes)
    if layout:
        _tell_unread(layout, paths, notes)
    return Detection(True, layout, tuple(notes.evidence), tuple(notes.puzzles))


def _try(
    layout: FleetLayout, snapshot: Snapshot, paths: tuple[str, ...], notes: Notes
) -> Detection:
    """Hold a given layout against the files; where it finds nothing at all, this is no such fleet."""
    members = [path for path in paths if layout.parse_member_path(path)]
    values = [path for path in paths if is_read(layout, path)]
    for part, found, what in (
        ("members", members, f"stand where members are looked for ({layout.members})"),
        ("layers", values, "are values files of its layers"),
    ):
        notes.say(part, f"{len(found)} files {what}.", found[0] if found else "")
    if not members and not values:
        return Detection(False, None, tuple(notes.evidence), is_given=True)
    if snapshot.read(layout.releases) is None:
        notes.puzzle("releases", "The file with release channels is not there.", layout.releases)
    _tell_unread(layout, paths, notes)
    return Detection(True, layout, tuple(notes.evidence), tuple(notes.puzzles), is_given=True)


def _compose(
    members: str, layers: Layers, channels: dict[str, str], notes: Notes
) -> FleetLayout | None:
    """The layout of all the parts: the built-in one where it is that, else one of its own."""
    try:
        found = FleetLayout.from_data(
            {
                "name": OWN,
                "title": "The repository's own layout",
                "members": members,
                "labels_component": layers.component,
                "layers": named_layers(layers.patterns),
                "bases": layers.bases,
                **channels,
            }
        )
    except Refused as refused:
        notes.puzzle("layers", f"{refused} Describe the layout to go on.")
        return None
    for built_in in LAYOUTS.values():
        if _is_same(found, built_in) and bases_agree(layers, built_in.bases):
            return built_in
    return found


def _is_same(one: FleetLayout, other: FleetLayout) -> bool:
    ours, theirs = one.to_data(), other.to_data()
    parts = set(ours) - {"name", "title", "bases"}
    return all(ours[part] == theirs[part] for part in parts)


def _tell_unread(layout: FleetLayout, paths: tuple[str, ...], notes: Notes) -> None:
    """Name the values files that stand in the base folders and in none of the layers."""
    names = {layer.pattern.rpartition("/")[2] for layer in layout.layers}
    folders = tuple(f"{base}/" for base in set(layout.bases.values()))
    unread = [
        path
        for path in paths
        if path.startswith(folders)
        and path.rpartition("/")[2] in names
        and not is_read(layout, path)
    ]
    for path in unread[:_EXAMPLES]:
        notes.puzzle("values", "No layer reads this values file.", path)
    if len(unread) > _EXAMPLES:
        more = len(unread) - _EXAMPLES
        notes.puzzle("values", f"No layer reads {more} further values files; Lint names them.")
