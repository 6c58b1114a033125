"""A hub of any size in bounded memory: a stand-in for its Kubernetes API and Argo CD's, on loopback.

    python -m bench.streaming_hub --clusters 10000 --per-cluster 10 --registered clusters.json

Nothing is kept but a number for each Application: its object, 9.6 kB as on a real hub, is written
anew from a seed whenever it is listed or said in a watch. `POST /bench/rate` makes it change, and
`GET /bench/probes` tells what it changed when. One Application of each of the first clusters is a
probe: it turns Degraded, and Healthy again, so that the way of one change can be followed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from array import array
from collections import deque
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HUB = "hub-cluster"
COMPONENTS = (
    "cluster-info", "metrics-server", "cert-manager", "aws-load-balancer-controller",
    "aws-ebs-csi-driver", "karpenter", "namespace-baseline", "quota-defaults",
    "monitoring-settings", "kube-prometheus-stack",
)  # fmt: skip
HEALTHY, DEGRADED, PROGRESSING = b"Healthy", b"Degraded", b"Progressing"
_LOG = 50_000
_TICK = 0.02
COMMIT = "c" * 40


def cluster_name(number: int) -> str:
    """The name of the cluster of that number."""
    return f"spoke-{number:05d}"


def now() -> bytes:
    """The time, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def template() -> bytes:
    """An Application as text, with places for what differs."""
    sources: list[dict[str, Any]] = [
        {
            "repoURL": "https://charts.example.com", "chart": "@COMPONENT@", "targetRevision": "3.12.1",
            "helm": {
                "releaseName": "@COMPONENT@",
                "ignoreMissingValueFiles": True,
                "valueFiles": [
                    f"$values/addons/{layer}/@COMPONENT@/values.yaml"
                    for layer in (
                        "defaults", "tenants/defaults", "tenants/tenant1/defaults",
                        "tenants/tenant1/environments/prod", "tenants/tenant1/clusters/@CLUSTER@",
                    )
                ],
                "valuesObject": {"cluster": "@CLUSTER@", "padding": "v" * 600},
            },
        },
        {"repoURL": "https://git.example.com/fleet.git", "ref": "values", "targetRevision": "main"},
    ]  # fmt: skip
    resources = [
        {
            "group": "apps", "version": "v1", "kind": "Deployment", "name": f"@COMPONENT@-{number}",
            "namespace": "@COMPONENT@", "status": "Synced", "health": {"status": "Healthy"},
        }
        for number in range(14)
    ]  # fmt: skip
    revisions = ["3.12.1", COMMIT]
    destination = {"name": "@DESTINATION@", "namespace": "@COMPONENT@"}
    compared = {"sources": sources, "destination": destination}
    asked = {
        "sync": {
            "revisions": revisions,
            "sources": sources,
            "syncOptions": ["CreateNamespace=true"],
        }
    }
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "@NAME@", "namespace": "argocd", "uid": "@UID@", "resourceVersion": "@VERSION@",
            "creationTimestamp": "2026-01-02T03:04:05Z", "generation": 7,
            "labels": {
                "fleet/component": "@COMPONENT@", "fleet/cluster": "@CLUSTER@", "fleet/group": "addons",
                "fleet/release": "release1", "fleet/tenant": "tenant1", "fleet/environment": "prod",
            },
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            "ownerReferences": [
                {
                    "apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "@SET@",
                    "uid": "00000000-0000-4000-8000-000000000000", "controller": True,
                }
            ],
        },
        "spec": {
            "destination": destination,
            "project": "tenant1",
            "sources": sources,
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
        "status": {
            "sync": {"status": "Synced", "revisions": revisions, "comparedTo": compared},
            "health": {"status": "@HEALTH@", "lastTransitionTime": "2026-01-02T03:04:05Z"},
            "reconciledAt": "@NOW@",
            "operationState": {
                "phase": "Succeeded", "message": "successfully synced (all tasks run)",
                "startedAt": "2026-01-02T03:05:00Z", "finishedAt": "2026-01-02T03:05:05Z",
                "operation": asked,
                "syncResult": {"revision": "", "revisions": revisions, "resources": resources},
            },
            "resources": resources,
            "history": [
                {"id": number, "revisions": revisions, "deployedAt": "2026-01-02T03:05:05Z"}
                for number in range(3)
            ],
            "summary": {"images": ["registry.example.com/@COMPONENT@:3.12.1"]},
        },
    }  # fmt: skip
    text = json.dumps(document, separators=(",", ":")).replace("%", "%%")
    for place in (
        "NAME",
        "UID",
        "VERSION",
        "COMPONENT",
        "CLUSTER",
        "SET",
        "DESTINATION",
        "HEALTH",
        "NOW",
    ):
        text = text.replace(f"@{place}@", f"%({place})s")
    return text.encode()


