"""What the ApplicationSets of a repository say about its paths, read from their text.

Half of it stands inside Go templates (`templatePatch`), where a YAML reader sees one long string.
So lists of values files and paths of Git generators are found line by line, each with its line, and
the template expressions in them become the placeholders of `domain/layout.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from onboarding.domain.snapshot import Snapshot, SnapshotFile

_KIND = re.compile(rb"^kind:\s*['\"]?ApplicationSet\b", re.MULTILINE)
_DOCUMENT_END = re.compile(r"^---\s*(?:#.*)?$")
_NAME = re.compile(r"^ {2}name:\s*['\"]?([^'\"\s#]+)", re.MULTILINE)
_VALUE_FILES = re.compile(r"^\s*(?:-\s+)?valueFiles:\s*(?:#.*)?$")
_ITEM = re.compile(r"^\s*-\s+(.+?)\s*$")
_REF = re.compile(r"^\$([A-Za-z]\w*)/(.+)$")
_FILE_PATH = re.compile(r"^\s*-\s+path:\s*(.+?)\s*$")
_GENERATOR_VALUE = re.compile(r"^\s+([A-Za-z]\w*):\s*['\"]?([^'\"{}#\s]+)['\"]?\s*(?:#.*)?$")
_EXPRESSION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_TOKEN = re.compile(r"\$?\.?[A-Za-z_][\w.]*")
_FUNCTIONS = frozenset({"default", "index", "toString", "trimSuffix", "lower", "trim", "dict"})
UNKNOWN = "{?}"


@dataclass(frozen=True, slots=True)
class SetPath:
    """One path that an ApplicationSet reads: as it is written, and with placeholders.

    `pattern` may hold {base}, {hub}, {cluster}, {tenant}, {environment}, {component} and `{?}` for
    what was not understood; `ref` names the repository source (`$values/...`), "" for none.
    """

    raw: str
    pattern: str
    line: int
    ref: str = ""
    hub_environment: bool = False


@dataclass(frozen=True, slots=True)
class SetText:
    """One ApplicationSet of the repository: where it stands and which paths it reads.

    `text` is its document, which begins at `first_line` of the file, comments and all.
    """

    path: str
    line: int
    first_line: int
    name: str
    text: str = field(repr=False)
    generator_files: tuple[SetPath, ...] = ()
    values_files: tuple[tuple[SetPath, ...], ...] = ()

    @property
    def label(self) -> str:
        """How to call it at the beginning of a sentence."""
        return f"The ApplicationSet {self.name}" if self.name else "An ApplicationSet"


def application_sets(snapshot: Snapshot, paths: Iterable[str]) -> Iterator[SetText]:
    """Every ApplicationSet among the YAML files of a repository; those that charts render are not."""
    for path in paths:
        if not path.endswith((".yaml", ".yml")) or "/templates/" in path:
            continue
        file = snapshot.read(path)
        if file is not None and _KIND.search(file.content):
            yield from _sets_of(file)


def pattern_of(raw: str) -> str:
    """A values file as a set of the fleet's own names it (`$values/...`), with placeholders."""
    return _set_path(raw, 0, {"base": "{base}"}, "cluster").pattern


def _sets_of(file: SnapshotFile) -> Iterator[SetText]:
    lines = file.content.decode("utf-8", "replace").splitlines()
    start = 0
    for number, line in enumerate([*lines, "---"]):
        if not _DOCUMENT_END.match(line):
            continue
        text = "\n".join(lines[start:number])
        if _KIND.search(text.encode()):
            yield _read(file.path, start, text)
        start = number + 1


def _read(path: str, above: int, text: str) -> SetText:
    lines = text.splitlines()
    name = _NAME.search(text)
    first = next(
        (at for at, line in enumerate(lines) if line.startswith(("apiVersion", "kind"))), 0
    )
    values = _generator_values(lines)
    registers = any("member" in path for _, path in _generator_paths(lines))
    spoke = "hub" if registers else "cluster"
    return SetText(
        path=path,
        line=above + first + 1,
        first_line=above + 1,
        name=name[1] if name else "",
        text=text,
        generator_files=tuple(
            _set_path(raw, above + at + 1, values, spoke) for at, raw in _generator_paths(lines)
        ),
        values_files=tuple(
            tuple(_set_path(raw, above + at + 1, values, spoke) for at, raw in found)
            for found in _values_lists(lines)
        ),
    )


