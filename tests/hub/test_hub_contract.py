"""The real hub shows what every hub shows; the demo hub's tests run the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from onboarding.adapters.argocd_api import ArgoCDApi
from tests.hub.account import Account
from tests.hub.fleet import Fleet, fresh_fleet
from tests.hub.harness import Hub
from tests.hubs.contract import HubContract
from tests.hubs.whole import WholeHub


@dataclass
class RealHubUnderTest:
    """A fleet on the real hub, seen with the least rights."""

    fleet: Fleet
    reader: WholeHub
    argocd: ArgoCDApi
    seconds: float = 120

    @property
    def name(self) -> str:
        """The hub's name in the fleet."""
        return self.fleet.name

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Commit and push, as people do."""
        return self.fleet.commit(files)

    def store_credentials(self, cluster: str) -> str:
        """Leave the credentials of a spoke that is there."""
        spoke = self.fleet.hub.new_spoke(cluster)
        self.fleet.hub.store_credentials(f"fleet/{cluster}", spoke.credentials)
        return spoke.server


@pytest.fixture(scope="module")
def hub_under_test(hub: Hub, account: Account) -> Iterator[RealHubUnderTest]:
    """One fleet for all of these tests; each has a cluster of its own."""
    with fresh_fleet(hub) as fleet:
        yield RealHubUnderTest(fleet, WholeHub(account.access()), account.argocd())


class TestRealHub(HubContract):
    """The contract on the real hub."""
