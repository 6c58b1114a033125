"""A member as the edit form shows it: its own files' words, nothing inherited, nothing guessed."""

from __future__ import annotations

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.models import Cluster
from onboarding.services.member_forms import form_data_of
from tests.domain.fleet_files import MEMBER, MEMBER_TEXT, PINS, REGISTERED, SYSTEM_LABELS, placement
from tests.fakes import MemorySnapshot

CLUSTER = Cluster(path=MEMBER, hub_name="hub-1", name="spoke-1")


def form(files: dict[str, str]) -> dict[str, object]:
    place, data = form_data_of(
        cluster=CLUSTER, snapshot=MemorySnapshot.of(files), layout=TENANTS_LAYOUT
    )
    assert place == placement()
    return data


def test_it_shows_what_the_member_file_says() -> None:
    options = 'use_remote_argo: "true"\nenable_remote_addons: "true"\nuse_fleet_ack: "true"\n'
    text = "\n".join(
        line
        for line in MEMBER_TEXT.splitlines()
        if not line.startswith(("use_remote_argo", "enable_remote_addons"))
    )
    data = form({**REGISTERED, MEMBER: f"{text}\n{options}"})
    assert data == {
        "hub": "hub-1",
        "cluster": "spoke-1",
        "tenant": "team-a",
        "environment": "dev",
        "secret_name": "fleet/spoke-1",
        "model": "distributed",
        "remote_addons": True,
        "remote_resources": False,
        "use_fleet_ack": "true",
    }


def test_it_shows_pins_and_nothing_that_is_inherited() -> None:
    assert "addonsRelease" in REGISTERED[SYSTEM_LABELS]
    labels = 'externalSecret:\n  labels:\n    enable_x: true\n    addonsRelease: "release1"\n'
    data = form({**REGISTERED, PINS: labels})
    pins = {key: value for key, value in data.items() if key.startswith("pin_")}
    assert pins == {"pin_enable_x": "true", "pin_addonsRelease": "release1"}


@pytest.mark.parametrize("labels", ["# nothing\n", "externalSecret: text\n", "other: 1\n"])
def test_it_shows_no_pins_where_the_file_has_none(labels: str) -> None:
    assert not [key for key in form({**REGISTERED, PINS: labels}) if key.startswith("pin_")]


def test_it_refuses_a_member_that_somebody_removed() -> None:
    files = {path: text for path, text in REGISTERED.items() if path != MEMBER}
    with pytest.raises(Refused, match=f"{MEMBER} is no longer in the repository") as caught:
        form(files)
    assert caught.value.refusals[0].code == "gone"


def test_it_refuses_a_member_that_cannot_be_read() -> None:
    with pytest.raises(Refused, match=r"spoke-1\.yaml, line 2"):
        form({**REGISTERED, MEMBER: "a: b\n  c: [\n"})
