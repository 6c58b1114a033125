"""The product's own clients against the demo hub's server: the protocol, with its refusals."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import urllib3

from onboarding.adapters.argocd_api import ArgoCDAccess, ArgoCDApi
from onboarding.adapters.hub_access import HubAccess, NoToken
from onboarding.adapters.kubernetes_hub import KubernetesHub
from onboarding.demo.hub_server import DemoServer
from onboarding.demo.hub_store import ObjectStore
from onboarding.domain.errors import Refused
from onboarding.ports import HubEventType, HubKind, ListExpired


class StillHub:
    """A hub that only remembers what it was asked."""

    def __init__(self) -> None:
        self.store = ObjectStore(first_version=1000, log_length=5)
        self.name = "hub-cluster"
        self.namespace = "argocd"
        self.uid = "5f1c"
        self.looks = 0

    def clusters(self) -> list[Mapping[str, Any]]:
        return [{"server": "https://kubernetes.default.svc", "name": "hub-cluster"}]

    def look(self) -> None:
        self.looks += 1

    def annotate(self, name: str, annotations: Mapping[str, str | None]) -> Any:
        found = self.store.get("applicationsets", name)
        return found and {**found, "annotated": dict(annotations)}


@pytest.fixture
def hub() -> StillHub:
    return StillHub()


@pytest.fixture
def address(hub: StillHub) -> Iterator[str]:
    server = DemoServer(0, hub)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    hub.store.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def reader(address: str) -> KubernetesHub:
    return KubernetesHub(HubAccess(address, "argocd", NoToken()), read_seconds=5)


def put(hub: StillHub, name: str, **spec: object) -> None:
    hub.store.put("applications", {"metadata": {"name": name}, "spec": spec})


def test_it_passes_the_products_own_check(reader: KubernetesHub, address: str) -> None:
    assert reader.check().startswith("Kubernetes v1.34.4+demo answers.")
    assert "demo" in reader.version()
    assert reader.identity() == "5f1c"
    argocd = ArgoCDApi(ArgoCDAccess(address, NoToken()))
    assert argocd.check() == "Argo CD v3.2.11+demo answers and shows 1 registered cluster."


def test_it_lists_in_pages_and_watches_on(hub: StillHub, reader: KubernetesHub) -> None:
    for name in ("a", "b", "c"):
        put(hub, name)
    first = reader.list_page(HubKind.APPLICATIONS, limit=2)
    rest = reader.list_page(HubKind.APPLICATIONS, limit=2, continue_token=first.continue_token)
    assert [each["metadata"]["name"] for each in (*first.items, *rest.items)] == ["a", "b", "c"]
    put(hub, "d")
    hub.store.delete("applications", "a")
    events = reader.watch(HubKind.APPLICATIONS, resource_version=rest.resource_version, timeout=1)
    seen = [(each.type, each.resource_version) for each in events]
    assert seen == [
        (HubEventType.ADDED, "1004"),
        (HubEventType.DELETED, "1005"),
        (HubEventType.BOOKMARK, "1005"),
    ]


def test_it_tells_of_a_change_at_once(hub: StillHub, reader: KubernetesHub) -> None:
    timer = threading.Timer(0.3, put, (hub, "late"))
    timer.start()
    started = time.monotonic()
    events = reader.watch(HubKind.APPLICATIONS, resource_version="1000", timeout=5)
    assert next(events).object["metadata"]["name"] == "late"
    assert time.monotonic() - started < 1.5


def test_it_says_that_a_version_is_too_old(hub: StillHub, reader: KubernetesHub) -> None:
    for number in range(7):
        put(hub, f"app-{number}")
    with pytest.raises(ListExpired):
        list(reader.watch(HubKind.APPLICATIONS, resource_version="1000", timeout=1))
    page = reader.list_page(HubKind.APPLICATIONS, limit=1)
    for number in range(7):
        put(hub, f"more-{number}")
    with pytest.raises(ListExpired):
        reader.list_page(HubKind.APPLICATIONS, limit=1, continue_token=page.continue_token)


def test_it_looks_when_an_application_set_is_told_to(hub: StillHub, reader: KubernetesHub) -> None:
    hub.store.put("applicationsets", {"metadata": {"name": "addons"}})
    reader.ask_application_set_to_look("addons")
    assert hub.looks == 1
    with pytest.raises(Refused):
        reader.ask_application_set_to_look("nobody")
    assert hub.looks == 1


def test_it_looks_when_an_application_is_refreshed(hub: StillHub, address: str) -> None:
    put(hub, "a")
    argocd = ArgoCDApi(ArgoCDAccess(address, NoToken()))
    argocd.refresh_application("a")
    assert hub.looks == 1
    with pytest.raises(Refused):
        argocd.refresh_application("nobody")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/namespaces/argocd/secrets", 404),
        ("GET", "/api/v1/namespaces/kube-system", 404),
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/other/applications", 403),
        ("GET", "/apis/argoproj.io/v1/namespaces/argocd/applications", 404),
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications?limit=x", 400),
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications?continue=%21", 400),
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/none", 404),
        ("POST", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications", 405),
        ("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/a", 405),
        ("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/a", 415),
    ],
)
def test_it_refuses_what_it_does_not_play(address: str, method: str, path: str, code: int) -> None:
    body = None if method == "GET" else b"{}"
    answer = urllib3.request(method, address + path, body=body, retries=False)
    assert answer.status == code
    assert answer.json()["kind"] == "Status"


@pytest.mark.parametrize(
    "body",
    [b'{"spec": {}}', b'{"metadata": {"labels": {}}}', b'{"metadata": {"annotations": 1}}', b"[]"],
)
def test_it_takes_annotations_only(hub: StillHub, address: str, body: bytes) -> None:
    hub.store.put("applicationsets", {"metadata": {"name": "addons"}})
    answer = urllib3.request(
        "PATCH",
        f"{address}/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/addons",
        body=body,
        headers={"Content-Type": "application/merge-patch+json"},
        retries=False,
    )
    assert answer.status in {400, 403}
    assert hub.looks == 0


def test_it_is_bound_to_loopback(hub: StillHub) -> None:
    server = DemoServer(0, hub)
    try:
        assert server.server_address[0] == "127.0.0.1"
    finally:
        server.server_close()
