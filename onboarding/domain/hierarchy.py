"""The hierarchy of values: layers become effective values, each with the file it comes from.

Layers are laid over each other as Helm lays one values file over another (`mergeMaps` of Helm
3.18): maps merge, everything else replaces, and null takes away what the lower layers said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from onboarding.domain.layout import LayerName, LayerPath
from onboarding.domain.located import Located
from onboarding.domain.snapshot import SnapshotFile
from onboarding.domain.yamlread import MalformedYaml, YamlProblem, load_located


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: layer, file and line of its key (line 0: from no line)."""

    layer: LayerName | str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Leaf:
    """One effective value: its keys from the root, where it comes from, and what it shadows.

    A list is one leaf, for a list is replaced whole. `shadowed` has the nearest layer first.
    """

    keys: tuple[str, ...]
    value: object
    origin: Origin
    shadowed: tuple[tuple[object, Origin], ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The effective values of all layers together.

    `leaves` stand in the order of the files; `removed` are the keys that a null takes away.
    """

    leaves: tuple[Leaf, ...]
    removed: tuple[Leaf, ...] = ()
    _by_keys: dict[tuple[str, ...], Leaf] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_keys", {leaf.keys: leaf for leaf in self.leaves})

    def get(self, keys: Sequence[str]) -> Leaf | None:
        """The leaf at `keys`; None where nothing is set or a null removed it."""
        return self._by_keys.get(tuple(keys))

    def below(self, keys: Sequence[str]) -> tuple[Leaf, ...]:
        """All leaves under `keys`, in the files' order."""
        above = tuple(keys)
        return tuple(
            leaf for leaf in self.leaves if leaf.keys[: len(above)] == above and leaf.keys != above
        )

    def values(self) -> dict[str, Any]:
        """The effective values as plain maps, as a chart receives them; nulls are left out."""
        values: dict[str, Any] = {}
        for leaf in self.leaves:
            node = values
            for key in leaf.keys[:-1]:
                node = node.setdefault(key, {})
            node[leaf.keys[-1]] = leaf.value
        return values


@dataclass(slots=True)
class _Branch:
    """A map while layers are laid over each other."""

    origin: Origin
    shadowed: tuple[tuple[object, Origin], ...] = ()
    children: dict[str, _Branch | Leaf] = field(default_factory=dict)


def resolve(layers: Sequence[tuple[LayerPath, SnapshotFile | None]]) -> Resolved:
    """Lay values files over each other, lowest layer first; a file that is absent is skipped.

    Raises `MalformedYaml` where a file cannot be read or does not hold a map, as Helm would fail.
    """
    root = _Branch(Origin("", "", 0))
    for layer, file in layers:
        if file is None:
            continue
        located = _located(file)
        if located.value is None:
            continue
        if not isinstance(located.value, dict):
            raise MalformedYaml(
                YamlProblem(file.path, 1, 1, "a values file must hold a map of values.")
            )
        _lay(root, located.value, (), located, layer)
    leaves = tuple(_leaves(root, ()))
    return Resolved(
        leaves=tuple(leaf for leaf in leaves if leaf.value is not None),
        removed=tuple(leaf for leaf in leaves if leaf.value is None),
    )


@lru_cache(maxsize=256)
def _located(file: SnapshotFile) -> Located:
    """A values file that was read before: the upper layers are shared by thousands of clusters."""
    return load_located(file.content, path=file.path)


def _lay(
    branch: _Branch,
    values: dict[str, Any],
    above: tuple[str, ...],
    located: Located,
    layer: LayerPath,
) -> None:
    for key, value in values.items():
        mark = located.mark_in(values, key)
        origin = Origin(layer.layer, layer.path, mark.line if mark else 0)
        keys, old = (*above, key), branch.children.get(key)
        if not isinstance(value, dict):
            branch.children[key] = Leaf(keys, value, origin, _shadow(old, keys) + branch.shadowed)
            continue
        if not isinstance(old, _Branch):
            old = branch.children[key] = _Branch(origin, _shadow(old, keys) + branch.shadowed)
        _lay(old, value, keys, located, layer)


def _shadow(old: _Branch | Leaf | None, keys: tuple[str, ...]) -> tuple[tuple[object, Origin], ...]:
    if old is None:
        return ()
    if isinstance(old, Leaf):
        return ((old.value, old.origin), *old.shadowed)
    return tuple((leaf.value, leaf.origin) for leaf in _leaves(old, keys))


def _leaves(branch: _Branch, above: tuple[str, ...]) -> Iterator[Leaf]:
    for key, child in branch.children.items():
        keys = (*above, key)
        if isinstance(child, Leaf):
            yield child
        elif child.children:
            yield from _leaves(child, keys)
        else:
            yield Leaf(keys, {}, child.origin, child.shadowed)
