"""The hub that all tests of this folder share, and a fresh fleet on it for each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import binaries
from tests.hub.account import Account, give_account
from tests.hub.fleet import Fleet, fresh_fleet
from tests.hub.harness import Hub, real_hub
from tests.hub.product import House, product_on_a_fresh_fleet
from tests.template.conftest import helm

__all__ = ["helm"]

HERE = Path(__file__).parent
MEASURED: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is drawn for the agreement between the product and the hub."""
    group = parser.getgroup("agreement with a real hub")
    group.addoption("--situations", type=int, default=60, help="how many situations are drawn")
    group.addoption("--seed", type=int, default=60, help="what they are drawn from")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the real hub."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.hub)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured on the real hub, however the tests ended."""
    if MEASURED:
        terminalreporter.section("measured on the real hub")
        for line in MEASURED:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def measured() -> list[str]:
    """Lines with figures that the run ends with."""
    return MEASURED


@pytest.fixture(scope="session")
def hub(measured: list[str]) -> Iterator[Hub]:
    """The real hub.

    Without Go to build it with: skipped, but never where the answer counts (CI).
    """
    try:
        binaries.ensure(*binaries.OF_A_HUB)
    except binaries.GoMissing as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with real_hub() as running:
        memory = sum(running.processes.memory().values())
        measured.append(f"start of the hub: {running.took['Argo CD']} s, {memory} MiB")
        yield running
        measured.extend(running.remarks)


@pytest.fixture(scope="session")
def account(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The product's account on the hub, with the rights of ``deploy/hub`` and no others."""
    return give_account(hub, tmp_path_factory.mktemp("account"))


@pytest.fixture
def fleet(hub: Hub) -> Iterator[Fleet]:
    """A fleet that has just been bootstrapped and has no spoke yet."""
    with fresh_fleet(hub) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def house(hub: Hub, account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The whole product, with a fresh fleet on the real hub; shared by the tests of a module."""
    with product_on_a_fresh_fleet(hub, account, tmp_path_factory.mktemp("product")) as running:
        yield running
