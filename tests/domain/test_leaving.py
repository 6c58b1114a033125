"""A cluster's way out of the fleet: its order, its plan, and what counts as evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onboarding.domain import diff, leaving_plan
from onboarding.domain.errors import Refused
from onboarding.domain.intents import LeaveFleet, intent_from_data
from onboarding.domain.layout import ENVIRONMENTS_LAYOUT, TENANTS_LAYOUT
from onboarding.domain.leaving import LeaveStep, steps_for
from onboarding.domain.leaving_evidence import (
    Evidence,
    Seen,
    SeenApplication,
    check_removal,
    judge,
)
from onboarding.domain.member import DeploymentModel, FleetMember, parse_member
from onboarding.domain.outcome import Expected, Prediction
from onboarding.domain.plan_text import plan_text
from onboarding.domain.planner import Neighbours, Plan
from onboarding.domain.plans import blob_id
from onboarding.domain.snapshot import SnapshotFile
from tests.domain.fleet_files import MEMBER, MEMBER_TEXT, PINS, REGISTERED, Repository, placement

KEEP, BACK, CENTRAL, ALONG, MARK, REMOVE = LeaveStep
OWN = "addons/tenants/team-a/clusters/spoke-1/metrics-server/values.yaml"
OTHERS = "addons/tenants/team-a/clusters/spoke-11/metrics-server/values.yaml"
KNOWS = {"charts/fleet-secret/templates/_checks.tpl": "offboarding"}
FILES = {**REGISTERED, **KNOWS, OWN: "a: 1\n", OTHERS: "a: 2\n"}


def member(**changed: str) -> FleetMember:
    text = MEMBER_TEXT
    for key, value in changed.items():
        line = f'{key}: "false"\n'
        text = (
            text.replace(line, f'{key}: "{value}"\n')
            if line in text
            else f'{text}{key}: "{value}"\n'
        )
    return parse_member(SnapshotFile(MEMBER, blob_id(text.encode()), text.encode()))


DISTRIBUTED = {"use_remote_argo": "true"}
REMOTE = {**DISTRIBUTED, "enable_remote_addons": "true"}


@pytest.mark.parametrize(
    ("said", "keep", "steps"),
    [
        ({}, False, (MARK, REMOVE)),
        ({}, True, (KEEP, MARK, REMOVE)),
        ({"handover": "true"}, True, (MARK, REMOVE)),
        ({"handover": "true"}, False, (ALONG, MARK, REMOVE)),
        (DISTRIBUTED, False, (CENTRAL, MARK, REMOVE)),
        (DISTRIBUTED, True, (KEEP, CENTRAL, MARK, REMOVE)),
        (REMOTE, False, (KEEP, BACK, CENTRAL, MARK, REMOVE)),
        (REMOTE, True, (KEEP, BACK, CENTRAL, MARK, REMOVE)),
        ({**REMOTE, "handover": "true"}, False, (BACK, CENTRAL, MARK, REMOVE)),
        ({"offboarding": "true"}, False, (REMOVE,)),
    ],
)
def test_it_leaves_in_the_order_that_its_file_asks_for(
    said: Mapping[str, str], keep: bool, steps: tuple[LeaveStep, ...]
) -> None:
    assert steps_for(member(**said), keep=keep) == steps


def leave(*, keep: bool = False, step: LeaveStep | None = None) -> LeaveFleet:
    return LeaveFleet(
        placement=placement(),
        secret_name="fleet/spoke-1",
        model=DeploymentModel.CENTRALIZED,
        keep=keep,
        step=step,
    )


def planned(intent: LeaveFleet, files: Mapping[str, str] = FILES, layout=TENANTS_LAYOUT) -> Plan:  # type: ignore[no-untyped-def]
    return leaving_plan.plan(intent, Repository(files), layout, Neighbours())


def digest(plan: Plan) -> str:
    return diff.digest(
        plan, fleet="f", hub="hub-1", change_id="1", revision=1, requester="a", editors=(),
        policy_version="1",
    )  # fmt: skip


def test_it_plans_all_commits_one_on_the_other() -> None:
    found = planned(leave())
    assert [one.step for one in found.way] == [MARK, REMOVE]
    assert [one.path for one in found.edits] == [MEMBER]
    assert found.edits[0].after == MEMBER_TEXT + 'offboarding: "true"\n'
    assert [one.name for one in found.impact.disappear] == ["metrics-server-spoke-1"]
    assert found.impact.disappear[0].deletes_resources
    removal = found.way[1].plan
    assert {one.path: one.after for one in removal.edits} == {MEMBER: None, OWN: None}
    assert removal.edits[0].before == found.edits[0].after
    assert removal.labels_after.labels == ()
    assert "no_channel" not in {one.code for one in found.warnings}
    assert found.destructive
    assert removal.destructive
    assert "+++ /dev/null" in diff.unified(removal)
    text = plan_text(found)
    assert "Then, when this was seen: No Application of the cluster is left on the hub." in text
    assert "Remove its files:" in text
    assert "+++ /dev/null" in text


def test_it_takes_away_the_clusters_own_files_alone_in_each_layout() -> None:
    own = "addons/tenants/team-a/environments/dev/clusters/spoke-1/metrics-server/values.yaml"
    files = {**FILES, own: "a: 1\n", "monitoring/tenants/team-a/clusters/spoke-1/x/values.yaml": ""}
    assert [one.path for one in planned(leave(), files).way[-1].plan.edits] == [
        MEMBER,
        OWN,
        "monitoring/tenants/team-a/clusters/spoke-1/x/values.yaml",
    ]
    found = planned(leave(), files, ENVIRONMENTS_LAYOUT)
    assert [one.path for one in found.way[-1].plan.edits] == [MEMBER, own]


def test_it_says_what_stays_where_workloads_are_kept() -> None:
    found = planned(leave(keep=True))
    assert [one.step for one in found.way] == [KEEP, MARK, REMOVE]
    assert not found.impact.disappear
    assert "handover" not in {one.code for one in found.warnings}
    gone = found.way[1].plan.impact.disappear
    assert [(one.name, one.deletes_resources) for one in gone] == [
        ("metrics-server-spoke-1", False)
    ]


def test_its_digest_binds_every_commit() -> None:
    found = digest(planned(leave()))
    assert found == digest(planned(leave()))
    # The same first commit, another later one.
    assert found != digest(planned(leave(), {**FILES, OWN: "a: 3\n"}))
    assert found != digest(planned(leave(), {**FILES, PINS: "externalSecret: {}\n"}))
    assert found == digest(planned(leave(), {**FILES, OTHERS: "a: 3\n"}))
    assert found != digest(planned(leave(keep=True)))


def test_a_later_step_comes_to_what_was_planned() -> None:
    found = planned(leave())
    marked = {**FILES, MEMBER: str(found.edits[0].after)}
    alone = planned(leave(step=REMOVE), marked)
    assert diff.substance(alone) == diff.substance(found.way[1].plan)
    changed = planned(leave(step=REMOVE), {**marked, OWN: "a: 3\n"})
    assert diff.substance(changed) != diff.substance(found.way[1].plan)


@pytest.mark.parametrize(
    ("step", "files", "code"),
    [
        (REMOVE, FILES, "not_marked"),
        (None, REGISTERED, "no_offboarding"),
        (None, {**KNOWS}, "not_registered"),
        (
            MARK,
            {**FILES, MEMBER: MEMBER_TEXT.replace('argo: "false"', 'argo: "true"')},
            "offboarding",
        ),
    ],
)
def test_it_refuses_what_is_out_of_order(
    step: LeaveStep | None, files: Mapping[str, str], code: str
) -> None:
    with pytest.raises(Refused) as caught:
        planned(leave(step=step), files)
    assert code in {one.code for one in caught.value.refusals}


def test_it_is_kept_and_read_back() -> None:
    for asked in (leave(), leave(keep=True, step=REMOVE)):
        assert intent_from_data(json.loads(json.dumps(asked.to_data()))) == asked


# --- Evidence ---

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = AT + timedelta(seconds=20)
APP = SeenApplication("a-spoke-1", group="addons", cascades=True, made_by="a")
GOING = replace(APP, deleting=True)
MARKED = Seen(
    hub="hub-1",
    cluster="spoke-1",
    applications_at=NOW,
    secrets_at=NOW,
    clusters_at=NOW,
    labels={"fleet_offboarding": "true"},
)
LEFT = replace(MARKED, labels=None)


def said(step: LeaveStep, seen: Seen, *, now: datetime = NOW, given_up: bool = False) -> Evidence:
    foreseen = Prediction(labels={"fleet_handover": "true"}, applications={APP.name: Expected()})
    return judge(step, seen, foreseen=foreseen, committed_at=AT, now=now, given_up=given_up)


@pytest.mark.parametrize("step", list(LeaveStep))
@pytest.mark.parametrize("part", ["applications_at", "clusters_at"])
@pytest.mark.parametrize("at", [None, AT, AT - timedelta(seconds=1)])
def test_silence_is_no_evidence(step: LeaveStep, part: str, at: datetime | None) -> None:
    seen = LEFT if step is REMOVE else MARKED
    assert not said(step, replace(seen, **{part: at})).done  # type: ignore[arg-type]


@pytest.mark.parametrize("step", list(LeaveStep))
def test_what_is_old_is_no_evidence(step: LeaveStep) -> None:
    late = NOW + timedelta(minutes=6)
    found = said(step, LEFT if step is REMOVE else MARKED, now=late)
    assert not found.done
    assert found.stuck
    assert "last heard of 6 min" in found.says


@pytest.mark.parametrize(
    ("step", "seen", "done"),
    [
        (MARK, MARKED, True),
        (MARK, LEFT, True),
        (MARK, replace(MARKED, labels={}), False),
        (MARK, replace(MARKED, applications=(APP,)), False),
        (MARK, replace(MARKED, applications=(GOING,)), False),
        (REMOVE, LEFT, True),
        (REMOVE, MARKED, False),
        (REMOVE, replace(LEFT, secrets_at=AT), False),
        (REMOVE, replace(LEFT, external_secret="cluster-spoke-1"), False),
        (REMOVE, replace(LEFT, registration=SeenApplication("fleet-secret-spoke-1")), False),
        (REMOVE, replace(LEFT, applications=(GOING,)), False),
        (KEEP, MARKED, False),
        (KEEP, replace(MARKED, labels={"fleet_handover": "true"}), False),
        (KEEP, replace(MARKED, labels={"fleet_handover": "true"}, applications=(APP,)), False),
        (
            KEEP,
            replace(
                MARKED,
                labels={"fleet_handover": "true"},
                applications=(replace(APP, cascades=False),),
            ),
            True,
        ),
    ],
)
def test_it_goes_on_only_on_what_was_seen(step: LeaveStep, seen: Seen, done: bool) -> None:
    assert said(step, seen).done is done


def test_each_stuck_thing_has_its_remedy() -> None:
    late = AT + timedelta(minutes=6)
    fresh = replace(MARKED, applications_at=late, clusters_at=late, secrets_at=late)
    for seen, words in (
        (replace(fresh, applications=(GOING,)), "kubectl -n argocd patch application a-spoke-1"),
        (
            replace(fresh, applications=(GOING,), connection="Failed"),
            "give it up on this page",
        ),
        (
            replace(fresh, applications=(replace(GOING, error="dial tcp: connection refused"),)),
            "give it up on this page",
        ),
        (replace(fresh, applications=(replace(APP, made_by=""),)), "argocd app delete a-spoke-1"),
        (replace(fresh, applications=(APP,)), "ApplicationSet a on the hub"),
        (replace(fresh, labels={}), "fleet-secret-spoke-1"),
    ):
        found = said(MARK, seen, now=late)
        assert (found.done, found.stuck) == (False, True)
        assert words in found.remedy, found
    assert said(
        MARK, replace(fresh, applications=(GOING,), connection="Failed"), now=late
    ).unreachable


def test_what_was_given_up_is_not_waited_for_but_what_stands_is() -> None:
    assert said(MARK, replace(MARKED, applications=(GOING,)), given_up=True).done
    assert not said(MARK, replace(MARKED, applications=(GOING, APP)), given_up=True).done
    assert not said(REMOVE, replace(LEFT, applications=(GOING,)), given_up=True).done


@pytest.mark.parametrize(
    ("seen", "given_up", "may"),
    [
        (MARKED, False, True),
        (replace(MARKED, applications=(GOING,)), False, False),
        (replace(MARKED, applications=(GOING,)), True, True),
        (replace(MARKED, applications=(APP,)), True, False),
        (replace(MARKED, applications_at=None), False, False),
        (replace(MARKED, applications_at=NOW - timedelta(minutes=6)), True, False),
    ],
)
def test_a_member_file_goes_only_when_nothing_hangs_on_it(
    seen: Seen, given_up: bool, may: bool
) -> None:
    assert (check_removal(seen, now=NOW, given_up=given_up) == "") is may
