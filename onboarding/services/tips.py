"""The tip of a fleet's branch, as new as what anybody read of it before."""

from __future__ import annotations

from onboarding.ports import FleetRepository


def tip_after(known: str, *, repository: FleetRepository) -> str:
    """The last fetched tip; fetched anew where it does not continue the commit that is known.

    Each process has a copy of its own, and one may be seconds older than the copy that others read.
    Raises what fetching raises.
    """
    commit = repository.snapshot().commit
    if repository.is_ancestor(known, commit):
        return commit
    return repository.fetch()
