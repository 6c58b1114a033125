"""The product's adapters and observations on the real hub, with the least rights they need."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from onboarding.adapters.kubernetes_hub import KubernetesHub
from onboarding.domain.errors import Refused
from onboarding.models import ApplicationStatus, ClusterStatus, HubObject
from onboarding.models import Fleet as FleetRow
from onboarding.models import Hub as HubRow
from onboarding.ports import HubEvent, HubKind, ListExpired
from onboarding.services.observing import observations
from tests.hub.account import Account, service_account_token
from tests.hub.fleet import REFRESH_SET, REGISTRATION, Fleet, is_synced, member_text
from tests.hub.harness import Hub, eventually

NARROW = "fleet-ui-narrow"
READING = [
    {
        "apiGroups": ["argoproj.io"],
        "resources": ["applications", "applicationsets"],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["external-secrets.io"],
        "resources": ["externalsecrets", "secretstores"],
        "verbs": ["list", "watch"],
    },
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
]


class Wall:
    """The clock on the wall."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def narrow(hub: Hub, tmp_path: Path) -> Iterator[KubernetesHub]:
    """A reader with an account of its own, whose rights the test chooses."""
    metadata = {"name": NARROW, "namespace": "argocd"}
    hub.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NARROW}
    subject = {"kind": "ServiceAccount", "name": NARROW, "namespace": "argocd"}
    hub.kube.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [subject],
        }
    )
    file = tmp_path / "token"
    file.write_text(service_account_token(hub, NARROW))
    yield Account(hub, file, file).reader()
    for kind in ("RoleBinding", "Role", "ServiceAccount"):
        hub.kube.delete(kind, NARROW)


def grant(hub: Hub, rules: list[dict[str, Any]]) -> None:
    """The narrow account has exactly these rights."""
    hub.kube.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": NARROW, "namespace": "argocd"},
            "rules": rules,
        }
    )


@pytest.fixture
def watch(db: None, fleet: Fleet) -> observations.Watch:
    row = FleetRow.objects.create(name="fleet", repository_url=fleet.url)
    hub = HubRow.objects.create(fleet=row, name="hub")
    found = observations.claim(hub=hub, holder="test", clock=Wall())
    assert found is not None
    return found


def test_it_knows_which_hub_it_reads(account: Account, fleet: Fleet) -> None:
    reader = account.reader()
    sentence = eventually(lambda: _checked(reader), "the rights are there")
    assert sentence.startswith("Kubernetes v1.34.4 answers.")
    assert reader.identity() == fleet.hub.kube.get("Namespace", "argocd", "")["metadata"]["uid"]  # type: ignore[index]
    assert "shows 1 registered cluster" in account.argocd().check()


def _checked(reader: KubernetesHub) -> str:
    try:
        return reader.check()
    except Refused:
        return ""


def test_it_names_the_rights_that_are_missing(hub: Hub, narrow: KubernetesHub) -> None:
    grant(hub, READING[1:])

    def refused() -> list[str]:
        try:
            narrow.check()
        except Refused as error:
            return [refusal.message for refusal in error.refusals]
        return []

    def only_these() -> list[str]:
        # The new rights arrive one by one.
        return found if len(found := refused()) == 2 else []

    messages = eventually(only_these, "all rights but two are there")
    assert "list applications.argoproj.io in namespace argocd" in messages[0]
    assert "list applicationsets.argoproj.io in namespace argocd" in messages[1]
    with pytest.raises(Refused, match="patch applicationsets"):
        narrow.ask_application_set_to_look(REGISTRATION)


