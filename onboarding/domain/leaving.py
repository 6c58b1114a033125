"""Leaving the fleet: the order in which a cluster goes, and what its member file says at each step.

A member file that goes first leaves what runs on the cluster owned by nobody. So a cluster leaves in
several commits, each when the hub has followed the one before: what its own Argo CD deploys comes
back to the hub, it becomes centralized, `offboarding: "true"` takes its Applications away, and at
last its files go. Source: `fleet_template/README.md`, "Letting a cluster go".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from onboarding.domain.handover import HANDED_GROUPS, is_on
from onboarding.domain.member import DeploymentModel, FleetMember, deployed_by_cluster

MARK_KEY = "offboarding"
"""The key of the member file that makes a cluster lose its channels and flags."""


class LeaveStep(StrEnum):
    """One commit of a cluster's way out of the fleet, with its own evidence."""

    KEEP = "keep"
    HAND_BACK = "hand_back"
    CENTRALIZE = "centralize"
    TAKE_ALONG = "take_along"
    MARK = "mark"
    REMOVE = "remove"

    @property
    def words(self) -> str:
        """What the step does, as pages and commits say it."""
        return _WORDS[self]

    @property
    def proof(self) -> str:
        """What has to be seen before the next step, as pages say it."""
        return _PROOFS[self]


_WORDS: Mapping[LeaveStep, str] = MappingProxyType(
    {
        LeaveStep.KEEP: "Have its Applications leave behind what they deployed",
        LeaveStep.HAND_BACK: "Hand its groups back to the hub",
        LeaveStep.CENTRALIZE: "Take its own Argo CD away",
        LeaveStep.TAKE_ALONG: "Have its Applications take along what they deployed",
        LeaveStep.MARK: "Switch its flags off",
        LeaveStep.REMOVE: "Remove its files",
    }
)
_PROOFS: Mapping[LeaveStep, str] = MappingProxyType(
    {
        LeaveStep.KEEP: "The cluster secret says handover, and no Application of add-ons or resources deletes.",
        LeaveStep.HAND_BACK: "The hub has the Applications of add-ons and resources.",
        LeaveStep.CENTRALIZE: "The Applications of its own Argo CD are gone on the hub.",
        LeaveStep.TAKE_ALONG: "The Applications of add-ons and resources delete what they deployed when they go.",
        LeaveStep.MARK: "No Application of the cluster is left on the hub.",
        LeaveStep.REMOVE: "Registration, ExternalSecret and cluster secret are gone on the hub.",
    }
)


def is_marked(member: FleetMember) -> bool:
    """Whether the member file says that the cluster is leaving."""
    return member.extra.get(MARK_KEY) == "true"


def steps_for(member: FleetMember, *, keep: bool) -> tuple[LeaveStep, ...]:
    """The steps that a member has before it, in order; `keep`: add-ons and resources stay running.

    What its file says already is not asked for again, so that a way that was broken off goes on.
    """
    if is_marked(member):
        return (LeaveStep.REMOVE,)
    distributed = member.model is DeploymentModel.DISTRIBUTED
    remote = any(deployed_by_cluster(member, group) for group in HANDED_GROUPS)
    steps: list[LeaveStep] = []
    if not is_on(member) and (keep or remote):
        steps.append(LeaveStep.KEEP)
    if remote:
        steps.append(LeaveStep.HAND_BACK)
    if distributed:
        steps.append(LeaveStep.CENTRALIZE)
    elif is_on(member) and not keep:
        steps.append(LeaveStep.TAKE_ALONG)
    return (*steps, LeaveStep.MARK, LeaveStep.REMOVE)


def member_after(member: FleetMember, step: LeaveStep, *, keep: bool) -> FleetMember:
    """The member document after one step; REMOVE has none and leaves it as it is."""
    kept = {**member.options, "handover": "true"}
    let_go = {key: value for key, value in member.options.items() if key != "handover"}
    match step:
        case LeaveStep.KEEP:
            return replace(member, options=kept)
        case LeaveStep.HAND_BACK:
            return replace(member, remote_addons=False, remote_resources=False)
        case LeaveStep.CENTRALIZE:
            return replace(
                member,
                model=DeploymentModel.CENTRALIZED,
                remote_addons=False,
                remote_resources=False,
                options=kept if keep else let_go,
            )
        case LeaveStep.TAKE_ALONG:
            return replace(member, options=let_go)
        case LeaveStep.MARK:
            return replace(member, extra={**member.extra, MARK_KEY: "true"})
        case LeaveStep.REMOVE:
            return member
