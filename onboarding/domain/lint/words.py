"""Small words: what a misspelt name probably means, and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = re.compile(r"\D+")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name of which this one is a slip of the pen: one letter too much, too few, another
    one, or two swapped; "" where there is none.

    Letter case, dashes and underscores make no difference; digits do, for `tenant2` is no misspelt
    `tenant1`.
    """
    wanted = _folded(name)
    if len(name) > 100:
        return ""
    return next(
        (each for each in sorted(known) if each != name and _is_slip(wanted, _folded(each))), ""
    )


def sentence(text: str) -> str:
    """The text with a capital letter, unless it begins with a key, which keeps its own."""
    first = text.partition(" ")[0]
    return f"{text[:1].upper()}{text[1:]}" if first in ("the", "entry", "this", "a", "an") else text


def count_of(count: int, noun: str) -> str:
    """`No cluster is`, `One cluster is`, `3 clusters are`."""
    if count > 1:
        return f"{count:,} {noun}s are"
    return f"{'One' if count else 'No'} {noun} is"


def _folded(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")


def _is_slip(left: str, right: str) -> bool:
    if left == right:
        return True
    if min(len(left), len(right)) < 3 or abs(len(left) - len(right)) > 1:
        return False
    if _DIGITS.sub(" ", left).split() != _DIGITS.sub(" ", right).split():
        return False
    while left and right and left[0] == right[0]:
        left, right = left[1:], right[1:]
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    return max(len(left), len(right)) <= 1 or (len(left) == len(right) == 2 and left == right[::-1])
