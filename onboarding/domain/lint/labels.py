"""Rules about labels: what the chart refuses, what nothing selects on, and channels that are not there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from onboarding.domain.errors import Refused
from onboarding.domain.labels import label_problem, reserved
from onboarding.domain.layout import Placement
from onboarding.domain.lint import rules
from onboarding.domain.lint.facts import Facts
from onboarding.domain.lint.findings import Finding
from onboarding.domain.lint.words import count_of, nearest, sentence
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.domain.yaml.located import Located

_CHART_KEYS = frozenset({"externalSecret", "secretStore", "refreshInterval"})
_GROUPS = {label: group for group, label in RELEASE_LABELS.items()}
_FLAG = "enable_"


@dataclass(frozen=True, slots=True)
class Set:
    """One label as one file sets it; a value of None takes away what lower layers say."""

    path: str
    line: int
    column: int
    key: str
    value: str | None


def check_labels(facts: Facts) -> Iterator[Finding]:
    """Everything about the files that decide the clusters' labels."""
    reader = LabelFiles(facts)
    for path in reader.paths:
        yield from reader.problems(path)
    yield from _unused(facts, reader)
    yield from _channels(facts, reader)


class LabelFiles:
    """The labels files of the fleet, each read once."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._found: dict[str, tuple[dict[str, Set], tuple[Finding, ...]]] = {}

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All labels files, read by somebody or not."""
        return tuple(path for path in self._facts.values_files() if self._facts.is_labels(path))

    def labels(self, path: str) -> Mapping[str, Set]:
        """The labels that a file sets, as far as the chart accepts them; none where it is absent."""
        return self._read(path)[0]

    def problems(self, path: str) -> tuple[Finding, ...]:
        """What is wrong in a file by itself."""
        return self._read(path)[1]

    def effective(self) -> Iterator[dict[str, Set]]:
        """The labels from values of each cluster, one cluster after the other."""
        for _, placement in self._facts.spokes:
            found: dict[str, Set] = {}
            for path in self._paths_of(placement):
                if path in self._known:
                    found |= self.labels(path)
            yield {key: one for key, one in found.items() if one.value is not None}

    def _paths_of(self, placement: Placement) -> list[str]:
        try:
            return [layer.path for layer in self._facts.layout.labels_paths(placement)]
        except (
            Refused
        ):  # the member names a base folder that is none, which is a finding of its own
            return []

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.paths)

    def _read(self, path: str) -> tuple[dict[str, Set], tuple[Finding, ...]]:
        if path not in self._found:
            located = self._facts.values(path)
            labels: dict[str, Set] = {}
            problems = tuple(_read_file(path, located, labels)) if located else ()
            self._found[path] = labels, problems
        return self._found[path]


def _read_file(path: str, located: Located, labels: dict[str, Set]) -> Iterator[Finding]:
    value = located.value
    if value is None:
        return
    if not isinstance(value, dict):
        yield rules.LABEL_INVALID.at(path, 1, "A labels file must hold a map.")
        return
    for key in value:
        if key not in _CHART_KEYS:
            yield _misplaced(path, located, (key,), "externalSecret")
    secret = value.get("externalSecret")
    if secret is not None and not isinstance(secret, dict):
        yield _misplaced(path, located, ("externalSecret",), "externalSecret.labels")
        return
    for kind, found in (secret or {}).items():
        above = ("externalSecret", kind)
        if kind not in ("labels", "annotations"):
            yield _misplaced(path, located, above, "externalSecret.labels")
        elif isinstance(found, dict):
            yield from _read_kind(path, located, above, found, labels)
        elif found is not None:
            yield _misplaced(path, located, above, f"externalSecret.{kind} as a map")


def _misplaced(path: str, located: Located, keys: tuple[str, ...], right: str) -> Finding:
    mark = located.mark(keys)
    line, column = (mark.line, mark.column) if mark else (1, 1)
    name = ".".join(keys)
    return rules.LABELS_MISPLACED.at(
        path, line, f"{name!r:.120} is not read; labels stand below {right}.", column=column
    )


def _read_kind(
    path: str,
    located: Located,
    above: tuple[str, ...],
    found: Mapping[str, object],
    labels: dict[str, Set],
) -> Iterator[Finding]:
    kind = above[1].removesuffix("s")
    for key, value in found.items():
        mark = located.mark((*above, key))
        line, column = (mark.line, mark.column) if mark else (1, 1)
        if value is not None and (problem := label_problem(key, value, kind)):
            text = value if isinstance(value, str) else ""
            if any(braces in each for each in (key, text) for braces in ("{{", "}}")):
                rule = rules.TEMPLATE_INJECTION
            else:
                rule = rules.LABEL_RESERVED if reserved(key) else rules.LABEL_INVALID
            yield rule.at(path, line, sentence(problem), column=column)
        elif kind == "label" and (value is None or isinstance(value, str)):
            labels[key] = Set(path, line, column, key, value)
            if key.startswith(_FLAG) and value not in (None, "true", "false"):
                yield rules.FLAG_VALUE.at(path, line, f"{key} is {value!r:.80}.", column=column)


