"""Secrets Manager as an account without a right sees it: moto's answers, and AWS's own for one secret.

moto can check rights, but answers a denial in another format than AWS does in this protocol, so that clients
cannot read it. The words of the denial are AWS's; everything else passes through.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

from tests.hub.controllers import ExternalSecretsOperator, SecretsManager
from tests.hub.harness import Hub

_READ = "secretsmanager.GetSecretValue"
_ROLE = "arn:aws:sts::123456789012:assumed-role/external-secrets/operator"
_PASSED_ON = ("Content-Type", "X-Amz-Target", "X-Amz-Date", "Authorization")


def denial(secret: str) -> bytes:
    """The body with which AWS refuses to let a role read a secret; its status is 400."""
    return json.dumps(
        {
            "__type": "AccessDeniedException",
            "Message": f"User: {_ROLE} is not authorized to perform: secretsmanager:GetSecretValue "
            f"on resource: {secret} because no identity-based policy allows the "
            "secretsmanager:GetSecretValue action",
        }
    ).encode()


@contextmanager
def denied(hub: Hub, secret: str) -> Iterator[None]:
    """The operator may not read this secret; afterwards it may again."""
    pool = urllib3.PoolManager(timeout=30)

    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        def do_POST(self) -> None:
            """As moto does, but for the secret."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reads = self.headers.get("X-Amz-Target") == _READ
            if reads and json.loads(body).get("SecretId") == secret:
                self._answer(400, "application/x-amz-json-1.1", denial(secret))
                return
            headers = {name: self.headers[name] for name in _PASSED_ON if self.headers.get(name)}
            found = pool.request(
                "POST", hub.aws.url + self.path, body=body, headers=headers, retries=False
            )
            kind = found.headers.get("Content-Type", "application/x-amz-json-1.1")
            self._answer(found.status, kind, found.data)

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="denying", daemon=True)
    thread.start()
    try:
        _restart(hub, SecretsManager(hub.processes, server.server_port))
        yield
    finally:
        _restart(hub, hub.aws)
        server.shutdown()
        server.server_close()
        thread.join()
        pool.clear()


def _restart(hub: Hub, aws: SecretsManager) -> None:
    """The operator, started anew with another address of AWS."""
    operator = hub.operator
    hub.processes.stop(operator.name)
    environment = ExternalSecretsOperator.environment(hub.plane.folder / "kubeconfig", aws)
    hub.processes.start(operator.name, operator.command(), environment)
    operator.wait()
