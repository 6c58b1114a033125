"""A fresh fleet on a running hub:

a repository filled from the template, bootstrapped as its README says.

What tests do to it is what people and the product do: write files, commit and push them, and tell
the hub to look. Nothing but ``hub-bootstrap.yaml`` is applied to the hub.
"""

from __future__ import annotations

import os
import shutil
import string
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.hub.cleaning import clean
from tests.hub.controllers import REGION
from tests.hub.harness import Hub, Spoke, eventually, load_manifests
from tests.hub.kube import Manifest
from tests.repositories import TEMPLATE

BRANCH = "main"
TENANTS = ("tenant1", "tenant2")
REFRESH_SET = "argocd.argoproj.io/application-set-refresh"
REFRESH_APPLICATION = "argocd.argoproj.io/refresh"
REGISTRATION = "fleet-hub-external-secrets"
BOOTSTRAP_SETS = (
    "bootstrap-addons",
    "bootstrap-fleet",
    "bootstrap-monitoring",
    "bootstrap-resources",
)
TOLD_AGAIN_AFTER = 15.0
"""Seconds after which who still differs is told to look once more, as the product does.

Argo CD loses what it was asked while it is busy with the same Application, and then looks by itself
only after two to three minutes.
"""


@dataclass(frozen=True)
class Fleet:
    """One fleet repository and the hub that follows it."""

    hub: Hub
    name: str
    folder: Path

    @property
    def work(self) -> Path:
        """A clone to write files in."""
        return self.folder / "work"

    @property
    def bare(self) -> Path:
        """The repository itself."""
        return self.folder / "fleet.git"

    @property
    def url(self) -> str:
        """The repository, as Argo CD reads it."""
        return f"file://{self.bare}"

    # --- The repository ---

    def git(self, *arguments: str) -> str:
        """Runs git in the clone, as nobody in particular and with nobody's configuration."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        done = subprocess.run(
            [
                "git",
                "-c",
                "user.name=Fleet tests",
                "-c",
                "user.email=tests@example.com",
                *arguments,
            ],
            cwd=self.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise AssertionError(f"git {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | None], message: str = "Change the fleet") -> str:
        """Writes files (None removes one) on top of the branch, and pushes; returns the commit."""
        self.git("pull", "--quiet", "--ff-only", "origin", BRANCH)
        for path, text in files.items():
            file = self.work / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", BRANCH)
        return self.git("rev-parse", "HEAD")

    def member_path(self, cluster: str) -> str:
        """The path of a cluster's member file."""
        return f"fleet/fleet-bootstrap/fleet-members/{self.name}/{cluster}.yaml"

    def labels_path(self, cluster: str, tenant: str) -> str:
        """The path of a cluster's own labels."""
        return f"addons/tenants/{tenant}/clusters/{cluster}/fleet/fleet-secret/values.yaml"

    # --- Telling the hub to look ---

    def refresh_set(self, name: str = REGISTRATION) -> None:
        """An ApplicationSet reads Git again at once, also where it failed and was asked before."""
        self.hub.kube.annotate("ApplicationSet", name, REFRESH_SET, f"{time.time():.6f}")

    def refresh(self, application: str) -> None:
        """An Application is compared with Git again at once."""
        self.hub.kube.annotate("Application", application, REFRESH_APPLICATION, "normal")

    # --- What the hub says ---

    def application(self, name: str) -> Manifest | None:
        """One Application of the hub."""
        return self.hub.kube.get("Application", name)

    def applications(self, cluster: str) -> set[str]:
        """The names of the Applications that components of a cluster have."""
        found = self.hub.kube.list("Application", labels={"fleet/cluster": cluster})
        return {each["metadata"]["name"] for each in found}

    def cluster_secret(self, cluster: str) -> Manifest | None:
        """The cluster secret of a cluster."""
        return self.hub.kube.get("Secret", f"cluster-{cluster}")

    def wait_synced(self, application: str, revision: str = "", seconds: float = 90) -> Manifest:
        """Waits until an Application is Synced and Healthy, at this commit where one is given."""

        def check() -> Manifest | None:
            found = self.application(application)
            return found if found and is_synced(found, revision) else None

        try:
            done: Manifest = eventually(check, f"Application {application} is Synced", seconds)
        except Exception as error:
            error.add_note(self.describe(application))
            raise
        return done

    def describe(self, application: str) -> str:
        """What an Application says of itself, for messages of failed tests."""
        found = self.application(application)
        if not found:
            names = [each["metadata"]["name"] for each in self.hub.kube.list("Application")]
            sets = [describe_set(each) for each in self.hub.kube.list("ApplicationSet")]
            return f"there is no Application {application}; there are {names}\n" + "\n".join(sets)
        return f"{application}: {yaml.safe_dump(_in_short(found), width=200)}"

    # --- The way of one registration ---

    def register(
        self,
        spoke: Spoke,
        tenant: str = "tenant1",
        environment: str = "dev",
        labels: Mapping[str, str] | None = None,
        **member: str,
    ) -> str:
        """Does what people do.

        Credentials, member file and labels in one commit, and the hub looks at once.
        """
        self.hub.store_credentials(f"fleet/{spoke.name}", spoke.credentials)
        files: dict[str, str | None] = {
            self.member_path(spoke.name): member_text(spoke.name, tenant, environment, **member)
        }
        if labels:
            files[self.labels_path(spoke.name, tenant)] = labels_text(labels)
        commit = self.commit(files, f"Register {spoke.name}")
        self.refresh_set()
        return commit

    def change_labels(self, spoke: Spoke, tenant: str, labels: Mapping[str, str]) -> str:
        """Commits a cluster's own labels, and its registration looks at once."""
        path = self.labels_path(spoke.name, tenant)
        commit = self.commit({path: labels_text(labels)}, f"Change the labels of {spoke.name}")
        self.refresh(f"fleet-secret-{spoke.name}")
        return commit


