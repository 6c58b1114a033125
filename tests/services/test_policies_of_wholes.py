"""Rollouts under approval policies: as a whole, by several people."""

from __future__ import annotations

from pathlib import Path

import pytest

from onboarding.domain.errors import Refused
from onboarding.models import Change, Delivery, Event, Rollout
from onboarding.services import rollout_decisions, rollouts
from tests import repositories
from tests.services.test_policies import Ruled
from tests.services.test_rollouts import Waves

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(tmp_path: Path) -> Ruled:
    return Ruled(tmp_path)


def approve_rollout(stage: Ruled, rollout: Rollout, who: object) -> object:
    return rollout_decisions.approve(
        rollout_id=rollout.pk,
        digest=rollouts.digest_of(rollout),
        actor=who,  # type: ignore[arg-type]
        clock=stage.clock,
        queue=stage.queue,
    )


def refused(act: object, *arguments: object) -> str:
    with pytest.raises(Refused) as caught:
        act(*arguments)  # type: ignore[operator]
    return caught.value.refusals[0].code


def test_a_rollout_begins_once_every_row_has_all_its_approvals(stage: Ruled) -> None:
    """One row is in prod, so the whole needs two: a wave of dev is no way around that."""
    waves = Waves(stage, each=1)
    stage.rule("prod", environments=("prod",), approvers=2)
    rollout = waves.request()
    assert {change.demand["approvers"] for change in Change.objects.all()} == {2}

    approve_rollout(stage, rollout, stage.approver)
    rollout.refresh_from_db()
    assert rollout.state == "proposed"
    assert set(Change.objects.values_list("state", flat=True)) == {"submitted"}
    assert refused(approve_rollout, stage, rollout, stage.approver) == "already_decided"
    assert not Event.objects.filter(verb="rollout.approved").exists()

    approve_rollout(stage, rollout, stage.second)
    rollout.refresh_from_db()
    assert rollout.state == "running"
    assert set(Change.objects.values_list("state", flat=True)) == {"approved"}
    assert not Delivery.objects.exists(), "no wave has begun"


def test_a_rollout_that_is_rejected_leaves_no_row_approved(stage: Ruled) -> None:
    waves = Waves(stage, each=1)
    stage.rule("all", approvers=2)
    rollout = waves.request()
    approve_rollout(stage, rollout, stage.approver)
    one = Change.objects.order_by("pk").first()
    assert one is not None
    stage.approves(one, stage.second)
    rollout_decisions.reject(
        rollout_id=rollout.pk,
        digest=rollouts.digest_of(rollout),
        actor=stage.lead,
        clock=stage.clock,
        reason="Not today.",
    )
    rollout.refresh_from_db()
    assert rollout.state == "stopped"
    assert set(Change.objects.values_list("state", flat=True)) == {"rejected", "withdrawn"}


def test_a_row_of_a_running_rollout_waits_where_a_rule_became_stricter(stage: Ruled) -> None:
    waves = Waves(stage, each=1)
    waves.running()
    stage.rule("dev", environments=("dev",), approvers=2)
    first = Change.objects.get(rollout_row__wave__number=1)
    waves.tick()
    first.refresh_from_db()
    assert first.state == "submitted"
    assert repositories.tip(stage.bare) == waves.base
    stage.approves(first, stage.second)
    assert stage.deliver().committed == (first.pk,)
