"""Approval policies: which rules there are, what they demand of a change, how far that is met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from onboarding.domain.errors import Refused
from onboarding.domain.intents import EditLayer
from onboarding.domain.layer_rules import scope_of
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.plans import Plan
from onboarding.domain.policy import (
    Demand,
    Given,
    Rule,
    Subject,
    Tally,
    demand_on,
    in_force,
    judge,
    strictest,
)
from onboarding.domain.roles import Place
from onboarding.models import Approval, Change, Fleet, Participant, PolicyRule, WantedGroup
from onboarding.ports import Clock
from onboarding.services import events, places, rounds
from onboarding.services.layouts import layout_of
from onboarding.services.rights import Reach, reach_of, require_administrator

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_PEOPLE = ("approvals__user__groups", "participants")


def rules() -> tuple[Rule, ...]:
    """All rules, by name."""
    return tuple(Rule.from_data(row.name, row.rule) for row in PolicyRule.objects.all())


def subject_of(change: Change) -> Subject:
    """What the rules look at in a change."""
    return Subject(
        fleet=change.fleet.name,
        kind=change.kind,
        tenant=change.tenant,
        environment=change.environment,
        destructive=change.destructive,
    )


def demand_on_plan(plan: Plan, *, fleet: Fleet, known: Iterable[Rule] | None = None) -> Demand:
    """What would be demanded of a plan that nobody asked for yet; `known` spares reading the rules."""
    intent = plan.intent
    if isinstance(intent, EditLayer):
        scope = scope_of(intent, layout_of(fleet))
        tenant, environment = scope.tenant, scope.environment
    else:
        tenant, environment = intent.placement.tenant, intent.placement.environment
    subject = Subject(fleet.name, intent.kind, tenant, environment, plan.destructive)
    return demand_on(subject, rules() if known is None else known)


def demand_on_plans(plans: Iterable[Plan], *, fleet: Fleet) -> Demand:
    """The most that would be demanded of any of many plans."""
    known = rules()
    return strictest(demand_on_plan(one, fleet=fleet, known=known) for one in plans)


def demand_on_edits(places: Iterable[tuple[str, str]], *, fleet: Fleet) -> Demand:
    """The most that would be demanded of edits, by tenant and environment, after which nothing goes away."""
    known = rules()
    return strictest(
        demand_on(Subject(fleet.name, Change.Kind.EDIT.value, *place, destructive=False), known)
        for place in places
    )


def demand_of(change: Change, known: Iterable[Rule]) -> Demand:
    """What holds for a change now: what was asked of it, or what the rules say today if that is stricter."""
    return in_force(Demand.from_data(change.demand), demand_on(subject_of(change), known))


def demand_on_whole(changes: QuerySet[Change]) -> Demand:
    """The most that holds for any of many changes of one fleet; as many queries for all as for one."""
    known = rules()
    columns = ("fleet__name", "kind", "tenant", "environment", "destructive")
    rows = changes.order_by().values_list(*columns, "demand").distinct()
    return strictest(
        in_force(Demand.from_data(asked), demand_on(Subject(*subject), known))
        for *subject, asked in rows
    )


def ask(change: Change) -> Demand:
    """Put into a change what is demanded of it as it is asked for; the caller saves it.

    It has the plan's columns by then. What was asked before of another revision is gone.
    """
    demand = demand_on(subject_of(change), rounds.once("rules", rules))
    change.demand = demand.to_data()
    return demand


def note_asked(change: Change, demand: Demand, *, at: datetime, is_new: bool) -> None:
    """Write down whose approval a change needs first that was just saved as `ask` left it."""
    found = judge(demand, (), at)
    if found.only_groups or not is_new:
        note_wanted(change, found)


def ask_together(changes: QuerySet[Change]) -> Demand:
    """Demand of every change of a whole what is demanded of any of them; in the caller's transaction."""
    rows = list(changes)
    demand = strictest(Demand.from_data(one.demand) for one in rows)
    Change.objects.filter(pk__in=[one.pk for one in rows]).update(demand=demand.to_data())
    found = judge(demand, (), datetime.min.replace(tzinfo=UTC))
    for one in rows:
        note_wanted(one, found)
    return demand


