"""Changes: ask for approval of an intent, revise it, ask again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from onboarding.domain import planner
from onboarding.domain.credentials import SecretPresence
from onboarding.domain.errors import Refused
from onboarding.domain.intents import AnyIntent, EditLayer
from onboarding.domain.layer_rules import scope_of
from onboarding.domain.lifecycle import Act, DecisionState, Right, decide
from onboarding.models import Change, Fleet, Hub, Participant
from onboarding.ports import ChartRenderer, Clock, FleetRepository, SpokeCredentials
from onboarding.services import (
    events,
    indexing,
    leaving_guard,
    places,
    plan_records,
    policies,
    previews,
    rollout_guard,
    rounds,
    servers,
)
from onboarding.services.layouts import layout_of
from onboarding.services.rights import reach_of, require

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def submit(
    *,
    fleet: Fleet,
    intent: AnyIntent,
    form_data: Mapping[str, Any],
    actor: User,
    repository: FleetRepository,
    clock: Clock,
    credentials: SpokeCredentials | None = None,
    draft_id: int | None = None,
    renderer: ChartRenderer | None = None,
    also: Callable[[Change], None] | None = None,
) -> Change:
    """Ask for approval of an intent: plan it, then write change, author and event in one transaction.

    `also` is done in that transaction, at its end. Raises `Refused` with every reason at its form
    field; then nothing was written.
    """
    require(actor, Right.REQUEST, *places.touched_by_intent(fleet=fleet, intent=intent))
    server = _server(intent, form_data, credentials)
    draft = None
    if draft_id is not None:
        draft = Change.objects.filter(
            pk=draft_id, requester=actor, state=DecisionState.DRAFT.value
        ).first()
        if draft is None:
            raise Refused(
                "This draft was already asked for approval, or thrown away.", code="not_a_draft"
            )
    plan = _plan(
        fleet=fleet,
        intent=intent,
        repository=repository,
        clock=clock,
        change=draft,
        server=server,
        renderer=renderer,
    )
    change = draft or Change(fleet=fleet, requester=actor)
    _fill(change, intent=intent, form_data=form_data, server=server)
    return _ask_for_approval(
        change,
        plan=plan,
        actor=actor,
        clock=clock,
        act=Act.SUBMIT,
        verb="change.submitted",
        also=also,
    )


def submit_planned(
    *, fleet: Fleet, plan: planner.Plan, form_data: Mapping[str, Any], actor: User, clock: Clock
) -> Change:
    """Ask for approval of an edit that was just planned: the same as `submit`, without planning again."""
    require(actor, Right.REQUEST, *places.touched_by_intent(fleet=fleet, intent=plan.intent))
    change = Change(fleet=fleet, requester=actor)
    _fill(change, intent=plan.intent, form_data=form_data, server="")
    return _ask_for_approval(
        change, plan=plan, actor=actor, clock=clock, act=Act.SUBMIT, verb="change.submitted"
    )


def revise(
    *,
    change_id: int,
    intent: AnyIntent,
    form_data: Mapping[str, Any],
    actor: User,
    repository: FleetRepository,
    clock: Clock,
    credentials: SpokeCredentials | None = None,
    renderer: ChartRenderer | None = None,
    seen: int | None = None,
    also: Callable[[Change], None] | None = None,
) -> Change:
    """Edit a change that waits for approval (or whose approval lapsed): a new revision, a new plan.

    Whoever edits becomes an author and can never approve this change. `seen` is the revision that the
    edit is of, if its author said so. `also` is done in the transaction, at its end. Raises `Refused`
    where the change is decided or has another revision, the actor has already decided on it, or the
    intent is about another cluster.
    """
    change = Change.objects.select_related("fleet", "requester").get(pk=change_id)
    touched = places.touched_by_intent(fleet=change.fleet, intent=intent)
    require(actor, Right.REQUEST, *touched, *places.touched_by(change))
    _check_revision(change, intent, seen)
    server = _server(intent, form_data, credentials)
    plan = _plan(
        fleet=change.fleet,
        intent=intent,
        repository=repository,
        clock=clock,
        change=change,
        server=server,
        renderer=renderer,
    )
    expected = change.revision
    _fill(change, intent=intent, form_data=form_data, server=server)
    change.revision = expected + 1
    return _ask_for_approval(
        change,
        plan=plan,
        actor=actor,
        clock=clock,
        act=Act.EDIT,
        verb="change.revised",
        expected_revision=expected,
        also=also,
    )


def dry_run(
    *,
    fleet: Fleet,
    intent: AnyIntent,
    form_data: Mapping[str, Any],
    actor: User | None,
    repository: FleetRepository,
    clock: Clock,
    credentials: SpokeCredentials | None = None,
    renderer: ChartRenderer | None = None,
    revises: Change | None = None,
    seen: int | None = None,
) -> planner.Plan:
    """The plan that `submit` would keep now, or `revise` of the change that it `revises`; nothing is asked for.

    `actor` is None for who runs the installation and reads it in a terminal. Raises `Refused` as they do.
    """
    if actor:
        touched = places.touched_by_intent(fleet=fleet, intent=intent)
        there = places.touched_by(revises) if revises else ()
        require(actor, Right.REQUEST, *touched, *there)
    if revises:
        _check_revision(revises, intent, seen)
        decide(
            DecisionState(revises.state),
            Act.EDIT,
            actor_is_author=True,
            actor_may=frozenset({Right.REQUEST}),
        )
    return _plan(
        fleet=fleet,
        intent=intent,
        repository=repository,
        clock=clock,
        change=revises,
        server=_server(intent, form_data, credentials),
        renderer=renderer,
    )


def resubmit(
    *,
    change_id: int,
    actor: User,
    repository: FleetRepository,
    clock: Clock,
    renderer: ChartRenderer | None = None,
) -> Change:
    """Ask again for approval of a lapsed change, with the plan as it is at the branch's tip now.

    A new revision: no approval of an earlier request is taken for one of this.
    """
    change = Change.objects.select_related("fleet", "requester").get(pk=change_id)
    require(actor, Right.REQUEST, *places.touched_by(change))
    plan = _plan(
        fleet=change.fleet,
        intent=planner.intent_from_data(change.intent),
        repository=repository,
        clock=clock,
        change=change,
        server=change.server,
        renderer=renderer,
    )
    expected = change.revision
    change.revision = expected + 1
    return _ask_for_approval(
        change,
        plan=plan,
        actor=actor,
        clock=clock,
        act=Act.SUBMIT,
        verb="change.resubmitted",
        expected_revision=expected,
    )


def hub_of(*, fleet: Fleet, name: str) -> Hub | None:
    """The hub of a fleet with this name; None where none is configured."""
    return rounds.once(
        ("hub", fleet.pk, name), lambda: Hub.objects.filter(fleet=fleet, name=name).first()
    )


def _check_revision(change: Change, intent: AnyIntent, seen: int | None) -> None:
    """Raise `Refused` where a change cannot come to ask for this, whoever edits it."""
    if change.kind == Change.Kind.OFFBOARD:
        raise Refused("An offboarding is not edited. Withdraw it, and ask anew.", code="no_form")
    rollout_guard.refuse_edit(change=change)
    if isinstance(intent, EditLayer) != (change.kind == Change.Kind.LAYER):
        raise Refused("A change stays of one kind. Withdraw it, and ask anew.", code="other_kind")
    if isinstance(intent, EditLayer):
        if intent.path != change.intent.get("path"):
            raise Refused("A change stays with its file. Withdraw it, and ask anew.", field="path")
    elif intent.placement.cluster != change.cluster_name and change.kind != Change.Kind.REGISTER:
        raise Refused(
            "A change cannot be moved to another cluster. Withdraw it and ask anew.",
            field="cluster",
        )
    if seen is not None and seen != change.revision:
        raise Refused(
            f"This change has revision {change.revision} by now. Look at it, and edit that.",
            field="revision",
            code="raced",
        )


def _plan(
    *,
    fleet: Fleet,
    intent: AnyIntent,
    repository: FleetRepository,
    clock: Clock,
    change: Change | None,
    server: str,
    renderer: ChartRenderer | None,
) -> planner.Plan:
    """Plan at the fetched tip, with the members indexed at that tip: what is taken is known as of now."""
    rounds.once(
        ("indexed", fleet.pk),
        lambda: indexing.index(fleet=fleet, repository=repository, clock=clock),
    )
    found = previews.preview(
        fleet=fleet,
        intent=intent,
        snapshot=repository.snapshot(),
        change=change,
        server=server,
        renderer=renderer,
    )
    leaving_guard.refuse_removal(fleet=fleet, plan=found, now=clock.now())
    return found


def _server(
    intent: AnyIntent, form_data: Mapping[str, Any], credentials: SpokeCredentials | None
) -> str:
    """The server of a spoke that joins, from its secret's tag or as entered; "" where unknown.

    Refuses a registration whose secret is known not to be there; not knowing refuses nothing.
    """
    if not isinstance(intent, planner.RegisterCluster):
        return ""
    if credentials is None:
        raise TypeError("A registration is planned with the credentials of its hub's spokes.")
    facts = credentials.describe(intent.secret_name)
    if facts.presence in (SecretPresence.ABSENT, SecretPresence.PENDING_DELETION):
        raise Refused(facts.detail, field="secret_name", code=f"secret_{facts.presence.value}")
    return servers.server_of(facts=facts, entered=str(form_data.get("server", "")))


def _fill(change: Change, *, intent: AnyIntent, form_data: Mapping[str, Any], server: str) -> None:
    """Write the intent's words into the change's columns."""
    change.intent = intent.to_data()
    change.form_data = dict(form_data)
    if isinstance(intent, EditLayer):
        scope = scope_of(intent, layout_of(change.fleet))
        change.kind, change.hub = Change.Kind.LAYER, None
        change.tenant, change.environment = scope.tenant, scope.environment
        return
    placement = intent.placement
    change.kind = Change.Kind(intent.kind)
    change.hub = hub_of(fleet=change.fleet, name=placement.hub)
    change.cluster_name, change.tenant, change.environment = (
        placement.cluster,
        placement.tenant,
        placement.environment,
    )
    change.secret_name, change.server = intent.secret_name, server


def _ask_for_approval(
    change: Change,
    *,
    plan: planner.Plan,
    actor: User,
    clock: Clock,
    act: Act,
    verb: str,
    expected_revision: int | None = None,
    also: Callable[[Change], None] | None = None,
) -> Change:
    """Write a change that waits for approval, its author, its plan and the event, or nothing."""
    now = clock.now()
    try:
        with transaction.atomic():
            is_new = change.pk is None
            if not is_new:
                current = Change.objects.select_for_update(of=("self",)).get(pk=change.pk)
                decide(
                    DecisionState(current.state),
                    act,
                    actor_is_author=True,
                    actor_may=reach_of(actor).at_all(places.touched_by(change)),
                )
                if expected_revision is not None and current.revision != expected_revision:
                    raise Refused(
                        "Somebody else edited this change meanwhile. Reload and edit again.",
                        code="raced",
                    )
                _make_author(change, actor)
            change.state, change.state_note = DecisionState.SUBMITTED.value, ""
            change.submitted_at, change.decided_at, change.settled_at = now, None, None
            for column, value in plan_records.columns(plan).items():
                setattr(change, column, value)
            change.plan_digest = previews.digest_for(change=change, plan=plan)
            demand = policies.ask(change)
            change.save()
            if is_new:
                Participant.objects.create(change=change, user=actor, role=Participant.Role.AUTHOR)
            policies.note_asked(change, demand, at=now, is_new=is_new)
            events.record(
                verb=verb,
                message=f"{actor.get_username()} asked for approval.",
                at=now,
                actor=actor,
                change=change,
                detail={
                    "digest": change.plan_digest,
                    "revision": change.revision,
                    "demand": demand.to_data(),
                },
            )
            if also:
                also(change)
    except IntegrityError as error:
        raise Refused(
            "Another open change registers a cluster of this name. Look at the list of changes.",
            field="cluster",
            code="duplicate",
        ) from error
    change.refresh_from_db()
    return change


def _make_author(change: Change, actor: User) -> None:
    participant, _ = Participant.objects.get_or_create(
        change=change, user=actor, defaults={"role": Participant.Role.AUTHOR}
    )
    if participant.role != Participant.Role.AUTHOR:
        raise Refused("You have decided on this change, so you cannot edit it.", code="own_change")
