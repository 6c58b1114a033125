"""The controllers that make a cluster a hub.

Argo CD and the External Secrets Operator, and what those two need.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.hub import binaries
from tests.hub.control_plane import ControlPlane, answers
from tests.hub.processes import Processes, free_ports

REGION = "eu-central-1"
# In the order in which they are waited for.
PARTS = ("redis", "repo-server", "controller", "server", "applicationsets")
# moto takes any credentials; the operator's library only wants to find some.
AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class SecretsManager:
    """AWS Secrets Manager by moto."""

    processes: Processes
    port: int

    @classmethod
    def start(cls, processes: Processes) -> SecretsManager:
        """Starts moto's server."""
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        processes.start("moto", command, AWS)
        return cls(processes, port)

    @property
    def url(self) -> str:
        """The endpoint of every AWS service."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Waits until it takes requests."""
        self.processes.wait("moto", lambda: answers(f"{self.url}/moto-api/data.json"))


@dataclass(frozen=True)
class ExternalSecretsOperator:
    """The operator, working on one cluster."""

    processes: Processes
    name: str
    probe_port: int

    @classmethod
    def start(
        cls, processes: Processes, plane: ControlPlane, aws: SecretsManager
    ) -> ExternalSecretsOperator:
        """Starts it; its kinds must be defined already."""
        (port,) = free_ports(1)
        operator = cls(processes, f"{plane.name}-external-secrets", port)
        kubeconfig = plane.folder / "kubeconfig"
        processes.start(operator.name, operator.command(), operator.environment(kubeconfig, aws))
        return operator

    def command(self) -> list[str | Path]:
        """How it is started."""
        return [
            binaries.path("external-secrets"),
            f"--health-probe-addr=127.0.0.1:{self.probe_port}",
        ]

    @staticmethod
    def environment(kubeconfig: Path, aws: SecretsManager) -> dict[str, str]:
        """Its cluster, and where AWS is."""
        return {
            **AWS,
            "KUBECONFIG": str(kubeconfig),
            "AWS_SECRETSMANAGER_ENDPOINT": aws.url,
            "AWS_STS_ENDPOINT": aws.url,
        }

    def is_ready(self) -> bool:
        """Whether its caches are filled."""
        return answers(f"http://127.0.0.1:{self.probe_port}/readyz")

    def wait(self) -> None:
        """Waits until its caches are filled."""
        self.processes.wait(self.name, self.is_ready)


@dataclass(frozen=True)
class ArgoCD:
    """Argo CD's four processes and its Redis, working on one cluster."""

    processes: Processes
    plane: ControlPlane
    ports: Mapping[str, int]

    @classmethod
    def prepare(cls, processes: Processes, plane: ControlPlane) -> ArgoCD:
        """Chooses the ports and starts nothing."""
        names = (
            "redis", "repo", "repo-metrics", "server", "server-metrics", "controller-metrics",
            "sets-metrics", "sets-probe", "sets-webhook",
        )  # fmt: skip
        return cls(processes, plane, dict(zip(names, free_ports(len(names)), strict=True)))

    @property
    def url(self) -> str:
        """Its own API."""
        return f"http://127.0.0.1:{self.ports['server']}"

    def process(self, part: str) -> str:
        """The name of a part's process."""
        return f"{self.plane.name}-argocd-{part}"

    def command(self, part: str) -> list[str | Path]:
        """How one of its ``PARTS`` is started."""
        at = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        port = {name: str(number) for name, number in self.ports.items()}
        cache = f"--redis={at['redis']}"
        repo_server = ("--repo-server-plaintext", "--repo-server", at["repo"], cache)
        commands: dict[str, list[str | Path]] = {
            "redis": [
                *("redis-server", "--bind", "127.0.0.1", "--port", port["redis"]),
                *("--save", "", "--appendonly", "no", "--dir", str(self.processes.folder)),
            ],
            "repo-server": [
                binaries.path("argocd-repo-server"),
                *("--disable-tls", "--address", "127.0.0.1", "--port", port["repo"], cache),
                *("--metrics-address", "127.0.0.1", "--metrics-port", port["repo-metrics"]),
            ],
            "controller": [
                binaries.path("argocd-application-controller"),
                *repo_server,
                # Its metrics listen on every address: this one flag is missing from Argo CD.
                *("--metrics-port", port["controller-metrics"]),
            ],
            "applicationsets": [
                binaries.path("argocd-applicationset-controller"),
                *("--repo-server-plaintext", "--argocd-repo-server", at["repo"]),
                *("--metrics-addr", at["sets-metrics"], "--probe-addr", at["sets-probe"]),
                *("--webhook-addr", at["sets-webhook"]),
            ],
            "server": [
                binaries.path("argocd-server"),
                *repo_server,
                *("--insecure", "--address", "127.0.0.1", "--port", port["server"]),
                *("--metrics-port", port["server-metrics"]),
            ],
        }
        return commands[part]

    def is_ready(self, part: str) -> bool:
        """Whether a part answers."""
        ports = self.ports
        match part:
            case "redis":
                return listens(ports["redis"])
            case "repo-server":
                return listens(ports["repo"])
            case "controller":
                return answers(f"http://127.0.0.1:{ports['controller-metrics']}/healthz")
            case "applicationsets":
                # Its probe knows no path at all.
                return answers(f"http://127.0.0.1:{ports['sets-metrics']}/metrics")
        return answers(f"{self.url}/healthz")

    def start(self) -> None:
        """Starts all but its ApplicationSets; kinds, ConfigMaps and Secret must be there already."""
        for part in PARTS[:-1]:
            self._run(part)

    def _run(self, part: str) -> None:
        self.processes.start(self.process(part), self.command(part), self.environment())

    def wait(self) -> None:
        """Waits until every part is ready, and starts the last one when it may."""
        for part in PARTS:
            if part == PARTS[-1]:
                # The server has now made the key of its webhook.
                self._run(part)
            self.processes.wait(self.process(part), partial(self.is_ready, part))

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """What Argo CD would find in its containers, in folders of its own.

        It signs in as the administrator of its cluster, unless told otherwise.
        """
        home = self.plane.folder / "argocd"
        for part in ("ssh", "tls", "plugins", "tmp"):
            (home / part).mkdir(parents=True, exist_ok=True)
        (home / "ssh" / "ssh_known_hosts").touch()
        helm = binaries.path("helm").parent
        return {
            "PATH": f"{helm}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            # Where the repo-server keeps its clones.
            "TMPDIR": str(home / "tmp"),
            "KUBECONFIG": str(kubeconfig or self.plane.folder / "kubeconfig"),
            # https://kubernetes.default.svc is the cluster of this kubeconfig.
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_SSH_DATA_PATH": str(home / "ssh"),
            "ARGOCD_TLS_DATA_PATH": str(home / "tls"),
            "ARGOCD_PLUGINSOCKFILEPATH": str(home / "plugins"),
        }


def argocd_manifests() -> tuple[list[Path], list[Path]]:
    """Argo CD's definitions of kinds, and its ConfigMaps and Secret, as it ships them."""
    base = binaries.manifests("argocd") / "manifests"
    kinds = sorted(each for each in (base / "crds").glob("*.yaml") if each.stem != "kustomization")
    config = sorted(
        each for each in (base / "base/config").glob("*.yaml") if each.stem != "kustomization"
    )
    return kinds, config


def external_secrets_kinds() -> Path:
    """The operator's definitions of kinds, as it ships them."""
    return binaries.manifests("external-secrets") / "deploy/crds/bundle.yaml"