def plan_moved(change: Change, *, at: datetime) -> None:
    """Say anew whose approval a waiting change needs, as its plan became another one."""
    note_wanted(change, tally(change, rules(), at=at))


def given(
    change: Change, *, digest: str, touched: Set[Place], reach: Callable[[User], Reach] = reach_of
) -> tuple[Given, ...]:
    """The approvals of the plan with this digest, each with whether it still counts.

    Rights over all places that it touches are asked again here, never remembered. Reads the change's
    approvals and participants where they were not prefetched.
    """
    authors = {
        one.user_id for one in change.participants.all() if one.role == Participant.Role.AUTHOR
    } | {change.requester_id}
    needed = {Right.APPROVE, *([Right.APPROVE_DESTRUCTIVE] if change.destructive else [])}
    return tuple(
        Given(
            who=one.user.get_username(),
            at=one.created_at,
            groups=frozenset(group.name for group in one.user.groups.all()),
            void=_void(one, authors, needed - reach(one.user).at_all(touched)),
        )
        for one in change.approvals.all()
        if one.digest == digest and one.verdict == Approval.Verdict.APPROVE
    )


def _void(approval: Approval, authors: set[int], lacking: Set[Right]) -> str:
    if approval.user_id in authors:
        return "they took part in writing the change"
    if not lacking:
        return ""
    return f"they have no right to {' and to '.join(sorted(right.value for right in lacking))} now"


def tally(
    change: Change, known: Iterable[Rule], *, at: datetime, digest: str | None = None
) -> Tally:
    """How far the approvals of a change's plan (or of another digest of it) meet what is demanded."""
    seen = Change.objects.prefetch_related(*_PEOPLE).only("pk", "requester", "destructive")
    found = given(
        seen.get(pk=change.pk),
        digest=change.plan_digest if digest is None else digest,
        touched=places.touched_by(change),
    )
    return judge(demand_of(change, known), found, at)


def tallies(
    changes: Sequence[Change],
    *,
    at: datetime,
    digests: dict[int, str] | None = None,
    known: Iterable[Rule] | None = None,
) -> dict[int, Tally]:
    """`tally` for many changes, by number, with as many queries as for one, and one for each approver.

    `known` spares reading the rules.
    """
    known = rules() if known is None else tuple(known)
    touched = places.touched_by_all(changes)
    reaches: dict[int, Reach] = {}

    def reach(person: User) -> Reach:
        if person.pk not in reaches:
            reaches[person.pk] = reach_of(person)
        return reaches[person.pk]

    people = Change.objects.prefetch_related(*_PEOPLE).only("pk", "requester", "destructive")
    found = people.in_bulk([one.pk for one in changes])
    return {
        one.pk: judge(
            demand_of(one, known),
            given(
                found[one.pk],
                digest=(digests or {}).get(one.pk, one.plan_digest),
                touched=touched[one.pk],
                reach=reach,
            ),
            at,
        )
        for one in changes
        if one.pk in found
    }


def void_words(found: Tally) -> str:
    """Which approvals do not count any more, and why; "" where all do."""
    return " ".join(
        f"The approval by {who} does not count any more: {why}." for who, why in found.void
    )


def in_short(changes: Sequence[Change]) -> dict[int, str]:
    """How far waiting changes are, in a few words each, by number; none of those that wait for one approval.

    For lists: three queries for any number of them, and no right is asked again.
    """
    waiting = [one for one in changes if one.state == DecisionState.SUBMITTED.value]
    if not waiting:
        return {}
    numbers, known = [one.pk for one in waiting], rules()
    given = set(
        Approval.objects.filter(change__in=numbers, verdict=Approval.Verdict.APPROVE).values_list(
            "change", "digest", "user"
        )
    )
    groups: dict[int, list[str]] = {}
    for change_id, name in WantedGroup.objects.filter(change__in=numbers).values_list(
        "change", "name"
    ):
        groups.setdefault(change_id, []).append(name)
    found = {}
    for one in waiting:
        needed = demand_of(one, known).approvers
        count = sum((pk, digest) == (one.pk, one.plan_digest) for pk, digest, _ in given)
        whose = f"; the next from {' and '.join(groups[one.pk])}" if one.pk in groups else ""
        if whose or needed > 1:
            found[one.pk] = f"{count} of {needed} approval{'' if needed == 1 else 's'}{whose}."
    return found


