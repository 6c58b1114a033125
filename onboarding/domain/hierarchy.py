"""The hierarchy of values: layers become effective values, each with the file it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from onboarding.domain.layering import Branch, Leaf, Origin, lay, leaves, placed_by
from onboarding.domain.layout import LayerPath
from onboarding.domain.snapshot import SnapshotFile
from onboarding.domain.yaml.parsed import located_map

__all__ = ["Leaf", "Origin", "Resolved", "lay_files", "resolve"]


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
        """The effective values as plain maps, as a chart receives them."""
        values: dict[str, Any] = {}
        for leaf in self.leaves:
            node = values
            for key in leaf.keys[:-1]:
                node = node.setdefault(key, {})
            node[leaf.keys[-1]] = leaf.value
        return values


def resolve(
    layers: Sequence[tuple[LayerPath, SnapshotFile | None]], *, over: Branch | None = None
) -> Resolved:
    """Lay values files over each other, lowest layer first; a file that is absent is skipped.

    `over` is what already lies below them, if anything; it is not changed. A key that is null at the
    end is removed. Raises `MalformedYaml` where a file cannot be read or does not hold a map, as
    Helm would fail.
    """
    found = tuple(leaves(lay_files(layers, over=over)))
    return Resolved(
        leaves=tuple(leaf for leaf in found if leaf.value is not None),
        removed=tuple(leaf for leaf in found if leaf.value is None),
    )


def lay_files(
    layers: Sequence[tuple[LayerPath, SnapshotFile | None]], *, over: Branch | None = None
) -> Branch:
    """The layers' files laid over each other, nulls included; `over` and raises as `resolve`."""
    root = over.copy() if over else Branch()
    for layer, file in layers:
        if file is not None and (located := located_map(file)).value is not None:
            lay(root, located.at(()), placed_by(located, layer.layer))
    return root