def test_it_refuses_a_wrong_token(hub: Hub, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("eyJhbGciOiJSUzI1NiJ9.e30.AAAA")
    other = Account(hub, wrong, wrong)
    with pytest.raises(Refused) as refused:
        other.reader().check()
    assert refused.value.refusals[0].code == "unauthorized"
    with pytest.raises(Refused) as refused:
        other.argocd().clusters()
    assert refused.value.refusals[0].code == "unauthorized"


def test_it_follows_a_registration_to_healthy(
    account: Account, fleet: Fleet, watch: observations.Watch
) -> None:
    reader, clock = account.reader(), Wall()
    listings = {
        kind: observations.list_kind(
            watch=watch, kind=kind, reader=reader, clock=clock, page_size=2
        )
        for kind in HubKind
    }
    before = set(ApplicationStatus.objects.values_list("name", flat=True))
    assert {"fleet-root", "bootstrap-addons-hub"} <= before

    # The events of the whole registration, as one watch gives them.
    listing = listings[HubKind.APPLICATIONS]
    events: list[HubEvent] = []
    following = threading.Thread(
        target=lambda: events.extend(
            reader.watch(
                HubKind.APPLICATIONS, resource_version=listing.resource_version, timeout=120
            )
        ),
        daemon=True,
    )
    following.start()
    spoke = fleet.hub.new_spoke("spoke-observed")
    fleet.hub.store_credentials(f"fleet/{spoke.name}", spoke.credentials)
    fleet.commit({fleet.member_path(spoke.name): member_text(spoke.name, "tenant1", "prod")})
    reader.ask_application_set_to_look(REGISTRATION)
    for name in ("cluster-info", "namespace-baseline"):
        fleet.wait_synced(f"{name}-{spoke.name}")
    account.argocd().refresh_application(f"cluster-info-{spoke.name}")
    _wait_for_the_last_event(fleet, events, f"cluster-info-{spoke.name}")
    reader.close()
    following.join(5)
    assert not following.is_alive()
    observations.apply_events(watch=watch, listing=listing, events=events, clock=clock)
    observed = {row.name: row for row in ApplicationStatus.objects.all()}

    row = observed[f"cluster-info-{spoke.name}"]
    assert (row.sync, row.health, row.cluster_name) == ("Synced", "Healthy", spoke.name)
    assert row.component == "cluster-info"
    assert row.application_set == "cluster-info"
    assert row.verdict in {"healthy", "unknown"}, row.reason
    path = f"addons/tenants/tenant1/clusters/{spoke.name}/cluster-info/values.yaml"
    assert f"$values/{path}" in row.facts["value_files"]

    # What the watch made of it is what a full list says.
    again = account.reader()
    full = observations.list_kind(
        watch=watch, kind=HubKind.APPLICATIONS, reader=again, clock=clock, page_size=3
    )
    assert full.swept == 0
    assert {row.name for row in ApplicationStatus.objects.all()} == set(observed)

    observations.list_kind(watch=watch, kind=HubKind.EXTERNAL_SECRETS, reader=again, clock=clock)
    secret = HubObject.objects.get(kind="externalsecrets", name=f"cluster-{spoke.name}")
    assert (secret.ready, secret.message) == (True, "secret synced")
    assert secret.facts["secrets"] == [f"fleet/{spoke.name}"]

    observations.observe_clusters(watch=watch, argocd=account.argocd(), clock=clock)
    cluster = ClusterStatus.objects.get(name=spoke.name)
    assert cluster.server == spoke.server
    assert cluster.labels["tenant"] == "tenant1"
    assert cluster.labels["enable_cluster_info"] == "true"
    assert cluster.connection in {"Successful", "Unknown"}
    assert spoke.config["bearerToken"] not in str(ClusterStatus.objects.values())

    registration = fleet.hub.kube.get("ApplicationSet", REGISTRATION)
    assert registration is not None
    assert REFRESH_SET not in registration["metadata"].get("annotations", {})


def _wait_for_the_last_event(fleet: Fleet, events: list[HubEvent], name: str) -> None:
    """Until the watch has given what the API server has of one Application."""

    def arrived() -> bool:
        found = fleet.application(name)
        seen = [each for each in events if each.object["metadata"]["name"] == name]
        return bool(found and seen and is_synced(dict(seen[-1].object)))

    eventually(arrived, f"the watch gave {name} as Synced", 60)


def test_it_is_told_when_a_version_is_too_old(account: Account, fleet: Fleet) -> None:
    reader = account.reader()
    with pytest.raises(ListExpired):
        list(reader.watch(HubKind.APPLICATIONS, resource_version="1", timeout=2))
    page = reader.list_page(HubKind.APPLICATIONS, limit=1)
    assert page.continue_token
    with pytest.raises(Refused):
        reader.list_page(HubKind.APPLICATIONS, limit=1, continue_token="nonsense")


def test_it_hears_a_silent_watch_end_in_time(account: Account, fleet: Fleet) -> None:
    reader = account.reader()
    version = reader.list_page(HubKind.SECRET_STORES, limit=10).resource_version
    started = datetime.now(UTC)
    events = list(reader.watch(HubKind.SECRET_STORES, resource_version=version, timeout=2))
    assert (datetime.now(UTC) - started).total_seconds() < 6
    assert all(each.object["metadata"] for each in events)
