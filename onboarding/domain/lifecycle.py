"""The life of a decision and of a delivery: which moves there are, and who may make them.

Pure tables. Whether the digest that an approver saw is still the plan's digest is compared by the
service that approves; this module says who may approve, and when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from onboarding.domain.errors import Refusal, Refused


class Right(StrEnum):
    """What a signed-in person may do. No right includes another one."""

    VIEW = "view"
    REQUEST = "request"
    APPROVE = "approve"
    APPROVE_DESTRUCTIVE = "approve destructive"
    ADMINISTER = "administer"


class DecisionState(StrEnum):
    """Where the decision about a change stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"

    @property
    def word(self) -> str:
        """The word that pages show."""
        return self.value.capitalize()


class Act(StrEnum):
    """What can be done to a decision.

    LAPSE, RECALL and CLOSE are done by the delivery, never by a person: what would happen is not what
    was approved any more; the approvals are too few for the policy by now; the pull request was closed
    on the forge.
    """

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    EDIT = "edit"
    LAPSE = "lapse"
    RECALL = "recall"
    CLOSE = "close"


class DeliveryState(StrEnum):
    """What became of an approved change in Git."""

    QUEUED = "queued"
    PUSHING = "pushing"
    COMMITTED = "committed"
    IN_REVIEW = "in_review"
    MERGED_DIFFERENTLY = "merged_differently"
    FAILED = "failed"

    @property
    def word(self) -> str:
        """The word that pages show."""
        return self.value.replace("_", " ").capitalize()


class _Who(StrEnum):
    """Whom a move belongs to, by their part in the change."""

    AUTHOR = "author"
    ANYONE = "anyone"
    NOT_AUTHOR = "not author"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class _Rule:
    who: _Who
    right: Right | None
    refusal: str


# The whole table of moves; a pair that is absent is refused in every case.
_MOVES: Mapping[tuple[DecisionState, Act], DecisionState] = {
    (DecisionState.DRAFT, Act.EDIT): DecisionState.DRAFT,
    (DecisionState.DRAFT, Act.SUBMIT): DecisionState.SUBMITTED,
    (DecisionState.DRAFT, Act.WITHDRAW): DecisionState.WITHDRAWN,
    # An edit is a new revision with a new digest, so no approval of the old text can reach it.
    (DecisionState.SUBMITTED, Act.EDIT): DecisionState.SUBMITTED,
    (DecisionState.SUBMITTED, Act.APPROVE): DecisionState.APPROVED,
    (DecisionState.SUBMITTED, Act.REJECT): DecisionState.REJECTED,
    (DecisionState.SUBMITTED, Act.WITHDRAW): DecisionState.WITHDRAWN,
    # The service allows this one only while nothing of the change can be on its way to the remote.
    (DecisionState.APPROVED, Act.WITHDRAW): DecisionState.WITHDRAWN,
    (DecisionState.APPROVED, Act.LAPSE): DecisionState.LAPSED,
    # The plan is what was approved, and its approvals stay; only more of them are needed.
    (DecisionState.APPROVED, Act.RECALL): DecisionState.SUBMITTED,
    # Whoever closes the pull request on the forge says no to the change.
    (DecisionState.APPROVED, Act.CLOSE): DecisionState.REJECTED,
    # A lapsed change keeps its discussion: it is submitted again, and needs a new approval.
    (DecisionState.LAPSED, Act.SUBMIT): DecisionState.SUBMITTED,
    (DecisionState.LAPSED, Act.EDIT): DecisionState.SUBMITTED,
    (DecisionState.LAPSED, Act.REJECT): DecisionState.REJECTED,
    (DecisionState.LAPSED, Act.WITHDRAW): DecisionState.WITHDRAWN,
}

_RULES: Mapping[Act, _Rule] = {
    Act.SUBMIT: _Rule(
        _Who.AUTHOR,
        Right.REQUEST,
        "Only the people who wrote this change can submit it. Edit it first to take part.",
    ),
    Act.EDIT: _Rule(_Who.ANYONE, Right.REQUEST, ""),
    Act.WITHDRAW: _Rule(
        _Who.AUTHOR,
        Right.REQUEST,
        "Only the people who wrote this change, or an administrator, can withdraw it. "
        "As an approver you can reject it.",
    ),
    Act.APPROVE: _Rule(
        _Who.NOT_AUTHOR,
        Right.APPROVE,
        "You wrote or edited this change, so somebody else has to approve it.",
    ),
    Act.REJECT: _Rule(
        _Who.NOT_AUTHOR,
        Right.APPROVE,
        "You wrote or edited this change, so you cannot reject it. Withdraw it instead.",
    ),
    Act.LAPSE: _Rule(_Who.NOBODY, None, "Approvals lapse by themselves; no person does it."),
    Act.RECALL: _Rule(_Who.NOBODY, None, "Policies are applied by themselves; no person does it."),
    Act.CLOSE: _Rule(_Who.NOBODY, None, "Close the pull request on the forge to reject it."),
}

_MISSING_RIGHT: Mapping[Right, str] = {
    Right.VIEW: "You may not see this change. Ask an administrator for the right to view.",
    Right.REQUEST: "You may not request changes. Ask an administrator for the right to request.",
    Right.APPROVE: (
        "You may not approve or reject changes. Ask an administrator for the right to approve."
    ),
    Right.APPROVE_DESTRUCTIVE: (
        "You may not approve a change after which something that runs goes away. Ask an "
        "administrator for the right to approve destructive changes."
    ),
    Right.ADMINISTER: "Only an administrator can do this.",
}