def groups_of(person: User) -> frozenset[str]:
    """The groups that somebody is in now, by name."""
    return frozenset(person.groups.values_list("name", flat=True))


def helps(found: Tally, groups: Set[str]) -> bool:
    """Whether the approval of somebody who is in these groups brings a change nearer to being approved."""
    only = found.only_groups
    return not only or not groups.isdisjoint(only)


def note_wanted(change: Change, found: Tally) -> None:
    """Write down whose approval helps next, so that inboxes can ask for it; in the caller's transaction."""
    wanted = set(found.only_groups)
    rows = WantedGroup.objects.filter(change=change)
    known = set(rows.values_list("name", flat=True))
    if known - wanted:
        rows.exclude(name__in=wanted).delete()
    WantedGroup.objects.bulk_create(
        (WantedGroup(change=change, name=name) for name in sorted(wanted - known)),
        ignore_conflicts=True,
    )


def save(*, rule: Rule, actor: User, clock: Clock, row: PolicyRule | None = None) -> PolicyRule:
    """Create or change a rule. Raises `Refused` where the actor is no administrator, or the name is taken.

    It holds at once: for what waits, for what is approved and not in Git yet, and for what comes. What
    was asked of a change before is never taken back by it.
    """
    require_administrator(actor)
    before = {"name": row.name, **row.rule} if row else None
    now = clock.now()
    try:
        with transaction.atomic():
            kept = row or PolicyRule()
            kept.name, kept.rule = rule.name, rule.to_data()
            kept.updated_at, kept.updated_by = now, actor
            kept.save()
            events.record(
                verb="policy.saved",
                message=f"{actor.get_username()} saved the approval rule “{rule.name}”.",
                at=now,
                actor=actor,
                detail={"before": before, "after": {"name": rule.name, **kept.rule}},
            )
            _look_again(now)
    except IntegrityError as error:
        raise Refused("Another rule has this name.", field="name", code="duplicate") from error
    return kept


def remove(*, row: PolicyRule, actor: User, clock: Clock) -> None:
    """Remove a rule. What it asked of changes that wait stays asked."""
    require_administrator(actor)
    now = clock.now()
    with transaction.atomic():
        events.record(
            verb="policy.removed",
            message=f"{actor.get_username()} removed the approval rule “{row.name}”.",
            at=now,
            actor=actor,
            detail={"before": {"name": row.name, **row.rule}},
        )
        row.delete()
        _look_again(now)


def waiting_changes() -> QuerySet[Change]:
    """The changes that wait for approval, without what only their pages need."""
    rows = Change.objects.filter(state=DecisionState.SUBMITTED.value).select_related("fleet")
    return rows.defer("plan", "read_set", "form_data", "intent")


def note_all_wanted(changes: Sequence[Change], found: Mapping[int, Tally]) -> None:
    """`note_wanted` for many changes; only those for which it is not so yet are written."""
    if not changes:
        return
    known: dict[int, set[str]] = {}
    rows = WantedGroup.objects.filter(change__in=[one.pk for one in changes])
    for change_id, name in rows.values_list("change", "name"):
        known.setdefault(change_id, set()).add(name)
    for one in changes:
        if one.pk in found and known.get(one.pk, set()) != set(found[one.pk].only_groups):
            note_wanted(one, found[one.pk])


def _look_again(at: datetime) -> None:
    """Say anew for every waiting change whose approval it needs next."""
    waiting = list(waiting_changes())
    note_all_wanted(waiting, tallies(waiting, at=at))
