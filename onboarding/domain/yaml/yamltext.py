"""Editing the YAML files that people keep: one key at a time, as text, or not at all.

A file of the fleet repository belongs to its owners: their comments, quotes and blank lines stay
byte for byte. So a document is never loaded and dumped; `yaml-edit` changes the text, and then
the text is read again and compared with what was meant, and every line that the edit has no
business with is compared with what was there (`yamlguard`). A difference is an error, never a
result.

Everything written is double-quoted: no reader of YAML takes it for a boolean, a number or a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml_edit

from onboarding.domain.errors import Refused
from onboarding.domain.yaml.located import Located, LocatedLeaf, Mark
from onboarding.domain.yaml.yamlguard import THE_FILE, Body, EditFailed, same
from onboarding.domain.yaml.yamlread import MalformedYaml, YamlProblem, load, load_located

__all__ = [
    "EditFailed",
    "Located",
    "LocatedLeaf",
    "MalformedYaml",
    "Mark",
    "YamlProblem",
    "is_plain_key",
    "load",
    "load_located",
    "new_text",
    "remove_value",
    "safe_scalar",
    "set_value",
]

MAX_SCALAR = 1024
# Printable ASCII but for quotes, the backquote, the backslash and braces: what no template engine,
# shell or YAML reader on the way to the hub takes for anything but itself.
_SAFE = re.compile(r"[ !#-&(-\[\]-_a-z|~]*")
# What cannot stand as it is between double quotes.
_NEEDS_ESCAPE = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]')
# Keys that every reader of YAML takes for text; all others are written in quotes.
_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[./-][A-Za-z0-9_]+)*")
_RESOLVED = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])

Tree = Mapping[str, "str | bool | int | Tree"]
"""Maps of text, whole numbers, true and false, as deep as needed: what can be written."""


def safe_scalar(value: str, field: str) -> str:
    """The value itself where it may be written to the repository; refuses it at `field` otherwise.

    Allowed is one line of printable ASCII without quotes, backquote, backslash and braces, not
    more than 1024 characters, no space at either end. Charts of such repositories run their values
    through template engines, so `{{` in a label would be executed on the hub.
    """
    if len(value) > MAX_SCALAR:
        raise Refused(
            f"This value has {len(value)} characters; {MAX_SCALAR} are allowed. Shorten it.",
            field=field,
            code="too_long",
        )
    if "{" in value or "}" in value:
        raise Refused(
            "This value has a brace. The fleet's charts would take {{ for a template and run it, "
            "so braces are not allowed. Remove it.",
            field=field,
            code="template",
        )
    if not _SAFE.fullmatch(value) or value != value.strip():
        raise Refused(
            "This value has a character that is not allowed: use printable ASCII on one line, "
            "without quotes, backslashes and spaces at the ends.",
            field=field,
            code="unsafe_value",
        )
    return value


def set_value(text: str, keys: Sequence[str], value: str | bool | int | Tree) -> str:
    """Set one key of a YAML text, making the maps above it where they are absent.

    `keys` leads from the root to the key; `value` is text, or a map of text to put there whole.
    Line ends, byte order mark and a missing final newline stay as they are. Returns the new text
    (the same one where the key already reads as `value`). Raises `MalformedYaml` where the text
    cannot be read, `EditFailed` where something that is no map stands in the way, and where the
    result would not be exactly what was meant.
    """
    before = load(text, path=THE_FILE)
    meant = _with_value(before, keys, _plain(value), keys)
    if same(meant, before):
        return text
    body = Body(text)
    if before is None and not body.has_content():
        return body.finish(_append(body.text, new_text(_nest(keys, value))), (), meant)
    edited = _edit(body.text, keys, lambda root: _set(root, keys, value))
    made = _first_made(body.text, keys)
    return body.finish(_below_deeper_comments(edited, made) if made else edited, keys, meant)


def remove_value(text: str, keys: Sequence[str]) -> str:
    """Remove one key of a YAML text; the same text where it is absent.

    A map above it that is left empty goes too, as `set_value` would make it again; one that holds
    a comment or is written in one line stays as `{}`. It is never left without a value: to Helm
    that is null, which would delete what the lower layers say. Raises as `set_value` does.
    """
    body = Body(text)
    located = load_located(body.text, path=THE_FILE)
    if not keys or located.mark(keys) is None:
        return text
    lines = body.text.split("\n")
    removed = _removable(located, lines, keys)
    edited = _cut(located, lines, removed)
    if edited is None:
        edited = _edit(body.text, keys, lambda root: _remove(root, removed))
        if edited.count(", }") > body.text.count(", }"):
            edited = edited.replace(", }", "}", 1)  # the comma before an entry that was last
    above = located.mark(removed[:-1])
    return body.finish(
        edited,
        removed,
        _without(located.value, removed),
        removing=True,
        emptied=above.line - 1 if above and len(located.at(removed[:-1])) == 1 else None,
    )


def new_text(tree: Tree) -> str:
    """The text of a new file or an appended part: block maps, two spaces, double quotes."""
    return "".join(f"{line}\n" for line in _lines(tree, ""))


def _lines(tree: Tree, indent: str) -> Iterator[str]:
    for key, value in tree.items():
        name = key if is_plain_key(key) else f'"{_checked(key)}"'
        if isinstance(value, str):
            yield f'{indent}{name}: "{_checked(value)}"'
        elif isinstance(value, bool | int):
            yield f"{indent}{name}: {_bare(value)}"
        elif value:
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        else:
            yield f"{indent}{name}: {{}}"


def is_plain_key(key: str) -> bool:
    """Whether every reader of YAML takes this key, written without quotes, for the same text."""
    return bool(_PLAIN_KEY.fullmatch(key)) and key.lower() not in _RESOLVED


def _checked(text: str) -> str:
    if _NEEDS_ESCAPE.search(text):
        raise EditFailed([text], "it has a character that would have to be escaped.")
    return text


# What is meant, as values


def _plain(value: str | bool | int | Tree) -> Any:
    if isinstance(value, str | bool | int):
        return value
    return {key: _plain(inner) for key, inner in value.items()}


def _nest(keys: Sequence[str], value: str | bool | int | Tree) -> Tree:
    for key in reversed(keys):
        value = {key: value}
    if isinstance(value, str | bool | int):
        raise EditFailed(keys, "no key was named.")
    return value


def _with_value(node: Any, keys: Sequence[str], value: Any, asked: Sequence[str]) -> Any:
    """The document with one value changed; what is not on the way is shared with the old one."""
    if not keys:
        return value
    if node is not None and not isinstance(node, dict):
        above = asked[: len(asked) - len(keys)]
        where = f"{'.'.join(above)!r:.200} is" if above else "the file holds"
        raise EditFailed(asked, f"{where} not a map but {_kind(node)}.")
    children = dict(node or {})
    children[keys[0]] = _with_value(children.get(keys[0]), keys[1:], value, asked)
    return children


def _kind(node: object) -> str:
    return "a list" if isinstance(node, list) else "a single value"


def _without(node: Any, keys: Sequence[str]) -> Any:
    children = dict(node)
    if len(keys) == 1:
        del children[keys[0]]
    else:
        children[keys[0]] = _without(children[keys[0]], keys[1:])
    return children


# The edit, on the text


def _edit(text: str, keys: Sequence[str], change: Callable[[yaml_edit.Mapping], None]) -> str:
    try:
        document = (file := yaml_edit.YamlFile.parse(text)).document()
        root = document.as_mapping() if document else None
        if root is None:
            raise EditFailed(keys, "the file holds no map.")
        change(root)
        return str(file)
    except (yaml_edit.YamlError, ValueError, KeyError, TypeError) as error:
        raise EditFailed(keys, "its YAML is unusual.") from error


def _entry(mapping: yaml_edit.Mapping, key: str) -> yaml_edit.Entry | None:
    """The entry whose key Go reads as `key` (an unquoted y is the key true)."""
    for entry in mapping.entries():
        written = str(entry.key()).strip()
        try:
            read = load(f"{written}: 0\n", path=THE_FILE)
        except MalformedYaml:
            continue
        if isinstance(read, dict) and key in read:
            return entry
    return None


def _first_made(text: str, keys: Sequence[str]) -> Sequence[str]:
    """The highest key on the way that the text does not have yet; () where it has them all."""
    located = load_located(text, path=THE_FILE)
    return next((keys[:n] for n in range(1, len(keys) + 1) if located.mark(keys[:n]) is None), ())


def _below_deeper_comments(text: str, made: Sequence[str]) -> str:
    """A new entry set below the comments that are indented more than it: they end what is above it."""
    try:
        mark = load_located(text, path=THE_FILE).mark(made)
    except MalformedYaml:
        return text  # not what was meant; whoever compares says so
    lines = text.split("\n")
    if mark is None or mark.in_flow or lines[mark.line - 1][: mark.column - 1].strip():
        return text
    start, end = mark.line - 1, mark.last_line
    after = end
    while after < len(lines) and re.match(rf" {{{mark.column},}}#", lines[after]):
        after += 1
    return "\n".join([*lines[:start], *lines[end:after], *lines[start:end], *lines[after:]])


def _set(mapping: yaml_edit.Mapping, keys: Sequence[str], value: str | bool | int | Tree) -> None:
    key, rest = keys[0], keys[1:]
    entry = _entry(mapping, key)
    if entry is None:
        mapping.set(_written_key(key), _written(_nest(rest, value) if rest else value))
        return
    node = entry.value()
    inner = node.as_mapping() if node else None
    if not rest:
        entry.set_value(_written(value))
    elif inner is None or (inner.is_empty() and not inner.is_flow_style()):
        entry.set_value(_written(_nest(rest, value)))
    else:
        _set(inner, rest, value)


def _remove(mapping: yaml_edit.Mapping, keys: Sequence[str]) -> None:
    entry = _entry(mapping, keys[0])
    node = entry.value() if entry else None
    inner = node.as_mapping() if node else None
    if entry is None or (len(keys) > 1 and inner is None):
        raise EditFailed(keys, "it comes from elsewhere in the file.")
    if inner is not None and len(keys) > 1:
        _remove(inner, keys[1:])
    else:
        entry.remove()


def _removable(located: Located, lines: Sequence[str], keys: Sequence[str]) -> Sequence[str]:
    """How much goes with the key: the highest map above that holds nothing else, nor a comment."""
    depth = len(keys)
    while depth > 1 and len(located.at(keys[: depth - 1])) == 1:
        above, inner = located.mark(keys[: depth - 1]), located.mark(keys[:depth])
        if above is None or inner is None or (inner.in_flow and not above.in_flow):
            break
        if not inner.in_flow and _has_comment(lines, above, inner):
            break
        depth -= 1
    return keys[:depth]


def _has_comment(lines: Sequence[str], above: Mark, inner: Mark) -> bool:
    """Whether a map has a comment beside its key, before its only entry, or indented after it."""
    if "#" in lines[above.line - 1][above.key_end - 1 :]:
        return True
    if any(line.strip() for line in lines[above.line : inner.line - 1]):
        return True
    after = next((line for line in lines[inner.last_line :] if line.strip()), "")
    return after.lstrip().startswith("#") and len(after) - len(after.lstrip()) >= above.column


def _cut(located: Located, lines: list[str], keys: Sequence[str]) -> str | None:
    """The text without the lines of an entry; None where the entry does not have lines of its own.

    `yaml-edit` is not asked here: of random removals in random block maps with comments, one in
    eight came back as something else.
    """
    mark, above = located.mark(keys), located.mark(keys[:-1])
    if mark is None or mark.in_flow or lines[mark.line - 1][: mark.column - 1].strip():
        return None
    end = _end_of_comments(lines, mark)
    kept = lines[: mark.line - 1] + lines[end:]
    if above is not None and len(located.at(keys[:-1])) == 1:
        line = lines[above.line - 1]
        colon = re.fullmatch(r"\s*:(\s*|\s+#.*)", line[above.key_end - 1 :])
        if colon is None:
            return None
        kept[above.line - 1] = f"{line[: above.key_end - 1]}: {{}}{colon[1]}"
    if end == len(lines) and kept:
        kept.append("")  # the lines before keep their ends
    return "\n".join(kept)


def _end_of_comments(lines: Sequence[str], mark: Mark) -> int:
    """The last line of an entry; of a longer one, with the comments that are indented below it.

    Left behind, such a comment would become part of a block scalar that stands before the entry.
    """
    end = mark.last_line
    if end == mark.line:
        return end
    for number, line in enumerate(lines[mark.last_line :], start=mark.last_line + 1):
        inside = line.lstrip().startswith("#") and len(line) - len(line.lstrip()) >= mark.column
        if line.strip() and not inside:
            break
        end = number if inside else end
    return end


def _written_key(key: str) -> Any:
    return key if is_plain_key(key) else yaml_edit.ScalarValue(_checked(key), style="double-quoted")


def _bare(value: bool | int) -> str:
    return str(value).lower()


def _written(value: str | bool | int | Tree) -> Any:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return yaml_edit.ScalarValue(_checked(value), style="double-quoted")
    return {_written_key(key): _written(inner) for key, inner in value.items()}


def _append(text: str, addition: str) -> str:
    if not text or text.endswith("\n"):
        return text + addition
    return text + "\n" + addition.removesuffix("\n")
