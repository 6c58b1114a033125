"""The manifests of ``deploy/hub`` on a real API server and a real Argo CD: what they give, and what they refuse."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hub.account import Account
from tests.hub.fleet import REFRESH_SET, Fleet
from tests.hub.harness import Hub, eventually
from tests.hub.kube import MERGE, KubeApi, KubeError, Manifest

NOW = "2026-01-31T12:30:00.000Z"
PROBE = "least-privilege-probe"


def application_set() -> Manifest:
    """An ApplicationSet that makes nothing."""
    template = {
        "metadata": {"name": "{{ .name }}"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://example.com/none.git", "path": "."},
            "destination": {"server": "https://kubernetes.default.svc"},
        },
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {
            "name": PROBE,
            "namespace": "argocd",
            "labels": {"fleet/group": "addons"},
            "annotations": {"note": "keep"},
        },
        "spec": {
            "goTemplate": True,
            "generators": [{"list": {"elements": []}}],
            "template": template,
        },
    }


@pytest.fixture
def dashboard(hub: Hub, account: Account) -> Iterator[KubeApi]:
    """The API server as the dashboard sees it, with one ApplicationSet there."""
    hub.kube.apply(application_set())
    api = hub.kube.as_user(account.kubernetes_token.read_text())

    def in_force() -> bool:
        path = api.path("ApplicationSet", PROBE) + "?dryRun=All"
        status, body = api.answer("PATCH", path, {"metadata": {"labels": {"x": "y"}}}, MERGE)
        return status == 422 and b"fleet-ui-refresh-only" in body

    eventually(in_force, "the policy is in force", 30)
    try:
        yield api
    finally:
        api.close()
        hub.kube.delete("ApplicationSet", PROBE)


def test_it_lets_the_dashboard_read_and_refresh(
    hub: Hub, account: Account, dashboard: KubeApi
) -> None:
    adapter = account.reader()
    try:
        assert "ApplicationSets can be asked to look at Git" in adapter.check()
        # Once it is asked, Argo CD takes the annotation away; so it may be asked again.
        for _ in range(2):
            adapter.ask_application_set_to_look(PROBE)
            eventually(lambda: REFRESH_SET not in annotations(hub), "Argo CD has looked")
    finally:
        adapter.close()
    assert annotations(hub) == {"note": "keep"}


def annotations(hub: Hub) -> dict[str, str]:
    """The annotations of the ApplicationSet, as the administrator sees them."""
    found = hub.kube.get("ApplicationSet", PROBE)
    assert found is not None
    kept: dict[str, str] = found["metadata"].get("annotations", {})
    return kept


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"goTemplate": False}},
        {"spec": {"generators": [{"list": {"elements": [{"name": "mine"}]}}]}},
        {"spec": {"syncPolicy": {"preserveResourcesOnDeletion": False}}},
        {"metadata": {"labels": {"fleet/group": "resources"}}},
        {"metadata": {"labels": None}},
        {"metadata": {"annotations": {"other": "x"}}},
        {"metadata": {"annotations": {"note": "changed"}}},
        {"metadata": {"annotations": {"note": None}}},
        {"metadata": {"annotations": {REFRESH_SET: NOW, "other": "x"}}},
        {"metadata": {"annotations": {REFRESH_SET: "a store of data"}}},
        {"metadata": {"annotations": {REFRESH_SET: f"{NOW} and data"}}},
        {"metadata": {"annotations": {REFRESH_SET: NOW}}, "spec": {"goTemplate": False}},
        {"metadata": {"finalizers": ["example.com/hold"]}},
        {
            "metadata": {
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "argocd-cm", "uid": "x"}
                ]
            }
        },
    ],
    ids=json.dumps,
)
def test_it_refuses_every_other_patch(hub: Hub, dashboard: KubeApi, patch: Manifest) -> None:
    before = hub.kube.get("ApplicationSet", PROBE)

    with pytest.raises(KubeError, match="fleet-ui") as refused:
        dashboard.patch("ApplicationSet", PROBE, patch)

    assert refused.value.status == 422
    after = hub.kube.get("ApplicationSet", PROBE)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == {"fleet/group": "addons"}
    assert after["metadata"]["annotations"] == {"note": "keep"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/namespaces/argocd/secrets"),
        ("GET", "/api/v1/namespaces/argocd/secrets/argocd-secret"),
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/namespaces/argocd/configmaps"),
        ("GET", "/api/v1/namespaces"),
        ("GET", "/api/v1/namespaces/default"),
        ("GET", "/apis/argoproj.io/v1alpha1/applications"),
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/default/applications"),
        ("POST", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets"),
        ("PUT", f"/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/{PROBE}"),
        ("DELETE", f"/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/{PROBE}"),
        ("PATCH", f"/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/{PROBE}/status"),
        ("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/any"),
        ("DELETE", "/apis/external-secrets.io/v1/namespaces/argocd/externalsecrets/any"),
        ("POST", "/api/v1/namespaces/argocd/serviceaccounts/fleet-ui/token"),
    ],
)
def test_it_refuses_all_else(dashboard: KubeApi, method: str, path: str) -> None:
    body = application_set() if method in {"POST", "PUT", "PATCH"} else None
    content = MERGE if method == "PATCH" else "application/json"

    status, answer = dashboard.answer(method, path, body, content)

    assert status == 403, answer


# --- Argo CD's own account ---


def argocd(
    hub: Hub, token: str, method: str, path: str, body: object = None
) -> tuple[int, dict[str, Any]]:
    """One request to Argo CD's API."""
    request = urllib.request.Request(  # noqa: S310 - our own http:// URL
        hub.argocd.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"}
        | ({"Authorization": f"Bearer {token}"} if token else {}),
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - as above
            return reply.status, json.loads(reply.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"{}")


def test_it_lets_the_dashboard_see_clusters_without_their_credentials(
    fleet: Fleet, account: Account
) -> None:
    spoke = fleet.hub.new_spoke("spoke-seen")
    fleet.register(spoke)
    fleet.wait_synced(f"cluster-info-{spoke.name}")
    api, token = account.argocd(), account.argocd_token.read_text()

    assert "shows 2 registered clusters" in api.check()
    found = {each.name: each for each in api.clusters()}
    assert found[spoke.name].labels["enable_cluster_info"] == "true"
    status, answer = argocd(fleet.hub, token, "GET", "/api/v1/clusters")
    assert status == 200
    assert spoke.config["bearerToken"] not in json.dumps(answer)

    name = f"cluster-info-{spoke.name}"
    api.refresh_application(name)
    for method, path in (
        ("POST", f"/api/v1/applications/{name}/sync"),
        ("DELETE", f"/api/v1/applications/{name}"),
        ("GET", "/api/v1/applicationsets/cluster-info"),
        ("DELETE", f"/api/v1/clusters/{spoke.name}?id.type=name"),
        ("POST", "/api/v1/account/admin/token"),  # its own it may renew, with the same rights
    ):
        body = {} if method == "POST" else None
        assert argocd(fleet.hub, token, method, path, body)[0] == 403, (method, path)
    assert fleet.application(name) is not None
