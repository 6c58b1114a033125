"""What is around the product on its way: Secrets Manager's stand-in and a hub in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
NAMESPACE = "argocd"
# Nothing of the developer's own AWS identity may be used, nor asked for in the network.
AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class SecretsManager:
    """A Secrets Manager on loopback, filled with made-up credentials of spokes."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._client = boto3.client(
            "secretsmanager",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
        )

    def put(self, name: str, server: str) -> None:
        """What Terraform leaves there when it has made a cluster.

        All stand-ins of a process are one: another module may have put or deleted the same.
        """
        value = json.dumps({"server": server, "config": {"tlsClientConfig": {"insecure": False}}})
        try:
            self._client.create_secret(Name=name, SecretString=value)
        except ClientError:
            self._client.restore_secret(SecretId=name)
            self._client.put_secret_value(SecretId=name, SecretString=value)

    def forget(self) -> None:
        """Lose everything, as the stand-in does at each stop."""
        asked = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")  # noqa: S310 - our own http address
        urllib.request.urlopen(asked, timeout=10).close()  # noqa: S310

    def delete(self, name: str) -> None:
        """Delete it as people do: it can be restored for some days."""
        self._client.delete_secret(SecretId=name)


@contextmanager
def secrets_manager() -> Iterator[SecretsManager]:
    """Serve an empty Secrets Manager on a free port of this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield SecretsManager(f"http://{host}:{port}")
    finally:
        server.stop()


@dataclass(frozen=True)
class RunningHub:
    """The demo hub, asked from outside and by nothing of the product."""

    address: str

    def applications(self, cluster: str) -> dict[str, dict[str, Any]]:
        """The Applications that are deployed to a cluster, by name."""
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications"
        items = self._get(path)["items"]
        return {
            item["metadata"]["name"]: item
            for item in items
            if item["spec"]["destination"]["name"] == cluster
        }

    def labels(self, cluster: str) -> dict[str, str]:
        """The labels of a cluster's secret; empty where it is not registered."""
        clusters = self._get("/api/v1/clusters")["items"]
        return next((one["labels"] for one in clusters if one["name"] == cluster), {})

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:  # noqa: S310 - our own http address
            return dict(json.load(answer))


@contextmanager
def running_hub(
    repository: Path,
    *,
    hub: str,
    layout: str,
    secrets: SecretsManager,
    faults: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[RunningHub]:
    """Run the demo hub on a repository, twenty times as fast as a real one, until the block ends.

    `faults` are which of its clusters end how.
    """
    arguments = ("--repository", str(repository), "--hub", hub, "--layout", layout)
    where = ("--namespace", NAMESPACE, "--aws-endpoint", secrets.endpoint, "--region", REGION)
    ill = [f"--fault={name}={how}" for name, how in faults.items()]
    started = subprocess.Popen(
        [sys.executable, "-m", "onboarding.demo.hub", *arguments, *where, *ill, "--speed", "20"],
        cwd=ROOT,
        env={**os.environ, **AWS_ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    try:
        said = started.stdout.readline().strip()
        assert said.startswith(f"Demo hub {hub} at http://127.0.0.1:"), said
        yield RunningHub(said.rsplit(" ", 1)[-1])
    finally:
        started.terminate()
        try:
            started.wait(5)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait(5)
        started.stdout.close()


def wait_for(condition: Callable[[], Any], *, seconds: float = 30) -> Any:
    """What the condition answers once it is true; the test fails after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("It did not happen in time.")
