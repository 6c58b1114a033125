"""Roles, places and patterns: who may what, where."""

from __future__ import annotations

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.domain.roles import (
    ALL,
    EVERYWHERE,
    Held,
    Place,
    Role,
    check_held,
    matches,
    parse_pattern,
    rights_anywhere,
    rights_at,
)

VIEW, REQUEST, APPROVE, REMOVE, ADMINISTER = Right
HERE = Place("platform", "team-a", "dev")


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.VIEWER, {VIEW}),
        (Role.REQUESTER, {VIEW, REQUEST}),
        (Role.APPROVER, {VIEW, APPROVE}),
        (Role.REMOVAL_APPROVER, {VIEW, APPROVE, REMOVE}),
        (Role.ADMINISTRATOR, {VIEW, ADMINISTER}),
    ],
)
def test_it_gives_each_role_its_rights_and_no_other(role: Role, rights: set[Right]) -> None:
    assert role.rights == rights
    assert role.word
    assert role.gives.endswith(".")


@pytest.mark.parametrize(
    ("pattern", "name", "within"),
    [
        ("*", "team-a", True),
        ("*", "*", True),
        ("team-a", "team-a", True),
        ("team-a", "team-ab", False),
        ("team-a", "*", False),
        ("team-*", "team-a", True),
        ("team-*", "team-", True),
        ("team-*", "teams", False),
        ("team-*", "Team-a", False),
        ("team-*", "*", False),
        ("a*", "a", True),
    ],
)
def test_it_matches_names_by_patterns(pattern: str, name: str, within: bool) -> None:
    assert matches(pattern, name) is within


@pytest.mark.parametrize(
    ("held", "place", "may"),
    [
        ((ALL, ALL, ALL), HERE, True),
        ((ALL, ALL, ALL), EVERYWHERE, True),
        (("platform", "team-a", "dev"), HERE, True),
        (("platform", "team-a", ALL), HERE, True),
        (("plat*", "team-*", "d*"), HERE, True),
        (("other", ALL, ALL), HERE, False),
        (("platform", "team-b", ALL), HERE, False),
        (("platform", "team-a", "prod"), HERE, False),
        # What is of the whole tenant, the whole fleet or everything needs all of it.
        (("platform", "team-a", ALL), Place.of("platform", "team-a"), True),
        (("platform", "team-a", "dev"), Place.of("platform", "team-a"), False),
        (("platform", "team-*", ALL), Place.of("platform", "team-a"), True),
        (("platform", "team-a", ALL), Place.of("platform"), False),
        (("platform", ALL, "prod"), Place.of("platform", "", "prod"), True),
        (("platform", "team-a", "prod"), Place.of("platform", "", "prod"), False),
        (("platform", ALL, ALL), Place.of("platform"), True),
        (("platform", ALL, ALL), EVERYWHERE, False),
    ],
)
def test_it_gives_rights_where_the_whole_place_is_covered(
    held: tuple[str, str, str], place: Place, may: bool
) -> None:
    roles = [Held(Role.REQUESTER, *held)]
    assert rights_at(roles, place) == ({VIEW, REQUEST} if may else set())
    assert rights_anywhere(roles) == {VIEW, REQUEST}


def test_it_adds_up_what_several_roles_give_at_a_place() -> None:
    roles = [
        Held(Role.VIEWER),
        Held(Role.REQUESTER, tenant="team-a"),
        Held(Role.APPROVER, tenant="team-b"),
    ]
    assert rights_at(roles, HERE) == {VIEW, REQUEST}
    assert rights_at(roles, Place("platform", "team-b", "dev")) == {VIEW, APPROVE}
    assert rights_at(roles, Place.of("platform")) == {VIEW}
    assert rights_anywhere(roles) == {VIEW, REQUEST, APPROVE}
    assert rights_at([], HERE) == rights_anywhere([]) == set()


@pytest.mark.parametrize(
    "text", ["*", "team-a", " team-a ", "team-*", "a*", "a", "7", "fleet_1.eu"]
)
def test_it_takes_a_name_a_beginning_or_all(text: str) -> None:
    assert parse_pattern(text, field="tenant") == text.strip()


@pytest.mark.parametrize(
    "text", ["", "**", "*a", "a*b", "team-?", "Team-a", "a b", "-a", "a-", "a" * 64, "a/b", "[ab]"]
)
def test_it_refuses_every_other_pattern_at_its_field(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_pattern(text, field="tenant")
    assert [(one.field, one.code) for one in refused.value.refusals] == [("tenant", "pattern")]


@pytest.mark.parametrize("field", ["fleet", "tenant", "environment"])
def test_it_lets_nobody_administer_a_part(field: str) -> None:
    for role in Role:
        check_held(Held(role))
        if role is Role.ADMINISTRATOR:
            with pytest.raises(Refused) as refused:
                check_held(Held(role, **{field: "team-a"}))
            assert [one.field for one in refused.value.refusals] == [field]
        else:
            check_held(Held(role, **{field: "team-a"}))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (EVERYWHERE, "the whole installation"),
        (Place.of("platform"), "the whole fleet platform"),
        (Place.of("platform", "team-a"), "team-a in fleet platform"),
        (HERE, "team-a/dev in fleet platform"),
        (Place.of("platform", "", "prod"), "prod of all tenants in fleet platform"),
    ],
)
def test_it_says_where_a_place_is(place: Place, words: str) -> None:
    assert str(place) == words
