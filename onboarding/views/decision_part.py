"""What somebody may decide now: on one change, and on many that are decided on at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import Act, DecisionState, Right
from onboarding.domain.policy import Tally
from onboarding.domain.roles import Place
from onboarding.models import Change
from onboarding.views import access, policy_part
from onboarding.views.frame import waits_for
from onboarding.views.pages import Decision

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAY_NOT = (
    "Your account may not approve changes. Somebody with the right to approve has to look at it."
)


def of_change(
    change: Change,
    found: Tally,
    *,
    acts: frozenset[Act],
    author: bool,
    user: User,
    may: frozenset[Right],
    errors: tuple[str, ...],
    reason: str,
) -> Decision:
    """What this reader may do with a change now."""
    can_decide = bool(change.plan_digest) and user.get_username() not in found.counted
    may_approve = not change.destructive or Right.APPROVE_DESTRUCTIVE in may
    return Decision(
        digest=change.plan_digest,
        revision=change.revision,
        approve_url=reverse("change-approve", args=[change.pk])
        if Act.APPROVE in acts
        and can_decide
        and may_approve
        and not policy_part.denied(found, user)
        else "",
        confirm_name=change.about if change.destructive else "",
        reject_url=reverse("change-reject", args=[change.pk])
        if Act.REJECT in acts and can_decide
        else "",
        withdraw_url=reverse("change-withdraw", args=[change.pk])
        if Act.WITHDRAW in acts and author and not change.settled_at
        else "",
        submit_url=reverse("change-resubmit", args=[change.pk])
        if Act.SUBMIT in acts and change.state == DecisionState.LAPSED.value
        else "",
        denied=_denied(change, found, author=author, user=user, may=may),
        reason=reason,
        errors=errors,
    )


def _denied(
    change: Change, found: Tally, *, author: bool, user: User, may: frozenset[Right]
) -> str:
    """Why this reader cannot approve a change that waits for approval."""
    if change.state != DecisionState.SUBMITTED.value:
        return ""
    if author:
        return "You asked for this change or edited it, so somebody else has to approve it."
    if Right.APPROVE not in may:
        return "Your account may not approve changes. Somebody with the right to approve has to look at it."
    if change.destructive and Right.APPROVE_DESTRUCTIVE not in may:
        return (
            "Something that runs goes away with this change, which your account may not approve. "
            "Somebody with the right to approve destructive changes has to."
        )
    if not change.plan_digest:
        return "Its plan is refused as the fleet stands now; it cannot be approved."
    return policy_part.denied(found, user)


def of_whole(
    request: HttpRequest,
    *,
    noun: str,
    title: str,
    pk: int,
    requester_id: int,
    touched: frozenset[Place],
    undecided: QuerySet[Change],
    digest: str,
    approve_label: str,
    help_text: str = "",
) -> Decision:
    """What this reader may do with many changes that are decided on at once.

    `noun` begins the names of its verbs' addresses ("bulk"), `touched` is where its clusters are,
    `undecided` are its changes that wait.
    """
    may = access.rights_of(request.user, *touched)
    if request.user.pk == requester_id:
        return Decision(denied="You asked for it, so somebody else has to decide on it.")
    if Right.APPROVE not in may:
        return Decision(denied=MAY_NOT)
    destructive = undecided.filter(destructive=True).exists()
    if destructive and Right.APPROVE_DESTRUCTIVE not in may:
        denied = "Something goes away on a cluster: approving that needs a right of its own."
    else:
        # A row whose plan is refused now is said when the whole is decided on.
        known = undecided.exclude(plan_digest="")
        helps = not known.exists() or known.filter(pk__in=waits_for(request).values("pk")).exists()
        denied = "" if helps else NEEDS_OTHERS
    return Decision(
        digest=digest,
        approve_url="" if denied else reverse(f"{noun}-approve", args=[pk]),
        reject_url=reverse(f"{noun}-reject", args=[pk]),
        denied=denied,
        confirm_name=title if destructive else "",
        approve_label=approve_label,
        help=help_text,
    )


NEEDS_OTHERS = "What is still needed is the approval of others: yours is there, or somebody of a group has to give it."
