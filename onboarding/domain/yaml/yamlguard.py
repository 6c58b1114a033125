"""The proof that an edited YAML text is what was meant, and that nothing else was touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

import yaml_edit

from onboarding.domain.errors import Refused
from onboarding.domain.yaml.yamlread import MalformedYaml, load, load_located

THE_FILE = "the file"
_BOM = "\ufeff"
_CR = "\r"


class EditFailed(Refused):
    """A file could not be changed as meant, and was not; it must be edited by hand."""

    def __init__(self, keys: Sequence[str], reason: str) -> None:
        super().__init__(
            f"{'.'.join(keys)!r:.200} could not be changed without touching the rest of the file: "
            f"{reason} Nothing was written; edit the file by hand.",
            code="edit_failed",
        )


def same(left: object, right: object) -> bool:
    """Whether two documents say the same: true is not 1, and an empty file is an empty map."""
    left, right = ({} if side is None else side for side in (left, right))
    return _strictly_same(left, right)


def _strictly_same(left: object, right: object) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            _strictly_same(left[key], right[key]) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_strictly_same, left, right))
    return type(left) is type(right) and left == right


class Body:
    """A text on its way through an edit: line ends and byte order mark laid aside for a while."""

    def __init__(self, text: str) -> None:
        self._original = text
        self._bom = _BOM if text.startswith(_BOM) else ""
        self._lines = text.removeprefix(_BOM).split("\n")
        self.text = text.removeprefix(_BOM).replace("\r\n", "\n")

    def has_content(self) -> bool:
        """Whether there is anything but comments, blank lines and the document's first marker."""
        lines = (line.strip() for line in self.text.split("\n"))
        return any(line and not line.startswith("#") and line != "---" for line in lines)

    def finish(
        self,
        edited: str,
        keys: Sequence[str],
        meant: object,
        *,
        removing: bool = False,
        emptied: int | None = None,
    ) -> str:
        """The edited text with its own line ends again, after it was proved to be what was meant.

        `keys` is what was set or removed, `emptied` the line (from 0) of a map that was left empty.
        Raises `EditFailed` where the text says something else than `meant`, where a line changed
        that is not of `keys`, and where a comment is lost.
        """
        result = self._bom + self._with_line_ends(edited)
        try:
            after = load(result, path=THE_FILE)
        except MalformedYaml as error:
            raise EditFailed(keys, "the result could not be read again.") from error
        if not same(after, meant):
            raise EditFailed(keys, "the result would say something else than was meant.")
        located = load_located(self._original, path=THE_FILE)
        span = located.span(keys, of=len(self._lines))
        is_new = not removing and (not keys or located.mark(keys) is None)
        old, new = self._lines.copy(), result.removeprefix(_BOM).split("\n")
        if emptied is not None and emptied < min(span.start, len(new)):
            old[emptied] = new[emptied]
        _check_lines(old, new, keys, span, is_new=is_new)
        self._check_comments(edited, keys, span if removing else range(0))
        return result

    def _with_line_ends(self, edited: str) -> str:
        """Lines that were there before end as they did; new ones end as most lines do."""
        ends = [line.endswith(_CR) for line in self._lines]
        if not any(ends):
            return edited
        old, new = self.text.split("\n"), edited.split("\n")
        first, last = _common_ends(old, new)
        usual = sum(ends) * 2 >= len(ends) - 1
        marks = [*ends[:first], *[usual] * (len(new) - first - last), *ends[len(old) - last :]]
        if first == len(old):
            marks[first - 1] = usual  # the last line had no end of its own
        marks[-1] = False
        return "\n".join(f"{line}{_CR * mark}" for line, mark in zip(new, marks, strict=True))

    def _check_comments(self, edited: str, keys: Sequence[str], removed: range) -> None:
        lost = Counter(_comments(self.text)) - Counter(_comments(edited))
        if removed:
            lost -= Counter(_comments(self.text, removed))
        if lost:
            raise EditFailed(keys, f"the comment {next(iter(lost))!r:.80} would be lost.")


def _check_lines(
    old: list[str], new: list[str], keys: Sequence[str], span: range, *, is_new: bool
) -> None:
    """Every line outside of `span` must be there as before, byte for byte.

    Where a key is new, at most one line inside may change: that of an empty map, or of one written
    in one line.
    """
    tail = old[span.stop :]
    end = len(new) - len(tail)
    kept = end >= span.start and new[: span.start] == old[: span.start] and new[end:] == tail
    if kept and is_new:
        before = [line.removesuffix(_CR) for line in old[span.start : span.stop]]
        after = [line.removesuffix(_CR) for line in new[span.start : end]]
        kept = len(before) - sum(_common_ends(before, after)) <= 1
    if not kept:
        raise EditFailed(keys, "other lines would change.")


def _common_ends(left: Sequence[str], right: Sequence[str]) -> tuple[int, int]:
    """How many lines two texts share at their beginning, and then at their end."""
    first = _common(left, right)
    rest = min(len(left), len(right)) - first
    return first, min(_common(left[::-1], right[::-1]), rest)


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))
    return sum(1 for _ in pairs)


def _comments(text: str, lines: range | None = None) -> list[str]:
    """The comments of a text, or of some of its lines (counted from 0)."""
    try:
        comments = yaml_edit.YamlFile.parse(text).comments()
    except yaml_edit.YamlError:
        return []
    return [
        comment.text()
        for comment in comments
        if lines is None or comment.start_position(text)[0] - 1 in lines
    ]
