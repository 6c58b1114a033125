"""Rules about the versions file, the wrapper charts and the components that they offer."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from onboarding.domain.components import Component
from onboarding.domain.errors import Refused
from onboarding.domain.lint import rules
from onboarding.domain.lint.facts import ChannelCatalogue, Facts
from onboarding.domain.lint.findings import Finding
from onboarding.domain.lint.words import sentence
from onboarding.domain.names import LabelValue
from onboarding.domain.releases import RELEASE_LABELS, ReleaseEntry
from onboarding.domain.yaml.goyaml import go_text

# Applications that the repository itself makes are called by these names and a cluster's.
_OWN_NAMES = ("bootstrap", "fleet-root", "fleet-secret")
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_NOTE = re.compile(r".*: the component '(?P<name>.*)' has no group or no flag and is left out\.")


def check_catalogue(facts: Facts) -> Iterator[Finding]:
    """Everything about release channels, their charts and their components."""
    if facts.releases is None:
        return
    for problem in facts.releases.problems:
        yield rules.RELEASE_ENTRY.at(problem.path, problem.line, sentence(problem.message))
    for group in facts.releases.groups:
        if group not in RELEASE_LABELS:
            line = min((one.line for one in facts.releases.groups[group]), default=1)
            yield rules.RELEASE_ENTRY.at(
                facts.releases.path,
                line,
                f"{group!r:.80} is no group of components; there are {', '.join(RELEASE_LABELS)}.",
            )
    dependencies = _dependencies(facts)
    yield from _broken_dependencies(facts, dependencies)
    for channel in facts.channels:
        yield from _entry(facts, channel.entry, dependencies)
        yield from _components(facts, channel)
    yield from _collisions(facts)
    yield from _changes(facts)


# Channels and their charts


def _entry(
    facts: Facts, entry: ReleaseEntry, dependencies: tuple[Mapping[str, Any], ...] | None
) -> Iterator[Finding]:
    path = facts.layout.releases
    what = f"The {entry.group} release {entry.type!r:.80}"
    if not entry.type or _is_no_label(entry.type):
        yield rules.RELEASE_ENTRY.at(path, entry.line, f"{what} cannot be a label's value.")
    if bool(entry.repo_url) != bool(entry.chart):
        yield rules.RELEASE_ENTRY.at(
            path, entry.line, f"{what} needs both repoURL and chart for a chart repository."
        )
        return
    wrapper = posixpath.basename(facts.layout.wrapper)
    folder = (entry.path or facts.layout.wrapper).strip("/")
    if not entry.repo_url:
        version = _version(facts, folder)
        if version is None:
            yield rules.RELEASE_CHART.at(
                path, entry.line, f"{what} uses {folder}, where there is no chart."
            )
            return
        if version and version != entry.version:
            yield rules.RELEASE_VERSION.at(
                path,
                entry.line,
                f"{what} says version {entry.version}, but {folder}/Chart.yaml is {version}.",
            )
            return
    if dependencies is not None:
        yield from _unlisted(facts, entry, dependencies, wrapper, folder)


def _is_no_label(text: str) -> bool:
    try:
        LabelValue(text)
    except Refused:
        return True
    return False


def _unlisted(
    facts: Facts,
    entry: ReleaseEntry,
    dependencies: tuple[Mapping[str, Any], ...],
    wrapper: str,
    folder: str,
) -> Iterator[Finding]:
    """An entry whose wrapper the release-channels chart does not bring along (its own check)."""
    name = entry.chart or wrapper
    repository = entry.repo_url or f"file://{posixpath.relpath(folder, _channels_chart(facts))}"
    alias = f"{name}-{re.sub(r'[.+]', '-', entry.version)}"
    for one in dependencies:
        if _text(one, "alias") == alias and _text(one, "version") == entry.version:
            if _text(one, "repository").rstrip("/") != repository.rstrip("/"):
                yield rules.RELEASE_DEPENDENCY.at(
                    facts.layout.releases,
                    entry.line,
                    f"The {entry.group} release {entry.type} takes {name} {entry.version} from "
                    f"{repository}, but release-channels takes it from "
                    f"{_text(one, 'repository')!r:.120}.",
                    advice="Make the two equal.",
                )
            return
    yield rules.RELEASE_DEPENDENCY.at(
        facts.layout.releases,
        entry.line,
        f"The {entry.group} release {entry.type} uses {name} {entry.version}, which "
        f"{_channels_chart(facts)}/Chart.yaml does not list.",
        advice=f"Add a dependency with name {name}, alias {alias}, version {entry.version}, "
        f"repository {repository}.",
    )


def _channels_chart(facts: Facts) -> str:
    return posixpath.join(posixpath.dirname(facts.layout.wrapper), "release-channels")


def _dependencies(facts: Facts) -> tuple[Mapping[str, Any], ...] | None:
    """The wrappers that the release-channels chart lists; None where there is no such chart."""
    located = facts.located(f"{_channels_chart(facts)}/Chart.yaml")
    chart = located.value if located else None
    if not isinstance(chart, dict):
        return None
    found = chart.get("dependencies")
    return tuple(one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()


def _broken_dependencies(
    facts: Facts, dependencies: tuple[Mapping[str, Any], ...] | None
) -> Iterator[Finding]:
    """Dependencies on folders of this repository that are not there, or are another version."""
    path = f"{_channels_chart(facts)}/Chart.yaml"
    located = facts.located(path)
    for one in dependencies or ():
        repository = _text(one, "repository")
        if not repository.startswith("file://"):
            continue
        mark = located.mark_in(one, "repository") if located else None
        line, column = (mark.line, mark.column) if mark else (1, 1)
        folder = posixpath.normpath(
            posixpath.join(_channels_chart(facts), repository.removeprefix("file://"))
        )
        version = _version(facts, folder)
        if version is None:
            yield rules.RELEASE_CHART.at(
                path, line, f"There is no chart in {folder!r:.120}.", column=column
            )
        elif version and version != _text(one, "version"):
            yield rules.RELEASE_VERSION.at(
                path,
                line,
                f"The dependency says version {_text(one, 'version')}, but {folder}/Chart.yaml is "
                f"{version}.",
                column=column,
            )


def _version(facts: Facts, folder: str) -> str | None:
    """The version of the chart in a folder; None where there is no chart, "" where it cannot be read."""
    path = f"{folder}/Chart.yaml"
    located = facts.located(path)
    if located is None:
        return "" if path in facts.read else None
    return _text(located.value, "version") if isinstance(located.value, dict) else ""


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return go_text(value) if isinstance(value, str | bool | int | float) else ""


# Components


def _components(facts: Facts, channel: ChannelCatalogue) -> Iterator[Finding]:
    for note in channel.notes:
        if found := _NOTE.fullmatch(note):
            path, mark = facts.component_mark(channel, found["name"])
            yield rules.COMPONENT_INCOMPLETE.at(
                path,
                mark.line,
                f"The component {found['name']} has no group or no flag.",
                column=mark.column,
            )
    for component in channel.components or ():
        path, mark = facts.component_mark(channel, component.name)
        if problem := _incomplete(component):
            yield rules.COMPONENT_INCOMPLETE.at(
                path, mark.line, f"The component {component.name} {problem}.", column=mark.column
            )
        elif (
            not component.repo_url and f"{component.chart.strip('/')}/Chart.yaml" not in facts.known
        ):
            yield rules.COMPONENT_CHART.at(
                path,
                mark.line,
                f"The component {component.name} uses {component.chart}, where there is no chart.",
                column=mark.column,
            )


def _incomplete(component: Component) -> str:
    if not _NAME.fullmatch(component.name):
        return "has a name that is not 1 to 40 lower-case letters, digits and dashes"
    if not component.namespace:
        return "has no namespace"
    if not component.chart:
        return "has no source: a path, or repoURL, chart and version"
    if component.repo_url and not component.version:
        return "takes its chart from a chart repository and names no version"
    return ""


def _collisions(facts: Facts) -> Iterator[Finding]:
    """`<component>-<cluster>` is one name for two where one component is another's beginning."""
    first: dict[str, ChannelCatalogue] = {}
    for channel in facts.channels:
        for component in channel.components or ():
            first.setdefault(component.name, channel)
    names = {*first, *_OWN_NAMES}
    for long, channel in first.items():
        parts = long.split("-")
        for count in range(1, len(parts)):
            short = "-".join(parts[:count])
            if short in names:
                path, mark = facts.component_mark(channel, long)
                yield rules.COMPONENT_COLLISION.at(
                    path,
                    mark.line,
                    f"{long} and {short} could give two Applications one name.",
                    column=mark.column,
                )


def _changes(facts: Facts) -> Iterator[Finding]:
    """A component keeps its flag and its group in every channel."""
    before: dict[str, tuple[Component, ReleaseEntry]] = {}
    for channel in facts.channels:
        for component in channel.components or ():
            other, entry = before.setdefault(component.name, (component, channel.entry))
            if (other.flag, other.group) == (component.flag, component.group):
                continue
            path, mark = facts.component_mark(channel, component.name)
            yield rules.COMPONENT_CHANGES.at(
                path,
                mark.line,
                f"{component.name} has flag {component.flag} in group {component.group} here, and "
                f"flag {other.flag} in group {other.group} in the {entry.group} release "
                f"{entry.type}.",
                column=mark.column,
            )