class StreamingHub:
    """The numbers, the log of what changed, and the thread that changes it."""

    def __init__(self, clusters: int, per_cluster: int, seed: int, probes: int) -> None:
        """So many clusters with so many Applications each, the first `probes` of them probes."""
        self.clusters, self.per_cluster, self.probed = clusters, per_cluster, min(probes, clusters)
        self.count = clusters * per_cluster
        self.version = 1_000_000
        self.versions = array("Q", range(1, self.count + 1))
        self.states = array("B", bytes(self.count))
        self.log: deque[tuple[int, int, int]] = deque(maxlen=_LOG)
        self.probes: deque[tuple[int, str, str, int, str, float]] = deque(maxlen=_LOG)
        self.rate = self.probe_rate = 0.0
        self.made = self.probes_made = 0
        self.changed = threading.Condition()
        self._chance = random.Random(seed)
        self._template = template()
        threading.Thread(target=self._change, daemon=True).start()

    def application(
        self, index: int, version: int | None = None, state: int | None = None
    ) -> bytes:
        """The object of one Application, as it is or as it was said to be."""
        number, which = divmod(index, self.per_cluster)
        cluster = cluster_name(number).encode()
        # The first Application of each cluster is the one that registers it on the hub.
        component = b"fleet-secret" if which == 0 else COMPONENTS[which % len(COMPONENTS)].encode()
        shown = self.states[index] if state is None else state
        return self._template % {
            b"NAME": b"%b-%b" % (component, cluster),
            b"UID": b"00000000-0000-4000-8001-%012d" % index,
            b"VERSION": b"%d" % (self.versions[index] if version is None else version),
            b"COMPONENT": component,
            b"CLUSTER": cluster,
            b"SET": b"fleet-hub-external-secrets" if which == 0 else component,
            b"DESTINATION": HUB.encode() if which == 0 else cluster,
            b"HEALTH": (HEALTHY, DEGRADED, PROGRESSING)[shown],
            b"NOW": now(),
        }

    def page(self, start: int, limit: int) -> tuple[list[bytes], int]:
        """Objects from a number on, and the number to go on at (0 at the end)."""
        end = min(start + limit, self.count) if limit else self.count
        return [
            self.application(index) for index in range(start, end)
        ], end if end < self.count else 0

    def after(self, version: int, wait: float) -> list[tuple[int, int, int]] | None:
        """What changed after a version; None where that is forgotten. Waits for something to change."""
        with self.changed:
            if self.version <= version:
                self.changed.wait(wait)
            if not self.log or self.log[-1][0] <= version:
                return []
            if self.log[0][0] > version + 1 and len(self.log) == _LOG:
                return None
            return [entry for entry in self.log if entry[0] > version]

    def _change(self) -> None:
        due = probes_due = 0.0
        last, turn = time.monotonic(), 0
        while True:
            time.sleep(_TICK)
            now = time.monotonic()
            due, probes_due = (
                due + (now - last) * self.rate,
                probes_due + (now - last) * self.probe_rate,
            )
            last = now
            with self.changed:
                while probes_due >= 1:
                    self._probe(turn % self.probed)
                    turn, probes_due, due = turn + 1, probes_due - 1, due - 1
                while due >= 1:
                    others = self.probed * self.per_cluster
                    index = self._chance.randrange(others, self.count)
                    # What changes most on a real hub is that Argo CD looked again; one in ten turns.
                    turned = (
                        (0, 0, 2)[self._chance.randrange(3)]
                        if self._chance.random() < 0.1
                        else None
                    )
                    self._say(index, self.states[index] if turned is None else turned)
                    due -= 1
                self.changed.notify_all()

    def _probe(self, number: int) -> None:
        index = number * self.per_cluster + 1
        state = 0 if self.states[index] else 1
        self._say(index, state)
        uid = f"00000000-0000-4000-8001-{index:012d}"
        shown = ("healthy", "degraded")[state]
        self.probes_made += 1
        self.probes.append(
            (self.probes_made, cluster_name(number), uid, self.version, shown, time.time())
        )

    def _say(self, index: int, state: int) -> None:
        self.version += 1
        self.made += 1
        self.versions[index], self.states[index] = self.version, state
        self.log.append((self.version, index, state))


