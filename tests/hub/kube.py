"""A small client of the Kubernetes API.

Plain maps in and out, and only what the hub's tests need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

Manifest = dict[str, Any]

# kind -> (API version, name in paths, whether it lives in a namespace)
KINDS: Mapping[str, tuple[str, str, bool]] = {
    "AppProject": ("argoproj.io/v1alpha1", "appprojects", True),
    "Application": ("argoproj.io/v1alpha1", "applications", True),
    "ApplicationSet": ("argoproj.io/v1alpha1", "applicationsets", True),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "ConfigMap": ("v1", "configmaps", True),
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "Deployment": ("apps/v1", "deployments", True),
    "ExternalSecret": ("external-secrets.io/v1", "externalsecrets", True),
    "Namespace": ("v1", "namespaces", False),
    "ResourceQuota": ("v1", "resourcequotas", True),
    "Role": ("rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Secret": ("v1", "secrets", True),
    "SecretStore": ("external-secrets.io/v1", "secretstores", True),
    "StatefulSet": ("apps/v1", "statefulsets", True),
    "ServiceAccount": ("v1", "serviceaccounts", True),
    "ValidatingAdmissionPolicy": (
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
        False,
    ),
    "ValidatingAdmissionPolicyBinding": (
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        False,
    ),
}
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class KubeError(Exception):
    """The API server refused; ``status`` is its HTTP status, the text its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubeApi:
    """One API server, as one user. Names without a namespace are those of ``namespace``."""

    def __init__(self, server: str, token: str, authority: str, namespace: str = "argocd") -> None:
        """``authority`` is the file of the certificate authority that signed for the server."""
        self.server, self.token, self.authority = server, token, authority
        self.namespace = namespace
        self._pool = urllib3.PoolManager(ca_certs=authority, timeout=urllib3.Timeout(15, read=30))

    def as_user(self, token: str) -> KubeApi:
        """The same API server as somebody else."""
        return KubeApi(self.server, token, self.authority, self.namespace)

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Manifest:
        """One request; raises KubeError for any answer but success."""
        status, data = self.answer(method, path, body, content_type)
        found = _parsed(data)
        if not 200 <= status < 300:
            raise KubeError(status, str(found.get("message") or data[:300]))
        return found

    def answer(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """One request; the HTTP status and the answer's bytes, whatever they are.

        0 where nobody answers.
        """
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = content_type
            content = json.dumps(body).encode()
        try:
            reply = self._pool.request(
                method, self.server + path, body=content, headers=headers, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            return 0, str(error).encode()
        return reply.status, reply.data

    def path(self, kind: str, name: str = "", namespace: str | None = None) -> str:
        """The path of a kind or of one object; an empty namespace means all of them."""
        version, plural, namespaced = KINDS[kind]
        parts = ["/api" if version == "v1" else "/apis", version]
        where = self.namespace if namespace is None else namespace
        if namespaced and where:
            parts += ["namespaces", where]
        return "/".join([*parts, plural, *([quote(name)] if name else [])])

    def get(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """One object, None where it does not exist."""
        try:
            return self.request("GET", self.path(kind, name, namespace))
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """All objects of a kind, with these labels where some are given."""
        query = ""
        if labels:
            query = "?" + urlencode(
                {"labelSelector": ",".join(f"{k}={v}" for k, v in labels.items())}
            )
        items: list[Manifest] = self.request("GET", self.path(kind, "", namespace) + query)["items"]
        return items

    def create(self, manifest: Manifest) -> Manifest:
        """Creates an object; raises KubeError 409 where it exists."""
        path = self.path(manifest["kind"], "", manifest["metadata"].get("namespace"))
        return self.request("POST", path, manifest)

    def apply(self, manifest: Manifest) -> Manifest:
        """Creates or updates an object, by server-side apply."""
        name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace")
        path = self.path(manifest["kind"], name, namespace)
        return self.request("PATCH", f"{path}?fieldManager=hub-tests&force=true", manifest, APPLY)

    def patch(
        self, kind: str, name: str, patch: Manifest, namespace: str | None = None
    ) -> Manifest:
        """A JSON merge patch of one object."""
        return self.request("PATCH", self.path(kind, name, namespace), patch, MERGE)

    def annotate(self, kind: str, name: str, key: str, value: str) -> Manifest:
        """Sets one annotation of an object of our namespace."""
        return self.patch(kind, name, {"metadata": {"annotations": {key: value}}})

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        """Deletes an object and, afterwards, what it owns.

        Nothing happens where it does not exist.
        """
        try:
            self.request(
                "DELETE", self.path(kind, name, namespace) + "?propagationPolicy=Background"
            )
        except KubeError as error:
            if error.status != 404:
                raise

    def is_ready(self) -> bool:
        """Whether the API server says that it is ready."""
        return self.answer("GET", "/readyz")[0] == 200


def _parsed(data: bytes) -> Manifest:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
