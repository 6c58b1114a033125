"""The demo's fleet: a repository with members, the secrets of their credentials, and our rows about it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import boto3
import pygit2

from onboarding import wiring
from onboarding.demo import examples
from onboarding.demo.standing_in import At
from onboarding.domain import labels
from onboarding.domain.layout import TENANTS_LAYOUT, Placement
from onboarding.domain.member import DeploymentModel, FleetMember, new_member_text
from onboarding.domain.names import ClusterName, Environment, HubName, SecretName, TenantName
from onboarding.models import Fleet, Hub
from onboarding.ports import CommitRequest, FleetRepository, TreeEdit
from onboarding.services import indexing
from onboarding.services.initializing import NewFleet, initialize

HUB = HubName("hub-cluster")
REGION = "eu-west-1"
TENANTS = (TenantName("tenant1"), TenantName("tenant2"))


@dataclass(frozen=True, slots=True)
class DemoMember:
    """One spoke of the demo fleet; `pins` are its own labels, `secret` False leaves its secret out."""

    cluster: str
    tenant: str
    environment: str
    model: DeploymentModel = DeploymentModel.CENTRALIZED
    remote_addons: bool = False
    pins: Mapping[str, str] = field(default_factory=dict)
    secret: bool = True


MEMBERS: Sequence[DemoMember] = (
    DemoMember("spoke-dev-workload1", "tenant1", "dev", pins={"addonsRelease": "release1"}),
    DemoMember("spoke-dev-workload2", "tenant1", "dev"),
    DemoMember("spoke-staging-eu", "tenant1", "staging"),
    DemoMember("spoke-prod-eu-1", "tenant1", "prod"),
    DemoMember("spoke-prod-eu-2", "tenant1", "prod", pins={"enable_metrics_server": "true"}),
    DemoMember("spoke-prod-us-1", "tenant1", "prod"),
    DemoMember("spoke-staging-shop", "tenant1", "staging"),
    DemoMember("spoke-prod-shop-1", "tenant1", "prod"),
    DemoMember("spoke-prod-shop-2", "tenant1", "prod"),
    DemoMember("spoke-prod-shop-3", "tenant1", "prod"),
    DemoMember("spoke-dev-old", "tenant1", "dev"),
    DemoMember("edge-dev", "tenant2", "dev"),
    DemoMember("edge-staging", "tenant2", "staging", pins={"resourcesRelease": "release1"}),
    DemoMember(
        "edge-prod-berlin", "tenant2", "prod", DeploymentModel.DISTRIBUTED, remote_addons=True
    ),
    DemoMember("edge-prod-madrid", "tenant2", "prod"),
    DemoMember("edge-prod-oslo", "tenant2", "prod", secret=False),
    # Nothing is switched on for it: registered, and no ApplicationSet selects it.
    DemoMember(
        "edge-lab",
        "tenant2",
        "dev",
        pins=dict.fromkeys(
            ("enable_cluster_info", "enable_namespace_baseline", "enable_reader_role"), "false"
        ),
    ),
)
# What is wrong with whom, as the demo hub acts it (`onboarding.demo.hub --fault`).
FAULTS: Mapping[str, str] = {
    "spoke-staging-eu": "degraded",
    "spoke-prod-us-1": "unreachable",
    "edge-dev": "out-of-sync",
    "edge-prod-madrid": "relabelled",
    "spoke-prod-eu-2": "rotated",
    "spoke-dev-workload2": "deleting",
    "spoke-dev-old": "unreachable",
    "spoke-prod-shop-1@release1": "degraded",
}
# Secrets that Terraform has already made for clusters that nobody registered yet: something to try the form with.
READY_TO_REGISTER = (
    "spoke-dev-workload3",
    "spoke-dev-workload4",
    "spoke-dev-workload5",
    "spoke-prod-ap-1",
    "edge-prod-lisbon",
)
# And for those that somebody asks for all at once.
IN_THE_BULK = ("edge-prod-porto", "edge-prod-vienna", "edge-prod-dublin", "edge-prod-riga")


def secret_name(cluster: str) -> str:
    """The name of a demo cluster's secret."""
    return f"fleet/{cluster}"


