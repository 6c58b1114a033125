"""The account by which the product reads a hub: the manifests of ``deploy/hub``, applied as they are."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import urllib3

from onboarding.adapters.argocd_api import ArgoCDAccess, ArgoCDApi
from onboarding.adapters.hub_access import HubAccess, TokenFile
from onboarding.adapters.kubernetes_hub import KubernetesHub
from tests.hub.harness import Hub, eventually, load_manifests
from tests.hub.kube import KINDS, Manifest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy/hub"
ACCOUNT = "fleet-ui"


@dataclass(frozen=True)
class Account:
    """What the product holds of a hub: two files with tokens and one with a certificate authority."""

    hub: Hub
    kubernetes_token: Path
    argocd_token: Path

    @property
    def authority(self) -> Path:
        """The file of the certificate authority of the hub's API server."""
        return self.hub.plane.authority

    def access(self) -> HubAccess:
        """How the hub's Kubernetes API is reached with this account."""
        token = TokenFile(str(self.kubernetes_token))
        return HubAccess(self.hub.plane.server, "argocd", token, ca_file=str(self.authority))

    def reader(self) -> KubernetesHub:
        """The product's adapter of the hub's Kubernetes API."""
        return KubernetesHub(self.access())

    def argocd(self) -> ArgoCDApi:
        """The product's adapter of Argo CD's API."""
        return ArgoCDApi(ArgoCDAccess(self.hub.argocd.url, TokenFile(str(self.argocd_token))))


def shipped() -> list[Manifest]:
    """All manifests that the kustomization names, in its namespace."""
    kustomization = load_manifests((DEPLOY / "kustomization.yaml").read_text())[0]
    manifests = []
    for resource in kustomization["resources"]:
        for manifest in load_manifests((DEPLOY / resource).read_text()):
            if KINDS[manifest["kind"]][2]:
                manifest["metadata"]["namespace"] = kustomization["namespace"]
            manifests.append(manifest)
    return manifests


def give_account(hub: Hub, folder: Path) -> Account:
    """Do what an administrator does once: apply the manifests, make two tokens, put them into files."""
    for manifest in shipped():
        hub.kube.apply(manifest)
    found = Account(hub, folder / "kubernetes-token", folder / "argocd-token")
    for file, token in (
        (found.kubernetes_token, service_account_token(hub, ACCOUNT)),
        (found.argocd_token, argocd_token(hub, ACCOUNT)),
    ):
        file.touch(mode=0o600)
        file.write_text(token)
    return found


def service_account_token(hub: Hub, name: str) -> str:
    """A token of a service account in Argo CD's namespace."""
    path = f"{hub.kube.path('ServiceAccount', name)}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token: str = hub.kube.request("POST", path, asked)["status"]["token"]
    return token


def argocd_token(hub: Hub, account: str) -> str:
    """A token of an account in Argo CD, as Argo CD's administrator makes it."""
    session, path = administrator_session(hub), f"/api/v1/account/{account}/token"
    # The server takes up a changed ConfigMap in its own time.
    made: str = eventually(
        lambda: _token(hub, path, {"name": account}, session), "the account has a token"
    )
    return made


def administrator_session(hub: Hub) -> str:
    """A token of Argo CD's administrator, as somebody who signs in there gets it."""
    initial = eventually(
        lambda: hub.kube.get("Secret", "argocd-initial-admin-secret"), "there is a password"
    )
    password = base64.b64decode(initial["data"]["password"]).decode()
    return _token(hub, "/api/v1/session", {"username": "admin", "password": password})


def end_sync(hub: Hub, application: str) -> None:
    """Terminate in Argo CD: its administrator ends the sync of an Application that is under way."""
    answer = urllib3.request(
        "DELETE",
        f"{hub.argocd.url}/api/v1/applications/{application}/operation",
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {administrator_session(hub)}",
        },
        retries=False,
    )
    assert answer.status == 200, answer.data


def _token(hub: Hub, path: str, body: object, bearer: str = "") -> str:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
    answer = urllib3.request(
        "POST", hub.argocd.url + path, body=json.dumps(body), headers=headers, retries=False
    )
    return str(answer.json().get("token") or "")
