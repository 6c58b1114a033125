"""The product's adapters and observations on the real hub, with the least rights they need."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3

from onboarding.adapters.argocd_api import ArgoCDAccess, ArgoCDApi
from onboarding.adapters.hub_access import HubAccess, TokenFile
from onboarding.adapters.kubernetes_hub import KubernetesHub
from onboarding.domain.errors import Refused
from onboarding.models import ApplicationStatus, ClusterStatus, HubObject
from onboarding.models import Fleet as FleetRow
from onboarding.models import Hub as HubRow
from onboarding.ports import HubEvent, HubKind, ListExpired
from onboarding.services import observations
from tests.hub.fleet import REFRESH_SET, REGISTRATION, Fleet, is_synced
from tests.hub.harness import Hub, eventually

ACCOUNT = "fleet-ui"
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
LOOKING = {"apiGroups": ["argoproj.io"], "resources": ["applicationsets"], "verbs": ["patch"]}


class Wall:
    """The clock on the wall."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class Product:
    """What the product holds of the hub: files with two tokens, nothing else."""

    hub: Hub
    kubernetes_token: Path
    argocd_token: Path

    def reader(self) -> KubernetesHub:
        token = TokenFile(str(self.kubernetes_token))
        plane = self.hub.plane
        return KubernetesHub(HubAccess(plane.server, "argocd", token, ca_file=str(plane.authority)))

    def argocd(self) -> ArgoCDApi:
        return ArgoCDApi(ArgoCDAccess(self.hub.argocd.url, TokenFile(str(self.argocd_token))))


@pytest.fixture(scope="module")
def product(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("tokens")
    kubernetes, argocd = folder / "kubernetes", folder / "argocd"
    metadata = {"name": ACCOUNT, "namespace": "argocd"}
    hub.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    grant(hub, [*READING, LOOKING])
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "argocd"}
    hub.kube.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [subject],
        }
    )
    kubernetes.write_text(service_account_token(hub))
    argocd.write_text(argocd_token(hub))
    yield Product(hub, kubernetes, argocd)
    hub.kube.delete("RoleBinding", ACCOUNT)
    hub.kube.delete("Role", ACCOUNT)
    hub.kube.delete("ServiceAccount", ACCOUNT)


def grant(hub: Hub, rules: list[dict[str, Any]]) -> None:
    """The product's Role has exactly these rights."""
    hub.kube.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": ACCOUNT, "namespace": "argocd"},
            "rules": rules,
        }
    )


def service_account_token(hub: Hub) -> str:
    path = f"{hub.kube.path('ServiceAccount', ACCOUNT)}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token: str = hub.kube.request("POST", path, asked)["status"]["token"]
    return token


def argocd_token(hub: Hub) -> str:
    """A token of a read-only account, made as Argo CD's administrator makes it."""
    policy = (
        f"p, role:{ACCOUNT}, clusters, get, *, allow\n"
        f"p, role:{ACCOUNT}, applications, get, */*, allow\n"
        f"g, {ACCOUNT}, role:{ACCOUNT}\n"
    )
    hub.kube.patch("ConfigMap", "argocd-cm", {"data": {f"accounts.{ACCOUNT}": "apiKey"}})
    hub.kube.patch("ConfigMap", "argocd-rbac-cm", {"data": {"policy.csv": policy}})
    initial = eventually(
        lambda: hub.kube.get("Secret", "argocd-initial-admin-secret"), "there is a password"
    )
    password = base64.b64decode(initial["data"]["password"]).decode()

    def ask(path: str, body: object, token: str = "") -> str:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        answer = urllib3.request(
            "POST", hub.argocd.url + path, body=json.dumps(body), headers=headers, retries=False
        )
        return str(answer.json().get("token") or "")

    session = ask("/api/v1/session", {"username": "admin", "password": password})
    path = f"/api/v1/account/{ACCOUNT}/token"
    made: str = eventually(lambda: ask(path, {"name": ACCOUNT}, session), "the account has a token")
    return made


@pytest.fixture
def watch(db: None, fleet: Fleet) -> observations.Watch:
    row = FleetRow.objects.create(name="fleet", repository_url=fleet.url)
    hub = HubRow.objects.create(fleet=row, name="hub")
    found = observations.claim(hub=hub, holder="test", clock=Wall())
    assert found is not None
    return found


def test_it_finds_exactly_its_rights(product: Product, fleet: Fleet) -> None:
    reader = product.reader()
    sentence = eventually(lambda: _checked(reader), "the rights are there")
    assert sentence.startswith("Kubernetes v1.34.4 answers.")
    assert reader.identity() == fleet.hub.kube.get("Namespace", "argocd", "")["metadata"]["uid"]  # type: ignore[index]
    assert "shows 1 registered cluster" in product.argocd().check()

    allowed = fleet.hub.kube.as_user(product.kubernetes_token.read_text())
    for path in (
        "/api/v1/namespaces/argocd/secrets",
        "/api/v1/secrets",
        "/api/v1/namespaces/argocd/configmaps",
    ):
        assert allowed.answer("GET", path)[0] == 403
    allowed.close()


