"""Random edits of random documents: what is read back is what was meant, all else is untouched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from onboarding.domain.yaml.yamltext import load, remove_value, set_value

KEYS = st.sampled_from(["a", "b", "labels", "enable_x", "on", "y", "k-1", "x.y/z"])
VALUES = st.text(st.sampled_from("abcyn019.:-_/# ,[]&*!|>%@~="), max_size=12)
INLINE = ["1", '"q # no comment"', "'s'", "text", "~", "", "{}", "[1, 2]", "{p: 1, q: '2'}"]


@st.composite
def block_maps(draw: st.DrawFn, depth: int = 3, indent: str = "") -> str:
    """The text of a block map with comments, blank lines and every kind of value."""
    step = " " * draw(st.sampled_from([2, 4]))
    lines = []
    for key in draw(st.lists(KEYS, min_size=1, max_size=4, unique=True)):
        if draw(st.booleans()):
            lines.append(draw(st.sampled_from([f"{indent}# above {key}", "", f"{indent}#"])))
        name = f'"{key}"' if key in ("on", "y") else key
        comment = draw(st.sampled_from(["", f" # beside {key}"]))
        kind = draw(st.sampled_from(["map", "list", "block", "inline", "inline"]))
        if kind == "map" and depth:
            lines.append(f"{indent}{name}:{comment}")
            lines.append(draw(block_maps(depth=depth - 1, indent=indent + step)))
        elif kind == "list":
            lines += [f"{indent}{name}:", f"{indent}- one{comment}", f"{indent}- {{two: 2}}"]
        elif kind == "block":
            lines += [f"{indent}{name}: |{comment}", f"{indent}  # text", "", f"{indent}  more"]
        else:
            lines.append(f"{indent}{name}: {draw(st.sampled_from(INLINE))}{comment}")
    if draw(st.integers(0, 5)) == 0:
        lines.append(f"{indent}# below")
    return "\n".join(lines)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A whole file: a head, a map, an end, and one kind of line end."""
    head = draw(st.sampled_from(["", "---\n", "# head\n\n", "\ufeff"]))
    end = draw(st.sampled_from(["\n", "\n# foot\n", "\n\n"]))
    text = head + draw(block_maps()) + end
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def paths_of(node: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [above] if above else []
    if isinstance(node, dict):
        for key, value in node.items():
            found += paths_of(value, (*above, key))
    return found


def at(node: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        node = node[key]
    return node


def independent(text: str) -> Any:
    """What another reader makes of the text: all scalars as text, quotes and all other rules the same."""
    return yaml.load(text.removeprefix("\ufeff"), Loader=yaml.BaseLoader)  # noqa: S506 -- text only


def put(node: Any, keys: Sequence[str], value: Any) -> Any:
    children = dict(node) if isinstance(node, dict) else {}
    children[keys[0]] = value if len(keys) == 1 else put(children.get(keys[0]), keys[1:], value)
    return children


SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
)


@SETTINGS
@given(documents(), VALUES, st.data())
def test_it_replaces_one_value_and_nothing_else(text: str, value: str, data: st.DataObject) -> None:
    paths = [path for path in paths_of(load(text, path="x")) if _is_inline(text, path)]
    assume(paths)
    keys = data.draw(st.sampled_from(paths))
    after = set_value(text, keys, value)
    assert independent(after) == put(independent(text), keys, value)
    old, new = text.split("\n"), after.split("\n")
    assert len(old) == len(new)
    different = [
        number for number, pair in enumerate(zip(old, new, strict=True)) if len(set(pair)) > 1
    ]
    assert len(different) <= 1
    for number in different:
        assert old[number].partition(" # beside")[1:] == new[number].partition(" # beside")[1:]
        assert old[number].partition(":")[0] == new[number].partition(":")[0]


def _is_inline(text: str, path: tuple[str, ...]) -> bool:
    value = at(load(text, path="x"), path)
    return not isinstance(value, dict | list) and "\n" not in str(value)


@SETTINGS
@given(documents(), VALUES, st.data())
def test_it_adds_a_key_and_touches_no_line(text: str, value: str, data: st.DataObject) -> None:
    read = load(text, path="x")
    maps = [(), *(path for path in paths_of(read) if isinstance(at(read, path), dict | None))]
    keys = (
        *data.draw(st.sampled_from(maps)),
        *data.draw(st.sampled_from([("new",), ("new", "off", "z")])),
    )
    after = set_value(text, keys, value)
    assert independent(after) == put(independent(text), keys, value)
    old, new = text.split("\n"), after.split("\n")
    missing = list(old)
    for line in new:
        if line in missing:
            missing.remove(line)
    # Only the line of an empty or one-line map, or of a key without a value, may be written anew.
    assert len(missing) <= 1
    assert all(kept in after for line in missing if (kept := line.partition(" # ")[2].strip()))
    assert after.count("\r\n") == (after.count("\n") if "\r\n" in text else 0)


@SETTINGS
@given(documents(), st.data())
def test_it_removes_a_key_and_touches_no_other_line(text: str, data: st.DataObject) -> None:
    read = load(text, path="x")
    keys = data.draw(st.sampled_from(paths_of(read)))
    after = remove_value(text, keys)
    found = load(after, path="x")
    assert keys not in paths_of(found)
    left = [path for path in paths_of(read) if path[: len(keys)] != keys]
    gone = set(left) - set(paths_of(found))
    # Only maps above the key, left empty, may go with it; all others keep their values.
    assert gone <= {keys[:depth] for depth in range(1, len(keys))}
    assert all(
        at(found, path) is not None for path in paths_of(found) if at(read, path) is not None
    )
    for path in set(left) - gone:
        if path != keys[: len(path)]:
            assert at(found, path) == at(read, path)
    lines, rest = (Counter(each.removeprefix("\ufeff").split("\n")) for each in (after, text))
    written = list((lines - rest).elements())
    assert len(written) <= 1
    assert all("{" in line for line in written if line.strip())


@SETTINGS
@given(documents().filter(lambda text: "# below" not in text), VALUES, st.data())
def test_it_gives_back_the_file_when_a_new_key_is_removed(
    text: str, value: str, data: st.DataObject
) -> None:
    read = load(text, path="x")
    maps = [
        (),
        *(path for path in paths_of(read) if isinstance(at(read, path), dict) and at(read, path)),
    ]
    keys = (
        *data.draw(st.sampled_from(maps)),
        *data.draw(st.sampled_from([("new",), ("new", "off", "z")])),
    )
    # A comment at the end of a map may come to stand below the new key, and keeps its parents then.
    assert remove_value(set_value(text, keys, value), keys) == text
