"""Previews: what would be written and what would follow, computed and never stored by looking."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onboarding.domain import diff, leaving_plan, planner
from onboarding.domain.intents import AnyIntent, EditLayer
from onboarding.domain.secret_labels import from_secret
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Change, Fleet, Participant
from onboarding.ports import ChartRenderer, FleetRepository
from onboarding.services import hub_checks, layer_previews, leaving_guard, rounds, servers
from onboarding.services.hub_sets import live_sets, sets_seen
from onboarding.services.layouts import layout_of
from onboarding.services.neighbours import neighbours
from onboarding.services.renderings import NO_RENDERER, Renderings

POLICY_VERSION = "2"
"""The version of the approval rules that a digest is bound to; it changes when the rules do."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with its digest: what the approver sees is what the digest covers."""

    plan: planner.Plan
    digest: str


def preview(
    *,
    fleet: Fleet,
    intent: AnyIntent,
    snapshot: Snapshot,
    change: Change | None = None,
    server: str = "",
    renderer: ChartRenderer | None = None,
    moving_from: str = "",
) -> planner.Plan:
    """Plan an intent on one snapshot; nothing is written.

    `server` is the API server of a cluster that joins, as far as it is known. `renderer` evaluates
    the repository's own charts where they are others than the shipped ones; nothing that it says is
    in the digest. `moving_from` is the hub that a joining cluster will have left by then. Raises
    `Refused` with every reason at its form field.
    """
    if isinstance(intent, EditLayer):
        return layer_previews.preview(
            fleet=fleet, intent=intent, snapshot=snapshot, renderer=renderer
        )
    where = layout_of(fleet)
    rendered = Renderings(
        snapshot=snapshot,
        layout=where,
        hub_name=intent.placement.hub,
        renderer=renderer or NO_RENDERER,
    )
    known = rendered.known(
        live_sets(hub_name=intent.placement.hub), asked=sets_seen(hub_name=intent.placement.hub)
    )
    leaving_guard.refuse_while_leaving(fleet=fleet, intent=intent)
    taken = neighbours(fleet=fleet, intent=intent, change=change, moving_from=moving_from)
    if isinstance(intent, planner.LeaveFleet):
        found = leaving_plan.plan(intent, snapshot, where, taken, known=known)
    else:
        found = planner.plan(intent, snapshot, where, taken, known=known)
    found = rendered.named(found, known)
    warnings = [
        *found.warnings,
        *rendered.told(found),
        *rounds.once(("from secret", snapshot), lambda: tuple(from_secret(snapshot))),
        *hub_checks.check(plan=found, fleet=fleet, snapshot=snapshot, layout=where),
    ]
    if isinstance(intent, planner.RegisterCluster):
        cluster = intent.placement.cluster
        warnings += servers.check(server=server, cluster=cluster, except_change=change)
    return replace(found, warnings=tuple(warnings))


def preview_change(
    *,
    change: Change,
    repository: FleetRepository,
    commit: str | None = None,
    renderer: ChartRenderer | None = None,
) -> Preview:
    """Plan a stored change at a commit (default: the fetched tip), with the digest that would be approved."""
    plan = preview(
        fleet=change.fleet,
        intent=planner.intent_from_data(change.intent),
        snapshot=repository.snapshot(commit),
        change=change,
        server=change.server,
        renderer=renderer,
    )
    return Preview(plan=plan, digest=digest_for(change=change, plan=plan))


def digest_for(*, change: Change, plan: planner.Plan) -> str:
    """The digest of a change's plan: content, requester, editors and rules, nothing of hub or clock."""
    authors = Participant.objects.filter(change=change.pk, role=Participant.Role.AUTHOR)
    others = authors.exclude(user=change.requester_id).values_list("user__username", flat=True)
    editors = sorted(others) if change.pk else []  # a new change has nobody but its requester
    return diff.digest(
        plan,
        fleet=change.fleet.name,
        hub="" if isinstance(plan.intent, EditLayer) else plan.intent.placement.hub,
        change_id=str(change.uid),
        revision=change.revision,
        requester=change.requester.get_username(),
        editors=editors,
        policy_version=POLICY_VERSION,
    )