def _checked(reader: KubernetesHub) -> str:
    try:
        return reader.check()
    except Refused:
        return ""


def test_it_names_the_rights_that_are_missing(product: Product, fleet: Fleet) -> None:
    try:
        grant(fleet.hub, READING[1:])

        def refused() -> list[str]:
            try:
                product.reader().check()
            except Refused as error:
                return [refusal.message for refusal in error.refusals]
            return []

        messages = eventually(refused, "the rights are gone")
        assert len(messages) == 2
        assert "list applications.argoproj.io in namespace argocd" in messages[0]
        assert "list applicationsets.argoproj.io in namespace argocd" in messages[1]
        with pytest.raises(Refused, match="patch applicationsets"):
            product.reader().ask_application_set_to_look(REGISTRATION)
    finally:
        grant(fleet.hub, [*READING, LOOKING])
        eventually(lambda: _checked(product.reader()), "the rights are back")


def test_it_refuses_a_wrong_token(product: Product, fleet: Fleet, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("eyJhbGciOiJSUzI1NiJ9.e30.AAAA")
    other = Product(product.hub, wrong, wrong)
    with pytest.raises(Refused) as refused:
        other.reader().check()
    assert refused.value.refusals[0].code == "unauthorized"
    with pytest.raises(Refused) as refused:
        other.argocd().clusters()
    assert refused.value.refusals[0].code == "unauthorized"


def test_it_follows_a_registration_to_healthy(
    product: Product, fleet: Fleet, watch: observations.Watch
) -> None:
    reader, clock = product.reader(), Wall()
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
    fleet.commit({fleet.member_path(spoke.name): _member(spoke.name)})
    reader.ask_application_set_to_look(REGISTRATION)
    for name in ("cluster-info", "namespace-baseline"):
        fleet.wait_synced(f"{name}-{spoke.name}")
    product.argocd().refresh_application(f"cluster-info-{spoke.name}")
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
    again = product.reader()
    full = observations.list_kind(
        watch=watch, kind=HubKind.APPLICATIONS, reader=again, clock=clock, page_size=3
    )
    assert full.swept == 0
    assert {row.name for row in ApplicationStatus.objects.all()} == set(observed)

    observations.list_kind(watch=watch, kind=HubKind.EXTERNAL_SECRETS, reader=again, clock=clock)
    secret = HubObject.objects.get(kind="externalsecrets", name=f"cluster-{spoke.name}")
    assert (secret.ready, secret.message) == (True, "secret synced")
    assert secret.facts["secrets"] == [f"fleet/{spoke.name}"]

    observations.observe_clusters(watch=watch, argocd=product.argocd(), clock=clock)
    cluster = ClusterStatus.objects.get(name=spoke.name)
    assert cluster.server == spoke.server
    assert cluster.labels["tenant"] == "tenant1"
    assert cluster.labels["enable_cluster_info"] == "true"
    assert cluster.connection in {"Successful", "Unknown"}
    assert spoke.config["bearerToken"] not in str(ClusterStatus.objects.values())

    registration = fleet.hub.kube.get("ApplicationSet", REGISTRATION)
    assert registration is not None
    assert REFRESH_SET not in registration["metadata"].get("annotations", {})


def _member(cluster: str) -> str:
    from tests.hub.fleet import member_text

    return member_text(cluster, "tenant1", "prod")


def _wait_for_the_last_event(fleet: Fleet, events: list[HubEvent], name: str) -> None:
    """Until the watch has given what the API server has of one Application."""

    def arrived() -> bool:
        found = fleet.application(name)
        seen = [each for each in events if each.object["metadata"]["name"] == name]
        return bool(found and seen and is_synced(dict(seen[-1].object)))

    eventually(arrived, f"the watch gave {name} as Synced", 60)


def test_it_is_told_when_a_version_is_too_old(product: Product, fleet: Fleet) -> None:
    reader = product.reader()
    with pytest.raises(ListExpired):
        list(reader.watch(HubKind.APPLICATIONS, resource_version="1", timeout=2))
    page = reader.list_page(HubKind.APPLICATIONS, limit=1)
    assert page.continue_token
    with pytest.raises(Refused):
        reader.list_page(HubKind.APPLICATIONS, limit=1, continue_token="nonsense")


def test_it_hears_a_silent_watch_end_in_time(product: Product, fleet: Fleet) -> None:
    reader = product.reader()
    version = reader.list_page(HubKind.SECRET_STORES, limit=10).resource_version
    started = datetime.now(UTC)
    events = list(reader.watch(HubKind.SECRET_STORES, resource_version=version, timeout=2))
    assert (datetime.now(UTC) - started).total_seconds() < 6
    assert all(each.object["metadata"] for each in events)
