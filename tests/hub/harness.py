"""A real hub on this machine:

API servers of hub and spoke, Argo CD, the External Secrets Operator, Secrets Manager.

``with real_hub() as hub:`` starts everything and ends it. ``python -m tests.hub.harness`` does so
in the foreground.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import yaml

from tests.hub import binaries
from tests.hub.control_plane import ControlPlane, Etcd
from tests.hub.controllers import (
    REGION,
    ArgoCD,
    ExternalSecretsOperator,
    SecretsManager,
    argocd_manifests,
    external_secrets_kinds,
)
from tests.hub.forwarder import Forwarder
from tests.hub.kube import KubeApi, KubeError, Manifest
from tests.hub.processes import NotReady, Processes, end_leftovers, free_ports

ARGOCD_NAMESPACE = "argocd"


@dataclass(frozen=True)
class Spoke:
    """One simulated spoke: a server URL of its own, behind which is the one spoke API server."""

    name: str
    port: int
    config: dict[str, Any]

    @property
    def server(self) -> str:
        """What its credentials and its cluster secret say."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> dict[str, str]:
        """The JSON that Terraform leaves in Secrets Manager."""
        return {"server": self.server, "config": json.dumps(self.config)}


@dataclass
class Hub:
    """Everything that runs, and clients for it.

    ``took`` has the seconds of each stage of the start, ``remarks`` what was out of the ordinary in
    a run that went on.
    """

    folder: Path
    processes: Processes
    etcd: Etcd
    spoke_etcd: Etcd
    plane: ControlPlane
    spoke_plane: ControlPlane
    aws: SecretsManager
    argocd: ArgoCD
    operator: ExternalSecretsOperator
    kube: KubeApi
    spoke_kube: KubeApi
    forwarder: Forwarder
    secrets: Any
    took: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    separate: ControlPlane | None = None

    def new_spoke(self, name: str) -> Spoke:
        """A spoke that nobody knows yet."""
        return Spoke(name, self.forwarder.open(*free_ports(1)), _credentials(self.spoke_plane))

    def separate_spoke(self, name: str) -> Spoke:
        """The one spoke with an API server of its own, started when a test first asks for it.

        For two spokes that get the same components: behind one API server their Applications would
        deliver the same objects and take them from each other for ever.
        """
        if self.separate is None:
            self.separate = ControlPlane.prepare(self.processes, "separate")
            self.separate.start(self.spoke_etcd)
            self.separate.wait()
            self.separate.start_controllers()
        return Spoke(name, self.separate.port, _credentials(self.separate))

    @contextmanager
    def spoke_apis(self) -> Iterator[tuple[KubeApi, ...]]:
        """Clients for all API servers of spokes that run."""
        if self.separate is None:
            yield (self.spoke_kube,)
            return
        other = self.separate.api()
        try:
            yield self.spoke_kube, other
        finally:
            other.close()

    def store_credentials(self, name: str, value: dict[str, str]) -> None:
        """What Terraform does: the secret ``name`` holds this JSON from now on."""
        text = json.dumps(value)
        try:
            self.secrets.create_secret(Name=name, SecretString=text)
        except self.secrets.exceptions.ResourceExistsException:
            self.secrets.put_secret_value(SecretId=name, SecretString=text)

    def forget_credentials(self, name: str) -> None:
        """The secret is gone, at once."""
        try:
            self.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        except self.secrets.exceptions.ResourceNotFoundException:
            return


def _credentials(plane: ControlPlane) -> dict[str, Any]:
    """How Argo CD comes into a cluster: what its secret has in ``config``."""
    authority = base64.b64encode(plane.authority.read_bytes()).decode()
    return {
        "bearerToken": plane.token,
        "tlsClientConfig": {"insecure": False, "caData": authority},
    }


