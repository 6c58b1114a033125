"""Release channels: what `versions/applicationSets.yaml` offers to each group of components."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from onboarding.domain.snapshot import SnapshotFile
from onboarding.domain.yaml.goyaml import go_text
from onboarding.domain.yaml.located import Located
from onboarding.domain.yaml.yamlread import MalformedYaml, YamlProblem, load_located

RELEASE_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "addons": "addonsRelease",
        "resources": "resourcesRelease",
        "monitoring": "monitoringRelease",
        "fleet": "fleetRelease",
    }
)
"""Group of components -> the cluster label that chooses its release channel."""


def group_asked_for(keys: Collection[str]) -> str:
    """The group whose release label is among a selector's keys; "" where none is."""
    return next((group for group, label in RELEASE_LABELS.items() if label in keys), "")


@dataclass(frozen=True, slots=True)
class ReleaseEntry:
    """One release channel of a group: the version of the wrapper chart that it stands for.

    The chart is in the repository at `path` (None: the layout's wrapper folder), or it is `chart`
    in the chart repository `repo_url`. `values` change the wrapper's values, as a JSON merge patch;
    `located` is the file that they stand in.
    """

    group: str
    type: str
    version: str
    path: str | None = None
    repo_url: str | None = None
    chart: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0
    located: Located | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Releases:
    """All release channels of a fleet; `problems` are the entries that could not be understood."""

    path: str
    groups: Mapping[str, tuple[ReleaseEntry, ...]] = field(default_factory=dict)
    problems: tuple[YamlProblem, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The problems as sentences."""
        return tuple(f"{each.path}, line {each.line}: {each.message}" for each in self.problems)

    def entry(self, group: str, type: str) -> ReleaseEntry | None:
        """The entry of a group that a label with this value selects; None where there is none."""
        return next((entry for entry in self.groups.get(group, ()) if entry.type == type), None)

    def types(self, group: str) -> tuple[str, ...]:
        """The channels on offer for a group, in the file's order."""
        return tuple(entry.type for entry in self.groups.get(group, ()))


def parse_releases(file: SnapshotFile | None, *, path: str) -> Releases:
    """Read the versions file; without one (None) a fleet has no channels.

    An entry that cannot be understood is left out and noted, and does not hide the others. Raises
    `MalformedYaml` where the file is not YAML or has no map `releases`.
    """
    if file is None:
        return Releases(path)
    located = load_located(file.content, path=file.path)
    values = located.value if located.value is not None else {}
    releases = values.get("releases", {}) if isinstance(values, dict) else None
    if releases is not None and not isinstance(releases, dict):
        mark = located.mark(["releases"])
        raise MalformedYaml(
            YamlProblem(file.path, mark.line if mark else 1, 1, "releases must be a map of groups.")
        )
    if not isinstance(values, dict):
        raise MalformedYaml(
            YamlProblem(file.path, 1, 1, "the file must be a map with the key releases.")
        )
    reader = _Reader(file.path, located)
    groups = {
        str(group): reader.entries(str(group), entries)
        for group, entries in (releases or {}).items()
    }
    return Releases(path, MappingProxyType(groups), tuple(reader.problems))


class _Reader:
    def __init__(self, path: str, located: Located) -> None:
        self._path = path
        self._located = located
        self.problems: list[YamlProblem] = []

    def entries(self, group: str, found: object) -> tuple[ReleaseEntry, ...]:
        if found is not None and not isinstance(found, list):
            mark = self._located.mark(["releases", group])
            self._note(mark.line if mark else 1, f"{group} must be a list of release channels")
            return ()
        entries: list[ReleaseEntry] = []
        for position, item in enumerate(found or [], start=1):
            entry = self._entry(group, item, position)
            if entry and any(other.type == entry.type for other in entries):
                self._note(
                    entry.line,
                    f"{group} has the release channel {entry.type} twice; the first one counts",
                )
            elif entry:
                entries.append(entry)
        return tuple(entries)

    def _note(self, line: int, message: str) -> None:
        self.problems.append(YamlProblem(self._path, line, 1, f"{message}."))

    def _entry(self, group: str, item: object, position: int) -> ReleaseEntry | None:
        start = self._located.mark(["releases", group])
        line = start.line if start else 1
        if not isinstance(item, dict):
            self._note(line, f"entry {position} of {group} is not a map with type and version")
            return None
        line = min(
            (mark.line for key in item if (mark := self._located.mark_in(item, key))), default=line
        )
        text = {
            key: _text(item.get(key)) for key in ("type", "version", "path", "repoURL", "chart")
        }
        missing = [key for key in ("type", "version") if not text[key]]
        values = item.get("values") or {}
        if missing or not isinstance(values, dict):
            problem = (
                f"lacks {' and '.join(missing)}" if missing else "has values that are not a map"
            )
            self._note(line, f"entry {position} of {group} {problem}")
            return None
        if text["path"] and (text["repoURL"] or text["chart"]):
            self._note(
                line,
                f"entry {position} of {group} has a path and a chart repository; keep only one",
            )
            return None
        return ReleaseEntry(
            group=group,
            type=text["type"],
            version=text["version"],
            path=text["path"] or None,
            repo_url=text["repoURL"] or None,
            chart=text["chart"] or None,
            values=values,
            line=line,
            located=self._located,
        )


def _text(value: object) -> str:
    return go_text(value) if isinstance(value, str | bool | int | float) else ""
