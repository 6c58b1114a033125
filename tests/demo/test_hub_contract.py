"""The demo hub shows what every hub shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from onboarding.adapters.argocd_api import ArgoCDAccess, ArgoCDApi
from onboarding.adapters.hub_access import HubAccess, NoToken
from onboarding.domain.names import HubName, TenantName
from onboarding.services.initializing import NewFleet, files
from tests.demo.test_hub_process import first_line, process
from tests.hubs.contract import HubContract
from tests.hubs.whole import WholeHub
from tests.repositories import bare_repository, commit

NAME = "hub"


@dataclass
class DemoHubUnderTest:
    """One process of the demo hub."""

    reader: WholeHub
    argocd: ArgoCDApi
    repository: Path
    secrets: Any
    name: str = NAME
    seconds: float = 30

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Commit to the bare repository."""
        return commit(self.repository, files)

    def store_credentials(self, cluster: str) -> str:
        """Leave the JSON that a spoke's secret has."""
        server = f"https://{cluster}.example.com"
        self.secrets.create_secret(
            Name=f"fleet/{cluster}", SecretString=json.dumps({"server": server, "config": "{}"})
        )
        return server


@pytest.fixture(scope="module")
def hub_under_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoHubUnderTest]:
    """A demo hub with a fleet from the template and a Secrets Manager of its own."""
    new = NewFleet(
        repository_url="https://git.example.com/fleet.git",
        revision="main",
        hub=HubName(NAME),
        aws_region="eu-west-1",
        tenants=(TenantName("tenant1"),),
    )
    path = bare_repository(
        tmp_path_factory.mktemp("contract") / "fleet.git",
        {edit.path: edit.content for edit in files(new)},
    )
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    arguments = ("--repository", str(path), "--hub", NAME, "--speed", "20")
    try:
        with process(
            "-m", "onboarding.demo.hub", *arguments, "--aws-endpoint", endpoint
        ) as started:
            address = first_line(started).rsplit(" ", 1)[-1]
            yield DemoHubUnderTest(
                WholeHub(HubAccess(address, "argocd", NoToken())),
                ArgoCDApi(ArgoCDAccess(address, NoToken())),
                path,
                boto3.client(
                    "secretsmanager",
                    endpoint_url=endpoint,
                    region_name="eu-west-1",
                    aws_access_key_id="demo",
                    aws_secret_access_key="demo",
                ),
            )
    finally:
        moto.stop()


class TestDemoHub(HubContract):
    """The contract on the demo hub."""
