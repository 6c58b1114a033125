"""The watcher and the pages on a large hub: `./fleet bench status [--clusters N] [--seconds N]`.

A stand-in for the hub's APIs runs in a process of its own and streams Applications that it never
keeps (`bench/streaming_hub.py`); the watcher is the real command. Measured are the first list of
everything (processor time and memory of the watcher), each page at that size, and how long a change
on the hub takes to its row and to its cluster's standing while the hub says a thousand things a
second. PostgreSQL waits for its disk; the pages are measured once more on SQLite.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.goals import Goals
from bench.streaming_hub import COMPONENTS, HUB, StreamingHub, cluster_name

PAGE_MS, PAGE_KB, ROUNDS = 50.0, 100.0, 200
TENANTS = 40
_TICKS = os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str]) -> int:
    """Measure on PostgreSQL, then the pages on SQLite; print the goals."""
    parser = argparse.ArgumentParser(prog="./fleet bench status")
    parser.add_argument("--clusters", type=int, default=10_000)
    parser.add_argument("--per-cluster", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--without-sqlite", action="store_true")
    parser.add_argument("--only-pages", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    goals = Goals()
    with tempfile.TemporaryDirectory(prefix="fleetui-bench-") as folder:
        if options.only_pages:
            return _on_sqlite(options, Path(folder), goals)
        from tests.engines import postgres

        with postgres(durable=True) as database:
            os.environ["DATABASE_URL"] = database
            _measure(options, Path(folder), goals)
    code = goals.report()
    if not options.without_sqlite:
        del os.environ["DATABASE_URL"]
        size = ["--clusters", str(options.clusters), "--per-cluster", str(options.per_cluster)]
        again = [sys.executable, "-m", "bench.status", "--only-pages", *size]
        subprocess.run(again, check=False)
    return code


def _measure(options: argparse.Namespace, folder: Path, goals: Goals) -> None:
    begin(folder)
    count = options.clusters * options.per_cluster
    print(f"{options.clusters} clusters, {count} Applications; load {os.getloadavg()[0]:.1f}")
    fill(options.clusters, folder, options.per_cluster)
    with streaming_hub(options, folder) as hub, watcher(folder) as process:
        _first_list(process, options, goals)
        goals_of_pages(goals, options.clusters, "PostgreSQL")
        _follow(hub, process, options, goals)


def _on_sqlite(options: argparse.Namespace, folder: Path, goals: Goals) -> int:
    begin(folder)
    fill(options.clusters, folder, options.per_cluster)
    with streaming_hub(options, folder), watcher(folder):
        until(lambda: _listed(options), 1800)
        until(lambda: _standings() >= options.clusters, 1800)
    goals_of_pages(goals, options.clusters, "SQLite")
    return goals.report()


# --- What is measured -----------------------------------------------------------------------


def _first_list(process: Process, options: argparse.Namespace, goals: Goals) -> None:
    begun = time.monotonic()
    until(lambda: _listed(options), 900)
    took = process.cpu()
    print(
        f"first list of everything: {time.monotonic() - begun:.1f} s by the clock, "
        f"{took:.1f} s of the watcher's processor time, {process.peak():.0f} MiB at most"
    )
    floor = _decoding() * options.clusters * options.per_cluster
    print(
        f"  json.loads alone of the same objects, on this machine now: {floor:.1f} s; "
        f"ours, all in all, is {took / floor:.2f} times that"
    )
    goals.at_most("first list, processor time of the watcher", took, 15, "s")
    goals.at_most("first list, peak memory of the watcher", process.peak(), 400, "MiB")
    until(lambda: _standings() >= options.clusters, 900)
    print(f"all standings composed: {process.cpu():.1f} s of processor time since the start")


def _decoding() -> float:
    """Processor seconds that the standard library needs to decode one Application: what a second is worth here."""
    hub = StreamingHub(100, 10, seed=7, probes=1)
    content = b"[%b]" % b",".join(hub.application(index) for index in range(hub.count))
    took = []
    for _ in range(5):
        begun = time.process_time()
        json.loads(content)
        took.append(time.process_time() - begun)
    return min(took) / hub.count


def goals_of_pages(goals: Goals, clusters: int, engine: str) -> None:
    """Ask for each page many times in this process, and hold time and size against their goals."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from onboarding.management import memory

    memory.settle()  # as a web process does when it has started
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(username="admin"))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    print(
        f"{'page on ' + engine:32} {'p50 ms':>8} {'p99 ms':>8} {'our cpu':>8} {'kB':>6} {'queries':>8}"
        f"   load {os.getloadavg()[0]:.1f}"
    )
    for name, addresses in pages(clusters).items():
        times, cpu, size = [], [], 0
        with CaptureQueriesContext(connection) as asked:
            client.get(addresses[0])
            questions = len(asked)
        for turn in range(ROUNDS):
            address = addresses[turn % len(addresses)]
            begun, worked = time.perf_counter(), time.process_time()
            answer = client.get(address)
            times.append((time.perf_counter() - begun) * 1e3)
            cpu.append((time.process_time() - worked) * 1e3)
            assert answer.status_code == 200, (address, answer.status_code)
            size = max(size, len(answer.content))
        worst = quantile(times, 0.99)
        print(
            f"{name:32} {statistics.median(times):>8.1f} {worst:>8.1f} {statistics.median(cpu):>8.1f} "
            f"{size / 1e3:>6.0f} {questions:>8}",
            flush=True,
        )
        goals.at_most(f"{name} on {engine}, p99", worst, PAGE_MS, "ms")
        goals.at_most(f"{name} on {engine}, size", size / 1e3, PAGE_KB, "kB")


