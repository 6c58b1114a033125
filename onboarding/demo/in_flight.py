"""What is under way in the demo when a newcomer comes: a rollout, an offboarding, a pause, a bulk.

Asked for and decided on by the product's own services. The demo's workers and its hub lead them on:
the rollout stops by itself within a minute, because a cluster of its second wave degrades.
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User

from onboarding import wiring
from onboarding.demo.standing_in import Present, Silent, ago
from onboarding.domain import bulk_csv
from onboarding.domain.rollout_waves import SplitBy, parse_waves
from onboarding.forms.registration import OPTIONS
from onboarding.models import Change, Cluster, Fleet
from onboarding.ports import FleetRepository
from onboarding.services import (
    approvals,
    bulks,
    offboarding,
    pausing,
    rollout_decisions,
    rollouts,
)

PAUSED, LEAVES = "spoke-prod-eu-1", "spoke-dev-old"
WAVES = """\
spoke-staging-shop @ 0m
spoke-prod-shop-1
spoke-prod-shop-2, spoke-prod-shop-3
"""
DEGRADES = "spoke-prod-shop-1"
CHANNEL = "release1"
ROWS = """\
hub,cluster,tenant,environment,secret_name,addonsRelease
hub-cluster,edge-prod-porto,tenant2,prod,fleet/edge-prod-porto,
hub-cluster,edge-prod-vienna,tenant2,prod,fleet/edge-prod-vienna,
hub-cluster,edge-prod-dublin,tenant2,prod,fleet/edge-prod-dublin,release1
hub-cluster,edge-prod-riga,tenant2,prod,fleet/edge-prod-riga,release7
hub-cluster,edge-prod-madrid,tenant2,prod,fleet/edge-prod-madrid,
hub-cluster,edge-prod-malmö,tenant2,prod,fleet/edge-prod-malmo,
"""
"""Six clusters, of which three can be registered: one names a channel that nobody released, one is
registered already, and the name of one is none."""


def begin(*, fleet: Fleet, repository: FleetRepository) -> None:
    """Ask for all of it, and approve what is under way; in the caller's transaction.

    The bulk's rows are checked by the demo's workers.
    """
    requester, approver = (User.objects.get(username=name) for name in ("requester", "approver"))
    _pause(fleet, repository, requester, approver)
    _leave(fleet, repository, requester, approver)
    _roll_out(fleet, repository, requester, approver)
    bulks.register(
        fleet=fleet,
        title="The edge clusters of the new region",
        table=bulk_csv.read(ROWS.encode(), options=tuple(OPTIONS)),
        actor=requester,
        clock=ago(minutes=20),
        queue=Silent(),
    )


def _pause(fleet: Fleet, repository: FleetRepository, requester: User, approver: User) -> None:
    change = pausing.request(
        cluster=Cluster.objects.get(fleet=fleet, name=PAUSED),
        reason="The database team moves its volumes by hand; syncs would undo that.",
        until=wiring.clock().now() + timedelta(days=2),
        actor=requester,
        repository=repository,
        credentials=Present(),
        clock=ago(minutes=55),
    )
    _approve(change, approver, minutes=50)


def _leave(fleet: Fleet, repository: FleetRepository, requester: User, approver: User) -> None:
    change = offboarding.request(
        cluster=Cluster.objects.get(fleet=fleet, name=LEAVES),
        keep=False,
        confirmed=LEAVES,
        actor=requester,
        repository=repository,
        credentials=Present(),
        clock=ago(minutes=40),
    )
    _approve(change, approver, minutes=35, reason="Nobody has used it since spring.")


def _roll_out(fleet: Fleet, repository: FleetRepository, requester: User, approver: User) -> None:
    rollout = rollouts.request(
        fleet=fleet,
        asked=rollouts.Asked(
            label="addonsRelease",
            source="default",
            target=CHANNEL,
            waves=parse_waves(WAVES, soak=timedelta(minutes=30)),
            by=SplitBy.LIST,
        ),
        title=f"The shop goes to {CHANNEL}",
        actor=requester,
        repository=repository,
        clock=ago(minutes=30),
    )
    rollout_decisions.approve(
        rollout_id=rollout.pk,
        digest=rollouts.digest_of(rollout),
        actor=approver,
        clock=ago(minutes=10),
        queue=Silent(),
        reason="The first shop before the others.",
        confirmed=rollout.title,
    )


def _approve(change: Change, approver: User, *, minutes: int, reason: str = "") -> None:
    approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=approver,
        clock=ago(minutes=minutes),
        queue=Silent(),
        reason=reason,
        confirmed=change.cluster_name,
    )