_WRONG_STATE: Mapping[DecisionState, str] = {
    DecisionState.DRAFT: "It is still a draft: it has to be submitted first.",
    DecisionState.SUBMITTED: "It already waits for approval.",
    DecisionState.APPROVED: "It is approved. Withdraw it first, as long as it is not in Git.",
    DecisionState.REJECTED: "It was rejected, which is final. Start a new change.",
    DecisionState.WITHDRAWN: "It was withdrawn, which is final. Start a new change.",
    DecisionState.LAPSED: (
        "Its approval lapsed because what it would do has changed. "
        "Look at the new plan and submit it again."
    ),
}

_NEXT: Mapping[DecisionState, str] = {
    DecisionState.DRAFT: "Its author finishes and submits it.",
    DecisionState.SUBMITTED: "Somebody who did not write it approves or rejects it.",
    DecisionState.APPROVED: "Nobody: it is delivered to Git by itself.",
    DecisionState.REJECTED: "Nobody: it is closed.",
    DecisionState.WITHDRAWN: "Nobody: it is closed.",
    DecisionState.LAPSED: "Its author looks at the new plan and submits it again.",
}
"""The states in which a change may still reach Git, and so holds its cluster's name."""


def check_approval(
    *,
    destructive: bool,
    confirm: str,
    confirmed: str,
    reason: str,
    actor_may: frozenset[Right],
) -> None:
    """What approving asks beyond the right to approve.

    After a destructive change something that runs goes away: its approver needs a right of its own,
    gives a reason, and types the name of what it is about (`confirm`). Raises `Refused` with all that is missing.
    """
    if not destructive:
        return
    if Right.APPROVE_DESTRUCTIVE not in actor_may:
        raise Refused(_MISSING_RIGHT[Right.APPROVE_DESTRUCTIVE], code="not_allowed")
    missing = []
    if not reason.strip():
        said = "Say why it is right that something goes away: the reason is kept as evidence."
        missing.append(Refusal(said, "reason", "required"))
    if confirmed.strip() != confirm:
        said = f"Type {confirm} to approve that something there goes away."
        missing.append(Refusal(said, "confirm", "unconfirmed"))
    if missing:
        raise Refused.of(missing)


def decide(
    state: DecisionState,
    act: Act,
    *,
    actor_is_author: bool,
    actor_may: frozenset[Right],
) -> DecisionState:
    """The state that an act leads to, if this person may do it now.

    `actor_is_author` is true for the requester and for everyone who ever edited the change: they
    never approve or reject it, whatever rights they hold. LAPSE is the delivery's own act; it is
    asked without a person (no rights, no author) and refused to every person.

    Returns the new state. Raises `Refused` with code `not_allowed` (a right or the part of an
    author is missing), `own_change` or `wrong_state`, in this order: nobody is told to wait for
    another state in which they could not act either.
    """
    refusal = _who_refuses(act, actor_is_author=actor_is_author, actor_may=actor_may)
    if refusal is not None:
        raise refusal
    after = _MOVES.get((state, act))
    if after is None:
        raise Refused(
            f"This change cannot be {_PAST[act]} now. {_WRONG_STATE[state]}",
            code="wrong_state",
        )
    return after


_PAST: Mapping[Act, str] = {
    Act.SUBMIT: "submitted",
    Act.APPROVE: "approved",
    Act.REJECT: "rejected",
    Act.WITHDRAW: "withdrawn",
    Act.EDIT: "edited",
    Act.LAPSE: "lapsed",
    Act.RECALL: "called back",
    Act.CLOSE: "closed",
}


def _who_refuses(act: Act, *, actor_is_author: bool, actor_may: frozenset[Right]) -> Refused | None:
    rule = _RULES[act]
    if rule.who is _Who.NOBODY:
        if actor_is_author or actor_may:
            return Refused(rule.refusal, code="not_allowed")
        return None
    if act is Act.WITHDRAW and Right.ADMINISTER in actor_may:
        return None
    if rule.right is not None and rule.right not in actor_may:
        return Refused(_MISSING_RIGHT[rule.right], code="not_allowed")
    if rule.who is _Who.AUTHOR and not actor_is_author:
        return Refused(rule.refusal, code="not_allowed")
    if rule.who is _Who.NOT_AUTHOR and actor_is_author:
        return Refused(rule.refusal, code="own_change")
    return None


def allowed_acts(
    state: DecisionState, *, actor_is_author: bool, actor_may: frozenset[Right]
) -> frozenset[Act]:
    """The acts that `decide` would allow this person now: the buttons that a page offers."""
    found = set()
    for act in Act:
        try:
            decide(state, act, actor_is_author=actor_is_author, actor_may=actor_may)
        except Refused:
            continue
        found.add(act)
    return frozenset(found)


def who_acts_next(state: DecisionState) -> str:
    """One sentence: whom a change in this state waits for."""
    return _NEXT[state]


def may_stop_delivery(state: DeliveryState, *, attempt_unsettled: bool) -> bool:
    """Whether an approved change can still be withdrawn, lapsed or planned again.

    `attempt_unsettled` is true while a push was started and the remote has not been read since:
    the commit may be there already, so nothing may be taken back until that is known.
    """
    return not attempt_unsettled and state in {DeliveryState.QUEUED, DeliveryState.FAILED}
