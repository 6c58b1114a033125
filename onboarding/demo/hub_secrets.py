"""The demo hub's objects of the External Secrets Operator: the store, and each member's ExternalSecret."""

from __future__ import annotations

from typing import Any

from onboarding.demo.hub_objects import moment, uid
from onboarding.demo.hub_world import WantedMember

STORE = "fleet-credentials"


def external_secret(
    hub: str,
    namespace: str,
    member: WantedMember,
    *,
    created: float,
    ready: bool | None,
    since: float,
    refreshed: float,
) -> dict[str, Any]:
    """The ExternalSecret of one member; `ready` None is before the operator's first look.

    The condition's words are the operator's own, which leave the reason to an event.
    """
    status: dict[str, Any] = {}
    if ready is not None:
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "SecretSynced" if ready else "SecretSyncedError",
            "message": "secret synced" if ready else "could not get secret data from provider",
            "lastTransitionTime": moment(since),
        }
        status = {"conditions": [condition], "binding": {"name": f"cluster-{member.cluster}"}}
        if ready:
            status["refreshTime"] = moment(refreshed)
    remote = {"key": member.secret_name}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": f"cluster-{member.cluster}",
            "namespace": namespace,
            "uid": uid(hub, "ExternalSecret", member.cluster),
            "generation": 1,
            "creationTimestamp": moment(created),
            "labels": {
                "fleet/cluster": member.cluster,
                "fleet/tenant": member.tenant,
                "fleet/environment": member.environment,
            },
        },
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "SecretStore", "name": STORE},
            "data": [
                {"secretKey": key, "remoteRef": {**remote, "property": key}}
                for key in ("server", "config")
            ],
            "target": {"name": f"cluster-{member.cluster}", "creationPolicy": "Owner"},
        },
        "status": status,
    }


def secret_store(
    hub: str, namespace: str, *, region: str, ready: bool, since: float
) -> dict[str, Any]:
    """The store through which the hub reads AWS Secrets Manager."""
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {
            "name": STORE,
            "namespace": namespace,
            "uid": uid(hub, "SecretStore", STORE),
            "generation": 1,
            "creationTimestamp": moment(since),
        },
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": region}}},
        "status": {
            "capabilities": "ReadWrite",
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "False",
                    "reason": "Valid" if ready else "InvalidProviderConfig",
                    "message": "store validated" if ready else "unable to validate store",
                    "lastTransitionTime": moment(since),
                }
            ],
        },
    }
