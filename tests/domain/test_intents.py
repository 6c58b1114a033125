"""What somebody wants of a cluster is kept as plain data, and is no safer there than in a form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.intents import EditCluster, RegisterCluster, intent_from_data
from onboarding.domain.member import DeploymentModel
from tests.domain.fleet_files import edit, register

ASKED: dict[str, Any] = {
    "model": DeploymentModel.DISTRIBUTED,
    "remote_addons": True,
    "options": {"use_fleet_ack": "true"},
    "pins": {"addonsRelease": "release1", "enable_metrics_server": None},
}


@pytest.mark.parametrize(
    ("intent", "kind"), [(register(**ASKED), RegisterCluster), (edit(**ASKED), EditCluster)]
)
def test_it_is_the_same_after_it_was_kept(
    intent: RegisterCluster | EditCluster, kind: type
) -> None:
    found = intent_from_data(json.loads(json.dumps(intent.to_data())))
    assert type(found) is kind
    assert found == intent
    assert found.to_data()["pins"] == {"addonsRelease": "release1", "enable_metrics_server": None}


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "offboard"},
        {"kind": None},
        {"format": 2},
        {"model": "elsewhere"},
        {"options": None},
        {"pins": 3},
    ],
)
def test_it_asks_anew_for_what_another_version_has_kept(changed: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="Request it again") as refused:
        intent_from_data({**register().to_data(), **changed})
    assert refused.value.refusals[0].code == "unknown_intent"


@pytest.mark.parametrize("part", sorted(register().to_data()))
def test_it_takes_nothing_that_misses_a_part(part: str) -> None:
    data = register().to_data()
    del data[part]
    with pytest.raises(Refused, match="Request it again"):
        intent_from_data(data)


@pytest.mark.parametrize("name", ["hub", "cluster", "tenant", "environment"])
def test_it_parses_every_name_again(name: str) -> None:
    with pytest.raises(Refused, match="lowercase letters"):
        intent_from_data({**register().to_data(), name: "../etc"})


def test_it_takes_only_true_for_yes() -> None:
    found = intent_from_data(
        {**register().to_data(), "remote_addons": "false", "remote_resources": 1}
    )
    assert (found.remote_addons, found.remote_resources) == (False, False)
