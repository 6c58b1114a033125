"""A unified patch as HTML: one block per file, line numbers, YAML coloured by Pygments.

Pure: text in, safe text out. `fleet.diff_html` offers it to templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from pygments.lexer import Lexer  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Name,
    Punctuation,
    String,
    Token,
)
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)$")

# Below this many lines a file starts open; a longer one is a click away.
OPEN_UP_TO = 400


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One row: `kind` is "add", "del", "same", "hunk" or "note"."""

    kind: str
    text: str
    before: int | None = None
    after: int | None = None


@dataclass(slots=True)
class DiffFile:
    """What happens to one path."""

    before: str
    after: str
    lines: list[DiffLine] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.before if self.after == "/dev/null" else self.after

    @property
    def verb(self) -> str:
        if self.before == "/dev/null":
            return "new file"
        if self.after == "/dev/null":
            return "deleted"
        return "changed" if self.before == self.after else f"moved from {self.before}"

    def count(self, kind: str) -> int:
        return sum(line.kind == kind for line in self.lines)


def parse_patch(patch: str) -> list[DiffFile]:
    """Read a unified patch, with or without git's own header lines.

    The lengths in each hunk header decide where a hunk ends, so a removed line that itself
    begins with "-- " is never taken for the header of the next file.
    """
    files: list[DiffFile] = []
    lines = iter(patch.split("\n"))
    for line in lines:
        if line.startswith("diff --git "):
            files.append(_file_from_git_header(line))
        elif line.startswith("--- "):
            before, after = _path_of(line), _path_of(next(lines, ""))
            if files and not files[-1].lines:
                files[-1].before, files[-1].after = before, after
            else:
                files.append(DiffFile(before, after))
        elif files and (header := HUNK.match(line)):
            files[-1].lines.extend(_read_hunk(header, lines))
        elif files and line.startswith(("Binary files ", "rename ", "old mode ", "new mode ")):
            files[-1].lines.append(DiffLine("note", line))
        elif files and line.startswith("\\"):
            # Follows the last line of a hunk, after its announced length.
            files[-1].lines.append(DiffLine("note", line.removeprefix("\\ ")))
    return files


def _file_from_git_header(line: str) -> DiffFile:
    before, _, after = line.removeprefix("diff --git a/").partition(" b/")
    return DiffFile(before, after)


def _path_of(header: str) -> str:
    """`--- a/path<TAB>date` gives `path`."""
    path = header[4:].partition("\t")[0].strip().strip('"')
    return path if path == "/dev/null" else re.sub(r"^[ab]/", "", path)


def _read_hunk(header: re.Match[str], lines: Iterator[str]) -> Iterator[DiffLine]:
    before, after = int(header[1]), int(header[3])
    left = int(header[2] if header[2] is not None else 1)
    right = int(header[4] if header[4] is not None else 1)
    yield DiffLine("hunk", header[0])
    while left > 0 or right > 0:
        line = next(lines, None)
        if line is None:
            return
        sign, text = line[:1], line[1:]
        if sign == "\\":
            yield DiffLine("note", text.strip())
        elif sign == "+":
            yield DiffLine("add", text, after=after)
            after, right = after + 1, right - 1
        elif sign == "-":
            yield DiffLine("del", text, before=before)
            before, left = before + 1, left - 1
        else:
            yield DiffLine("same", text, before, after)
            before, after = before + 1, after + 1
            left, right = left - 1, right - 1


def render_patch(patch: str) -> SafeString:
    """The whole patch. Every piece of its text is escaped; only our own tags are not."""
    return format_html_join("", "{}", ((_render_file(file),) for file in parse_patch(patch)))


def _render_file(file: DiffFile) -> SafeString:
    rows = format_html_join("", "{}", ((_render_line(line, file.path),) for line in file.lines))
    return format_html(
        '<details class="fui-diff"{}><summary><span class="fui-diff-path">{}</span>'
        '<span class="fui-badge">{}</span><span class="fui-diff-count">{}</span></summary>'
        '<div class="fui-diff-lines" tabindex="0" role="region" aria-label="Changes in {}">'
        "<table><tbody>{}</tbody></table></div></details>",
        mark_safe(" open") if len(file.lines) <= OPEN_UP_TO else "",
        file.path,
        file.verb,
        format_html(
            '<b aria-label="{0} lines added">+{0}</b>'
            ' <i aria-label="{1} lines removed">\N{MINUS SIGN}{1}</i>',
            file.count("add"),
            file.count("del"),
        ),
        file.path,
        rows,
    )


SIGNS = {"add": "+", "del": "\N{MINUS SIGN}", "same": " "}


def _render_line(line: DiffLine, path: str) -> SafeString:
    if line.kind in {"hunk", "note"}:
        return format_html(
            '<tr class="hunk"><td class="n"></td><td class="s"></td><td class="c">{}</td></tr>',
            line.text,
        )
    number = line.before if line.kind == "del" else line.after
    return format_html(
        '<tr class="{}"><td class="n" data-n="{}"></td><td class="s">{}</td>'
        '<td class="c">{}</td></tr>',
        line.kind,
        number,
        SIGNS[line.kind],
        highlight(line.text, path),
    )


@cache
def _lexer_for(path: str) -> Lexer | None:
    suffix = path.rpartition(".")[2].lower()
    name = {"yaml": "yaml", "yml": "yaml", "json": "json", "md": "markdown"}.get(suffix)
    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False) if name else None
    except ClassNotFound:
        return None


def highlight(text: str, path: str) -> SafeString:
    """Colour one line. Four classes are enough: key, value, sign and comment."""
    lexer = _lexer_for(path)
    if lexer is None or not text:
        return format_html("{}", text)
    return format_html_join(
        "",
        "{}",
        ((_coloured(kind, value),) for kind, value in lexer.get_tokens(text)),
    )


def _coloured(kind: object, value: str) -> SafeString:
    for token, name in ((Comment, "m"), (Name, "k"), (Punctuation, "o"), (String, "v")):
        if kind in token:
            return format_html('<span class="{}">{}</span>', name, value)
    if kind in Token.Literal and value.strip():
        return format_html('<span class="v">{}</span>', value)
    return format_html("{}", value)
