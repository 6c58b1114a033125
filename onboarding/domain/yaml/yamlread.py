"""Reading YAML of a fleet repository: as Go reads it, within limits, with the line of every fault.

One pass over the parser's events gives the value and, where asked, the place of every key. What
Helm or Argo CD would refuse is refused here; what they would silently misread (a key that is there
twice, a second document) is refused too, because no preview of it could be true.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.yaml.goyaml import Scalar, read_key, read_plain
from onboarding.domain.yaml.located import Located, Mark
from onboarding.domain.yaml.plainyaml import read_plain_map

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
MAX_ALIASED = 10_000
"""How many values aliases may stand for in one file, all told."""

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_CORE = "tag:yaml.org,2002:"
_MERGE = object()


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """What is wrong with a YAML file, and where; line and column count from 1."""

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}, column {self.column}: {self.message}"


class MalformedYaml(Refused):
    """A file in the repository cannot be read as YAML; `problem` says where and why."""

    def __init__(self, problem: YamlProblem) -> None:
        self.problem = problem
        super().__init__(
            Refusal(
                f"{problem} Mend the file in the repository, then try again.", code="malformed_yaml"
            )
        )


def load(content: bytes | str, *, path: str, max_bytes: int = MAX_BYTES) -> object:
    """Read one YAML document as Go's YAML does; None for an empty or comment-only file.

    `path` is only named in messages. Raises `MalformedYaml` for what is not YAML, for what Helm
    refuses, for keys that are there twice, for a second document, and beyond the limits (1 MiB,
    50 levels, aliases that stand for 10,000 values).
    """
    return _read(content, path, max_bytes, marks=None)


def load_located(content: bytes | str, *, path: str, max_bytes: int = MAX_BYTES) -> Located:
    """Read one YAML document as `load` does, and remember the line of every key."""
    marks: dict[int, dict[str, Mark]] = {}
    return Located(path, _read(content, path, max_bytes, marks=marks), marks)


def decode(content: bytes | str, *, path: str, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file: UTF-8, within the size limit; raises `MalformedYaml` otherwise.

    A byte order mark stays in the text (`\\ufeff`), so that an edit can put it back.
    """
    size = len(content)
    if size > max_bytes:
        raise _malformed(
            path, 1, 1, f"the file has {size:,} bytes; at most {max_bytes:,} are read."
        )
    if isinstance(content, str):
        return content
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _malformed(path, 1, 1, "the file is UTF-16; save it as UTF-8.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line, column = _place(before)
        raise _malformed(
            path, line, column, "this is not UTF-8 text; save the file as UTF-8."
        ) from error


def _place(before: str) -> tuple[int, int]:
    """The line and column that follow a text."""
    lines = before.split("\n")
    return len(lines), len(lines[-1]) + 1


def _malformed(path: str, line: int, column: int, message: str) -> MalformedYaml:
    return MalformedYaml(YamlProblem(path, line, column, message))


def _read(
    content: bytes | str, path: str, max_bytes: int, *, marks: dict[int, dict[str, Mark]] | None
) -> Any:
    text = decode(content, path=path, max_bytes=max_bytes)
    if (plain := read_plain_map(text, marks)) is not None:
        return plain
    try:
        return _Builder(text, path, marks).document()
    except yaml.reader.ReaderError as error:
        # The C parser counts bytes of UTF-8, the Python one characters.
        before = text.encode()[: error.position].decode(errors="ignore")
        line, column = _place(before)
        raise _malformed(
            path, line, column, "there is a control character, which YAML does not allow."
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _malformed(path, line, column, f"{error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise _malformed(path, 1, 1, "this is not YAML.") from error


class _Anchor(NamedTuple):
    value: Any
    size: int


class _Builder:
    """Makes plain values from the parser's events; one instance reads one document."""

    def __init__(self, text: str, path: str, marks: dict[int, dict[str, Mark]] | None) -> None:
        self._events = yaml.parse(text.removeprefix("\ufeff"), Loader=_LOADER)
        self._path = path
        self._marks = marks
        self._anchors: dict[str, _Anchor | None] = {}
        self._depth = 0
        self._size = 0
        self._aliased = 0
        self._last_line = 0

    def document(self) -> Any:
        value = None
        seen = False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise self._fault(
                        event,
                        "a second document begins here; Helm and Argo CD read only the first.",
                    )
                if event.version not in (None, (1, 1)):
                    raise self._fault(event, "Helm reads YAML 1.1 only; remove the %YAML line.")
                seen = True
                value = self._node(next(self._events))
        return value

    def _fault(self, event: Any, message: str) -> MalformedYaml:
        mark = event.start_mark
        return _malformed(self._path, mark.line + 1, mark.column + 1, message)

    def _node(self, event: Any) -> Any:
        self._size += 1
        if isinstance(event, yaml.AliasEvent):
            self._ends(event)
            return self._alias(event)
        before = self._size
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            self._ends(event)
            value: Any = self._scalar(event)
        else:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._fault(
                    event, f"maps and lists are nested deeper than {MAX_DEPTH} levels here."
                )
            value = (
                self._mapping(event)
                if isinstance(event, yaml.MappingStartEvent)
                else self._sequence(event)
            )
            self._depth -= 1
        if event.anchor:
            self._anchors[event.anchor] = _Anchor(value, self._size - before + 1)
        return value

    def _ends(self, event: Any) -> None:
        """Remember the line where something ended; a block scalar ends before the first column."""
        mark: Any = event.end_mark
        self._last_line = mark.line if mark.column == 0 else mark.line + 1

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self._fault(event, f"the alias *{event.anchor:.40} has no anchor before it.")
        found = self._anchors[event.anchor]
        if found is None:
            raise self._fault(event, f"the alias *{event.anchor:.40} stands inside its own anchor.")
        self._size += found.size
        self._aliased += found.size
        if self._aliased > MAX_ALIASED:
            raise self._fault(
                event, f"the aliases up to here stand for more than {MAX_ALIASED:,} values."
            )
        return found.value

    def _scalar(self, event: Any) -> Scalar:
        tag, text = event.tag, event.value
        if tag is None:
            value: Scalar = read_plain(text) if event.implicit[0] else text
        elif tag in ("!", _CORE + "str"):
            return str(text)
        else:
            value = self._tagged(event, tag, text)
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            raise self._fault(
                event,
                f"Helm refuses {text}: it goes through JSON, which has no such number. Quote it.",
            )
        return value

    def _tagged(self, event: Any, tag: str, text: str) -> Scalar:
        kinds: dict[str, tuple[type, ...]] = {
            _CORE + "int": (int,),
            _CORE + "float": (int, float),
            _CORE + "bool": (bool,),
            _CORE + "null": (type(None),),
        }
        value = read_plain(text)
        if type(value) not in kinds.get(tag, ()):
            raise self._fault(
                event, f"the tag {tag.replace(_CORE, '!!'):.40} is not understood here; remove it."
            )
        return value

    def _sequence(self, event: Any) -> list[Any]:
        self._check_tag(event, "seq")
        items = []
        while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(item))
        if event.flow_style:
            self._ends(item)
        return items

    def _mapping(self, event: Any) -> dict[str, Any]:
        self._check_tag(event, "map")
        found: dict[str, Any] = {}
        own: dict[str, Mark] = {}
        marks: dict[str, Mark] = {}
        while not isinstance(name := next(self._events), yaml.MappingEndEvent):
            key = self._key(name)
            if key is _MERGE:
                self._merge(next(self._events), found, marks)
                continue
            if key in own:
                raise self._fault(
                    name,
                    f"the key {key!r:.80} is already on line {own[key].line}; only one can count.",
                )
            found[key] = self._node(next(self._events))
            start: Any = name.start_mark
            end: Any = name.end_mark
            own[key] = marks[key] = Mark(
                start.line + 1,
                start.column + 1,
                end.column + 1,
                self._last_line,
                bool(event.flow_style),
            )
        if event.flow_style:
            self._ends(name)
        if self._marks is not None:
            self._marks[id(found)] = marks
        return found

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _CORE + kind):
            tag = event.tag.replace(_CORE, "!!")
            raise self._fault(event, f"the tag {tag:.40} is not understood here; remove it.")

    def _key(self, event: Any) -> Any:
        """The key as Go makes it; `_MERGE` for an unquoted `<<`."""
        if isinstance(event, yaml.AliasEvent):
            value = self._alias(event)
            if isinstance(value, str):
                return value
            raise self._fault(event, "a key must be text; this alias stands for something else.")
        if not isinstance(event, yaml.ScalarEvent):
            raise self._fault(event, "a key must be text, not a list or a map.")
        plain = event.tag is None and event.implicit[0]
        if plain and event.value == "<<":
            return _MERGE
        key = read_key(event.value) if plain else event.value
        if key is None:
            raise self._fault(event, "a key must be text; Helm refuses null as a key. Quote it.")
        if event.anchor:
            self._anchors[event.anchor] = _Anchor(key, 1)
        return key

    def _merge(self, event: Any, into: dict[str, Any], marks: dict[str, Mark]) -> None:
        """Lay the maps that `<<` names into a map, in go-yaml's way.

        The first map of a list wins over later ones. A key that stands *above* the `<<` is
        replaced, too, which other readers do not do.
        """
        value = self._node(event)
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self._fault(event, "<< takes a map, or a list of maps.")
        for source in reversed(sources):
            into |= source
            if self._marks is not None:
                marks |= self._marks.get(id(source), {})