def prepare_repository(data: Path) -> Path:
    """The demo's bare repository, made once; its path. Later runs find it as the last one left it."""
    path = data / "fleet.git"
    if not (path / "HEAD").exists():
        pygit2.init_repository(str(path), bare=True, initial_head="main")
    return path


def seed_secrets(endpoint: str) -> None:
    """Fill the embedded Secrets Manager with the demo's made-up credentials; it forgets them at each stop."""
    client = boto3.client(
        "secretsmanager",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106 -- the embedded service takes any
    )
    names = [member.cluster for member in MEMBERS if member.secret]
    names += [*READY_TO_REGISTER, *IN_THE_BULK]
    for name in names:
        server = f"https://{name}.spokes.example"
        client.create_secret(
            Name=secret_name(name),
            SecretString=json.dumps(
                {"server": server, "config": {"tlsClientConfig": {"insecure": False}}}
            ),
            Tags=[
                {"Key": "fleet/server", "Value": server},
                {"Key": "fleet/cluster", "Value": name},
            ],
        )
    for cluster, fault in FAULTS.items():
        if fault == "deleting":
            client.delete_secret(SecretId=secret_name(cluster), RecoveryWindowInDays=14)


def prepare(data: Path, *, hub_url: str, argocd_url: str, aws_endpoint: str) -> None:
    """Bring the demo's rows up to date with this run's addresses, and fill the repository on the first run."""
    seed_secrets(aws_endpoint)
    repository_path = prepare_repository(data)
    fleet, _ = Fleet.objects.update_or_create(
        name="demo-fleet",
        defaults={
            "repository_url": str(repository_path),
            "branch": "main",
            "layout": TENANTS_LAYOUT.name,
        },
    )
    Hub.objects.update_or_create(
        name=HUB,
        defaults={
            "fleet": fleet,
            "api_url": hub_url,
            "argocd_url": argocd_url,
            "aws_region": REGION,
            "aws_endpoint_url": aws_endpoint,
        },
    )
    repository = wiring.repository(fleet)
    is_new = not repository.fetch()
    if is_new:
        _fill(repository, str(repository_path))
    indexing.index(fleet=fleet, repository=repository, clock=wiring.clock())
    if is_new:
        examples.leave(fleet=fleet, hub=HUB, repository=repository)
        indexing.index(fleet=fleet, repository=repository, clock=wiring.clock())


def _fill(repository: FleetRepository, url: str) -> None:
    """The first commits: the shipped repository, then one for each member, as if people had registered them."""
    begun = wiring.clock().now() - timedelta(days=40)
    base = initialize(
        repository=repository,
        new=NewFleet(
            repository_url=url, revision="main", hub=HUB, aws_region=REGION, tenants=TENANTS
        ),
        author_name="Platform team",
        author_email="platform@fleet.example",
        clock=At(begun),
    )
    tip = base
    for number, member in enumerate(MEMBERS, start=1):
        tip = repository.build(
            tip,
            CommitRequest(
                edits=_edits(member),
                message=f"Register {member.cluster} of {member.tenant}\n",
                author_name="Platform team",
                author_email="platform@fleet.example",
                when=begun + number * timedelta(days=38) / len(MEMBERS),
            ),
        )
    repository.push(base, tip, timeout=60)
    repository.fetch()


def _edits(member: DemoMember) -> tuple[TreeEdit, ...]:
    placement = Placement(
        hub=HUB,
        cluster=ClusterName(member.cluster),
        tenant=TenantName(member.tenant),
        environment=Environment(member.environment),
    )
    document = FleetMember(
        tenant=placement.tenant,
        cluster=placement.cluster,
        environment=placement.environment,
        secret_name=SecretName(secret_name(member.cluster)),
        model=member.model,
        remote_resources=False,
        remote_addons=member.remote_addons,
        options={},
        extra={},
    )
    edits = [
        TreeEdit(
            TENANTS_LAYOUT.member_path(HUB, placement.cluster),
            "",
            new_member_text(document).encode(),
        )
    ]
    pinned = labels.edit_labels_text(None, member.pins) if member.pins else None
    if pinned is not None:
        edits.append(TreeEdit(TENANTS_LAYOUT.cluster_labels_path(placement), "", pinned.encode()))
    return tuple(edits)
