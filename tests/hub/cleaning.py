"""Takes a fleet off a running hub, so that the next one finds nothing of it."""

from __future__ import annotations

from tests.hub.harness import Hub, eventually
from tests.hub.kube import KINDS, MERGE, KubeApi

# What makes others comes before what is made.
DELETED_FIRST = ("ApplicationSet", "Application", "ExternalSecret", "SecretStore", "AppProject")
DELIVERED = ("ClusterRoleBinding", "ClusterRole")
SECRET_TYPE = "argocd.argoproj.io/secret-type"
TRACKING = "argocd.argoproj.io/tracking-id"
# What every Argo CD and every API server makes for itself.
KEPT = frozenset(
    {
        ("AppProject", "default"),
        *(("Namespace", f"kube-{each}") for each in ("node-lease", "public", "system")),
        ("Namespace", "default"),
    }
)


def clean(hub: Hub) -> None:
    """Takes a fleet off the hub and its objects off the spokes, whatever state they are in.

    A sync that is under way when its Application is deleted still makes its objects, so everything
    is looked for again until one look finds nothing. An ApplicationSet that is left would be tried
    before the next fleet has its projects, and then not again for three minutes.
    """

    def swept() -> bool:
        left = _sweep_hub(hub.kube)
        with hub.spoke_apis() as spokes:
            for spoke in spokes:
                left += _sweep_spoke(spoke)
        return not left

    eventually(swept, "nothing of the fleet is left", 180, pause=0.3)


def spoke_namespaces(spoke: KubeApi) -> set[str]:
    """The namespaces of a spoke that somebody made."""
    names = {each["metadata"]["name"] for each in spoke.list("Namespace")}
    return {name for name in names if ("Namespace", name) not in KEPT}


def _sweep_hub(kube: KubeApi) -> int:
    secrets = kube.list("Secret", labels={SECRET_TYPE: "cluster"})
    for secret in secrets:
        kube.delete("Secret", secret["metadata"]["name"])
    return len(secrets) + sum(_sweep(kube, kind) for kind in DELETED_FIRST)


def _sweep_spoke(spoke: KubeApi) -> int:
    """Also a whole Argo CD goes, whose controllers run no more."""
    served = {each["metadata"]["name"] for each in spoke.list("CustomResourceDefinition")}
    left = 0
    for kind in DELETED_FIRST:
        version, plural, _ = KINDS[kind]
        if f"{plural}.{version.partition('/')[0]}" in served:
            left += _sweep(spoke, kind)
    for kind in DELIVERED:
        for each in spoke.list(kind):
            if TRACKING in each["metadata"].get("annotations", {}):
                spoke.delete(kind, each["metadata"]["name"])
    return left + _sweep(spoke, "CustomResourceDefinition") + _sweep(spoke, "Namespace")


def _sweep(kube: KubeApi, kind: str) -> int:
    """Deletes all objects of a kind that nobody needs, without what their finalizers stand for.

    How many there were.
    """
    found = [
        each["metadata"] for each in kube.list(kind) if (kind, each["metadata"]["name"]) not in KEPT
    ]
    for metadata in found:
        if metadata.get("finalizers") and kind in DELETED_FIRST:
            nobody = {"metadata": {"finalizers": None}}
            # It may be gone in between.
            kube.answer("PATCH", kube.path(kind, metadata["name"]), nobody, MERGE)
        if "deletionTimestamp" not in metadata:
            kube.delete(kind, metadata["name"])
    return len(found)
