"""Giving roles and taking them away: who may, what is refused, what is recorded, what somebody then sees."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.domain.roles import Place, Role
from onboarding.models import Cluster, Event, Fleet, Grant, ServiceAccount
from onboarding.services import grants
from onboarding.services.rights import rights_of
from tests.fakes import START, FakeClock
from tests.people import give

pytestmark = pytest.mark.django_db
CLOCK = FakeClock()
ALL = {"fleet": "*", "tenant": "*", "environment": "*"}


@pytest.fixture
def ada() -> User:
    """The only administrator."""
    return give(User.objects.create_user("ada"), "administrator")


def gives(actor: User, **changes: Any) -> Grant:
    taken: dict[str, Any] = {"role": Role.REQUESTER, "patterns": ALL | {"tenant": "team-*"}}
    return grants.give(**{**taken, "actor": actor, "clock": CLOCK, **changes})


def refused(call: Any) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as found:
        call()
    return [(one.field, one.code) for one in found.value.refusals]


def test_it_gives_a_role_to_a_person_and_writes_down_who_did(ada: User) -> None:
    rita = User.objects.create_user("rita")
    gives(ada, person="rita", until=START + timedelta(days=9000))
    assert rights_of(rita, Place.of("platform", "team-a")) == {Right.VIEW, Right.REQUEST}
    assert rights_of(rita, Place.of("platform")) == frozenset()
    event = Event.objects.get()
    assert event.verb == "role.granted"
    assert event.message == "ada gave the role Requester to rita for */team-*/*."
    assert event.detail["person"] == "rita"


def test_it_gives_a_role_to_a_group_that_nobody_is_in_yet(ada: User) -> None:
    gives(ada, group="Team A")
    late = User.objects.create_user("late")
    assert rights_of(late) == frozenset()
    late.groups.add(Group.objects.get(name="Team A"))
    assert rights_of(late, Place.of("platform", "team-a")) == {Right.VIEW, Right.REQUEST}


def test_it_counts_until_its_end(ada: User) -> None:
    rita = give(User.objects.create_user("rita"), "viewer")
    assert rights_of(rita) == {Right.VIEW}
    Grant.objects.filter(user=rita).update(granted_at=START, expires_at=START + timedelta(days=1))
    assert rights_of(rita) == frozenset()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"person": "nobody"}, [("name", "nobody")]),
        ({}, [("name", "required")]),
        ({"person": "ada", "group": "Team A"}, [("name", "required")]),
        ({"person": "ada", "patterns": ALL | {"tenant": "a*b"}}, [("tenant", "pattern")]),
        (
            {"person": "ada", "role": Role.ADMINISTRATOR, "patterns": ALL | {"fleet": "one"}},
            [("fleet", "whole")],
        ),
        ({"person": "ada", "until": START}, [("until", "past")]),
        ({"person": "ada", "role": Role.ADMINISTRATOR, "patterns": ALL}, [("role", "given")]),
        ({"person": "terraform", "role": Role.APPROVER}, [("role", "service")]),
    ],
)
def test_it_refuses_what_cannot_be_given(
    ada: User, changes: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    service = User.objects.create_user("terraform")
    ServiceAccount.objects.create(user=service, created_at=START)
    before = Grant.objects.count()
    assert refused(lambda: gives(ada, **changes)) == told
    assert Grant.objects.count() == before
    assert not Event.objects.exists()


def test_it_lets_nobody_else_give_or_take(ada: User) -> None:
    others = give(User.objects.create_user("max"), "requester", "removal_approver")
    mine = Grant.objects.get(user=ada)
    assert refused(lambda: gives(others, person="max", role=Role.ADMINISTRATOR, patterns=ALL)) == [
        ("", "not_allowed")
    ]
    assert refused(lambda: grants.take_away(grant_id=mine.pk, actor=others, clock=CLOCK)) == [
        ("", "not_allowed")
    ]
    assert Grant.objects.filter(pk=mine.pk).exists()


def test_it_leaves_somebody_who_administers(ada: User) -> None:
    mine = Grant.objects.get(user=ada)
    assert refused(lambda: grants.take_away(grant_id=mine.pk, actor=ada, clock=CLOCK)) == [
        ("", "last_administrator")
    ]
    # A group of administrators with nobody active in it is no administrator.
    idle = User.objects.create_user("idle", is_active=False)
    idle.groups.add(Group.objects.get(name="Administrators"))
    assert refused(lambda: grants.take_away(grant_id=mine.pk, actor=ada, clock=CLOCK)) == [
        ("", "last_administrator")
    ]
    other = User.objects.create_user("ben")
    other.groups.add(Group.objects.get(name="Administrators"))
    grants.take_away(grant_id=mine.pk, actor=ada, clock=CLOCK)
    assert rights_of(ada) == frozenset()
    assert Event.objects.get().verb == "role.removed"
    assert refused(lambda: grants.take_away(grant_id=mine.pk, actor=other, clock=CLOCK)) == [
        ("", "gone")
    ]


def test_the_database_keeps_a_grant_of_one_and_administrators_of_everything(ada: User) -> None:
    group = Group.objects.get(name="Viewers")
    common = {"role": "viewer", "granted_at": START}
    for wrong in (
        {**common},
        {**common, "user": ada, "group": group},
        {**common, "user": ada, "role": "king"},
        {**common, "user": ada, "role": "administrator", "tenant": "team-a"},
        {**common, "user": ada, "expires_at": START},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Grant.objects.create(**wrong)


def test_it_says_what_somebody_sees(ada: User) -> None:
    for fleet in ("platform", "other"):
        row = Fleet.objects.create(name=fleet, repository_url="x", layout="tenants")
        for tenant in ("team-a", "team-b", "house"):
            Cluster.objects.create(
                fleet=row,
                path=f"{fleet}/{tenant}",
                hub_name="hub",
                name=f"{fleet}-{tenant}",
                tenant=tenant,
                environment="dev",
            )
    rita = give(User.objects.create_user("rita"), "viewer", fleet="platform")
    give(rita, "requester", fleet="plat*", tenant="team-*", environment="dev")
    told = {one.right: (one.clusters, one.tenants, one.fleets) for one in grants.seen_by(rita)}
    assert told == {
        Right.VIEW: (3, ("house", "team-a", "team-b"), ("platform",)),
        Right.REQUEST: (2, ("team-a", "team-b"), ("platform",)),
    }
    assert grants.seen_by(User.objects.create_user("new")) == ()
    assert next(iter(grants.seen_by(ada))).clusters == 6
