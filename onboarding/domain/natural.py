"""Names in the order in which people count: tenant-2 before tenant-10."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"([0-9]+)")


def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """What sorts names by words and numbers; of two that count alike the text decides.

    Words and numbers take turns. A number compares by how many digits it has without leading zeros
    first, so that no text is turned into one.
    """
    parts = [
        _number(part) if place % 2 else (0, part.casefold())
        for place, part in enumerate(_DIGITS.split(text))
    ]
    return (*parts, (0, text))


def _number(digits: str) -> tuple[int, str]:
    counted = digits.lstrip("0")
    return len(counted) + 1, counted
