"""The memory of processes that live long: what they loaded stays, what they used goes back."""

from __future__ import annotations

import ctypes
import gc

# Of new objects that may hold each other, so many are waited for before they are looked through,
# with Python's own numbers for how often the older ones are: what is never looked at again grows.
_LOOKS = (20_000, 10, 10)
# glibc's mallopt(3): one arena for all threads, and no large block from any arena.
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
_LARGE = 256 * 1024


def settle() -> None:
    """Call it once, when all is loaded and before threads begin.

    Looking through what was loaded again and again for garbage takes a fifth of the time of a first
    list of a hub, and makes some request wait for a tenth of a second.

    glibc gives each thread an arena of its own and keeps in it what was freed: a process whose
    threads read megabytes in turn grows for hours. It also raises, with each large block that is
    freed, the size from which blocks are given back to the system. Other C libraries do neither.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_LOOKS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, _LARGE)