def is_synced(application: Manifest, revision: str = "") -> bool:
    """Whether an Application is Synced, Healthy and done; at this commit, where one is given."""
    status = application.get("status", {})
    sync = status.get("sync", {})
    revisions = sync.get("revisions") or [sync.get("revision")]
    return (
        sync.get("status") == "Synced"
        and status.get("health", {}).get("status") == "Healthy"
        and status.get("operationState", {}).get("phase") == "Succeeded"
        and (not revision or revision in revisions)
    )


def _in_short(application: Manifest) -> dict[str, Any]:
    """What is not as it should be, short enough for the messages of several Applications."""
    status = application.get("status", {})
    operation = status.get("operationState", {})
    return {
        "sync": status.get("sync", {}).get("status"),
        "health": status.get("health"),
        "reconciledAt": status.get("reconciledAt"),
        "conditions": status.get("conditions"),
        "revisions": status.get("sync", {}).get("revisions")
        or status.get("sync", {}).get("revision"),
        "operation": {
            key: operation.get(key) for key in ("phase", "message", "startedAt", "finishedAt")
        },
        "annotations": application["metadata"].get("annotations"),
        "resources": [
            each
            for each in status.get("resources", [])
            if each.get("status") != "Synced"
            or each.get("health", {}).get("status", "Healthy") != "Healthy"
        ],
    }


def describe_set(found: Manifest) -> str:
    """What an ApplicationSet complains of."""
    conditions = found.get("status", {}).get("conditions") or []
    errors = [
        each["message"]
        for each in conditions
        if (each["type"], each["status"]) == ("ErrorOccurred", "True")
    ]
    return f"ApplicationSet {found['metadata']['name']}: {errors}"


def member_text(cluster: str, tenant: str, environment: str, **others: str) -> str:
    """A member file as people write it: every value in double quotes."""
    values = {
        "clusterName": cluster,
        "tenant": tenant,
        "environment": environment,
        "secretManagerSecretName": f"fleet/{cluster}",
        "use_remote_argo": "false",
        "enable_remote_addons": "false",
        "enable_remote_resources": "false",
        **others,
    }
    return "".join(f'{key}: "{value}"\n' for key, value in values.items())


def labels_text(labels: Mapping[str, str]) -> str:
    """A cluster's own values file with these labels."""
    return "externalSecret:\n  labels:\n" + "".join(
        f'    {key}: "{value}"\n' for key, value in labels.items()
    )


