"""What a hub says, made fit to be stored and shown: clean, bounded, without a token."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

_MESSAGE = 2000
_SHORT = 120
_SECRET = re.compile(
    r"(?i)bearer\s+\S+|k8s-aws-v1\.\S+|\beyJ[\w-]{10,}(?:\.[\w-]+)*|(?<=//)[^/\s@]+@"
    r"|(?<=password=)\S+|(?<=token=)\S+"
)
# Control characters, and marks that turn the text around them or that nobody sees.
_NOT_TEXT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def text(value: object, limit: int = _MESSAGE) -> str:
    """A hub's text, fit to be stored and shown: no control characters, no token, not too long."""
    if not value or not isinstance(value, str):
        return ""
    return _cleaned(value, limit) if len(value) > _SHORT else _known(value, limit)


def _cleaned(value: str, limit: int) -> str:
    if value.isascii() and value.isprintable() and not _may_hold_secret(value):
        return value[:limit]
    cut = value[: limit * 2]
    return _SECRET.sub("***", _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", cut))[:limit]


# A hub says the same few thousand words and names over and over.
_known = lru_cache(maxsize=16_384)(_cleaned)


def _may_hold_secret(value: str) -> bool:
    """Whether anything of `_SECRET` can be in it: ten times as quick, and nearly always no."""
    if "@" in value or "=" in value:
        return True
    small = value.lower()
    return "bearer" in small or "eyj" in small or "k8s-aws-v1" in small


def clean(value: Any, depth: int = 0) -> Any:
    """A hub's JSON with every string cleaned; raises ValueError where it is nested too deeply."""
    if depth > 40:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return text(value, 20_000)
    if isinstance(value, dict):
        return {text(key, 500): clean(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(each, depth + 1) for each in value]
    return value


def as_map(value: object) -> Mapping[str, Any]:
    """The value where it is a map, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> Sequence[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list) else ()
