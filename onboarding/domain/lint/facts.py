"""The repository as lint reads it: every file once, members parsed, catalogues of all channels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from onboarding.domain.components import Component, catalogue_from_wrapper
from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.layout import LABELS_GROUP, FleetLayout, Placement
from onboarding.domain.lint import rules
from onboarding.domain.lint.findings import Finding
from onboarding.domain.member import BASE_PATH_GROUPS, FleetMember, parse_member
from onboarding.domain.releases import ReleaseEntry, Releases, parse_releases
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.domain.yaml import parsed
from onboarding.domain.yaml.located import Located, Mark
from onboarding.domain.yaml.yamlread import MalformedYaml, load_located

YAML = (".yaml", ".yml")
_COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_LARGEST_TEXT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemberFile:
    """One file among the members: what its path says, and the member where it could be read.

    `refusals` say why it could not; `located` is kept only then, for the places.
    """

    path: str
    hub: str
    member: FleetMember | None = None
    placement: Placement | None = None
    refusals: tuple[Refusal, ...] = ()
    located: Located | None = None


@dataclass(frozen=True, slots=True)
class ChannelCatalogue:
    """One release channel with the components that its wrapper offers; None: not in the repository."""

    entry: ReleaseEntry
    folder: str
    components: tuple[Component, ...] | None
    notes: tuple[str, ...] = ()


@dataclass
class Facts:
    """What the rules look at. Reading it gathers the files that are not YAML as findings."""

    snapshot: Snapshot
    layout: FleetLayout
    broken: list[Finding] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    _located: dict[str, Located | None] = field(default_factory=dict)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All files of the repository."""
        return tuple(self.snapshot.paths())

    @cached_property
    def known(self) -> frozenset[str]:
        """All files' paths, to look one up."""
        return frozenset(self.paths)

    def file(self, path: str) -> SnapshotFile | None:
        """One file, counted as read."""
        found = self.snapshot.read(path)
        if found:
            self.read.add(path)
        return found

    def located(self, path: str) -> Located | None:
        """A file as YAML with places; None where there is none or it is a finding already."""
        if path not in self._located:
            self._located[path] = self._locate(path)
        return self._located[path]

    def values(self, path: str) -> Located | None:
        """As `located`, without keeping it: for the many files that one rule alone reads."""
        return self._located[path] if path in self._located else self._locate(path)

    def _locate(self, path: str) -> Located | None:
        file = self.file(path)
        try:
            return parsed.located(file) if file else None
        except MalformedYaml as error:
            self.note_broken(error)
            return None

    def note_broken(self, error: MalformedYaml) -> None:
        """Take down a file that is not YAML, once."""
        problem = error.problem
        finding = rules.YAML_MALFORMED.at(
            problem.path,
            problem.line,
            f"{problem.message[:1].upper()}{problem.message[1:]}",
            column=problem.column,
        )
        if finding not in self.broken:
            self.broken.append(finding)

    def text(self, path: str) -> str:
        """A file as text, whatever is in it; nothing of a huge one."""
        file = self.file(path)
        if file is None or len(file.content) > _LARGEST_TEXT:
            return ""
        return file.content.decode(errors="replace")

    # Members

    @cached_property
    def members(self) -> tuple[MemberFile, ...]:
        """Every YAML file below the members' folder."""
        root = self.layout.members_root()
        below = f"{root}/" if root else ""
        found = [path for path in self.paths if path.startswith(below) and path.endswith(YAML)]
        if not below:  # members beside everything else: only what looks like one
            found = [path for path in found if self.layout.parse_member_path(path)]
        return tuple(self._member(path, below) for path in found)

    def _member(self, path: str, below: str) -> MemberFile:
        place = self.layout.parse_member_path(path)
        hub = place[0] if place else path.removeprefix(below).partition("/")[0]
        file = self.file(path)
        if file is None:
            return MemberFile(path, hub)
        try:
            member = parse_member(file)
            return MemberFile(path, hub, member, member.placement(place[0]) if place else None)
        except MalformedYaml as error:
            self.note_broken(error)
            return MemberFile(path, hub)
        except Refused as refused:
            return MemberFile(
                path, hub, refusals=refused.refusals, located=load_located(file.content, path=path)
            )

    @cached_property
    def spokes(self) -> tuple[tuple[FleetMember, Placement], ...]:
        """The members that could be read and stand where registration looks."""
        return tuple(
            (each.member, each.placement) for each in self.members if each.member and each.placement
        )

    # Releases and catalogues

    @cached_property
    def releases(self) -> Releases | None:
        """The versions file; None where it is absent or cannot be read."""
        path = self.layout.releases
        file = self.file(path)
        if file is None:
            return None
        try:
            return parse_releases(file, path=path)
        except MalformedYaml as error:
            self.note_broken(error)
            return None

    @cached_property
    def channels(self) -> tuple[ChannelCatalogue, ...]:
        """The catalogue of every release channel."""
        groups = self.releases.groups if self.releases else {}
        return tuple(self._channel(entry) for entries in groups.values() for entry in entries)

    def _channel(self, entry: ReleaseEntry) -> ChannelCatalogue:
        folder = (entry.path or self.layout.wrapper).strip("/")
        if entry.repo_url or entry.chart or self.releases is None:
            return ChannelCatalogue(entry, "", None)
        try:
            found = catalogue_from_wrapper(
                self.releases, {entry.group: entry.type}, self.snapshot, self.layout
            )
        except MalformedYaml as error:
            self.note_broken(error)
            return ChannelCatalogue(entry, folder, None)
        if found is None:
            return ChannelCatalogue(entry, folder, None)
        self.read.add(f"{folder}/values.yaml")
        return ChannelCatalogue(entry, folder, found.components, found.notes)

    @cached_property
    def knows_components(self) -> bool:
        """Whether every channel's catalogue could be read, so that what is in none is nowhere."""
        return bool(self.channels) and all(each.components for each in self.channels)

    def component_mark(self, channel: ChannelCatalogue, name: str) -> tuple[str, Mark]:
        """Where a component of a channel is written: in its wrapper, else at the channel's entry."""
        path = f"{channel.folder}/values.yaml"
        located = self.located(path)
        mark = located.mark(["components", name]) if located else None
        return (path, mark) if mark else (self.layout.releases, Mark(channel.entry.line, 1))

    # Base folders

    @cached_property
    def bases(self) -> dict[str, frozenset[str] | None]:
        """Base folder -> the component folders that are looked up there; None: not known which."""
        wanted: dict[str, set[str]] = {base: set() for base in self.layout.bases.values()}
        wanted[self.layout.bases[LABELS_GROUP]].add(self.layout.labels_component)
        unsure: set[str] = set()
        by_group: dict[str, set[str]] = {}
        for channel in self.channels:
            base = self.layout.bases.get(channel.entry.group)
            if base is None:
                continue
            if not channel.components and not self._is_empty(channel):
                unsure.add(base)
            folders = {
                folder
                for each in channel.components or ()
                for folder in each.layers or (each.name,)
            }
            wanted[base] |= folders
            by_group.setdefault(channel.entry.group, set()).update(folders)
        if not self.channels:
            unsure |= set(wanted)
        for base, group in self._other_bases():
            wanted.setdefault(base, set()).update(wanted[self.layout.bases[group]])
            if self.layout.bases[group] in unsure:
                unsure.add(base)
        return {
            base: None if base in unsure else frozenset(found) for base, found in wanted.items()
        }

    def _is_empty(self, channel: ChannelCatalogue) -> bool:
        """Whether a channel offers nothing in its group while others of its wrapper do."""
        return channel.components is not None and any(
            other.components for other in self.channels if other.folder == channel.folder
        )

    def _other_bases(self) -> Iterator[tuple[str, str]]:
        """The base folders that members name for themselves, each with its group."""
        for member, _ in self.spokes:
            for option, groups in BASE_PATH_GROUPS.items():
                if base := member.options.get(option):
                    yield from ((base, group) for group in groups if group in self.layout.bases)

    def values_files(self) -> Iterable[str]:
        """All YAML files below the base folders."""
        prefixes = tuple(f"{base}/" for base in self.bases)
        return [path for path in self.paths if path.startswith(prefixes) and path.endswith(YAML)]

    def is_labels(self, path: str) -> bool:
        """Whether a values file decides labels: it lies in the labels' component folder."""
        return path.endswith(self._labels_endings)

    @cached_property
    def _labels_endings(self) -> tuple[str, ...]:
        endings = {layer.pattern.partition("{component}")[2] for layer in self.layout.layers}
        return tuple(f"/{self.layout.labels_component}{ending}" for ending in endings)

    # What the repository itself says: manifests and charts

    @cached_property
    def manifests(self) -> dict[str, str]:
        """Path -> text of all YAML and templates that are neither values layers nor members."""
        skipped = (*(f"{base}/" for base in self.bases), f"{self.layout.members_root()}/")
        return {
            path: self.text(path)
            for path in self.paths
            if path.endswith((*YAML, ".tpl")) and (not path.startswith(skipped) or _is_set(path))
        }

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word in manifests and charts outside of comments: what could be selected on."""
        found: set[str] = set()
        for text in self.manifests.values():
            found |= set(_WORD.findall(_COMMENT.sub("", text)))
        return frozenset(found)


def _is_set(path: str) -> bool:
    """Whether a file below a base folder is configuration of its own (`addons/bootstrap/`)."""
    return "/bootstrap/" in path
