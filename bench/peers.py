"""Ours beside `kubectl get applications` and `argocd app list`: `./fleet bench peers [--applications N ...]`.

A real Kubernetes API server and Argo CD's own API server are filled with Applications of the size
that a real hub's have, more at each step. What somebody waits for who wants to see them all is
measured in one run: both command lines, each as often, and our list of Applications; for ours also
what the watcher took to read them once. Needs the programs of the real hub, and kubectl on PATH.
What fails is printed and not asked again at a larger size.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import status
from bench.goals import Goals
from bench.streaming_hub import HUB, StreamingHub
from tests.hub import binaries
from tests.hub.account import Account, give_account
from tests.hub.harness import Hub, real_hub

PER_CLUSTER = 10
ROUNDS = 3
_LONGEST = 600
_QUIET = ("controller", "applicationsets", "repo-server")
"""Parts of Argo CD that would work on the Applications instead of letting them be listed."""


def main(arguments: Sequence[str]) -> int:
    """Fill the hub step by step and ask all three at each; print the goals."""
    parser = argparse.ArgumentParser(prog="./fleet bench peers")
    parser.add_argument("--applications", type=int, nargs="+", default=[1_000, 10_000])
    options = parser.parse_args(arguments)
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        print("kubectl is not installed; on Debian: apt install kubernetes-client")
        return 2
    goals = Goals()
    with tempfile.TemporaryDirectory(prefix="fleetui-bench-") as name:
        from tests.engines import postgres

        folder = Path(name)
        with postgres(durable=True) as database, real_hub() as hub:
            os.environ["DATABASE_URL"] = database
            status.begin(folder)
            account = give_account(hub, folder)
            _configure(hub, account)
            hub.processes.stop(*(hub.argocd.process(part) for part in _QUIET), hub.operator.name)
            compare(hub, account, kubectl, options.applications, folder, goals)
    return goals.report()


def compare(
    hub: Hub, account: Account, kubectl: str, sizes: Sequence[int], folder: Path, goals: Goals
) -> None:
    """Ask all three at each size; whoever failed once is not asked again."""
    peers = {
        "kubectl get applications": [
            kubectl, "--kubeconfig", str(hub.plane.folder / "kubeconfig"),
            "get", "applications", "-n", "argocd",
        ],
        "argocd app list": [
            str(binaries.path("argocd")), "app", "list", "--plaintext",
            "--server", urlsplit(hub.argocd.url).netloc,
            "--config", str(folder / "argocd-config"),
        ],
    }  # fmt: skip
    there, objects = 0, StreamingHub(max(sizes) // PER_CLUSTER, PER_CLUSTER, 7, 10)
    for size in sorted(sizes):
        began = time.monotonic()
        fill(hub, objects, there, size)
        there = size
        print(
            f"\n{size} Applications, filled in {time.monotonic() - began:.0f} s, "
            f"load {os.getloadavg()[0]:.1f}"
        )
        ours = _ours(folder, size)
        for name, command in list(peers.items()):
            found = [run(command, account) for _ in range(ROUNDS)]
            failed = next((each for each in found if each.problem or each.lines < size), None)
            if failed is not None:
                print(f"{name}: FAILED with {failed.lines} lines: {failed.problem}")
                del peers[name]
                continue
            waited = statistics.median(each.seconds for each in found)
            print(
                f"{name}: {waited:.2f} s, {statistics.median(e.cpu for e in found):.2f} s of its "
                f"processor time, {max(each.mib for each in found):.0f} MiB; "
                f"ours is {waited / ours:.0f} times as fast"
            )
            goals.at_least(
                f"{name} at {size} Applications, to ours", waited / ours, 1, "times as long"
            )


@dataclass(frozen=True)
class Run:
    """What one run of a command line took, and how many lines it printed."""

    seconds: float
    cpu: float
    mib: float
    lines: int
    problem: str


def run(command: Sequence[str], account: Account) -> Run:
    """Run it to its end, or for ten minutes."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": tempfile.gettempdir(),
        "ARGOCD_AUTH_TOKEN": account.argocd_token.read_text(),
    }
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=out, stderr=said, env=environment)
        used, peak = None, 0.0
        while used is None and time.monotonic() - began < _LONGEST:
            pid, _, usage = os.wait4(process.pid, os.WNOHANG)
            used = usage if pid else None
            if used is None:
                peak = max(peak, _peak(process.pid))
                time.sleep(0.01)
        seconds = time.monotonic() - began
        if used is None:
            process.kill()
            _, _, used = os.wait4(process.pid, 0)
        out.seek(0)
        said.seek(0)
        lines = sum(1 for _ in out) - 1
        problem = said.read().decode(errors="replace").strip()[-300:]
    return Run(seconds, used.ru_utime + used.ru_stime, peak, lines, problem)


def _peak(pid: int) -> float:
    """The most memory that it had so far, in MiB; what the system counts at its end is also ours."""
    try:
        return status.Process(pid).peak()
    except (OSError, StopIteration):
        return 0.0  # it has ended in this moment


def fill(hub: Hub, objects: StreamingHub, there: int, size: int) -> None:
    """Create the Applications that are missing, as somebody who has all rights."""
    path, own = hub.kube.path("Application"), threading.local()

    def create(index: int) -> None:
        if not hasattr(own, "api"):
            own.api = hub.plane.api()  # its connection is for one thread
        item = json.loads(objects.application(index))
        for key in ("uid", "resourceVersion", "creationTimestamp", "ownerReferences"):
            item["metadata"].pop(key, None)  # a set that does not exist would take it along
        own.api.request("POST", path, item)

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(create, range(there, size)):
            pass


def _configure(hub: Hub, account: Account) -> None:
    from django.contrib.auth.models import User

    from onboarding.models import Fleet
    from onboarding.models import Hub as HubRow

    fleet = Fleet.objects.create(name="fleet", repository_url="file:///srv/none.git")
    HubRow.objects.create(
        fleet=fleet,
        name=HUB,
        api_url=hub.plane.server,
        api_token_file=str(account.kubernetes_token),
        api_ca_file=str(account.authority),
        argocd_url=hub.argocd.url,
        argocd_token_file=str(account.argocd_token),
    )
    User.objects.create_superuser("admin")


def _ours(folder: Path, size: int) -> float:
    """Let the watcher read everything once; then the seconds of one page of the list."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from onboarding.models import ApplicationStatus, HubWatch

    ApplicationStatus.objects.all().delete()
    HubWatch.objects.all().delete()
    began = time.monotonic()
    with status.watcher(folder) as process:
        status.until(lambda: ApplicationStatus.objects.count() >= size, 1800)
        status.until(_is_listed, 600)
        print(
            f"our watcher read them once in {time.monotonic() - began:.1f} s, {process.cpu():.1f} s "
            f"of its processor time, {process.peak():.0f} MiB at most"
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        client = Client(SERVER_NAME="127.0.0.1")
        client.force_login(User.objects.get(username="admin"))
        times = list(_times(client, "/applications/"))
    waited = statistics.median(times)
    print(f"our list of Applications: {waited * 1e3:.0f} ms, at most {max(times) * 1e3:.0f} ms")
    return waited


def _times(client: Any, address: str) -> Iterator[float]:
    for _ in range(20):
        began = time.perf_counter()
        answer = client.get(address)
        assert answer.status_code == 200, answer.status_code
        yield time.perf_counter() - began


def _is_listed() -> bool:
    from onboarding.models import HubWatch

    watch = HubWatch.objects.first()
    return bool(watch and watch.kinds.get("applications", {}).get("listed_at"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
