"""What every decision is made of, for one change or for thousands: locked rows, rights asked now, what is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Act, DecisionState, Right, decide
from onboarding.domain.roles import Place
from onboarding.models import Approval, Change, Participant
from onboarding.services import places
from onboarding.services.rights import Reach, is_service, reach_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

STALE = "The plan has changed since you opened the page. Look at the new plan and decide again."
_AT_ONCE = 250
"""How many changes are held in memory together, with their plans."""


@dataclass(frozen=True, slots=True)
class Decidable:
    """A locked change on which somebody may decide now, and their rights over all that it touches."""

    change: Change
    rights: frozenset[Right]


def locked(numbers: Iterable[int]) -> Iterator[list[Change]]:
    """Lock some changes, all before the first is given, in one order whoever asks; then give them in parts.

    In the caller's transaction. Nobody who holds one of them and waits for the end of the audit trail
    can be waited for in turn, as that is only taken after the last lock.
    """
    rows = Change.objects.select_for_update(of=("self",)).order_by("pk")
    found = list(rows.filter(pk__in=list(numbers)).values_list("pk", flat=True))
    for start in range(0, len(found), _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        yield list(rows.select_related("fleet").filter(pk__in=part))


def decidable(
    digests: Mapping[int, str], *, act: Act, actor: User
) -> Iterator[Sequence[Decidable]]:
    """The changes of these numbers, locked, if this person may take this decision on these plans now.

    Each number has the digest of the plan that was seen. Comes in parts, by number; raises `Refused` for
    the first on which they may not decide.
    """
    if is_service(actor):
        raise Refused(
            "A program never decides on a change: somebody who is signed in does.", code="service"
        )
    reach = reach_of(actor)
    for part in locked(digests):
        touched = places.touched_by_all(part)
        written = authored(part, actor)
        found = []
        for change in part:
            rights = _rights_over(touched[change.pk], reach)
            is_author = change.requester_id == actor.pk or change.pk in written
            decide(DecisionState(change.state), act, actor_is_author=is_author, actor_may=rights)
            if not digests[change.pk] or change.plan_digest != digests[change.pk]:
                raise Refused(STALE, code="stale_plan")
            found.append(Decidable(change, rights))
        yield found


def write(
    changes: Sequence[Change], *, actor: User, verdict: Approval.Verdict, reason: str
) -> list[Approval]:
    """Write who decided; the database refuses a second decision, and an approver who is an author."""
    approver = Participant.Role.APPROVER
    try:
        with transaction.atomic():
            there = Participant.objects.filter(change__in=changes, user=actor)
            roles = dict(there.values_list("change", "role"))
            if set(roles.values()) - {approver}:
                raise Refused(
                    "You asked for this change or edited it, so somebody else has to decide on it.",
                    code="own_change",
                )
            Participant.objects.bulk_create(
                Participant(change=one, user=actor, role=approver)
                for one in changes
                if one.pk not in roles
            )
            return Approval.objects.bulk_create(
                Approval(
                    change=one, digest=one.plan_digest, user=actor, verdict=verdict, reason=reason
                )
                for one in changes
            )
    except IntegrityError as error:
        raise Refused("You have already decided on this plan.", code="already_decided") from error


def move(changes: Sequence[Change], **columns: Any) -> None:
    """Change rows that are still as they were read; raises `Refused` where somebody was faster."""
    for start in range(0, len(changes), _AT_ONCE):
        part = changes[start : start + _AT_ONCE]
        as_read = Q()
        for one in part:
            as_read |= Q(pk=one.pk, state=one.state, plan_digest=one.plan_digest)
        if Change.objects.filter(as_read).update(**columns) != len(part):
            raise Refused(
                "Somebody else decided on this change a moment ago. Reload the page.", code="raced"
            )


def authored(changes: Sequence[Change], actor: User) -> set[int]:
    """Those of some changes, by number, that a person had a hand in writing."""
    rows = Participant.objects.filter(change__in=changes, user=actor, role=Participant.Role.AUTHOR)
    return set(rows.values_list("change", flat=True))


def _rights_over(touched: Iterable[Place], reach: Reach) -> frozenset[Right]:
    """What somebody may with all that a change touches."""
    return reach.at_all(touched)
