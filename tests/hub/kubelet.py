"""Stands in for the kubelet of the spoke, which has no nodes: what is delivered there really runs.

For each Deployment and StatefulSet on the spoke's API server it starts the same program as on the
hub, with the rights of the delivered ServiceAccount and with what the delivered ConfigMaps and
Secrets say, and writes the workload's status. It ends the program when the workload goes. All that
it makes up are addresses, for there is no network of Services either.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.hub import binaries
from tests.hub.controllers import ArgoCD, ExternalSecretsOperator
from tests.hub.harness import Hub, runs_root
from tests.hub.kube import KubeError, Manifest
from tests.hub.processes import Processes, free_ports

ARGOCD_PROGRAMS = {
    "argocd-application-controller": "controller",
    "argocd-applicationset-controller": "applicationsets",
    "argocd-repo-server": "repo-server",
    "argocd-server": "server",
}
RESTART_SECONDS = 2.0
WORKLOADS = ("Deployment", "StatefulSet")


class NotYet(Exception):
    """A container cannot start: a ConfigMap or Secret that it names is missing."""


@dataclass(frozen=True)
class Pod:
    """What runs for one workload: its process, and how to see that it is ready."""

    process: str
    template: Manifest
    is_ready: Callable[[], bool]


class Kubelet(threading.Thread):
    """Follows the spoke's workloads until it is stopped, in a thread that owns their processes."""

    def __init__(self, hub: Hub) -> None:
        """Starts nothing yet."""
        super().__init__(name="kubelet", daemon=True)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=runs_root()))
        self.problem: BaseException | None = None
        self.started: list[str] = []
        self._hub = hub
        self._kube = hub.spoke_plane.api()
        self._processes = Processes(self.folder)
        self._argocd = ArgoCD.prepare(self._processes, hub.spoke_plane)
        self._operator = ExternalSecretsOperator(
            self._processes, "spoke-external-secrets", free_ports(1)[0]
        )
        self._pods: dict[str, Pod] = {}
        self._restarted: dict[str, float] = {}
        self._over = threading.Event()

    def run(self) -> None:
        """One look after the other; a spoke that does not answer is asked again."""
        try:
            while not self._over.wait(0.2):
                try:
                    self._look()
                except KubeError:
                    continue
        except BaseException as error:  # kept for the thread that stops us
            self.problem = error
        finally:
            self._processes.stop_all()

    def stop(self) -> None:
        """Ends all processes; raises what went wrong meanwhile."""
        self._over.set()
        self.join()
        self._kube.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.problem:
            raise self.problem

    def running(self) -> list[str]:
        """The names of the processes that run for workloads now."""
        return sorted(each.process for each in self._pods.values())

    def log(self, process: str) -> str:
        """The end of what a process printed, for messages of failed tests."""
        program = self._processes.programs.get(process)
        return program.log_tail() if program else f"{process} was never started"

    def _look(self) -> None:
        # What is listed does not say its kind.
        found = [
            {"kind": kind, **each}
            for kind in WORKLOADS
            for each in self._kube.list(kind, namespace="")
        ]
        wanted = {
            each["metadata"]["uid"]: each
            for each in found
            if "deletionTimestamp" not in each["metadata"]
        }
        for uid, pod in list(self._pods.items()):
            if uid not in wanted or wanted[uid]["spec"]["template"] != pod.template:
                self._processes.stop(pod.process)
                del self._pods[uid]
        for uid, workload in wanted.items():
            if uid not in self._pods:
                try:
                    self._pods[uid] = self._start(workload)
                except NotYet:
                    continue
            self._report(workload, self._is_ready(self._pods[uid]))

    def _is_ready(self, pod: Pod) -> bool:
        running = self._processes.programs[pod.process].running
        if running is None or running.poll() is not None:
            if time.monotonic() - self._restarted.get(pod.process, 0.0) > RESTART_SECONDS:
                self._restarted[pod.process] = time.monotonic()
                self._processes.resume(pod.process)
            return False
        return pod.is_ready()

    def _start(self, workload: Manifest) -> Pod:
        """Starts what a workload's first container is, after its init containers have ended."""
        spec = workload["spec"]["template"]["spec"]
        namespace = workload["metadata"]["namespace"]
        container = spec["containers"][0]
        kubeconfig = self._sign_in(namespace, spec.get("serviceAccountName", "default"))
        for each in spec.get("initContainers", ()):
            if each.get("command", [""])[0] == "argocd":
                self._run_init(each["command"], kubeconfig)
        variables = self._variables(namespace, container)
        program = _program(container)
        if program == "external-secrets":
            name, ready = self._operator.name, self._operator.is_ready
            command = self._operator.command()
            environment = self._operator.environment(kubeconfig, self._hub.aws)
        else:
            part = ARGOCD_PROGRAMS.get(program, program)
            name, ready = self._argocd.process(part), partial(self._argocd.is_ready, part)
            command = self._argocd.command(part)
            environment = self._argocd.environment(kubeconfig)
            if part == "redis":
                command += ["--requirepass", variables["REDIS_PASSWORD"]]
        self._processes.start(name, command, {**variables, **environment})
        self.started.append(name)
        return Pod(name, workload["spec"]["template"], ready)

    def _run_init(self, command: list[str], kubeconfig: Path) -> None:
        environment = self._argocd.environment(kubeconfig)
        subprocess.run(
            [binaries.path("argocd"), *command[1:]],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=60,
        )

    def _sign_in(self, namespace: str, account: str) -> Path:
        """A kubeconfig with a token of this ServiceAccount: what is mounted into its pods."""
        path = f"{self._kube.path('ServiceAccount', account, namespace)}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 86400},
        }
        token = self._kube.request("POST", path, request)["status"]["token"]
        config = json.loads(self._hub.spoke_plane.kubeconfig())
        config["users"][0]["user"] = {"token": token}
        config["contexts"][0]["context"]["namespace"] = namespace
        file = self.folder / f"{namespace}-{account}.kubeconfig"
        file.touch(mode=0o600)
        file.write_text(json.dumps(config))
        return file

    def _variables(self, namespace: str, container: Manifest) -> dict[str, str]:
        """The container's environment, with what the ConfigMaps and Secrets that it names hold."""
        found: dict[str, str] = {}
        for each in container.get("env", ()):
            source = each.get("valueFrom")
            if source is None:
                found[each["name"]] = each.get("value", "")
            elif (value := self._value(namespace, source)) is not None:
                found[each["name"]] = value
        return found

    def _value(self, namespace: str, source: Mapping[str, Manifest]) -> str | None:
        kind = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}.get(next(iter(source)))
        if kind is None:
            return None
        (reference,) = source.values()
        data = (self._kube.get(kind, reference["name"], namespace) or {}).get("data", {})
        value = data.get(reference["key"])
        if value is None and not reference.get("optional"):
            raise NotYet(f"{kind} {namespace}/{reference['name']} has no {reference['key']}")
        if value is not None and kind == "Secret":
            value = base64.b64decode(value).decode()
        return None if value is None else str(value)

    def _report(self, workload: Manifest, ready: bool) -> None:
        status = _status(workload, ready)
        now = workload.get("status", {})
        if all(now.get(key) == value for key, value in status.items()):
            return
        metadata = workload["metadata"]
        path = self._kube.path(workload["kind"], metadata["name"], metadata["namespace"])
        # It may have gone meanwhile.
        self._kube.answer(
            "PATCH", f"{path}/status", {"status": status}, "application/merge-patch+json"
        )


def _program(container: Manifest) -> str:
    """The program of a container: what it is told to run, or what its image is called."""
    told = [*container.get("command", ()), *container.get("args", ())]
    if told and "/" in told[0]:
        return str(told[0]).rpartition("/")[2]
    return str(container["image"]).rpartition("/")[2].partition(":")[0]


def _status(workload: Manifest, ready: bool) -> Manifest:
    replicas = workload["spec"].get("replicas", 1)
    status: Manifest = {
        "observedGeneration": workload["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": replicas if ready else None,
        "availableReplicas": replicas if ready else None,
    }
    if workload["kind"] == "StatefulSet":
        return {**status, "currentRevision": "1", "updateRevision": "1"}
    said = "True" if ready else "False"
    return {**status, "conditions": [{"type": "Available", "status": said, "reason": "Kubelet"}]}


@contextmanager
def kubelet(hub: Hub) -> Iterator[Kubelet]:
    """A kubelet for the hub's spoke; afterwards nothing that it started runs any more."""
    running = Kubelet(hub)
    running.start()
    try:
        yield running
    finally:
        running.stop()
