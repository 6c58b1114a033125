"""Previews: what would be written and what would follow, computed and never stored by looking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q

from onboarding.domain import diff, planner
from onboarding.domain.intent_rules import secret_key
from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.secret_labels import from_secret
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Change, Cluster, Fleet, HubObject, HubWatch, Participant
from onboarding.ports import ChartRenderer, FleetRepository, HubKind
from onboarding.services import hub_checks, servers
from onboarding.services.layouts import layout_of
from onboarding.services.renderings import NO_RENDERER, Renderings

POLICY_VERSION = "2"
"""The version of the approval rules that a digest is bound to; it changes when the rules do."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with its digest: what the approver sees is what the digest covers."""

    plan: planner.Plan
    digest: str


def neighbours(
    *,
    fleet: Fleet,
    intent: planner.Intent,
    except_change: Change | None = None,
    except_path: str = "",
) -> planner.Neighbours:
    """Who has, or may have, the intent's cluster name or secret: Git as indexed (all hubs and fleets), open changes.

    `except_change` is the change that is being planned, `except_path` the member file that it edits.
    Only rows that could collide are read: a fleet of thousands is planned as fast as one of ten.
    """
    name, secret = intent.placement.cluster, secret_key(intent.secret_name)
    by_name: dict[str, str] = {}
    by_secret: dict[str, str] = {}
    open_changes = Change.objects.filter(
        kind=Change.Kind.REGISTER, settled_at__isnull=True
    ).exclude(state=DecisionState.DRAFT.value)
    if except_change is not None:
        open_changes = open_changes.exclude(pk=except_change.pk)
    open_changes = open_changes.filter(
        Q(cluster_name__iexact=name) | Q(secret_name__icontains=secret)
    )
    for pk, *taken in open_changes.values_list("pk", "cluster_name", "secret_name"):
        by_name[taken[0]] = by_secret[taken[1]] = f"change #{pk}, which is still open"
    clusters = (
        Cluster.objects.filter(Q(name__iexact=name) | Q(secret_name__icontains=secret))
        .select_related("fleet")
        .only("fleet__name", "path", "hub_name", "name", "secret_name")
    )
    for cluster in clusters:
        if cluster.path == except_path and cluster.fleet_id == fleet.pk:
            continue
        where = (
            f"the cluster on hub {cluster.hub_name} ({cluster.path} in fleet {cluster.fleet.name})"
        )
        by_name[cluster.name] = where
        if cluster.secret_name:
            by_secret[cluster.secret_name] = where
    return planner.Neighbours(by_name=by_name, by_secret=by_secret)


def neighbours_of_change(*, change: Change, intent: planner.Intent) -> planner.Neighbours:
    """Who else has, or may have, the name or the secret of a stored change."""
    return neighbours(
        fleet=change.fleet,
        intent=intent,
        except_change=change,
        except_path=_own_path(change.fleet, intent),
    )


def live_sets(*, hub_name: str) -> tuple[Mapping[str, Any], ...]:
    """The ApplicationSets that the hub was last seen to have, as plain maps with their selectors."""
    rows = HubObject.objects.filter(hub__name=hub_name, kind=HubKind.APPLICATION_SETS.value)
    return tuple(row.facts for row in rows.only("facts"))


def sets_seen(*, hub_name: str) -> bool:
    """Whether the hub's ApplicationSets were listed, be there any or none."""
    watch = HubWatch.objects.filter(hub__name=hub_name).only("kinds").first()
    kind = watch.kinds.get(HubKind.APPLICATION_SETS.value) if watch else None
    return bool(isinstance(kind, dict) and kind.get("listed_at"))


def preview(
    *,
    fleet: Fleet,
    intent: planner.Intent,
    snapshot: Snapshot,
    change: Change | None = None,
    server: str = "",
    renderer: ChartRenderer | None = None,
) -> planner.Plan:
    """Plan an intent on one snapshot; nothing is written.

    `server` is the API server of a cluster that joins, as far as it is known. `renderer` evaluates
    the repository's own charts where they are others than the shipped ones; nothing that it says is
    in the digest. Raises `Refused` with
    every reason at its form field.
    """
    where = layout_of(fleet)
    except_path = _own_path(fleet, intent)
    rendered = Renderings(
        snapshot=snapshot,
        layout=where,
        hub_name=intent.placement.hub,
        renderer=renderer or NO_RENDERER,
    )
    known = rendered.known(
        live_sets(hub_name=intent.placement.hub), asked=sets_seen(hub_name=intent.placement.hub)
    )
    found = planner.plan(
        intent,
        snapshot,
        where,
        neighbours(fleet=fleet, intent=intent, except_change=change, except_path=except_path),
        known=known,
    )
    found = rendered.named(found, known)
    warnings = [
        *found.warnings,
        *rendered.told(found),
        *from_secret(snapshot),
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
    authors = Participant.objects.filter(change=change, role=Participant.Role.AUTHOR)
    editors = sorted(
        authors.exclude(user=change.requester_id).values_list("user__username", flat=True)
    )
    return diff.digest(
        plan,
        fleet=change.fleet.name,
        hub=plan.intent.placement.hub,
        change_id=str(change.uid),
        revision=change.revision,
        requester=change.requester.get_username(),
        editors=editors,
        policy_version=POLICY_VERSION,
    )


def _own_path(fleet: Fleet, intent: planner.Intent) -> str:
    """The member file that an intent is about and that is nobody's neighbour; "" for a new one."""
    if isinstance(intent, planner.RegisterCluster):
        return ""
    return layout_of(fleet).member_path(intent.placement.hub, intent.placement.cluster)
