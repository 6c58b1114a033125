"""Laying values over each other as Helm does, with every value knowing where it comes from.

Two rules of Helm 3.18, which differ. Values files lie over each other by `mergeMaps`
(`pkg/cli/values/options.go`): maps merge, everything else replaces, null replaces too. Under all of
them lie the chart's own values by `coalesceValues` (`pkg/chartutil/coalesce.go`): a null takes away
a key *that the chart has*, and only such a key; where the chart has none, the null stays and the
chart's templates see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from onboarding.domain.layout import LayerName
from onboarding.domain.yaml.located import Located


class Origin(NamedTuple):
    """Where a value comes from: layer, file and line of its key (line 0: from no line)."""

    layer: LayerName | str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


Shadowed = tuple[tuple[object, Origin], ...]
"""Values that something covers, each with its origin, the nearest first."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One effective value: its keys from the root, where it comes from, and what it shadows.

    A list is one leaf, for a list is replaced whole. `shadowed` has the nearest layer first.
    """

    keys: tuple[str, ...]
    value: object
    origin: Origin
    shadowed: Shadowed = ()


@dataclass(slots=True)
class Branch:
    """A map while layers are laid over each other."""

    origin: Origin = field(default_factory=lambda: Origin("", "", 0))
    shadowed: Shadowed = ()
    children: dict[str, Branch | Leaf] = field(default_factory=dict)

    def copy(self) -> Branch:
        """The same branch, over which something can be laid without changing this one."""
        children = {
            key: child.copy() if isinstance(child, Branch) else child
            for key, child in self.children.items()
        }
        return Branch(self.origin, self.shadowed, children)


Placing = Callable[[Mapping[str, object], tuple[str, ...]], tuple[Origin, Shadowed]]
"""Of a map and the keys down to one of its entries: the entry's origin, and what it covers there."""


def placed_by(located: Located, layer: LayerName | str) -> Placing:
    """The origins of a whole file that is one layer."""

    def place(values: Mapping[str, object], keys: tuple[str, ...]) -> tuple[Origin, Shadowed]:
        mark = located.mark_in(values, keys[-1])
        return Origin(layer, located.path, mark.line if mark else 0), ()

    return place


def lay(
    branch: Branch, values: Mapping[str, object], place: Placing, above: tuple[str, ...] = ()
) -> None:
    """Lay a map over what the branch holds, by `mergeMaps`: null is a value like any other."""
    for key, value in values.items():
        keys, old = (*above, key), branch.children.get(key)
        origin, covered = place(values, keys)
        if not isinstance(value, Mapping):
            shadowed = covered + _covered_by(old) + branch.shadowed
            branch.children[key] = Leaf(keys, value, origin, shadowed)
            continue
        if not isinstance(old, Branch):
            old = branch.children[key] = Branch(origin, _covered_by(old) + branch.shadowed)
        lay(old, value, place, keys)


def coalesce(branch: Branch, defaults: Branch) -> Iterator[Leaf]:
    """Lay the branch over a chart's own values, by `coalesceValues`; the branch becomes the result.

    Yields each null that took a key away, with what it took in `shadowed`. A map over a scalar, or
    a scalar over a map, stays as it is; Helm warns and does the same.
    """
    for key, default in defaults.children.items():
        own = branch.children.get(key)
        if own is None:
            branch.children[key] = default
        elif isinstance(own, Branch):
            if isinstance(default, Branch):
                yield from coalesce(own, default)
        else:
            covering = replace(own, shadowed=own.shadowed + _covered_by(default))
            if own.value is None:
                del branch.children[key]
                yield covering
            else:
                branch.children[key] = covering


def _covered_by(old: Branch | Leaf | None) -> Shadowed:
    if old is None:
        return ()
    if isinstance(old, Leaf):
        return ((old.value, old.origin), *old.shadowed)
    return tuple((leaf.value, leaf.origin) for leaf in leaves(old))


def leaves(branch: Branch, above: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Everything that the branch holds, in the files' order; an empty map is a leaf."""
    for key, child in branch.children.items():
        keys = (*above, key)
        if isinstance(child, Leaf):
            yield child
        elif child.children:
            yield from leaves(child, keys)
        else:
            yield Leaf(keys, {}, child.origin, child.shadowed)