def own_labels(secret: Manifest) -> dict[str, str]:
    """The labels of a cluster secret without those by which the operator marks what it manages."""
    labels = secret["metadata"]["labels"]
    return {key: value for key, value in labels.items() if "external-secrets.io/" not in key}


def layers_of(component: str, cluster: str) -> dict[str, str | None]:
    """Values of one component for a cluster of tenant1 in prod: a key of its own in each layer, and one in all."""
    folders = (
        "addons/defaults",
        "addons/tenants/defaults",
        "addons/tenants/tenant1/defaults",
        "addons/tenants/tenant1/environments/prod",
        f"addons/tenants/tenant1/clusters/{cluster}",
    )
    return {
        f"{folder}/{component}/values.yaml": f'info:\n  layer{i}: "{i}"\n  last: "{i}"\n'
        for i, folder in enumerate(folders, start=1)
    }


@contextmanager
def fresh_fleet(hub: Hub, name: str = "hub") -> Iterator[Fleet]:
    """Bootstraps the hub with a new repository; afterwards takes everything off hub and spoke."""
    fleet = new_fleet(hub, name)
    try:
        bootstrap(fleet)
        yield fleet
    finally:
        clean(hub)
        shutil.rmtree(fleet.folder)


def new_fleet(hub: Hub, name: str) -> Fleet:
    """A new repository with the template in it, of which the hub knows nothing yet."""
    fleet = Fleet(hub, name, Path(tempfile.mkdtemp(prefix=f"fleet-{name}-", dir=hub.folder)))
    _fill(fleet)
    return fleet


def _fill(fleet: Fleet) -> None:
    """A bare repository with the template as its first commit."""
    shutil.copytree(TEMPLATE, fleet.work, symlinks=True)
    fleet.git("init", "--quiet", f"--initial-branch={BRANCH}")
    fleet.git("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(fleet.bare))
    fleet.git("remote", "add", "origin", fleet.url)
    fleet.git("add", "--all")
    fleet.git("commit", "--quiet", "--message", "Add the fleet repository")
    fleet.git("push", "--quiet", "origin", BRANCH)


def bootstrap_manifests(fleet: Fleet) -> list[Manifest]:
    """``hub-bootstrap.yaml`` with its placeholders filled in.

    The tenant's document once for each tenant.
    """
    text = (fleet.work / "hub-bootstrap.yaml").read_text()
    filled = {
        "REPOSITORY_URL": fleet.url,
        "REVISION": BRANCH,
        "HUB_NAME": fleet.name,
        "AWS_REGION": REGION,
    }
    manifests = []
    for document in text.split("\n---\n"):
        for tenant in TENANTS if "${TENANT}" in document else TENANTS[:1]:
            substituted = string.Template(document).substitute(filled, TENANT=tenant)
            manifests += load_manifests(substituted)
    return manifests


def bootstrap(fleet: Fleet) -> None:
    """Applies ``hub-bootstrap.yaml`` and nothing else, and waits for what follows from it."""
    for manifest in bootstrap_manifests(fleet):
        fleet.hub.kube.apply(manifest)
    names = ("fleet-root", *(f"{each}-{fleet.name}" for each in BOOTSTRAP_SETS))

    told = time.monotonic()

    def ready() -> bool:
        nonlocal told
        resting = [name for name in names if not _has_come(fleet.application(name))]
        if resting and time.monotonic() > told + TOLD_AGAIN_AFTER:
            fleet.hub.remarks += [f"told again: {fleet.describe(name)}" for name in resting]
            for name in filter(fleet.application, resting):
                fleet.refresh(name)
            told = time.monotonic()
        return not resting and bool(fleet.hub.kube.get("ApplicationSet", REGISTRATION))

    try:
        eventually(ready, "the bootstrap of the hub is Synced", 180, pause=0.3)
    except Exception as error:
        for name in names:
            if not _has_come(fleet.application(name)):
                error.add_note(fleet.describe(name))
        raise


def _has_come(application: Manifest | None) -> bool:
    return application is not None and is_synced(application)


def config_data(found: Manifest | None) -> dict[str, Any]:
    """The data of a ConfigMap, which must exist."""
    assert found is not None, "the ConfigMap does not exist"
    data: dict[str, Any] = found.get("data", {})
    return data
