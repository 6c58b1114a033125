"""Rules about how the repository reads its own files: ApplicationSets, and the order of the layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from onboarding.domain.layout import LABELS_GROUP, FleetLayout
from onboarding.domain.lint import rules
from onboarding.domain.lint.facts import Facts
from onboarding.domain.lint.findings import Finding
from onboarding.domain.member import MEMBER_KEYS
from onboarding.domain.releases import RELEASE_LABELS

_VALUE_FILE = re.compile(r"""\$values/((?:\{\{.*?\}\}|[^\s'"{}])+)""")
_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_HUB_PLACE = re.compile(r"\.metadata\.labels\.(environment|tenant)\b")
_READ_KEY = re.compile(r"""(?<![\w$.)"'/])\.([A-Za-z_]\w*)((?:\.\w+)+)""")
_PRESERVES = re.compile(r"^\s*preserveResourcesOnDeletion:\s*true\b", re.MULTILINE)
_COMMENT = re.compile(r"(?m)(^|\s)#.*$")
_FILLED = re.compile(r"""^\s*["']?([A-Za-z_]\w*)["']?\s*:\s*(.*\{\{.*)$""")
# Names that a label of the same name is filled from, and that are easily taken for one another.
_NAMES = frozenset(RELEASE_LABELS.values()) | {
    key for key in MEMBER_KEYS if key.startswith(("use_", "enable_"))
}
_CROSSED = re.compile(rf"\b({'|'.join(sorted(_NAMES))})\b")


def check_manifests(facts: Facts) -> Iterator[Finding]:
    """Everything about ApplicationSets and templates, and about the order of the layers."""
    yield from _layout_file(facts)
    for path, text in facts.manifests.items():
        yield from _crossed(path, text)
        if "kind: ApplicationSet" in text:
            yield from _order(facts.layout, path, text)
            if _is_registration(facts, text):
                yield from _registration(facts, path, text)


def _is_registration(facts: Facts, text: str) -> bool:
    root = facts.layout.members_root()
    return bool(root) and f"{root}/" in _COMMENT.sub("", text)


# The order of the layers


def _layout_file(facts: Facts) -> Iterator[Finding]:
    """The repository's own list of layers (`layout.valueFiles`) against the configured layout."""
    for path in facts.manifests:
        if not path.endswith("/layout.yaml"):
            continue
        located = facts.located(path)
        said = located.value.get("layout") if located and isinstance(located.value, dict) else None
        if not located or not isinstance(said, dict):
            continue
        wanted = [layer.pattern for layer in facts.layout.layers]
        if "valueFiles" in said and said["valueFiles"] != wanted:
            mark = located.mark(["layout", "valueFiles"])
            yield rules.LAYOUT_DIFFERS.at(
                path,
                mark.line if mark else 1,
                f"{_difference(said['valueFiles'], wanted)} "
                f"(the fleet's layout is {facts.layout.name}).",
                column=mark.column if mark else 1,
            )
        bases = said.get("bases")
        for group, base in (bases if isinstance(bases, dict) else {}).items():
            if group in facts.layout.bases and facts.layout.bases[group] != base:
                mark = located.mark(["layout", "bases", group])
                yield rules.LAYOUT_DIFFERS.at(
                    path,
                    mark.line if mark else 1,
                    f"The base folder of {group} is {base!r:.80} here and "
                    f"{facts.layout.bases[group]} in the fleet's layout.",
                    column=mark.column if mark else 1,
                )


def _difference(found: Any, wanted: list[str]) -> str:
    """What two lists of layers do not agree on, in one sentence."""
    listed = [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
    if extra := [one for one in listed if one not in wanted]:
        return f"{extra[0]!r:.160} is no layer of the fleet's layout"
    if missing := [one for one in wanted if one not in listed]:
        return f"The layer {missing[0]!r:.160} is missing"
    return "The layers stand in another order"


def _order(layout: FleetLayout, path: str, text: str) -> Iterator[Finding]:
    """The labels' values files that a set names, in its order, against the layers of the layout."""
    ending = f"{layout.labels_component}/"
    named = [found for found in _VALUE_FILE.finditer(text) if ending in found[1]]
    if len(named) < 2:
        return
    base = layout.bases[LABELS_GROUP]
    wanted = [
        layer.pattern.replace("{base}", base).replace("{component}", layout.labels_component)
        for layer in layout.layers
    ]
    found = [_as_pattern(one[1], base) for one in named]
    if found != wanted:
        line = text.count("\n", 0, named[0].start()) + 1
        yield rules.LAYOUT_DIFFERS.at(
            path, line, f"{_difference(found, wanted)} (the fleet's layout is {layout.name})."
        )


def _as_pattern(named: str, base: str) -> str:
    """A values file as a set names it, written like a layer of a layout."""

    def placeholder(found: re.Match[str]) -> str:
        expression = found[0]
        for word, name in (
            ("base", "{base}/"),
            ("tenant", "{tenant}"),
            ("environment", "{environment}"),
            ("name", "{cluster}"),
            ("cluster", "{cluster}"),
        ):
            if word in expression.casefold():
                return name
        return expression

    pattern = re.sub("/{2,}", "/", _EXPRESSION.sub(placeholder, named))
    return pattern.replace("{base}", base)


# The registration


def _registration(facts: Facts, path: str, text: str) -> Iterator[Finding]:
    if not _PRESERVES.search(text):
        line = _line_of(text, "kind: ApplicationSet")
        yield rules.REGISTRATION_DELETES.at(
            path, line, "Deleting a member file takes its cluster secret away at once."
        )
    for found in _VALUE_FILE.finditer(text):
        if place := _HUB_PLACE.search(found[1]):
            yield rules.LAYOUT_HUB_PLACE.at(
                path,
                text.count("\n", 0, found.start()) + 1,
                f"The values files of a spoke are chosen by the hub's {place[1]}.",
            )
    seen: set[str] = set()
    for number, line_text in enumerate(_COMMENT.sub("", text).split("\n"), start=1):
        for expression in _EXPRESSION.findall(line_text):
            for found in _READ_KEY.finditer(expression):
                root, key = found[1], found[2].rpartition(".")[2]
                if found[0] in seen or key not in MEMBER_KEYS or root == "metadata":
                    continue
                if not any(
                    root in (each.member.extra if each.member else {}) for each in facts.members
                ):
                    seen.add(found[0])
                    yield rules.REGISTRATION_KEY.at(
                        path,
                        number,
                        f"{found[0]} is read here, but members have {key} at the top of their file.",
                        advice=f"Read .{key}.",
                    )


def _line_of(text: str, part: str) -> int:
    return text.count("\n", 0, max(0, text.find(part))) + 1


def _crossed(path: str, text: str) -> Iterator[Finding]:
    """`monitoringRelease: '{{ ... addonsRelease }}'`: a label filled from another one's source."""
    if "Release" not in text and "enable_" not in text and "use_" not in text:
        return
    for number, line in enumerate(text.split("\n"), start=1):
        found = _FILLED.match(line)
        if not found or found[1] not in _NAMES:
            continue
        read = set(_CROSSED.findall(" ".join(_EXPRESSION.findall(found[2]))))
        if read and found[1] not in read:
            yield rules.LABEL_CROSSED.at(
                path,
                number,
                f"{found[1]} is filled from {', '.join(sorted(read))}.",
                column=line.index(found[1]) + 1,
            )
