"""What a newcomer finds in the demo's fleet: something of everything, made by the product itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding import wiring
from onboarding.adapters.aws_secrets import AwsSecrets, SecretsAccess
from onboarding.demo import data, examples, in_flight
from onboarding.demo.hub_acting import DemoHub
from onboarding.demo.hub_objects import BEHAVIOURS
from onboarding.demo.hub_sources import EndpointSecrets, open_snapshot
from onboarding.demo.hub_world import WorldReader
from onboarding.domain.credentials import SecretPresence
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.management.commands.demo import make_people
from onboarding.models import Approval, Bulk, Change, Cluster, Delivery, Fleet, Hub, Rollout
from onboarding.services import auditing
from tests import repositories
from tests.journey.surroundings import AWS_ENVIRONMENT, REGION, SecretsManager, secrets_manager

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def secrets() -> Iterator[SecretsManager]:
    with secrets_manager() as found:
        yield found


@pytest.fixture
def bare(
    tmp_path: Path, secrets: SecretsManager, monkeypatch: pytest.MonkeyPatch, settings
) -> Path:  # type: ignore[no-untyped-def]
    """The demo's repository after its first start."""
    settings.REPOSITORIES_FOLDER = tmp_path / "mirrors"
    monkeypatch.setattr(wiring, "_mirrors", {})
    monkeypatch.setattr(wiring, "_copies", {})
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    make_people(tmp_path)
    where = {"hub_url": "http://127.0.0.1:1", "argocd_url": "http://127.0.0.1:1"}
    secrets.forget()
    data.prepare(tmp_path, **where, aws_endpoint=secrets.endpoint)
    # A second start finds everything as the first one left it, but for the secrets.
    before = repositories.tip(tmp_path / "fleet.git"), Change.objects.count()
    secrets.forget()
    data.prepare(tmp_path, **where, aws_endpoint=secrets.endpoint)
    assert (repositories.tip(tmp_path / "fleet.git"), Change.objects.count()) == before
    return tmp_path / "fleet.git"


def test_it_leaves_a_change_that_waits_a_draft_and_one_that_lapsed(bare: Path) -> None:
    waiting, draft, lapsed = (
        Change.objects.get(cluster_name=name)
        for name in (examples.WAITING, examples.DRAFT, examples.LAPSED)
    )
    assert (waiting.state, waiting.kind) == ("submitted", "register")
    assert waiting.plan["impact"]["appear"]
    assert (draft.state, draft.plan_digest) == ("draft", "")
    assert (lapsed.state, lapsed.kind) == ("lapsed", "edit")
    assert "addons/tenants/tenant2/environments/staging" in lapsed.state_note
    assert [one.digest for one in Approval.objects.filter(change=lapsed)] == [
        Delivery.objects.get(change=lapsed).digest
    ]
    assert Delivery.objects.get(change=lapsed).commit == ""
    # Nothing of them is in Git.
    assert not [name for name in repositories.tree(bare) if examples.WAITING in name]
    written = [message for message in repositories.log(bare) if "Change-Id" in message]
    assert not [one for one in written if str(lapsed.uid) in one]
    assert auditing.verify().problem == ""


def test_it_leaves_a_pause_and_an_offboarding_in_git_and_a_rollout_and_a_bulk_that_begin(
    bare: Path,
) -> None:
    committed = Delivery.objects.filter(state="committed").values_list("change__cluster_name")
    assert {name for (name,) in committed} == {in_flight.PAUSED, in_flight.LEAVES}
    written = [message for message in repositories.log(bare) if "Change-Id" in message]
    assert len(written) == 2
    members = f"fleet/fleet-bootstrap/fleet-members/{data.HUB}"
    files = repositories.tree(bare)
    assert b'paused: "true"' in files[f"{members}/{in_flight.PAUSED}.yaml"]
    assert b'offboarding: "true"' in files[f"{members}/{in_flight.LEAVES}.yaml"]
    rollout = Rollout.objects.get()
    assert (rollout.state, rollout.waves.count()) == (Rollout.State.RUNNING, 3)
    assert not Delivery.objects.filter(change__rollout_row__wave__rollout=rollout).exists()
    assert Bulk.objects.get().state == Bulk.State.CHECKING
    # Whoever asked decided on none of it.
    for approval in Approval.objects.select_related("user", "change__requester"):
        assert approval.user != approval.change.requester


def test_its_fleet_has_something_of_everything(bare: Path, secrets: SecretsManager) -> None:
    last = open_snapshot(str(bare), "main")
    assert last
    now = last.committed_at + 1
    hub = DemoHub(
        name=data.HUB,
        namespace="argocd",
        region=REGION,
        reader=WorldReader(
            hub=data.HUB, layout=TENANTS_LAYOUT, url="https://git.example.com/f.git", branch="main"
        ),
        repository=lambda: open_snapshot(str(bare), "main"),
        secrets=EndpointSecrets(endpoint=secrets.endpoint, region=data.REGION),
        faults=data.FAULTS,
        speed=1.0,
        now=lambda: now,
    )
    for _ in range(120):
        hub.step()
        now += 0.5
    assert set(data.FAULTS.values()) <= BEHAVIOURS
    seen: dict[str, set[tuple[str, str]]] = {row.name: set() for row in Cluster.objects.all()}
    for name in hub.store.names("applications"):
        found = hub.store.get("applications", name)
        assert found
        cluster = found["spec"]["destination"]["name"]
        if cluster in seen:
            status = found["status"]
            seen[cluster].add((status["sync"]["status"], status["health"]["status"]))
    fine = {("Synced", "Healthy")}
    assert {name: states for name, states in seen.items() if states != fine} == {
        "spoke-staging-eu": fine | {("Synced", "Degraded")},
        "spoke-prod-us-1": {("Unknown", "Unknown")},
        "edge-dev": fine | {("OutOfSync", "Healthy")},
        "spoke-dev-old": {("Unknown", "Unknown")},
        "edge-lab": set(),
        "edge-prod-oslo": set(),
    }
    registered = {one["name"] for one in hub.clusters()}
    assert "edge-lab" in registered
    assert "edge-prod-oslo" not in registered
    assert (Fleet.objects.count(), Hub.objects.count()) == (1, 1)


def test_the_secret_of_one_cluster_is_scheduled_for_deletion_and_of_no_other(
    bare: Path, secrets: SecretsManager
) -> None:
    asked = AwsSecrets(SecretsAccess(region=data.REGION, endpoint_url=secrets.endpoint))
    found = {
        member.cluster: asked.describe(data.secret_name(member.cluster)).presence
        for member in data.MEMBERS
    }
    doomed = [name for name, how in data.FAULTS.items() if how == "deleting"]
    assert len(doomed) == 1
    assert [name for name, is_ in found.items() if is_ is SecretPresence.PENDING_DELETION] == doomed
