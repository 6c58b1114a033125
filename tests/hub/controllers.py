"""The controllers that make a cluster a hub.

Argo CD and the External Secrets Operator, and what those two need.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hub import binaries
from tests.hub.control_plane import ControlPlane, answers
from tests.hub.processes import Processes, free_ports

REGION = "eu-central-1"
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
        name, (port,) = f"{plane.name}-external-secrets", free_ports(1)
        processes.start(
            name,
            [binaries.path("external-secrets"), f"--health-probe-addr=127.0.0.1:{port}"],
            {
                **AWS,
                "KUBECONFIG": str(plane.folder / "kubeconfig"),
                "AWS_SECRETSMANAGER_ENDPOINT": aws.url,
                "AWS_STS_ENDPOINT": aws.url,
            },
        )
        return cls(processes, name, port)

    def wait(self) -> None:
        """Waits until its caches are filled."""
        url = f"http://127.0.0.1:{self.probe_port}/readyz"
        self.processes.wait(self.name, lambda: answers(url))


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

    def names(self) -> list[str]:
        """The names of its processes."""
        parts = ("redis", "repo-server", "controller", "applicationsets", "server")
        return [f"{self.plane.name}-argocd-{part}" for part in parts]

    def start(self) -> None:
        """Starts all but its ApplicationSets; kinds, ConfigMaps and Secret must be there already."""
        redis, repo_server, controller, _, server = self.names()
        at = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        port = {name: str(number) for name, number in self.ports.items()}
        cache = f"--redis={at['redis']}"
        self._run(
            redis,
            "redis-server",
            *("--bind", "127.0.0.1", "--port", port["redis"]),
            *("--save", "", "--appendonly", "no", "--dir", str(self.processes.folder)),
        )
        self._run(
            repo_server,
            binaries.path("argocd-repo-server"),
            *("--disable-tls", "--address", "127.0.0.1", "--port", port["repo"], cache),
            *("--metrics-address", "127.0.0.1", "--metrics-port", port["repo-metrics"]),
        )
        self._run(
            controller,
            binaries.path("argocd-application-controller"),
            *("--repo-server-plaintext", "--repo-server", at["repo"], cache),
            # Its metrics listen on every address: this one flag is missing from Argo CD.
            *("--metrics-port", port["controller-metrics"]),
        )
        self._run(
            server,
            binaries.path("argocd-server"),
            *("--repo-server-plaintext", "--repo-server", at["repo"], cache),
            *("--insecure", "--address", "127.0.0.1", "--port", port["server"]),
            *("--metrics-port", port["server-metrics"]),
        )

    def start_application_sets(self) -> None:
        """Starts the ApplicationSet controller; the server has then made the key of its webhook."""
        sets = self.names()[3]
        at = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        self._run(
            sets,
            binaries.path("argocd-applicationset-controller"),
            *("--repo-server-plaintext", "--argocd-repo-server", at["repo"]),
            *("--metrics-addr", at["sets-metrics"], "--probe-addr", at["sets-probe"]),
            *("--webhook-addr", at["sets-webhook"]),
        )

    def _run(self, name: str, *command: str | Path) -> None:
        self.processes.start(name, command, self._environment())

    def wait(self) -> None:
        """Waits until every part is ready, and starts the last one when it may."""
        redis, repo_server, controller, sets, server = self.names()
        ports, wait = self.ports, self.processes.wait
        wait(redis, lambda: listens(ports["redis"]))
        wait(repo_server, lambda: listens(ports["repo"]))
        wait(controller, lambda: answers(f"http://127.0.0.1:{ports['controller-metrics']}/healthz"))
        wait(server, lambda: answers(f"{self.url}/healthz"))
        self.start_application_sets()
        # Its probe knows no path at all.
        wait(sets, lambda: answers(f"http://127.0.0.1:{ports['sets-metrics']}/metrics"))

    def _environment(self) -> dict[str, str]:
        """What Argo CD would find in its containers, in folders of its own."""
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
            "KUBECONFIG": str(self.plane.folder / "kubeconfig"),
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
