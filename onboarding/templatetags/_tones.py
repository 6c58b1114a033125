"""Which colour each state word carries.

The words of Argo CD keep Argo CD's colours; ours follow the same meanings. A word that is not
listed is grey: what we do not know must never look well.
"""

from __future__ import annotations

from enum import StrEnum


class Tone(StrEnum):
    """The six meanings of colour. Never shown without the word."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    BLUE = "blue"
    VIOLET = "violet"
    GREY = "grey"


_WORDS: dict[Tone, str] = {
    Tone.GREEN: "healthy, synced, approved, merged, well, connected, successful,"
    " succeeded, present, passed, running, ready, done, ok, works",
    Tone.AMBER: "out of sync, outofsync, missing, selects nothing, lapsed, waiting for approval,"
    " pending deletion, throttled, warning, late, destructive, absent, not checked, attention",
    Tone.RED: "degraded, failed, error, rejected, refused, denied, unreachable, not found,"
    " disappears, stopped, broken, unhealthy, critical",
    Tone.BLUE: "progressing, submitted, queued, pushing, committed, in review, registering, deploying,"
    " checking, waiting, in progress, info, changes",
    Tone.VIOLET: "suspended, paused, leaving, held",
    Tone.GREY: "unknown, stale, draft, withdrawn, gone, not available, never seen, todo, none, idle",
}

_TONE_OF: dict[str, Tone] = {
    word.strip(): tone for tone, words in _WORDS.items() for word in words.split(",")
}


def tone_of(word: object) -> Tone:
    """The tone of a state word; case, hyphens and underscores do not matter.

    "Registering (waiting for the secret)" is looked up by what stands before the bracket.
    """
    plain = str(word).partition("(")[0].replace("_", " ").replace("-", " ").strip().lower()
    return _TONE_OF.get(plain, Tone.GREY)
