"""A hub that fails as it is told: `GET /fault/NAME` on its own address, `GET /fault/none` mends it.

    python -m tests.hubs.failing

It serves the same protocol as the demo hub, with a few objects of one cluster that is well.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from onboarding.demo.hub_server import DemoServer, _Handler
from onboarding.demo.hub_store import ObjectStore
from onboarding.domain.live_sets import REFRESH_ANNOTATION

SPOKE = "spoke-a"
SILENT_SECONDS = 4.0


class FailingHub:
    """What the server needs of a hub."""

    name, namespace = "hub-cluster", "argocd"

    def __init__(self) -> None:
        """One cluster, registered, with two Applications that are well."""
        self.uid = "hub-1"
        self.untried: Mapping[str, datetime] = {}
        self.away = False
        self.elsewhere = 0
        self.store = self.stored("first", 1000)

    def stored(self, of: str, version: int, health: str = "Healthy") -> ObjectStore:
        """A store whose objects have UIDs of their own."""
        store = ObjectStore(first_version=version)
        for name in ("one-spoke-a", "two-spoke-a", "fleet-secret-spoke-a"):
            store.put("applications", application(name, f"{of}-{name}", health))
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-02T09:00:00Z"}
        secret = {"metadata": {"name": f"cluster-{SPOKE}", "uid": f"{of}-secret"}, "spec": {}}
        store.put(
            "applicationsets", {"metadata": {"name": "members", "uid": f"{of}-set"}, "spec": {}}
        )
        store.put("externalsecrets", {**secret, "status": {"conditions": [ready]}})
        return store

    def clusters(self) -> list[Mapping[str, Any]]:
        """The hub and its spoke, as Argo CD has them registered."""
        return [
            {
                "server": f"https://{name}.example.com",
                "name": name,
                "info": {
                    "applicationsCount": 2 + self.elsewhere if name == SPOKE else 1,
                    "connectionState": {
                        "status": "Successful",
                        # Finer than Argo CD's: here the observer's clock alone is moved on by minutes.
                        "attemptedAt": (self.untried.get(name) or datetime.now(UTC)).isoformat(),
                    },
                },
            }
            for name in (self.name, SPOKE)
        ]

    def stop_trying(self, *clusters: str) -> None:
        """Argo CD's application controller, or that of one shard, is away: these stay as they were."""
        # It noted them every ten seconds; two minutes ago it did for the last time.
        last = datetime.now(UTC) - timedelta(minutes=2)
        self.untried = dict.fromkeys(clusters, last)

    def annotate(
        self, name: str, annotations: Mapping[str, str | None]
    ) -> Mapping[str, Any] | None:
        """Put an annotation on a set; its controller takes it away when it looks."""
        found = self.store.get("applicationsets", name)
        if found is None:
            return None
        kept = {key: value for key, value in annotations.items() if value is not None}
        self.store.put(
            "applicationsets", {**found, "metadata": {**found["metadata"], "annotations": kept}}
        )
        return self.store.get("applicationsets", name)

    def look(self) -> None:
        """The ApplicationSet controller looks at what it is asked for, unless it is away."""
        if not self.away:
            self.annotate("members", {REFRESH_ANNOTATION: None})


def application(name: str, uid: str, health: str = "Healthy") -> dict[str, Any]:
    """An Application that is synced and was compared just now."""
    cluster = "hub-cluster" if name.startswith("fleet-secret-") else SPOKE
    return {
        "metadata": {
            "name": name,
            "uid": uid,
            "ownerReferences": [{"kind": "ApplicationSet", "name": "some"}],
        },
        "spec": {"destination": {"name": cluster}, "source": {"targetRevision": "1.0"}},
        "status": {
            "sync": {"status": "Synced", "revision": "c" * 40},
            "health": {"status": health},
            "reconciledAt": _written(datetime.now(UTC)),
        },
    }


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class FailingServer(DemoServer):
    """The demo hub's server with a fault."""

    def __init__(self) -> None:
        """On a free port, without a fault yet."""
        self.fault = "none"
        super().__init__(0, FailingHub())
        self.RequestHandlerClass = _Failing


