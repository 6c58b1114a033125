"""The hub that all tests of this folder share, and a fresh fleet on it for each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import binaries
from tests.hub.fleet import Fleet, fresh_fleet
from tests.hub.harness import Hub, real_hub

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the real hub."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.hub)


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """The real hub.

    Without Go to build it with: skipped, but never where the answer counts (CI).
    """
    try:
        binaries.ensure()
    except binaries.GoMissing as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with real_hub() as running:
        print(f"\nreal hub: seconds {running.took}, MiB {sum(running.processes.memory().values())}")
        yield running


@pytest.fixture
def fleet(hub: Hub) -> Iterator[Fleet]:
    """A fleet that has just been bootstrapped and has no spoke yet."""
    with fresh_fleet(hub) as fresh:
        yield fresh
