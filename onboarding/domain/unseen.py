"""What is not known of a cluster beside what its state tells: said after its sentence, however well the rest is."""

from __future__ import annotations

from onboarding.domain.stages import Facts

NOT_KNOWN_HERE = "is not known here"
"""What the sentence of a cluster says where a part of it cannot be seen."""


def unseen(facts: Facts) -> str:
    """What is left out, in a sentence for each part; "" where nothing is."""
    return f"{_own_argo(facts)} {_unwatched(facts)}".strip()


def _own_argo(facts: Facts) -> str:
    """The groups that a cluster deploys by itself, where that was never seen."""
    if not facts.own_groups or facts.own_seen_at is not None or not facts.applications:
        return ""
    groups = " and ".join(facts.own_groups)
    return f"Its own Argo CD deploys the {groups}; how they are {NOT_KNOWN_HERE}."


def _unwatched(facts: Facts) -> str:
    """The Applications that the hub's Argo CD counts for it and that are not watched."""
    if not facts.unwatched:
        return ""
    more = "1 more Application" if facts.unwatched == 1 else f"{facts.unwatched} more Applications"
    fare = "it fares" if facts.unwatched == 1 else "they fare"
    return f"Argo CD has {more} for it, outside its own namespace; how {fare} {NOT_KNOWN_HERE}."
