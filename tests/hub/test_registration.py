"""The way of one registration, by plain git and as people do it: from credentials to values on the spoke."""

from __future__ import annotations

from tests.hub.fleet import Fleet


def test_it_bootstraps(fleet: Fleet) -> None:
    sets = {each["metadata"]["name"] for each in fleet.hub.kube.list("ApplicationSet")}

    assert {"bootstrap-addons", "cluster-info", "fleet-hub-external-secrets"} <= sets
