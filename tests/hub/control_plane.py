"""An etcd, and API servers with the two controllers without which no deletion ever completes."""

from __future__ import annotations

import json
import secrets
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hub import binaries
from tests.hub.certificates import write_serving_certificate, write_signing_key
from tests.hub.kube import KubeApi
from tests.hub.processes import Processes, free_ports


def answers(url: str) -> bool:
    """Whether a URL of a plain HTTP server answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own http:// URL
            return bool(200 <= reply.status < 300)
    except (urllib.error.URLError, OSError):
        return False


@dataclass(frozen=True)
class Etcd:
    """An etcd for some API servers; each keeps its objects below a prefix of its own."""

    processes: Processes
    name: str
    port: int

    @classmethod
    def start(cls, processes: Processes, name: str = "etcd") -> Etcd:
        """Starts it without durable writes: nothing here outlives the run."""
        client, peer = free_ports(2)
        own, other = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        processes.start(
            name,
            [
                binaries.path("etcd"),
                f"--data-dir={processes.folder / name}",
                f"--listen-client-urls={own}",
                f"--advertise-client-urls={own}",
                f"--listen-peer-urls={other}",
                f"--initial-advertise-peer-urls={other}",
                f"--initial-cluster=default={other}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )
        return cls(processes, name, client)

    @property
    def url(self) -> str:
        """Where API servers find it."""
        return f"http://127.0.0.1:{self.port}"

    def forget_history(self) -> None:
        """Compacts away all that was before now: a watch from earlier gets "410 Gone"."""
        self._ask("/v3/kv/compaction", {"revision": self.revision(), "physical": True})

    def _ask(self, path: str, body: object) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own http:// URL
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - as above
            answer: dict[str, Any] = json.load(reply)
        return answer

    def wait(self) -> None:
        """Waits until it takes requests."""
        self.processes.wait(self.name, lambda: answers(f"{self.url}/health"))

    @property
    def data(self) -> Path:
        """Where it keeps all that it knows."""
        return self.processes.folder / self.name

    def revision(self) -> int:
        """How far it has counted: Kubernetes' resource versions."""
        return int(self._ask("/v3/kv/range", {"key": "AA=="})["header"]["revision"])

    def back_up(self, folder: Path) -> None:
        """Copies all that it knows into a new folder; it is away meanwhile."""
        self.processes.stop(self.name)
        shutil.copytree(self.data, folder)
        self.processes.resume(self.name)
        self.wait()

    def restore(self, folder: Path) -> None:
        """Forgets all that it knows for a backup, as an administrator does: it counts on from there.

        What uses it has to be stopped before.
        """
        self.processes.stop(self.name)
        shutil.rmtree(self.data)
        shutil.copytree(folder, self.data)
        self.processes.resume(self.name)
        self.wait()


@dataclass(frozen=True)
class ControlPlane:
    """One Kubernetes API server with its garbage collector and namespace controller."""

    processes: Processes
    name: str
    folder: Path
    port: int
    controllers_port: int
    token: str

    @classmethod
    def prepare(cls, processes: Processes, name: str) -> ControlPlane:
        """Makes its keys, its token and its kubeconfig, and starts nothing."""
        folder = processes.folder / name
        folder.mkdir()
        write_serving_certificate(folder)
        write_signing_key(folder)
        port, controllers_port = free_ports(2)
        plane = cls(processes, name, folder, port, controllers_port, secrets.token_hex(16))
        _write_private(folder / "tokens.csv", f"{plane.token},admin,admin,system:masters\n")
        _write_private(folder / "kubeconfig", plane.kubeconfig())
        return plane

    @property
    def server(self) -> str:
        """Its URL."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """The file of the certificate authority that signed its certificate."""
        return self.folder / "ca.crt"

    def kubeconfig(self) -> str:
        """An administrator's kubeconfig, with Argo CD's namespace; JSON is YAML too."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": self.name,
                "contexts": [
                    {
                        "name": self.name,
                        "context": {"cluster": self.name, "user": "admin", "namespace": "argocd"},
                    }
                ],
                "clusters": [
                    {
                        "name": self.name,
                        "cluster": {
                            "server": self.server,
                            "certificate-authority": str(self.authority),
                        },
                    }
                ],
                "users": [{"name": "admin", "user": {"token": self.token}}],
            }
        )

    def api(self) -> KubeApi:
        """A client with all rights."""
        return KubeApi(self.server, self.token, str(self.authority))

    def start(self, etcd: Etcd) -> None:
        """Starts the API server, with etcd's objects below a prefix of its own."""
        self.processes.start(
            f"{self.name}-apiserver",
            [
                binaries.path("kube-apiserver"),
                f"--etcd-servers={etcd.url}",
                f"--etcd-prefix=/{self.name}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.port}",
                f"--cert-dir={self.folder}",
                f"--tls-cert-file={self.folder / 'tls.crt'}",
                f"--tls-private-key-file={self.folder / 'tls.key'}",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-signing-key-file={self.folder / 'sa.key'}",
                f"--service-account-key-file={self.folder / 'sa.pub'}",
                "--service-cluster-ip-range=10.0.0.0/24",
                # Nothing runs here that would need an account of its own.
                "--disable-admission-plugins=ServiceAccount",
                "--enable-priority-and-fairness=false",
                # There is no Service to keep endpoints for.
                "--endpoint-reconciler-type=none",
                "--profiling=false",
            ],
        )

    def wait(self) -> None:
        """Waits until the API server is ready."""
        api = self.api()
        try:
            self.processes.wait(f"{self.name}-apiserver", api.is_ready, 180)
        finally:
            api.close()

    def start_controllers(self) -> None:
        """Starts the garbage collector and the namespace controller."""
        self.processes.start(
            f"{self.name}-controllers",
            [
                binaries.path("kube-controller-manager"),
                f"--kubeconfig={self.folder / 'kubeconfig'}",
                f"--cert-dir={self.folder / 'controllers'}",
                "--controllers=garbage-collector-controller,namespace-controller",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.controllers_port}",
                "--profiling=false",
            ],
        )


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
