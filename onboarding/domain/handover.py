"""Handing a group of components from the hub's Argo CD to the cluster's own, or back.

In one step the one side deletes what the other makes again. While the member file says
`handover: "true"`, the Applications of add-ons and resources neither sync by themselves nor take
their objects along, so a group changes hands in three commits: handover on, switch, handover off.
"""

from __future__ import annotations

from collections.abc import Iterator

from onboarding.domain.errors import Refusal
from onboarding.domain.member import DeploymentModel, FleetMember, deployed_by_cluster

HANDED_GROUPS = ("addons", "resources")
"""The groups that can change hands; monitoring and what makes a spoke stay with the hub."""

_NAMES = {"addons": "add-ons", "resources": "resources"}
_STEPS = (
    "Make three changes, each when the hub has followed the one before: first set Handover to true "
    "and leave the rest; then this change; at last, when the other Argo CD has the Applications, "
    "take Handover away."
)


def is_on(member: FleetMember) -> bool:
    """Whether the member is being handed over."""
    return member.options.get("handover") == "true"


def moved_groups(before: FleetMember, after: FleetMember) -> tuple[str, ...]:
    """The groups that another Argo CD deploys after the change than before."""
    return tuple(
        group
        for group in HANDED_GROUPS
        if deployed_by_cluster(before, group) is not deployed_by_cluster(after, group)
    )


def check_handover(before: FleetMember, after: FleetMember) -> Iterator[Refusal]:
    """Why a change of who deploys would delete, double or orphan what runs; each at its field."""
    moved = moved_groups(before, after)
    leaves = (before.model, after.model) == (
        DeploymentModel.DISTRIBUTED,
        DeploymentModel.CENTRALIZED,
    )
    if moved and leaves:
        yield Refusal(
            f"The cluster's own Argo CD still deploys {_listed(moved)}, and would go together with "
            "them. Leave the model distributed and hand them back to the hub first; the change "
            "that takes Handover away can also make the cluster centralized.",
            "model",
            "handed_back_first",
        )
    elif moved and not is_on(before):
        yield Refusal(
            f"In one step the {_listed(moved)} on the cluster would be deleted by one Argo CD and "
            f"made again by the other. {_STEPS}",
            f"remote_{moved[0]}",
            "handover_first",
        )
    elif moved and not is_on(after):
        yield Refusal(
            "Handover must stay true while the "
            f"{_listed(moved)} change hands. Take it away in the next change, when the other Argo "
            "CD has their Applications.",
            "handover",
            "handover_stays",
        )


def _listed(groups: tuple[str, ...]) -> str:
    return " and ".join(_NAMES[group] for group in groups)
