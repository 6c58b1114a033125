"""Numbers that come as text from a browser."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[0-9]{1,15}")


def number_in(text: str) -> int | None:
    """The number that a text is, of at most 15 digits 0 to 9; None for everything else.

    `str.isdigit` says yes to more than `int` reads (²), and `int` reads more than a database holds.
    """
    return int(text) if _NUMBER.fullmatch(text) else None
