"""What makes two troubles the same: their sentences without names, numbers and times."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

_PARTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s,;'\"]+", re.I), "<address>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC)?"), "<time>"),
    (re.compile(r"\b\d\d:\d\d(:\d\d)?( UTC)?"), "<time>"),
    (re.compile(r"\b\d+ (second|minute|hour|day)s?\b"), "<time>"),
    (re.compile(r"\b[0-9a-f]{7,64}\b"), "<commit>"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b"), "<address>"),
    (re.compile(r"\d+"), "<number>"),
)
_SPACE = re.compile(r"\s+")


def essence(sentence: str, *, names: Iterable[str] = ()) -> str:
    """A sentence without what differs from cluster to cluster.

    `names` are the cluster's own: its name, secret and server. They are taken out first, also where
    they are a part of a longer name (`cert-manager-spoke-1`), the longest first.
    """
    found = sentence
    for name in sorted({one for one in names if one}, key=lambda one: (-len(one), one)):
        if name not in found:
            continue
        own = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9]|[-.][A-Za-z0-9])")
        found = own.sub("<name>", found)
    for pattern, word in _PARTS:
        found = pattern.sub(word, found)
    return _SPACE.sub(" ", found).strip()


def cause_of(sentence: str, *, names: Iterable[str] = ()) -> str:
    """A short key that is equal for sentences of one essence; "" for no sentence."""
    core = essence(sentence, names=names)
    return blake2b(core.encode("utf-8", "replace"), digest_size=8).hexdigest() if core else ""
