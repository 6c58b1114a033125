"""Rights: what groups give, and that nobody has one who is not signed in or not active."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User

from onboarding.domain.lifecycle import Right
from onboarding.services.rights import rights_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("groups", "rights"),
    [
        ([], set()),
        (["Viewers"], {Right.VIEW}),
        (["Requesters"], {Right.VIEW, Right.REQUEST}),
        (["Approvers"], {Right.VIEW, Right.APPROVE, Right.APPROVE_DESTRUCTIVE}),
        (["Administrators"], {Right.VIEW, Right.ADMINISTER}),
        (
            ["Requesters", "Approvers"],
            {Right.VIEW, Right.REQUEST, Right.APPROVE, Right.APPROVE_DESTRUCTIVE},
        ),
    ],
)
def test_it_gives_what_the_groups_give(groups: list[str], rights: set[Right]) -> None:
    user = User.objects.create_user("sam")
    user.groups.set(Group.objects.filter(name__in=groups))
    assert user.groups.count() == len(groups)
    assert rights_of(user) == rights


def test_it_gives_nothing_to_who_is_not_there() -> None:
    assert rights_of(AnonymousUser()) == frozenset()
    user = User.objects.create_superuser("root")
    assert rights_of(user) == frozenset(Right)
    user.is_active = False
    assert rights_of(user) == frozenset()
