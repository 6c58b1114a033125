"""Bulks: many changes asked for together, each planned by itself, all decided on once.

Workers check the rows (`automation.bulk_checks`): what can be done becomes a change that asks for
approval, what cannot keeps its reasons. Every change is delivered by the ordinary queue, as a commit
of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, transaction
from django.db.models import Case, CharField, F, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from onboarding.domain import bulk_corrections
from onboarding.domain.bulk_corrections import Kept
from onboarding.domain.bulk_csv import Line, Table
from onboarding.domain.errors import Refused, Transient
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.domain.plans import sha256
from onboarding.domain.prose import line, prose
from onboarding.models import Bulk, BulkRow, Change, Cluster, Delivery, Fleet
from onboarding.ports import Clock, WorkQueue
from onboarding.services import approvals, events, places, withdrawals
from onboarding.services.approvals import Decided
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TASK = "onboarding.check_bulks"
UNCHECKED, REFUSED = "unchecked", "refused"
_OPEN = (Bulk.State.CHECKING, Bulk.State.PROPOSED, Bulk.State.APPROVED)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of lines that were sent: how many are checked, how many had a change already.

    Of those that are checked, `corrected` took the place of a row that had none.
    """

    added: int
    skipped: int
    corrected: int = 0


def register(
    *, fleet: Fleet, title: str, table: Table, actor: User, clock: Clock, queue: WorkQueue
) -> Bulk:
    """Ask that many clusters join. Raises `Refused` where the actor may not ask."""
    bulk = _begin(fleet, Bulk.Kind.REGISTER, title, {}, actor, clock, len(table.lines))
    with transaction.atomic():
        bulk.save()
        BulkRow.objects.bulk_create(
            _of_line(bulk, line, line.number, clock) for line in table.lines
        )
        _requested(bulk, actor, clock, len(table.lines))
    queue.wake(TASK)
    return bulk


def edit(
    *,
    fleet: Fleet,
    title: str,
    clusters: Sequence[Cluster],
    answers: Mapping[str, Any],
    actor: User,
    clock: Clock,
    queue: WorkQueue,
) -> Bulk:
    """Ask the same of many registered clusters. Raises `Refused` where the actor may not ask."""
    bulk = _begin(fleet, Bulk.Kind.EDIT, title, answers, actor, clock, len(clusters))
    require(actor, Right.REQUEST, *{places.place_of(cluster) for cluster in clusters})
    with transaction.atomic():
        bulk.save()
        BulkRow.objects.bulk_create(
            BulkRow(
                bulk=bulk,
                number=number,
                hub_name=cluster.hub_name,
                cluster_name=cluster.name,
                due_at=clock.now(),
            )
            for number, cluster in enumerate(clusters, start=1)
        )
        _requested(bulk, actor, clock, len(clusters))
    queue.wake(TASK)
    return bulk


def correct(*, bulk_id: int, table: Table, actor: User, clock: Clock, queue: WorkQueue) -> Taken:
    """Take corrected lines: they take the place of what was refused (`domain.bulk_corrections`).

    What has a change is skipped.

    New changes ask for approval again, also where the rest was approved. Raises `Refused` where the
    bulk is another's, has ended, or is no registration.
    """
    with transaction.atomic():
        bulk = Bulk.objects.select_for_update(of=("self",)).get(pk=bulk_id)
        _own(bulk, actor)
        if bulk.kind != Bulk.Kind.REGISTER or bulk.state not in _OPEN:
            raise Refused("This bulk takes no lines any more.", code="wrong_state")
        rows = [
            Kept(row.number, {**row.said, "cluster": row.cluster_name}, row.change_id is not None)
            for row in bulk.rows.only("number", "said", "cluster_name", "change_id")
        ]
        found = bulk_corrections.place(table.lines, rows)
        bulk.rows.filter(change=None, number__in=found.replaced).delete()
        last = max((row.number for row in rows), default=0)
        fresh = []
        for line, number in found.lines:
            if number is None:
                number = last = last + 1
            fresh.append(_of_line(bulk, line, number, clock))
        BulkRow.objects.bulk_create(fresh)
        if fresh:
            Bulk.objects.filter(pk=bulk.pk).update(state=Bulk.State.CHECKING, note="")
            events.record(
                verb="bulk.corrected",
                message=f"{actor.get_username()} sent {len(fresh)} lines for “{bulk.title}”.",
                at=clock.now(),
                actor=actor,
                fleet=bulk.fleet,
                detail={"bulk": bulk.pk},
            )
    queue.wake(TASK)
    return Taken(
        added=len(fresh), skipped=len(table.lines) - len(fresh), corrected=len(found.replaced)
    )


