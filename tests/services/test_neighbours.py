"""Who has a cluster's name or secret already: only those who could collide are read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest
from pytest_django import DjangoAssertNumQueries

from onboarding.domain.errors import Refused
from onboarding.domain.intent_rules import check_neighbours
from onboarding.domain.layout import Placement
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.planner import RegisterCluster
from onboarding.models import Cluster, Fleet
from onboarding.services import rounds
from onboarding.services.neighbours import Holders, neighbours

pytestmark = pytest.mark.django_db

ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:fleet/spoke-a-AbCdEf"


def intent(secret: str = "fleet/spoke-a") -> RegisterCluster:  # noqa: S107 -- a name, no secret
    placement = Placement(
        HubName("hub-a"), ClusterName("spoke-a"), TenantName("team-a"), Environment("dev")
    )
    return RegisterCluster(
        placement=placement, secret_name=secret, model=DeploymentModel.CENTRALIZED
    )


def member(fleet: Fleet, name: str, secret: str) -> None:
    Cluster.objects.create(
        fleet=fleet,
        path=f"fleet/members/hub-b/{name}.yaml",
        hub_name="hub-b",
        name=name,
        secret_name=secret,
    )


@pytest.mark.parametrize("around", [nullcontext, rounds.begun])
@pytest.mark.parametrize(
    ("name", "secret", "asked", "code"),
    [
        ("spoke-a", "other", intent(), "duplicate"),
        ("Spoke-A", "other", intent(), "duplicate"),
        ("other", "fleet/spoke-a", intent(), "duplicate_secret"),
        ("other", "Fleet/Spoke-A", intent(), "duplicate_secret"),
        ("other", ARN, intent(), "duplicate_secret"),
        ("other", "fleet/spoke-a", intent(secret=ARN), "duplicate_secret"),
        ("other", "fleet/spoke-a2", intent(), ""),
        ("spoke-a2", "other", intent(), ""),
    ],
)
def test_it_finds_every_way_to_collide(
    name: str,
    secret: str,
    asked: RegisterCluster,
    code: str,
    around: Callable[[], AbstractContextManager[None]],
) -> None:
    fleet = Fleet.objects.create(name="fleet-a")
    member(fleet, name, secret)
    with around():
        taken = neighbours(fleet=fleet, intent=asked)
    refusals = list(check_neighbours(asked, taken, None))
    assert [refusal.code for refusal in refusals] == ([code] if code else [])
    assert all("hub-b" in str(Refused(refusal)) for refusal in refusals)


def test_it_reads_nobody_else() -> None:
    fleet = Fleet.objects.create(name="fleet-a")
    for number in range(5):
        member(fleet, f"spoke-{number}", f"fleet/{number}")
    taken = neighbours(fleet=fleet, intent=intent())
    assert (taken.by_name, taken.by_secret) == ({}, {})


def test_it_asks_for_many_at_once_and_keeps_them_apart(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fleet = Fleet.objects.create(name="fleet-a")
    member(fleet, "spoke-a", "fleet/1")
    member(fleet, "other", "fleet/spoke-b")
    first = intent()
    second = replace(
        intent("fleet/spoke-b"), placement=replace(first.placement, cluster=ClusterName("spoke-b"))
    )
    with django_assert_num_queries(2):
        holders = Holders([first, second])
    assert list(holders.of(fleet=fleet, intent=first).by_name) == ["spoke-a"]
    assert holders.of(fleet=fleet, intent=first).by_secret == {}
    assert holders.of(fleet=fleet, intent=second).by_name == {}
    assert list(holders.of(fleet=fleet, intent=second).by_secret) == ["fleet/spoke-b"]
