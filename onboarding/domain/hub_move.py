"""A cluster moves to another hub: it leaves the one and joins the other, never both at once.

Two Argo CDs with the same Applications would share every object of the cluster. Argo CD tells its
objects by `argocd.argoproj.io/tracking-id`, which has the Application's name and no hub's: with the
same name on both hubs each takes the objects for its own. While both sync by themselves, the one
that has read an older commit prunes or heals back what the other has just written, and the first of
the two whose Application goes with its finalizer deletes the objects under the other one. Source:
Argo CD, "Resource Tracking" and "Automated Sync Policy". So the old hub lets go first, without
taking anything along, and the new one takes over what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from onboarding.domain.errors import Refusal
from onboarding.domain.intents import RegisterCluster
from onboarding.domain.leaving import is_marked
from onboarding.domain.member import FleetMember
from onboarding.domain.names import HubName

_NOT_CARRIED = ("handover",)
"""Options of the member file that are about the old hub alone."""


class MoveState(StrEnum):
    """Where a move stands. STOPPED: one of its two changes was not made."""

    LEAVING = "leaving"
    JOINING = "joining"
    DONE = "done"
    STOPPED = "stopped"


def registration_of(member: FleetMember, hub: HubName) -> RegisterCluster:
    """What registers a member on another hub just as its file says now.

    Its pins lie in values files whose paths name no hub: they stay where they are, and count again.
    """
    return RegisterCluster(
        placement=member.placement(hub),
        secret_name=member.secret_name,
        model=member.model,
        remote_addons=member.remote_addons,
        remote_resources=member.remote_resources,
        options={key: one for key, one in member.options.items() if key not in _NOT_CARRIED},
    )


def check_move(member: FleetMember, *, old: str, new: str) -> Iterator[Refusal]:
    """Why a member cannot move to a hub."""
    if old == new:
        yield Refusal(f"It is on {old} already. Choose another hub.", "to_hub", "same_hub")
    if is_marked(member):
        yield Refusal(
            f"{member.path} says that the cluster is leaving. Let that end, or take the mark away.",
            "to_hub",
            "leaving",
        )
    if member.extra:
        names = ", ".join(sorted(member.extra))
        yield Refusal(
            f"{member.path} has keys that Fleet UI does not know ({names:.200}) and could not write "
            f"again on {new}. Take them away, or move the cluster by hand.",
            "to_hub",
            "unknown_keys",
        )
