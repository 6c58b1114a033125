"""Single changes that a newcomer to the demo finds: one that waits, a draft, one that lapsed.

They are made by the product's own services, as its people would make them; only the time is earlier.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from onboarding import wiring
from onboarding.demo import in_flight
from onboarding.demo.standing_in import Present, Silent, ago
from onboarding.domain.labels import edit_labels_text
from onboarding.domain.layout import TENANTS_LAYOUT, LayerName, Placement
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.planner import EditCluster, Intent, RegisterCluster
from onboarding.models import Change, Fleet
from onboarding.ports import CommitRequest, FleetRepository, TreeEdit
from onboarding.services import approvals, changes, drafts
from onboarding.services.delivery import deliveries

WAITING, DRAFT, LAPSED = "spoke-prod-ap-1", "edge-prod-lisbon", "edge-staging"


def leave(*, fleet: Fleet, hub: HubName, repository: FleetRepository) -> None:
    """Leave the examples in a new demo fleet.

    In one transaction: the demo's worker and beat are starting, and must not come in between.
    """
    requester = User.objects.get(username="requester")
    with transaction.atomic():
        _ask(
            fleet,
            RegisterCluster(
                placement=_place(hub, WAITING, "tenant1", "prod"),
                secret_name=f"fleet/{WAITING}",
                model=DeploymentModel.CENTRALIZED,
                pins={"addonsRelease": "release1", "enable_metrics_server": "true"},
            ),
            requester,
            repository,
            hours=3,
        )
        drafts.save(
            fleet=fleet,
            kind=Change.Kind.REGISTER,
            form_data={"hub": hub, "cluster": DRAFT, "tenant": "tenant2", "model": "distributed"},
            actor=requester,
            clock=ago(hours=1),
        )
        _approve_too_late(fleet, _place(hub, LAPSED, "tenant2", "staging"), requester, repository)
        in_flight.begin(fleet=fleet, repository=repository)
    deliveries.deliver(
        fleet_id=fleet.pk,
        repository=repository,
        clock=wiring.clock(),
        queue=Silent(),
        worker="demo",
    )


def _approve_too_late(
    fleet: Fleet, placement: Placement, requester: User, repository: FleetRepository
) -> None:
    """An edit that was approved, and then the fleet moved so that it would do something else."""
    edit = EditCluster(
        placement=placement,
        secret_name=f"fleet/{placement.cluster}",
        model=DeploymentModel.CENTRALIZED,
        pins={"resourcesRelease": "release1", "addonsRelease": "release1"},
    )
    change = _ask(fleet, edit, requester, repository, hours=6)
    approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=User.objects.get(username="approver"),
        clock=ago(hours=5),
        queue=Silent(),
        reason="As agreed with tenant2.",
        confirmed=str(placement.cluster),
    )
    environment = next(
        layer.path
        for layer in TENANTS_LAYOUT.labels_paths(placement)
        if layer.layer is LayerName.ENVIRONMENT
    )
    snapshot = repository.snapshot()
    base, old = snapshot.commit, snapshot.read(environment)
    text = edit_labels_text(old.content.decode() if old else None, {"enable_cert_manager": "true"})
    tip = repository.build(
        base,
        CommitRequest(
            edits=(TreeEdit(environment, old.blob if old else "", (text or "").encode()),),
            message="Give tenant2's staging clusters cert-manager\n",
            author_name="Platform team",
            author_email="platform@fleet.example",
            when=ago(hours=4).now(),
        ),
    )
    repository.push(base, tip, timeout=60)


def _ask(
    fleet: Fleet, intent: Intent, requester: User, repository: FleetRepository, *, hours: int
) -> Change:
    """Ask for approval of an intent, with what a form would have been filled in with."""
    where = intent.placement
    form_data = {
        "hub": where.hub,
        "cluster": where.cluster,
        "tenant": where.tenant,
        "environment": where.environment,
        "secret_name": intent.secret_name,
        "model": intent.model.value,
        **{f"pin_{label}": value or "" for label, value in intent.pins.items()},
    }
    return changes.submit(
        fleet=fleet,
        intent=intent,
        form_data=form_data,
        actor=requester,
        repository=repository,
        credentials=Present(),
        clock=ago(hours=hours),
    )


def _place(hub: HubName, cluster: str, tenant: str, environment: str) -> Placement:
    return Placement(hub, ClusterName(cluster), TenantName(tenant), Environment(environment))