def eventually(
    check: Callable[[], Any], what: str, seconds: float = 60.0, pause: float = 0.1
) -> Any:
    """Returns the first true answer of ``check``;

    raises NotReady with ``what`` and the last answer after ``seconds``.

    A refusal by an API server counts as "not yet", for a cluster that restarts refuses too.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = check()
        except KubeError as error:
            found, last = None, str(error)
        else:
            last = repr(found)
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotReady(f"{what}: not within {seconds:.0f} s; last seen: {last[:3000]}")
        time.sleep(pause)


def runs_root() -> Path:
    """Where runs have their folders; of one user on one machine."""
    root = binaries.cache_root() / "hub"
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextmanager
def real_hub() -> Iterator[Hub]:
    """Starts a hub, ends what killed runs left, and ends the hub and its folder afterwards.

    Raises GoMissing or BuildFailed when the programs are missing, NotReady when a part does not
    come up. To be called in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "Start a hub in the main thread: its processes end with the thread that started them."
        )
    binaries.ensure(*binaries.OF_A_HUB)
    end_leftovers(runs_root())
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=runs_root()))
    processes = Processes(folder)
    try:
        hub = _start(processes)
        try:
            yield hub
        finally:
            hub.forwarder.close()
            hub.kube.close()
            hub.spoke_kube.close()
            hub.secrets.close()
    finally:
        processes.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def _start(processes: Processes) -> Hub:
    started = time.monotonic()
    took: dict[str, float] = {}

    def stage(name: str) -> None:
        took[name] = round(time.monotonic() - started, 1)

    etcd, spoke_etcd = Etcd.start(processes), Etcd.start(processes, "spoke-etcd")
    aws = SecretsManager.start(processes)
    plane, spoke_plane = (ControlPlane.prepare(processes, name) for name in ("hub", "spoke"))
    for each, its_etcd in ((plane, etcd), (spoke_plane, spoke_etcd)):
        its_etcd.wait()
        each.start(its_etcd)
    plane.wait()
    stage("hub API server")
    kube, spoke_kube = plane.api(), spoke_plane.api()
    argocd = ArgoCD.prepare(processes, plane)
    install_argocd(kube)
    install_external_secrets(kube)
    stage("definitions")
    plane.start_controllers()
    argocd.start()
    operator = ExternalSecretsOperator.start(processes, plane, aws)
    spoke_plane.wait()
    spoke_plane.start_controllers()
    stage("spoke API server")
    aws.wait()
    operator.wait()
    stage("External Secrets Operator")
    argocd.wait()
    stage("Argo CD")
    credentials = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("secretsmanager", endpoint_url=aws.url, region_name=REGION, **credentials)
    return Hub(
        processes.folder,
        processes,
        etcd,
        spoke_etcd,
        plane,
        spoke_plane,
        aws,
        argocd,
        operator,
        kube,
        spoke_kube,
        Forwarder(spoke_plane.port),
        client,
        took,
    )


@contextmanager
def second_hub(hub: Hub, name: str) -> Iterator[Hub]:
    """Another hub beside a running one, and ends it: for the same spokes and the same Secrets Manager.

    It has an API server, an Argo CD and an operator of its own.
    """
    plane = ControlPlane.prepare(hub.processes, name)
    plane.start(hub.etcd)
    plane.wait()
    kube = plane.api()
    argocd = ArgoCD.prepare(hub.processes, plane)
    try:
        install_argocd(kube)
        install_external_secrets(kube)
        plane.start_controllers()
        argocd.start()
        operator = ExternalSecretsOperator.start(hub.processes, plane, hub.aws)
        operator.wait()
        argocd.wait()
        yield replace(hub, plane=plane, kube=kube, argocd=argocd, operator=operator, took={})
    finally:
        kube.close()
        started = [each for each in hub.processes.programs if each.startswith(f"{name}-")]
        hub.processes.stop(*reversed(started))


def install_argocd(kube: KubeApi) -> None:
    """Argo CD's kinds, namespace, ConfigMaps and Secret, as it ships them, in any cluster."""
    kinds, config = argocd_manifests()
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ARGOCD_NAMESPACE}})
    define(kube, kinds)
    for file in config:
        for manifest in load_manifests(file.read_text()):
            manifest["metadata"].setdefault("namespace", ARGOCD_NAMESPACE)
            kube.apply(manifest)


def install_external_secrets(kube: KubeApi) -> None:
    """The operator's kinds, in any cluster.

    All of them, also those that nothing reconciles here.
    """
    define(kube, [external_secrets_kinds()])


def define(kube: KubeApi, files: Sequence[Path]) -> None:
    """Applies definitions of kinds and waits until all of them are served."""
    manifests = [each for file in files for each in load_manifests(file.read_text())]
    for manifest in manifests:
        # Conversion asks the operator's webhook, which does not run; the stored version is served
        # as it is.
        manifest["spec"].pop("conversion", None)
        kube.apply(manifest)
    for manifest in manifests:
        name = manifest["metadata"]["name"]
        eventually(partial(_established, kube, name), f"the definition {name} is served", 180)


def _established(kube: KubeApi, name: str) -> bool:
    found = kube.get("CustomResourceDefinition", name) or {}
    conditions = found.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def load_manifests(text: str) -> list[Manifest]:
    """The documents of a YAML file that are not empty."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [each for each in yaml.load_all(text, Loader=loader) if each]


def main() -> None:
    """Runs a hub until Ctrl-C or SIGTERM, and says where everything is."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with real_hub() as hub:
        try:
            print(
                json.dumps(
                    {"started after seconds": hub.took, "MiB": hub.processes.memory()}, indent=2
                )
            )
            print(f"KUBECONFIG={hub.plane.folder / 'kubeconfig'}")
            print(f"Argo CD: {hub.argocd.url}   Secrets Manager: {hub.aws.url}")
            print(f"logs: {hub.folder / 'logs'}")
            threading.Event().wait()
        except KeyboardInterrupt:
            print("Ending the hub.", file=sys.stderr)


if __name__ == "__main__":
    main()
