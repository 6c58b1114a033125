"""What two long sequences have in common at their ends: the cheap way to what differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def alike(one: Sequence[Item], other: Sequence[Item]) -> tuple[int, int]:
    """How many items are the same at the beginning, and how many of the others at the end."""
    begin = _beginning(one, other)
    return begin, _beginning(one[begin:][::-1], other[begin:][::-1])


def _beginning(one: Sequence[Item], other: Sequence[Item]) -> int:
    """How many items are the same at the beginning; found by halving, as slices compare fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
