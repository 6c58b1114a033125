"""The values layers and their base folders: declared in a file, listed by the registration, or seen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from onboarding.domain.errors import Refused
from onboarding.domain.layout import LABELS_GROUP, LAYOUTS, TENANTS_LAYOUT
from onboarding.domain.layout_detection.notes import Notes
from onboarding.domain.layout_detection.patterns import (
    common_tail,
    expression,
    is_plain,
    is_read,
    shared_folder,
)
from onboarding.domain.layout_detection.sets import UNKNOWN, SetPath, SetText
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.domain.snapshot import Snapshot
from onboarding.domain.yaml.located import Located
from onboarding.domain.yaml.yamlread import load_located

DECLARED = "addons/bootstrap/layout.yaml"
_COMPONENT_NAME = re.compile(r'replace "\{component\}" "([^"]+)"')
_BASE_OPTION = re.compile(r"^(addons|resources)_repo_basepath:\s*['\"]?([^'\"\s#]+)", re.MULTILINE)


@dataclass(slots=True)
class Layers:
    """The layers as they are found: patterns lowest first, base folders, the labels' component.

    `proven` are the groups whose base folder something in the repository says.
    """

    patterns: list[str] = field(default_factory=list)
    bases: dict[str, str] = field(default_factory=dict)
    component: str = TENANTS_LAYOUT.labels_component
    proven: set[str] = field(default_factory=set)


class LayersFinder:
    """Looks for the layers in the order of what counts: what the hub reads, then what is there."""

    def __init__(self, snapshot: Snapshot, paths: Sequence[str], notes: Notes) -> None:
        self._snapshot = snapshot
        self._paths = paths
        self._notes = notes
        self._found = Layers()

    def find(self, registration: SetText | None, members: str) -> Layers | None:
        """The layers, or None where nothing in the repository says what they are."""
        if not (self._declared(registration) or self._listed(registration) or self._seen()):
            return None
        self._set_bases(members)
        return self._found

    def _declared(self, registration: SetText | None) -> bool:
        """The layers from a file that the registration's generator reads (`layout.valueFiles`)."""
        read = [path.pattern for path in registration.generator_files] if registration else []
        for path in (*read, DECLARED):
            located = self._layout_file(path)
            if located is None:
                continue
            layout = located.value["layout"]  # type: ignore[index]
            mark = located.mark(["layout", "valueFiles"])
            self._found.patterns = [str(pattern) for pattern in layout["valueFiles"]]
            self._notes.say(
                "layers",
                f"This file lists the {len(self._found.patterns)} values layers"
                + (", and the registration reads it." if path in read else "."),
                path,
                mark.line if mark else 0,
            )
            bases = layout.get("bases")
            for group, folder in bases.items() if isinstance(bases, dict) else ():
                where = located.mark(["layout", "bases", group])
                self._base(str(group), str(folder), path, where.line if where else 0)
            self._labels_by_patch(registration)
            return True
        return False

    def _layout_file(self, path: str) -> Located | None:
        file = self._snapshot.read(path) if is_plain(path) else None
        try:
            located = load_located(file.content, path=path) if file else None
        except Refused as refused:
            self._notes.puzzle("layers", str(refused), path)
            return None
        values = located.value if located else None
        layout = values.get("layout") if isinstance(values, dict) else None
        listed = layout.get("valueFiles") if isinstance(layout, dict) else None
        return located if listed and isinstance(listed, list) else None

    def _labels_by_patch(self, registration: SetText | None) -> None:
        found = _COMPONENT_NAME.search(registration.text) if registration else None
        if registration and found:
            line = registration.first_line + registration.text[: found.start()].count("\n")
            self._labels(found[1], registration.path, line)

    def _labels(self, component: str, path: str, line: int) -> None:
        self._found.component = component
        self._notes.say("labels", f"A cluster's labels are the values of {component}.", path, line)

    def _listed(self, registration: SetText | None) -> bool:
        """The layers from the registration's own lists of values files; the first list counts."""
        if registration is None:
            return False
        for listed in registration.values_files:
            own = [path for path in listed if path.ref == listed[0].ref]
            taken = not self._found.patterns and self._take(registration, own)
            for path in listed:
                if not taken or path.ref != listed[0].ref:
                    self._notes.puzzle(
                        "layers",
                        f"{registration.label} also reads {path.raw}: labels that are set there "
                        "are not foreseen.",
                        registration.path,
                        path.line,
                    )
        return bool(self._found.patterns)

    def _take(self, registration: SetText, listed: Sequence[SetPath]) -> bool:
        tail = common_tail([path.pattern for path in listed])
        if not tail or any(UNKNOWN in path.pattern for path in listed):
            return False
        for number, path in enumerate(listed, start=1):
            pattern = path.pattern.removesuffix("/".join(tail)) + "{component}/" + tail[-1]
            self._found.patterns.append(pattern)
            self._notes.say("layers", f"Layer {number}: {pattern}", registration.path, path.line)
            if path.hub_environment:
                self._notes.puzzle(
                    "layers",
                    "The environment in this path is the hub's, not the spoke's: what a spoke of "
                    "another environment gets is not what its own folder says.",
                    registration.path,
                    path.line,
                )
        self._labels("/".join(tail[:-1]), registration.path, listed[0].line)
        return True

    def _seen(self) -> bool:
        """The built-in layout in whose layers most of the values files stand."""
        counts = {
            name: [path for path in self._paths if is_read(layout, path)]
            for name, layout in LAYOUTS.items()
        }
        best = max(counts, key=lambda name: len(counts[name]))
        number = len(counts[best])
        if not number:
            return False
        self._found.patterns = [layer.pattern for layer in LAYOUTS[best].layers]
        self._notes.say(
            "layers",
            f"{number} values files stand in the layers of the built-in layout {best!r}; no "
            "ApplicationSet says so.",
            counts[best][0],
        )
        if [len(each) for each in counts.values()].count(number) > 1:
            self._notes.puzzle(
                "layers",
                "The files fit more than one built-in layout. Choose the one that the hub reads.",
            )
        return True

    # Base folders

    def _base(self, group: str, folder: str, path: str, line: int = 0) -> None:
        if group in self._found.bases:
            return
        self._found.bases[group] = folder.strip("/")
        self._found.proven.add(group)
        self._notes.say("folders", f"Values of {group} are below {folder.strip('/')}.", path, line)

    def _set_bases(self, members: str) -> None:
        found = self._found
        if shared := shared_folder(found.patterns):
            found.patterns = ["{base}" + one.removeprefix(shared) for one in found.patterns]
            self._base("addons", shared, "")
        if "addons" not in found.bases:
            self._bases_by_members(members.partition("{")[0].rstrip("/"))
        if "addons" not in found.bases:
            self._base_by_files()
        found.bases.setdefault(LABELS_GROUP, found.bases["addons"])
        for group in RELEASE_LABELS:
            if group not in found.bases:
                self._beside(group, found.bases["addons"])

    def _bases_by_members(self, root: str) -> None:
        """The base folders that most member files name for themselves."""
        votes: dict[str, Counter[str]] = {}
        example: dict[tuple[str, str], tuple[str, int]] = {}
        for path in self._snapshot.paths(root) if root else ():
            file = self._snapshot.read(path)
            text = file.content.decode("utf-8", "replace") if file else ""
            for one in _BASE_OPTION.finditer(text):
                votes.setdefault(one[1], Counter())[one[2]] += 1
                example.setdefault((one[1], one[2]), (path, text[: one.start()].count("\n") + 1))
        for group, counted in votes.items():
            folder = counted.most_common(1)[0][0]
            self._base(group, folder, *example[group, folder])

    def _base_by_files(self) -> None:
        """The folder below which most files with labels stand."""
        bases: Counter[str] = Counter()
        for pattern in self._found.patterns:
            wanted = expression(pattern.replace("{component}", self._found.component))
            bases.update(found["base"] for path in self._paths if (found := wanted.fullmatch(path)))
        if bases:
            folder = max(bases, key=lambda each: (bases[each], -each.count("/")))
            self._base("addons", folder, folder)
            return
        self._found.bases["addons"] = "addons"
        self._notes.puzzle(
            "folders",
            "Only the hub knows below which folder the layers begin, and no file shows it. "
            "It is taken to be addons.",
        )

    def _beside(self, group: str, addons: str) -> None:
        """The folder of a group beside that of the add-ons, where there is one."""
        folder = group.join(addons.rsplit("addons", 1))
        if folder != addons and any(path.startswith(f"{folder}/") for path in self._paths):
            self._base(group, folder, folder)
        else:
            self._found.bases[group] = addons


def bases_agree(found: Layers, other: Mapping[str, str]) -> bool:
    """Whether the base folders that were proven are the given ones."""
    return all(other.get(group) == found.bases[group] for group in found.proven)