def bind(row: BulkRow, change: Change) -> None:
    """The change of a row, in the transaction that makes it; raises `Refused` where it has one already.

    The bulk is locked, so that who withdraws it sees this change or stops it. That transaction holds
    the end of the audit trail, for which a decision on the bulk may wait: so nobody waits here, and
    `Transient` is raised instead.
    """
    try:
        with transaction.atomic():
            Bulk.objects.select_for_update(of=("self",), nowait=True).only("pk").get(pk=row.bulk_id)
    except OperationalError as error:
        raise Transient("Somebody is deciding on this bulk at this moment.") from error
    bound = BulkRow.objects.filter(
        pk=row.pk, change=None, is_checked=False, bulk__state=Bulk.State.CHECKING
    ).update(change=change, is_checked=True, problems=[])
    if not bound:
        raise Refused("Another worker was faster, or the bulk was withdrawn.", code="raced")


def refuse(row: BulkRow, problems: Iterable[tuple[str, str]]) -> None:
    """Why a row cannot be done."""
    BulkRow.objects.filter(pk=row.pk, change=None).update(
        is_checked=True, problems=[list(one) for one in problems]
    )


def propose_checked(*, clock: Clock) -> int:
    """Put bulks whose every row is checked before their approvers; returns how many."""
    proposed = 0
    for bulk in Bulk.objects.filter(state=Bulk.State.CHECKING).select_related("fleet"):
        with transaction.atomic():
            # Corrected lines may be on their way in: they hold this lock.
            Bulk.objects.select_for_update(of=("self",)).get(pk=bulk.pk)
            if bulk.rows.filter(is_checked=False).exists():
                continue
            moved = Bulk.objects.filter(pk=bulk.pk, state=Bulk.State.CHECKING).update(
                state=Bulk.State.PROPOSED
            )
            if moved:
                asked = bulk.rows.exclude(change=None).count()
                refused = bulk.rows.filter(change=None).count()
                events.record(
                    verb="bulk.checked",
                    message=f"“{bulk.title}” was checked: {asked} can be done, {refused} refused.",
                    at=clock.now(),
                    fleet=bulk.fleet,
                    detail={"bulk": bulk.pk},
                )
        proposed += moved
    return proposed


def undecided(bulk: Bulk) -> QuerySet[BulkRow]:
    """The rows that a decision on the whole is about."""
    rows = bulk.rows.filter(change__state=DecisionState.SUBMITTED.value)
    return rows.select_related("change").order_by("number")


def digest_of(bulk: Bulk) -> str:
    """What an approval of the whole is bound to: who asks, and each undecided row's own digest."""
    return _digest(
        bulk,
        undecided(bulk).values_list(
            "hub_name", "cluster_name", "change__uid", "change__plan_digest"
        ),
    )


def _digest(bulk: Bulk, rows: Iterable[tuple[str, str, object, str | None]]) -> str:
    return sha256(
        {
            "format": 1,
            "fleet": bulk.fleet.name,
            "requester": bulk.requester.get_username(),
            "rows": [[hub, name, str(uid), digest] for hub, name, uid, digest in rows],
        }
    )


def approve(
    *,
    bulk_id: int,
    digest: str,
    actor: User,
    clock: Clock,
    queue: WorkQueue,
    reason: str = "",
    confirmed: str = "",
) -> Decided:
    """Approve every undecided row as it was shown, in one transaction.

    Where something goes away on a cluster, `confirmed` is the bulk's title as typed. A row of which the
    policies demand more approvals goes on waiting for them. Raises `Refused` as `approvals.approve` does,
    and where the plan is not the one that was seen any more; then none is approved.
    """
    reason = prose(reason, field="reason")
    with transaction.atomic():
        bulk = Bulk.objects.select_for_update(of=("self",)).get(pk=bulk_id)
        rows = _seen_as(bulk, digest, confirmed=confirmed)
        count = approvals.approve_all(rows, actor=actor, clock=clock, queue=queue, reason=reason)
        waiting = undecided(bulk).count()
        state = Bulk.State.PROPOSED if waiting else Bulk.State.APPROVED
        _decided(bulk, state, actor, clock, digest, count, reason)
    return Decided(count, waiting)


def reject(*, bulk_id: int, digest: str, actor: User, clock: Clock, reason: str) -> Decided:
    """Reject every undecided row for a reason, in one transaction."""
    reason = prose(reason, field="reason")
    with transaction.atomic():
        bulk = Bulk.objects.select_for_update(of=("self",)).get(pk=bulk_id)
        rows = _seen_as(bulk, digest)
        count = approvals.reject_all(rows, actor=actor, clock=clock, reason=reason)
        _decided(bulk, Bulk.State.REJECTED, actor, clock, digest, count, reason)
    return Decided(count)