def pages(clusters: int) -> dict[str, list[str]]:
    """The pages, each at some of its addresses."""
    some = [cluster_name(number) for number in range(0, clusters, max(1, clusters // 10))]
    last = clusters // 50
    return {
        "overview": ["/"],
        "clusters": ["/clusters/", "/clusters/?page=3", f"/clusters/?page={last}"],
        "clusters, filtered and sorted": [
            "/clusters/?state=healthy&tenant=tenant-1&sort=-applications",
            "/clusters/?q=spoke-00&sort=seen",
        ],
        "problems": ["/clusters/?state=degraded&state=failed&state=out_of_sync"],
        "cluster": [f"/clusters/{HUB}/{name}/" for name in some],
        "changes": ["/changes/?inbox=all", "/changes/?inbox=all&page=9"],
        "releases": ["/releases/"],
        "tenants": ["/tenants/"],
        "tenant": ["/tenants/tenant-1/", "/tenants/tenant-7/"],
        "search": ["/search/?q=spoke-0007", "/search/?q=cert-manager", "/search/?q=nothing-at-all"],
        "system": ["/system/"],
    }


def _follow(hub: str, process: Process, options: argparse.Namespace, goals: Goals) -> None:
    """Let the hub say so many things a second, and watch changes arrive."""
    made = ask(f"{hub}/bench/rate?events={options.events}&probes=50", b"")["made"]
    begun, seen = time.monotonic(), Arrivals()
    memory: list[tuple[float, float]] = []
    cpu, marked = process.cpu(), begun
    after = 0
    while time.monotonic() - begun < options.seconds:
        answer = ask(f"{hub}/bench/probes?after={after}")
        seen.expect(answer["probes"])
        after = max([after, *(probe[0] for probe in answer["probes"])])
        seen.look()
        if time.monotonic() - marked >= 1:
            marked = time.monotonic()
            memory.append((marked - begun, process.now()))
        time.sleep(0.05)
    took = time.monotonic() - begun
    answer = ask(f"{hub}/bench/rate?events=0&probes=0", b"")
    rate = (answer["made"] - made) / took
    deadline = time.monotonic() + 10
    while seen.left() and time.monotonic() < deadline:
        seen.look()
        time.sleep(0.05)
    print(
        f"{rate:.0f} events a second for {took:.0f} s, load {os.getloadavg()[0]:.1f}; the watcher "
        f"took {(process.cpu() - cpu) / took * 100:.0f} % of a processor; {len(seen.rows)} changes followed, "
        f"{seen.overtaken} overtaken by their next, {seen.left()} never seen"
    )
    for name, times in (("its row", seen.rows), ("its cluster's standing", seen.standings)):
        p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
        print(
            f"a change on the hub to {name}: p50 {p50:.2f} s, p99 {p99:.2f} s, most {max(times, default=0):.2f} s"
        )
        goals.at_most(f"a change on the hub to {name}, p99", p99, 2, "s")
    goals.at_most("changes that never arrived", seen.left(), 0, "changes")
    goals.at_least("events a second", rate, options.events * 0.95, "/s")
    half = memory[len(memory) // 2 :]
    growth = statistics.linear_regression(*zip(*half, strict=True)).slope * 60
    print(
        f"memory: {memory[0][1]:.0f} MiB at first, {memory[-1][1]:.0f} at the end, {process.peak():.0f} at most"
    )
    goals.at_most("growth of the watcher's memory, second half", growth, 1, "MiB/min")


class Arrivals:
    """Changes that were made on the hub, and when each was first seen in our tables."""

    def __init__(self) -> None:
        self.rows: list[float] = []
        self.standings: list[float] = []
        self.overtaken = 0
        self._rows: dict[str, tuple[int, float]] = {}
        self._standings: dict[str, tuple[str, float]] = {}

    def expect(self, probes: list[list[Any]]) -> None:
        """These were made."""
        for _, cluster, uid, version, state, made_at in probes:
            self.overtaken += (uid in self._rows) + (cluster in self._standings)
            self._rows[uid] = version, made_at
            self._standings[cluster] = state, made_at

    def look(self) -> None:
        """See which have arrived."""
        from onboarding.models import ApplicationStatus, Standing

        rows = ApplicationStatus.objects.filter(uid__in=self._rows)
        found = dict(rows.values_list("uid", "resource_version"))
        standings = Standing.objects.filter(hub_name=HUB, name__in=self._standings)
        stands = dict(standings.values_list("name", "state"))
        now = time.time()
        for uid, version in found.items():
            if int(version) >= self._rows[uid][0]:
                self.rows.append(now - self._rows.pop(uid)[1])
        for name, state in stands.items():
            if state == self._standings[name][0]:
                self.standings.append(now - self._standings.pop(name)[1])

    def left(self) -> int:
        """How many have not arrived yet."""
        return len(self._rows) + len(self._standings)


def quantile(times: Sequence[float], share: float) -> float:
    """The value below which so large a share of them is."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else float("inf")


# --- What is needed for it ------------------------------------------------------------------


class Process:
    """One running process of ours, as the system counts it."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu(self) -> float:
        """Seconds of processor time since it began."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak(self) -> float:
        """The most memory that it had at once, in MiB."""
        return self._status("VmHWM")

    def now(self) -> float:
        """The memory that it has now, in MiB."""
        return self._status("VmRSS")

    def _status(self, name: str) -> float:
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


def begin(folder: Path) -> None:
    """Start Django on an empty, migrated database."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "fleetui.settings",
        "FLEETUI_DATA": str(folder / "data"),
        "FLEETUI_EMBEDDED": "1",
        "LOG_LEVEL": "WARNING",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


def fill(clusters: int, folder: Path, per_cluster: int = 10) -> None:
    """A fleet of so many clusters in Git and in SQL, with changes, and Argo CD's word on each."""
    from django.contrib.auth.models import User

    from onboarding import wiring
    from onboarding.models import Cluster, Fleet, Hub
    from onboarding.services import indexing
    from onboarding.services.initializing import TEMPLATE
    from tests import repositories

    files: dict[str, str | bytes | None] = {
        path.relative_to(TEMPLATE).as_posix(): path.read_bytes()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    flags = "".join(f'    enable_{name.replace("-", "_")}: "true"\n' for name in COMPONENTS)
    for number in range(clusters):
        name, tenant = cluster_name(number), f"tenant-{number % TENANTS}"
        files[f"fleet/fleet-bootstrap/fleet-members/{HUB}/{name}.yaml"] = (
            f'tenant: "{tenant}"\nclusterName: "{name}"\n'
            f'environment: "{("dev", "staging", "prod")[number % 3]}"\n'
            f'secretManagerSecretName: "fleet/{name}"\nuse_remote_argo: "false"\n'
            'enable_remote_resources: "false"\nenable_remote_addons: "false"\n'
        )
        pins = f"addons/tenants/{tenant}/clusters/{name}/fleet/fleet-secret/values.yaml"
        files[pins] = f"externalSecret:\n  labels:\n{flags}"
    bare = repositories.bare_repository(folder / "fleet.git", files)
    fleet = Fleet.objects.create(name="fleet", repository_url=str(bare), layout="tenants")
    Hub.objects.create(fleet=fleet, name=HUB)
    repository = wiring.current_repository(fleet, max_age=0)
    indexing.index(fleet=fleet, repository=repository, clock=wiring.clock())
    admin = User.objects.create_superuser("admin")
    _changes(fleet, admin, min(2_000, clusters))
    (folder / "clusters.json").write_text(
        json.dumps(
            {
                "items": [
                    _registered(row.name, row.labels, per_cluster) for row in Cluster.objects.all()
                ]
            }
        )
    )


def _registered(name: str, labels: dict[str, Any], per_cluster: int) -> dict[str, Any]:
    return {
        "name": name,
        "server": f"https://{name}.example.com",
        "labels": {key: data["value"] for key, data in labels.items()},
        "config": {"tlsClientConfig": {"insecure": False}},
        "info": {
            "connectionState": {"status": "Successful", "attemptedAt": "@NOW@"},
            "serverVersion": "1.34",
            # Its registration is an Application of the hub's own.
            "applicationsCount": per_cluster - 1,
        },
    }


def _changes(fleet: Any, author: Any, count: int) -> None:
    from onboarding import wiring
    from onboarding.models import Change, Delivery, Hub

    now, hub = wiring.clock().now(), Hub.objects.get()
    made = Change.objects.bulk_create(
        Change(
            fleet=fleet,
            hub=hub,
            kind="edit",
            cluster_name=cluster_name(number),
            tenant=f"tenant-{number % TENANTS}",
            environment="dev",
            state=("approved", "approved", "rejected", "submitted")[number % 4],
            submitted_at=now,
            decided_at=None if number % 4 == 3 else now,
            settled_at=None if number % 4 == 3 else now,
            requester=author,
        )
        for number in range(count)
    )
    Delivery.objects.bulk_create(
        Delivery(
            change=change, fleet=fleet, digest="d", state="committed", commit="c" * 40,
            queued_at=now, due_at=now, committed_at=now,
        )
        for change in made
        if change.state == "approved"
    )  # fmt: skip


@contextmanager
def streaming_hub(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """The stand-in as a process of its own; yields its address, which the hub's row then has."""
    from onboarding.models import Hub

    command = [sys.executable, "-m", "bench.streaming_hub", "--clusters", str(options.clusters)]
    command += ["--per-cluster", str(options.per_cluster), "--registered", folder / "clusters.json"]
    command += ["--probes", str(min(500, options.clusters // 2))]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        Hub.objects.update(
            api_url=address, argocd_url=address, aws_region="eu-central-1", aws_endpoint_url=address
        )
        yield address


@contextmanager
def watcher(folder: Path) -> Iterator[Process]:
    """The real command, as an installation runs it."""
    with (folder / "watcher.log").open("wb") as log:
        command = [sys.executable, "manage.py", "watch_hubs"]
        with running(command, stdout=log, stderr=log) as process:
            try:
                yield Process(process.pid)
            except BaseException:
                print((folder / "watcher.log").read_text()[-3000:])
                raise


@contextmanager
def running(command: Sequence[Any], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait for something, but not for ever."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.2)


def _listed(options: argparse.Namespace) -> bool:
    """Whether everything was listed once: each kind, and the registered clusters."""
    from onboarding.models import HubWatch
    from onboarding.ports import HubKind

    watch = HubWatch.objects.first()
    kinds = watch.kinds if watch else {}
    if watch is None or watch.clusters_seen_at is None:
        return False
    return all(kinds.get(kind.value, {}).get("listed_at") for kind in HubKind)


def _standings() -> int:
    from onboarding.models import Standing

    return Standing.objects.exclude(state__in=["committed", "registering", "stale"]).count()


def ask(address: str, body: bytes | None = None) -> Any:
    """One question to the stand-in itself."""
    request = urllib.request.Request(address, data=body)  # noqa: S310 -- on loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
