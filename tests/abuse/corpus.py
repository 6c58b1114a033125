"""The strings of `tests/data/abuse/`: what nobody may do to a fleet by typing it, by kind."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "abuse"


def _read(path: Path) -> tuple[str, ...]:
    found = json.loads(path.read_text(encoding="ascii"))
    return tuple(one if isinstance(one, str) else one["text"] * one["times"] for one in found)


GROUPS = {path.stem: _read(path) for path in sorted(FOLDER.glob("*.json"))}
ALL = tuple(text for texts in GROUPS.values() for text in texts)


def sample(each: int) -> tuple[str, ...]:
    """So many of each group, evenly spread and always the same: for what costs more than a call."""
    found = []
    for texts in GROUPS.values():
        step = max(1, len(texts) // each)
        found += texts[::step][:each]
    return tuple(found)


def as_data(text: str) -> bool:
    """Whether a program can send it in UTF-8 at all."""
    return text.isprintable() or not any(0xD800 <= ord(one) <= 0xDFFF for one in text)


def shown(text: str) -> str:
    """A string as a failed test names it."""
    return ascii(text if len(text) <= 60 else f"{text[:60]}… ({len(text)})")
