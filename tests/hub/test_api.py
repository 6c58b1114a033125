"""Programs on the real hub: a spoke joins by the API until it is Healthy with each change, and leaves."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.hub.harness import Spoke, eventually
from tests.hub.product import FLEET, House, manage, only
from tests.hub.test_offboarding import deployed, traces
from tests.repositories import TEMPLATE

SCRIPT = TEMPLATE / "terraform/spoke-registration/register.sh"
SPOKE, PROBE = "spoke-api", "probe-a"


class Program:
    """A program with a token that may ask for everything."""

    def __init__(self, house: House) -> None:
        product = house.product
        verbs = ("read", "register", "edit", "offboard")
        made = manage(
            product.environment, "token", "make", "pipeline", "--may", *verbs, "--fleet", FLEET
        )
        self.token, self.url = made.strip(), product.ports.web_url
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = requests.get(
            f"{self.url}/api/v1/{path}", params=query, headers=self.headers, timeout=90
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def ask(self, path: str, body: Mapping[str, Any], key: str) -> int:
        headers = self.headers | {"Idempotency-Key": key}
        answer = requests.post(f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["number"])

    def wait(self, number: int, until: str, seconds: float = 180) -> dict[str, Any]:
        ends = time.monotonic() + seconds
        while True:
            found = self.get(f"changes/{number}/wait", until=until, timeout=20)
            if found["reached"] or found["over"] or time.monotonic() > ends:
                assert found["reached"], found
                return found


@pytest.fixture(scope="module")
def program(house: House) -> Program:
    return Program(house)


@pytest.fixture(scope="module")
def spoke(house: House, program: Program, measured: list[str]) -> Spoke:
    """Registered by the script of the Terraform example, which ends when it is Healthy."""
    found = house.hub.new_spoke(SPOKE)
    house.hub.store_credentials(f"fleet/{SPOKE}", found.credentials)
    pins = {key.removeprefix("pin_"): value for key, value in only(PROBE).items()}
    body = {
        "hub": house.fleet.name,
        "cluster": SPOKE,
        "tenant": "tenant1",
        "environment": "prod",
        "secret_name": f"fleet/{SPOKE}",
        "pins": pins,
    }
    told = {
        "PATH": os.environ["PATH"],
        "FLEETUI_URL": program.url,
        "FLEETUI_TOKEN": program.token,
        "FLEETUI_BODY": json.dumps(body),
        "FLEETUI_KEY": f"terraform:{SPOKE}",
        "FLEETUI_TIMEOUT": "240",
    }
    with subprocess.Popen(
        ["sh", SCRIPT], env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as script:

        def asked() -> bool:
            return bool(program.get("clusters", tenant="tenant1")["clusters"])

        eventually(asked, "the cluster is asked for", 30)
        assert script.stdout is not None
        said = script.stdout.readline()
        number = program.get("clusters")["clusters"][0]["change"]
        began = time.monotonic()
        house.product.approve(number)
        out, err = script.communicate(timeout=300)
    assert script.returncode == 0, err
    measured.append(
        f"registration by the API, from approval to Healthy: {time.monotonic() - began:.1f} s"
    )
    assert "Somebody who did not write it approves or rejects it." in said
    assert "healthy" in out
    assert program.token not in out + err
    return found


def test_healthy_is_what_the_hub_and_the_spoke_have(
    house: House, program: Program, spoke: Spoke
) -> None:
    assert deployed(house, PROBE) is not None
    assert house.product.cluster(house.fleet.name, SPOKE).state == "Healthy"
    told = program.get(f"clusters/{house.fleet.name}/{SPOKE}")
    assert (told["state"], told["applications"]["healthy"]) == (
        "healthy",
        told["applications"]["total"],
    )
    assert house.fleet.applications(SPOKE)


def test_healthy_after_an_edit_is_healthy_with_it(
    house: House, program: Program, spoke: Spoke, measured: list[str]
) -> None:
    path = f"clusters/{house.fleet.name}/{SPOKE}/edits"
    number = program.ask(path, {"options": {"use_fleet_ack": "true"}}, "edit-1")
    assert program.ask(path, {"options": {"use_fleet_ack": "true"}}, "edit-1") == number
    assert not program.get(f"changes/{number}/wait", until="healthy", timeout=0)["reached"]
    began = time.monotonic()
    house.product.approve(number)
    found = program.wait(number, "healthy")
    measured.append(f"edit by the API, from approval to Healthy: {time.monotonic() - began:.1f} s")
    secret = house.fleet.cluster_secret(SPOKE) or {}
    assert secret["metadata"]["labels"].get("use_fleet_ack") == "true", "the hub has it by then"
    assert found["change"]["hub_follows"]["state"] == "agrees"


def test_many_may_wait_at_once_and_pages_answer_meanwhile(
    house: House, program: Program, spoke: Spoke
) -> None:
    number = program.ask(
        f"clusters/{house.fleet.name}/{SPOKE}/edits", {"options": {"use_fleet_ack": None}}, "edit-2"
    )
    with ThreadPoolExecutor(40) as pool:
        waiting = [
            pool.submit(program.get, f"changes/{number}/wait", until="decided", timeout=60)
            for _ in range(40)
        ]
        eventually(lambda: all(each.running() for each in waiting), "all wait", 20)
        for _ in range(5):
            assert "Clusters" in house.product.overview()
        assert not any(each.done() for each in waiting)
        house.product.approve(number)
        assert all(each.result(timeout=60)["reached"] for each in waiting)
    program.wait(number, "healthy")


def test_it_leaves_by_the_api_on_one_approval(house: House, program: Program, spoke: Spoke) -> None:
    path = f"clusters/{house.fleet.name}/{SPOKE}/offboardings"
    number = program.ask(path, {"workloads": "remove", "confirm": SPOKE}, "leave")
    assert program.get(f"changes/{number}/plan")["steps"][-1] == "remove"
    house.product.approve(number)
    found = program.wait(number, "gone", 300)
    assert found["change"]["offboarding"]["state"] == "done"
    assert traces(house, SPOKE) == []
    assert deployed(house, PROBE) is None