class Server(ThreadingHTTPServer):
    """Serves one streaming hub."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: StreamingHub, registered: Path | None) -> None:
        """On a free port; `registered` is the file with Argo CD's answer about clusters."""
        self.hub = hub
        self._registered = registered.read_bytes() if registered else b'{"items":[]}'
        super().__init__(("127.0.0.1", 0), _Handler)

    def clusters(self) -> bytes:
        """Argo CD's answer about clusters; its application controller tried each of them just now."""
        return self._registered.replace(b"@NOW@", now())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Set how fast it changes, or describe a secret: it stands in for Secrets Manager too."""
        path = self._query()
        if not path:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stages = {"VersionIdsToStages": {"v" * 32: ["AWSCURRENT"]}}
            self._json({"Name": asked["SecretId"], "CreatedDate": 1767323045, **stages})
            return
        hub = self.server.hub
        with hub.changed:
            hub.rate, hub.probe_rate = float(self.query["events"]), float(self.query["probes"])
        self._json({"made": hub.made})

    def do_GET(self) -> None:
        """Lists, watches and the rest."""
        path = self._query()
        hub = self.server.hub
        try:
            match path:
                case ["version"]:
                    self._json({"gitVersion": "v1.34.4"})
                case ["api", "v1", "namespaces", "argocd"]:
                    self._json({"metadata": {"name": "argocd", "uid": "streaming-hub"}})
                case ["api", "v1", "clusters"]:
                    self._send(self.server.clusters())
                case ["bench", "probes"]:
                    with hub.changed:
                        after = int(self.query.get("after", "0"))
                        found = [probe for probe in hub.probes if probe[0] > after]
                        self._json({"made": hub.made, "probes": found})
                case ["apis", _, _, "namespaces", "argocd", plural]:
                    self._watch(plural) if "watch" in self.query else self._list(plural)
                case _:
                    self._send(b"{}", 404)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _query(self) -> list[str]:
        address = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(address.query).items()}
        return [part for part in address.path.split("/") if part]

    def _list(self, plural: str) -> None:
        hub = self.server.hub
        start, version = (
            int(each) for each in self.query.get("continue", f"0.{hub.version}").split(".")
        )
        limit = int(self.query.get("limit", "0"))
        if plural == "applications":
            items, following = hub.page(start, limit)
        else:
            everything = _others(plural, hub.clusters)
            end = start + limit if limit else len(everything)
            items = [json.dumps(each()).encode() for each in everything[start:end]]
            following = end if end < len(everything) else 0
        more = f"{following}.{version}" if following else ""
        metadata = json.dumps({"resourceVersion": str(version), "continue": more}).encode()
        self._send(b'{"kind":"List","metadata":%b,"items":[%b]}' % (metadata, b",".join(items)))

    def _watch(self, plural: str) -> None:
        hub = self.server.hub
        version = int(self.query.get("resourceVersion") or hub.version)
        until = time.monotonic() + int(self.query.get("timeoutSeconds", "60"))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while (left := until - time.monotonic()) > 0:
            if plural != "applications":
                time.sleep(min(left, 0.5))
                continue
            found = hub.after(version, min(left, 0.5))
            if found is None:
                self._chunk(
                    b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
                )
                break
            for at in range(0, len(found), 50):
                part = found[at : at + 50]
                lines = (
                    b'{"type":"MODIFIED","object":%b}\n' % hub.application(i, v, s)
                    for v, i, s in part
                )
                self._chunk(b"".join(lines))
            version = found[-1][0] if found else version
        mark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}
        self._chunk(json.dumps(mark).encode() + b"\n")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))

    def _json(self, document: object) -> None:
        self._send(json.dumps(document).encode())

    def _send(self, content: bytes, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _others(plural: str, clusters: int) -> list[Any]:
    """What makes the objects of the other kinds, each when it is asked for."""
    if plural == "externalsecrets":
        return [lambda number=number: _external_secret(number) for number in range(clusters)]
    if plural == "applicationsets":
        return [lambda name=name: _application_set(name) for name in COMPONENTS]
    return [lambda: _object("SecretStore", "fleet-secret-store", {"provider": {"aws": {}}})]


def _external_secret(number: int) -> dict[str, Any]:
    name = cluster_name(number)
    remote = {"key": f"fleet/{name}", "conversionStrategy": "Default", "decodingStrategy": "None"}
    return _object(
        "ExternalSecret",
        f"cluster-{name}",
        {
            "data": [{"secretKey": key, "remoteRef": {**remote, "property": key}} for key in ("server", "config")],
            "secretStoreRef": {"kind": "SecretStore", "name": "fleet-secret-store"},
            "target": {"name": name, "template": {"metadata": {"labels": {f"enable_{n}": "true" for n in range(20)}}}},
        },
    )  # fmt: skip


def _application_set(name: str) -> dict[str, Any]:
    selector = {"matchLabels": {f"enable_{name.replace('-', '_')}": "true"}}
    return _object(
        "ApplicationSet",
        name,
        {"generators": [{"clusters": {"selector": selector}}], "template": {}},
    )


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "SecretSynced",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    return {
        "kind": kind,
        "metadata": {"name": name, "uid": f"{kind}-{name}", "resourceVersion": "1"},
        "spec": spec,
        "status": {"conditions": [] if kind == "ApplicationSet" else [ready]},
    }


def main(arguments: list[str]) -> int:
    """Serve until it is ended; the first line says where."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clusters", type=int, default=10_000)
    parser.add_argument("--per-cluster", type=int, default=10)
    parser.add_argument("--probes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--registered", type=Path)
    options = parser.parse_args(arguments)
    hub = StreamingHub(options.clusters, options.per_cluster, options.seed, options.probes)
    server = Server(hub, options.registered)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
