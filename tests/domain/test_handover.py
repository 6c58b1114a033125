"""Who deploys changes in three commits: no step of them deletes, doubles or orphans what runs."""

from __future__ import annotations

from typing import Any

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.member import DeploymentModel
from onboarding.domain.planner import DeployedBy, Neighbours, Plan, plan
from tests.domain.fleet_files import MEMBER, MEMBER_TEXT, REGISTERED, Repository, edit, register

ON = {"handover": "true"}
DISTRIBUTED = {"model": DeploymentModel.DISTRIBUTED}
REMOTE = {**DISTRIBUTED, "remote_addons": True, "remote_resources": True}


def member(*, distributed: bool = False, remote: bool = False, handover: bool = False) -> str:
    text = MEMBER_TEXT
    if distributed:
        text = text.replace('use_remote_argo: "false"', 'use_remote_argo: "true"')
    if remote:
        for group in ("addons", "resources"):
            text = text.replace(f'enable_remote_{group}: "false"', f'enable_remote_{group}: "true"')
    return text + ('handover: "true"\n' if handover else "")


def planned(text: str, **wanted: Any) -> Plan:
    return plan(
        edit(**wanted), Repository({**REGISTERED, MEMBER: text}), TENANTS_LAYOUT, Neighbours()
    )


def refused(text: str, **wanted: Any) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as caught:
        planned(text, **wanted)
    return [(one.field, one.code) for one in caught.value.refusals]


def test_it_hands_over_in_three_changes() -> None:
    steps = [
        (member(), {"options": ON}),
        (member(handover=True), {**REMOTE, "options": ON}),
        (member(distributed=True, remote=True, handover=True), REMOTE),
    ]
    texts = [found.edits[0].after for found in (planned(text, **wanted) for text, wanted in steps)]
    assert texts == [
        member(handover=True),
        member(distributed=True, remote=True, handover=True),
        member(distributed=True, remote=True),
    ]


def test_it_hands_back_in_three_changes() -> None:
    steps = [
        (member(distributed=True, remote=True), {**REMOTE, "options": ON}),
        (member(distributed=True, remote=True, handover=True), {**DISTRIBUTED, "options": ON}),
        (member(distributed=True, handover=True), {}),
    ]
    texts = [found.edits[0].after for found in (planned(text, **wanted) for text, wanted in steps)]
    assert texts == [
        member(distributed=True, remote=True, handover=True),
        member(distributed=True, handover=True),
        member(),
    ]


def test_it_foretells_that_the_objects_stay() -> None:
    found = planned(member(handover=True), **REMOTE, options=ON)
    (gone,) = (one for one in found.impact.disappear if one.group == "addons")
    (come,) = (one for one in found.impact.appear if one.group == "addons")
    assert (gone.name, gone.deployed_by, gone.deletes_resources) == (
        "metrics-server-spoke-1",
        DeployedBy.HUB,
        False,
    )
    assert "its resources stay" in gone.cause
    assert (come.name, come.deployed_by) == ("metrics-server-spoke-1", DeployedBy.CLUSTER)


def test_it_foretells_deletion_where_handover_begins_with_the_same_change() -> None:
    """The hub drops the Application before it is told to leave the objects."""
    found = planned(member(), options=ON, pins={"enable_metrics_server": "false"})
    assert [one.deletes_resources for one in found.impact.disappear] == [True]


def test_it_says_what_handover_means_while_it_lasts() -> None:
    codes = [one.code for one in planned(member(), options=ON).warnings]
    assert "handover" in codes
    assert "handover" not in [one.code for one in planned(member(handover=True)).warnings]


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        (member(), REMOTE, [("remote_addons", "handover_first")]),
        (member(), {**REMOTE, "options": ON}, [("remote_addons", "handover_first")]),
        (
            member(distributed=True),
            {**DISTRIBUTED, "remote_resources": True},
            [("remote_resources", "handover_first")],
        ),
        (member(handover=True), REMOTE, [("handover", "handover_stays")]),
        (member(distributed=True, remote=True), DISTRIBUTED, [("remote_addons", "handover_first")]),
        (member(distributed=True, remote=True), {}, [("model", "handed_back_first")]),
        (
            member(distributed=True, remote=True, handover=True),
            {"options": ON},
            [("model", "handed_back_first")],
        ),
    ],
)
def test_it_refuses_what_would_lose_or_double_objects(
    text: str, wanted: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert refused(text, **wanted) == expected


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(member(), DISTRIBUTED), (member(distributed=True), {}), (member(handover=True), {})],
)
def test_it_needs_no_steps_where_no_group_changes_hands(text: str, wanted: dict[str, Any]) -> None:
    assert planned(text, **wanted).edits


def test_it_registers_a_distributed_cluster_in_one_step() -> None:
    files = {path: text for path, text in REGISTERED.items() if path != MEMBER}
    assert plan(register(**REMOTE), Repository(files), TENANTS_LAYOUT, Neighbours()).edits
