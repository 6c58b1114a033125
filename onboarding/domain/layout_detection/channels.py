"""The versions file and the wrapper chart, as the bootstrap ApplicationSets read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from onboarding.domain.errors import Refused
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.layout_detection.notes import Notes
from onboarding.domain.layout_detection.patterns import is_plain
from onboarding.domain.layout_detection.sets import SetPath, SetText
from onboarding.domain.snapshot import Snapshot
from onboarding.domain.yaml.yamlread import load


def find_channels(
    snapshot: Snapshot, paths: Sequence[str], sets: Sequence[SetText], notes: Notes
) -> dict[str, str]:
    """`releases` and `wrapper` of the layout, as far as they are found."""
    tried: set[str] = set()
    for one, path in _candidates(sets):
        where = _existing(snapshot, paths, path.pattern)
        if not where or where in tried:
            continue
        tried.add(where)
        releases = _releases(snapshot, where, notes)
        if releases is not None:
            notes.say(
                "releases",
                f"{one.label} reads the release channels from {where}.",
                one.path,
                path.line,
            )
            return {"releases": where} | _wrapper(snapshot, releases, where, notes)
    usual = TENANTS_LAYOUT.releases
    releases = _releases(snapshot, usual, notes) if usual not in tried else None
    if releases is not None:
        notes.say("releases", f"The release channels are in {usual}.", usual, 1)
        return {"releases": usual} | _wrapper(snapshot, releases, usual, notes)
    notes.puzzle(
        "releases",
        "No file with release channels (a map releases, by groups) was found: none can be offered.",
    )
    return {}


def _candidates(sets: Sequence[SetText]) -> Iterator[tuple[SetText, SetPath]]:
    for one in sets:
        for path in (*one.generator_files, *(each for group in one.values_files for each in group)):
            if "version" in path.pattern.lower() and "*" not in path.pattern:
                yield one, path


def _existing(snapshot: Snapshot, paths: Sequence[str], pattern: str) -> str:
    """The one file that a path means; where it begins with a folder of the hub's, as files have it."""
    if is_plain(pattern):
        return pattern if snapshot.read(pattern) else ""
    tail = pattern.rpartition("}")[2]
    return min((path for path in paths if tail and path.endswith(tail)), key=len, default="")


def _releases(snapshot: Snapshot, where: str, notes: Notes) -> Mapping[str, Any] | None:
    file = snapshot.read(where)
    if file is None:
        return None
    try:
        values = load(file.content, path=where)
    except Refused as refused:
        notes.puzzle("releases", str(refused), where)
        return None
    releases = values.get("releases") if isinstance(values, dict) else None
    if isinstance(releases, dict):
        return releases
    keys = ", ".join(map(str, list(values)[:3])) if isinstance(values, dict) else "no map"
    notes.puzzle(
        "releases", f"It has {keys}, where a map releases of groups is expected.", where, 1
    )
    return None


def _wrapper(
    snapshot: Snapshot, releases: Mapping[str, Any], where: str, notes: Notes
) -> dict[str, str]:
    """The wrapper chart's usual folder: where it is, entries of the versions file may leave it out."""
    entries = [each for group in releases.values() if isinstance(group, list) for each in group]
    found = [each for each in entries if isinstance(each, dict) and not each.get("chart")]
    named = [str(each["path"]) for each in found if each.get("path")]
    usual = TENANTS_LAYOUT.wrapper
    if len(named) < len(found) and snapshot.read(f"{usual}/values.yaml") is not None:
        named = []  # entries that name no folder mean this one
    folder = named[0].strip("/") if named else usual
    if snapshot.read(f"{folder}/values.yaml") is None:
        notes.puzzle(
            "catalogue",
            f"There is no chart in {folder}: components are known from the hub's ApplicationSets only.",
            where if named else folder,
        )
        return {}
    notes.say(
        "catalogue",
        f"The component catalogue is the chart in {folder}.",
        where if named else folder,
    )
    return {"wrapper": folder}