def _unused(facts: Facts, reader: LabelFiles) -> Iterator[Finding]:
    """Labels that nothing selects on; nothing is said where a catalogue lies elsewhere."""
    if not facts.knows_components:
        return
    flags = frozenset(each.flag for one in facts.channels for each in one.components or ())
    known = flags | frozenset(_GROUPS)
    for path in reader.paths:
        for one in reader.labels(path).values():
            if one.key in known or one.key in facts.words:
                continue
            near = nearest(one.key, known)
            if near or one.key.startswith(_FLAG):
                hint = f"; did you mean {near}?" if near else "."
                yield rules.FLAG_UNUSED.at(
                    path, one.line, f"Nothing selects on {one.key}{hint}", column=one.column
                )
            else:
                yield rules.LABEL_UNUSED.at(
                    path, one.line, f"Nothing here selects on {one.key}.", column=one.column
                )


def _channels(facts: Facts, reader: LabelFiles) -> Iterator[Finding]:
    """Channels that are not there, clusters without one, and flags that their channel lacks."""
    if facts.releases is None:
        return
    types = {group: facts.releases.types(group) for group in RELEASE_LABELS}
    on: Counter[Set] = Counter()
    lacking: Counter[tuple[Set, str, str]] = Counter()
    without: dict[str, list[int]] = defaultdict(list)
    offers = _offers(facts)
    for number, labels in enumerate(reader.effective()):
        chosen = {group: labels.get(label) for label, group in _GROUPS.items()}
        on.update(one for one in chosen.values() if one)
        for group, flags in offers.items():
            switched = [labels[flag] for flag in flags if _is_on(labels.get(flag))]
            channel = chosen.get(group)
            if channel is None:
                if switched:
                    without[group].append(number)
            elif channel.value in types[group]:
                lacking.update(
                    (one, group, channel.value or "")
                    for one in switched
                    if channel.value not in flags[one.key]
                )
    yield from _unknown_channels(facts, reader, types, on)
    yield from _lacking(lacking)
    yield from _without(facts, without)


def _is_on(one: Set | None) -> bool:
    return one is not None and one.value == "true"


def _offers(facts: Facts) -> dict[str, dict[str, set[str]]]:
    """Group -> flag -> the channels whose catalogue has a component with it."""
    if not facts.knows_components:
        return {}
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for channel in facts.channels:
        for component in channel.components or ():
            if component.can_be_pinned:
                found[channel.entry.group][component.flag].add(channel.entry.type)
    return found


def _unknown_channels(
    facts: Facts, reader: LabelFiles, types: Mapping[str, tuple[str, ...]], on: Counter[Set]
) -> Iterator[Finding]:
    for path in reader.paths:
        for label, group in _GROUPS.items():
            one = reader.labels(path).get(label)
            if one is None or one.value is None or one.value in types[group]:
                continue
            near = nearest(one.value, frozenset(types[group]))
            hint = f"; did you mean {near}?" if near else "."
            offered = ", ".join(types[group]) or "none"
            yield rules.RELEASE_UNKNOWN.at(
                path,
                one.line,
                f"There is no {group} release {one.value!r:.80}{hint} "
                f"{count_of(on[one], 'cluster')} on it.",
                column=one.column,
                advice=f"The {group} releases are: {offered}.",
            )


def _lacking(lacking: Counter[tuple[Set, str, str]]) -> Iterator[Finding]:
    for (one, group, channel), count in lacking.items():
        yield rules.FLAG_OTHER_CHANNEL.at(
            one.path,
            one.line,
            f"{one.key} is on, but the {group} release {channel} has no such component. "
            f"{count_of(count, 'cluster')} without it.",
            column=one.column,
        )


def _without(facts: Facts, without: Mapping[str, list[int]]) -> Iterator[Finding]:
    for group, numbers in without.items():
        for number in numbers:
            member, _ = facts.spokes[number]
            yield rules.RELEASE_MISSING.at(
                member.path,
                member.lines.get("clusterName", 1),
                f"{member.cluster} has components of {group} switched on and no "
                f"{RELEASE_LABELS[group]}.",
            )