def _generator_paths(lines: list[str]) -> list[tuple[int, str]]:
    """The files that Git generators look for, but for those that are excluded."""
    return [
        (at, _unquoted(found[1]))
        for at, line in enumerate(lines)
        if (found := _FILE_PATH.match(line))
        and not (at + 1 < len(lines) and re.match(r"\s*exclude:\s*true", lines[at + 1]))
    ]


def _generator_values(lines: list[str]) -> dict[str, str]:
    """The literal `values` of generators, that templates name as `.values.<key>`."""
    found: dict[str, str] = {}
    indent = -1
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if re.match(r"^\s*values:\s*$", line):
            indent = depth
        elif indent >= 0 and line.strip() and depth <= indent:
            indent = -1
        elif indent >= 0 and (pair := _GENERATOR_VALUE.match(line)):
            found.setdefault(pair[1], pair[2])
    return found


def _values_lists(lines: list[str]) -> Iterator[list[tuple[int, str]]]:
    """The lists below `valueFiles:` that name files of a repository source, with their lines."""
    at = 0
    while at < len(lines):
        if not _VALUE_FILES.match(lines[at]):
            at += 1
            continue
        found: list[tuple[int, str]] = []
        at += 1
        while at < len(lines):
            item = _ITEM.match(lines[at])
            if item:
                found.append((at, _unquoted(item[1])))
            elif lines[at].strip() and not lines[at].lstrip().startswith(("#", "{{")):
                break
            at += 1
        named = [(line, raw) for line, raw in found if _REF.match(raw)]
        if named:
            yield named


def _unquoted(text: str) -> str:
    text = re.sub(r"\s+#.*$", "", text)
    for quote in "'\"":
        if len(text) > 1 and text[0] == text[-1] == quote:
            return text[1:-1]
    return text


def _set_path(raw: str, line: int, values: Mapping[str, str], name_is: str) -> SetPath:
    found = _REF.match(raw)
    ref, text = (found[1], found[2]) if found else ("", raw)
    pattern = _EXPRESSION.sub(lambda one: _placeholder(one[1], values, name_is), text)
    # A base folder is often written with its own slash at the end.
    pattern = re.sub(r"\{base\}(?=[^/])", "{base}/", pattern)
    hub_environment = name_is == "hub" and ".metadata.labels.environment" in text
    return SetPath(raw, pattern, line, ref, hub_environment)


def _placeholder(expression: str, values: Mapping[str, str], name_is: str) -> str:
    """What an expression stands for, as a placeholder or a literal; `{?}` where it is not known."""
    bare = re.sub(r'"[^"]*"', "", expression)
    for token in _TOKEN.findall(bare):
        name = token.lstrip("$").removeprefix(".")
        if name in _FUNCTIONS:
            continue
        if name.startswith("values.") and name[7:] in values:
            return values[name[7:]]
        found = _known(name.lower(), name_is)
        if found:
            return found
    labelled = re.search(r'labels\s+"(tenant|environment)"', expression)
    if labelled:
        return f"{{{labelled[1]}}}"
    return "{base}" if re.search(r'"\w*basepath"', expression) else UNKNOWN


def _known(name: str, name_is: str) -> str:
    last = name.rpartition(".")[2]
    if "basepath" in last:
        return "{base}"
    if last in ("tenant", "environment"):
        return f"{{{last}}}"
    if last in ("clustername", "cluster_name") or "path.filename" in name:
        return "{cluster}"
    if name in ("name", "namenormalized", "metadata.name"):
        return f"{{{name_is}}}"
    return "{component}" if last in ("component", "addonchart", "chart", "addon") else ""
