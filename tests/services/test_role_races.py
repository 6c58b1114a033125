"""A role that is taken away at the moment in which it counts, on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from onboarding.domain.roles import Role
from onboarding.models import Change, Grant
from onboarding.services import approvals, grants
from tests.people import give
from tests.services.test_races import at_once, refusals
from tests.stage import COMMITTED, Stage, state_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def taken(stage: Stage, admin: object, grant: Grant):  # type: ignore[no-untyped-def]
    return lambda: grants.take_away(grant_id=grant.pk, actor=admin, clock=stage.clock)  # type: ignore[arg-type]


def test_an_approval_is_void_where_the_role_now_is_for_another_tenant(stage: Stage) -> None:
    one, other = stage.approved("spoke-a"), stage.approved("spoke-b")
    stage.approver.grants.update(tenant="team-b")
    stage.deliver()
    assert state_of(one)[0] == state_of(other)[0] == "lapsed"
    assert not stage.files()


def test_a_role_that_is_taken_away_before_the_push_begins_counts(stage: Stage) -> None:
    """Its commits are built by then, with those of others."""
    one, other = stage.approved("spoke-a"), stage.approved("spoke-b")
    stage.repository.after_build = lambda: stage.approver.grants.all().delete() and None
    stage.deliver()
    assert state_of(one)[0] == state_of(other)[0] == "lapsed"
    assert not stage.files()
    assert not stage.repository.pushes


def test_a_role_for_the_place_of_the_change_is_enough(stage: Stage) -> None:
    for person in (stage.requester, stage.approver):
        person.grants.update(fleet=stage.fleet.name, tenant="team-*", environment="dev")
    change = stage.approved("spoke-a")
    stage.deliver()
    assert state_of(change) == COMMITTED


def test_it_never_approves_for_who_lost_the_role_before(stage: Stage) -> None:
    """An approval and the end of the role at once: either it was there, or there is no approval."""
    admin = stage.person("ada", "administrator")
    for number in range(4):
        stage.approver.grants.all().delete()
        give(stage.approver, "approver")
        change = stage.submitted(f"spoke-{number}")
        role = Grant.objects.get(user=stage.approver)
        found = at_once(
            lambda change=change: approvals.approve(  # type: ignore[misc]
                change_id=change.pk,
                digest=change.plan_digest,
                actor=stage.approver,
                clock=stage.clock,
                queue=stage.queue,
            ),
            taken(stage, admin, role),
        )
        assert not Grant.objects.filter(user=stage.approver).exists()
        change.refresh_from_db()
        assert (change.state == "approved") is (not refusals(found))
    stage.deliver()
    assert not stage.files()  # whatever was approved in time, nobody may stand for it any more
    assert not Change.objects.filter(state="approved").exists()


def test_two_administrators_cannot_take_each_other_away(stage: Stage) -> None:
    for round_ in range(4):
        ada, ben = (stage.person(f"{name}{round_}") for name in ("ada", "ben"))
        of_ada, of_ben = (
            Grant.objects.create(
                user=one, role=Role.ADMINISTRATOR.value, granted_at=stage.clock.now()
            )
            for one in (ada, ben)
        )
        found = at_once(taken(stage, ada, of_ben), taken(stage, ben, of_ada))
        assert len(refusals(found)) == 1
        assert Grant.objects.filter(role=Role.ADMINISTRATOR.value, user__isnull=False).count() == 1
        Grant.objects.filter(role=Role.ADMINISTRATOR.value, user__isnull=False).delete()
