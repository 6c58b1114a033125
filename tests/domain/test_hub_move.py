"""A move to another hub: the registration as the member was, and a way out that leaves its values behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onboarding.domain.diff import commit_message, digest_data
from onboarding.domain.errors import Refused
from onboarding.domain.hub_move import check_move, registration_of
from onboarding.domain.intents import LeaveFleet, intent_from_data
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.leaving_plan import plan
from onboarding.domain.member import DeploymentModel, parse_member
from onboarding.domain.names import HubName
from onboarding.domain.plans import Neighbours, Plan
from tests.domain.fleet_files import MEMBER, MEMBER_TEXT, PINS, REGISTERED, Repository, placement
from tests.domain.repository import file

CHART = {"charts/fleet-secret/templates/labels.yaml": "{{ .member.offboarding }}\n"}
FILES = {**REGISTERED, **CHART, PINS: 'externalSecret:\n  labels:\n    team: "x"\n'}


def leave(to_hub: str = "hub-2") -> LeaveFleet:
    return LeaveFleet(
        placement=placement(),
        secret_name="fleet/spoke-1",
        model=DeploymentModel.CENTRALIZED,
        keep=True,
        to_hub=to_hub,
    )


def planned(to_hub: str = "hub-2") -> Plan:
    return plan(leave(to_hub), Repository(FILES), TENANTS_LAYOUT, Neighbours())


def digest(found: Plan) -> dict[str, object]:
    return digest_data(
        found,
        fleet="fleet",
        hub="hub-1",
        change_id="id",
        revision=1,
        requester="rita",
        editors=(),
        policy_version="2",
    )


def test_it_leaves_its_own_values_for_the_other_hub() -> None:
    gone = [edit.path for edit in planned().way[-1].plan.edits]
    assert gone == [MEMBER]
    assert PINS in [edit.path for edit in planned("").way[-1].plan.edits]


def test_the_approval_covers_where_it_goes() -> None:
    assert digest(planned()) != digest(planned("hub-3"))
    assert digest(planned()) != digest(planned(""))


def test_its_commits_say_where_it_goes() -> None:
    said = commit_message(
        planned(), change_id="id", requester="rita", approvers=["arno"], digest="sha256:1"
    )
    assert "It moves to hub hub-2.\n" in said


def test_its_intent_comes_back_from_the_database() -> None:
    assert intent_from_data(leave().to_data()) == leave()
    assert intent_from_data(leave("").to_data()) == leave("")
    assert "to_hub" not in leave("").to_data()
    with pytest.raises(Refused):
        intent_from_data({**leave().to_data(), "to_hub": "../elsewhere"})


def test_it_joins_as_its_file_says() -> None:
    text = MEMBER_TEXT.replace("costCentre: 4711\n", 'handover: "true"\nuse_fleet_ack: "true"\n')
    member = parse_member(file(MEMBER, text))
    found = registration_of(member, HubName("hub-2"))
    assert found.placement == replace(placement(), hub=HubName("hub-2"))
    assert (found.secret_name, found.model) == ("fleet/spoke-1", DeploymentModel.CENTRALIZED)
    assert dict(found.options) == {"use_fleet_ack": "true"}
    assert found.pins == {}


@pytest.mark.parametrize(
    ("line", "to", "code"),
    [
        ("", "hub-1", "same_hub"),
        ("costCentre: 4711\n", "hub-2", "unknown_keys"),
        ('offboarding: "true"\n', "hub-2", "leaving"),
        ("", "hub-2", ""),
    ],
)
def test_it_is_refused(line: str, to: str, code: str) -> None:
    member = parse_member(file(MEMBER, MEMBER_TEXT.replace("costCentre: 4711\n", line)))
    found = [one.code for one in check_move(member, old="hub-1", new=to)]
    assert found[:1] == ([code] if code else [])