def withdraw(*, bulk_id: int, actor: User, clock: Clock) -> Decided:
    """Take back every row that nobody decided on; what is approved stays so."""
    with transaction.atomic():
        bulk = Bulk.objects.select_for_update(of=("self",)).get(pk=bulk_id)
        _own(bulk, actor)
        if bulk.state not in (Bulk.State.CHECKING, Bulk.State.PROPOSED):
            raise Refused("This bulk was decided on already.", code="wrong_state")
        numbers = undecided(bulk).values_list("change", flat=True)
        count = withdrawals.withdraw_all(numbers, actor=actor, clock=clock)
        _decided(bulk, Bulk.State.WITHDRAWN, actor, clock, "", count, "")
    return Decided(count)


def with_results(rows: QuerySet[BulkRow]) -> QuerySet[Any]:
    """Rows with `result`: unchecked, refused, or what became of the change, its delivery first."""
    newest = Delivery.objects.filter(
        change=OuterRef("change"), digest=OuterRef("change__plan_digest")
    ).order_by("-pk")
    decided = Coalesce(Subquery(newest.values("state")[:1]), F("change__state"))
    return rows.annotate(
        result=Case(
            When(is_checked=False, then=Value(UNCHECKED)),
            When(change__isnull=True, then=Value(REFUSED)),
            When(change__state=DecisionState.APPROVED.value, then=decided),
            default=F("change__state"),
            output_field=CharField(),
        )
    )


SETTLED = frozenset(
    {
        REFUSED,
        DeliveryState.COMMITTED.value,
        DeliveryState.FAILED.value,
        DecisionState.REJECTED.value,
        DecisionState.WITHDRAWN.value,
    }
)
"""Results with which nothing more happens by itself."""


def _begin(
    fleet: Fleet,
    kind: Bulk.Kind,
    title: str,
    answers: Mapping[str, Any],
    actor: User,
    clock: Clock,
    count: int,
) -> Bulk:
    require(actor, Right.REQUEST)
    if not count:
        raise Refused("There is no cluster to ask for.", code="nothing")
    words = line(" ".join(title.split()), field="title")
    return Bulk(
        fleet=fleet,
        kind=kind,
        title=words or f"{kind.label}: {count}",
        answers=dict(answers),
        requester=actor,
        created_at=clock.now(),
    )


def _of_line(bulk: Bulk, line: Line, number: int, clock: Clock) -> BulkRow:
    return BulkRow(
        bulk=bulk,
        number=number,
        hub_name=line.values.get("hub", ""),
        cluster_name=line.values.get("cluster", ""),
        said=dict(line.values),
        problems=[list(one) for one in line.problems],
        is_checked=bool(line.problems),
        due_at=clock.now(),
    )


def _requested(bulk: Bulk, actor: User, clock: Clock, count: int) -> None:
    events.record(
        verb="bulk.requested",
        message=f"{actor.get_username()} asked for “{bulk.title}”: {count} clusters.",
        at=clock.now(),
        actor=actor,
        fleet=bulk.fleet,
        detail={"bulk": bulk.pk},
    )


def _own(bulk: Bulk, actor: User) -> None:
    if bulk.requester_id != actor.pk:
        raise Refused("Only who asked for it can do this.", code="not_yours")


def _seen_as(bulk: Bulk, digest: str, *, confirmed: str | None = None) -> list[Change]:
    """The changes that a decision on the whole is about; `Refused` where it is not what was shown."""
    if bulk.state == Bulk.State.CHECKING:
        raise Refused("Its rows are still being checked.", code="wrong_state")
    # Read once: what is decided on is what was compared, also where a plan moves in between.
    left_out = [f"change__{name}" for name in approvals.NOT_FOR_WHOLE]
    rows = [(row, row.change) for row in undecided(bulk).defer(*left_out) if row.change]
    approvals.check_whole(
        [change for _, change in rows],
        seen=digest,
        now=_digest(
            bulk,
            [
                (row.hub_name, row.cluster_name, change.uid, change.plan_digest)
                for row, change in rows
            ],
        ),
        title=bulk.title,
        confirmed=confirmed,
    )
    return [change for _, change in rows]


def _decided(
    bulk: Bulk,
    state: Bulk.State,
    actor: User,
    clock: Clock,
    digest: str,
    count: int,
    reason: str,
) -> None:
    now = clock.now()
    note = f"{actor.get_username()}: {reason}" if reason else ""
    waits = state == Bulk.State.PROPOSED
    verb = "approval_added" if waits else state.value
    if not waits:
        Bulk.objects.filter(pk=bulk.pk).update(state=state, decided_at=now, note=note)
    did = "approved, where others have to, too," if waits else state.value
    events.record(
        verb=f"bulk.{verb}",
        message=f"{actor.get_username()} {did} “{bulk.title}”: {count} clusters.",
        at=now,
        actor=actor,
        fleet=bulk.fleet,
        detail={"bulk": bulk.pk, "digest": digest, "reason": reason},
    )