class _Failing(_Handler):
    server: FailingServer  # type: ignore[assignment]

    def do_GET(self) -> None:
        """Take a new fault, act the present one out, or answer."""
        if self.path.startswith("/fault/"):
            self.server.fault = self.path.removeprefix("/fault/")
            self._turn(self.server.fault)
            self._send(200, {})
        elif not getattr(self, f"_{self.server.fault}", lambda: False)():
            super().do_GET()

    def do_POST(self) -> None:
        """Answer for Secrets Manager, which the same process stands in for."""
        errors = {"throttled": "ThrottlingException", "denied": "AccessDeniedException"}
        code = errors.get(self.server.fault, "ResourceNotFoundException")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(400, {"__type": code, "Message": "as it was told"})

    def _turn(self, fault: str) -> None:
        hub = self.server.hub
        assert isinstance(hub, FailingHub)
        if fault == "restored":
            hub.store = hub.stored("restored", 10, "Degraded")
        elif fault == "replaced":
            hub.uid, hub.store = "hub-2", hub.stored("replaced", 10, "Progressing")
        elif fault == "no_controller":
            hub.stop_trying(hub.name, SPOKE)
        elif fault == "no_shard":
            hub.stop_trying(SPOKE)
        elif fault == "no_set_controller":
            hub.away = True
        elif fault == "counted":
            hub.elsewhere = 2
        elif fault == "none":
            hub.away, hub.elsewhere = False, 0
            hub.look()
            hub.stop_trying()
        elif fault == "rotten":
            hub.store.put("applications", application("one-spoke-a", "first-one-spoke-a", "Healed"))

    def _of_applications(self) -> bool:
        return "/applications" in self.path

    def _refuse(self, code: int, headers: Mapping[str, str]) -> bool:
        content = json.dumps({"kind": "Status", "code": code, "reason": "AsTold"}).encode()
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        return True

    def _away(self) -> bool:
        self.close_connection = True
        return True

    def _unauthorized(self) -> bool:
        return self._refuse(401, {})

    def _forbidden(self) -> bool:
        return self._of_applications() and self._refuse(403, {})

    def _overloaded(self) -> bool:
        return self._refuse(429, {"Retry-After": "17"})

    def _no_argo_cd(self) -> bool:
        """The Kubernetes API answers; Argo CD's own, behind the same proxy, does not."""
        return self.path.startswith("/api/v1/clusters") and self._refuse(503, {})

    def _slow(self) -> bool:
        time.sleep(SILENT_SECONDS)
        return False

    def _half_open(self) -> bool:
        if not self._of_applications():
            return False
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        time.sleep(SILENT_SECONDS)
        self.close_connection = True
        return True

    def _not_json(self) -> bool:
        content = b"<html>a proxy's page</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return True

    def _gone(self) -> bool:
        return "watch=true" in self.path and self._refuse(410, {})

    def _out_of_order(self) -> bool:
        """A newer word, then an older one and the newer one again."""
        if not self._of_applications() or "watch=true" not in self.path:
            return False
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        newer = application("one-spoke-a", "first-one-spoke-a", "Degraded")
        older = application("one-spoke-a", "first-one-spoke-a")
        newer["metadata"]["resourceVersion"] = "9000"
        older["metadata"]["resourceVersion"] = "8999"
        for item in (newer, older, newer, older):
            self._event("MODIFIED", item)
        self.wfile.write(b"0\r\n\r\n")
        return True

    def _rotten(self) -> bool:
        """A list with an object that is huge, deep and odd beside the good ones."""
        if not self._of_applications() or "watch=true" in self.path:
            return False
        items = self.server.hub.store.page("applications", limit=0).items
        odd = {"metadata": {"name": "odd-spoke-a", "uid": "odd", "labels": None}, "status": [None]}
        huge = {**application("huge-spoke-a", "huge"), "more": "x" * 1_500_000}
        good = b",".join(json.dumps(item).encode() for item in (*items, odd, huge))
        deep = b'{"metadata":{"name":"deep-spoke-a","uid":"deep"},"spec":%b}' % (
            b'{"a":' * 5000 + b"1" + b"}" * 5000
        )
        content = b'{"metadata":{"resourceVersion":"2000"},"items":[null,%b,%b]}' % (deep, good)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return True


if __name__ == "__main__":
    running = FailingServer()
    print(f"http://127.0.0.1:{running.server_port}", flush=True)
    sys.exit(running.serve_forever())
