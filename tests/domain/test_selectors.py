"""Label selectors as Kubernetes means them, and the generators of ApplicationSets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding.domain.errors import Refused
from onboarding.domain.selectors import (
    Match,
    Operator,
    Requirement,
    application_set_match,
    label_keys,
    parse_selector,
)

# A loaded machine is slow, which says nothing of the code.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LABELS = {"environment": "dev", "enable_metrics_server": "true", "empty": ""}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (expression("environment", "In", "dev", "prod"), True),
        (expression("environment", "In", "prod"), False),
        (expression("absent", "In", "dev"), False),
        (expression("absent", "In", ""), False),  # an absent key is not an empty value
        (expression("empty", "In", ""), True),
        (expression("environment", "NotIn", "prod"), True),
        (expression("environment", "NotIn", "dev"), False),
        (expression("absent", "NotIn", "dev"), True),
        (expression("environment", "Exists"), True),
        (expression("empty", "Exists"), True),
        (expression("absent", "Exists"), False),
        (expression("environment", "DoesNotExist"), False),
        (expression("absent", "DoesNotExist"), True),
    ],
)
def test_it_knows_the_four_operators(one: dict[str, Any], expected: bool) -> None:
    assert parse_selector({"matchExpressions": [one]}).matches(LABELS) is expected


@pytest.mark.parametrize("data", [None, {}, {"matchLabels": {}}, {"matchExpressions": []}])
def test_it_selects_everything_where_nothing_is_asked(data: object) -> None:
    assert parse_selector(data).matches({})
    assert str(parse_selector(data)) == "every cluster"


def test_it_wants_all_conditions_to_hold() -> None:
    selector = parse_selector(
        {
            "matchLabels": {"environment": "dev"},
            "matchExpressions": [expression("enable_metrics_server", "In", "true")],
        }
    )
    assert selector.matches(LABELS)
    assert not selector.matches({"environment": "dev"})
    assert not selector.matches(dict(LABELS, enable_metrics_server="false"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"matchExpressions": [expression("a", "in", "b")]}, "unknown"),
        ({"matchExpressions": [expression("a", "In")]}, "at least one value"),
        ({"matchExpressions": [expression("a", "NotIn")]}, "at least one value"),
        ({"matchExpressions": [expression("a", "Exists", "b")]}, "takes no values"),
        ({"matchExpressions": [expression("a", "DoesNotExist", "b")]}, "takes no values"),
        ({"matchExpressions": [{"operator": "Exists"}]}, "must be text"),
        ({"matchExpressions": {"a": "b"}}, "must be a list"),
        ({"matchLabels": {"a": True}}, "must be text"),
        ({"matchLabels": ["a"]}, "must be a map"),
        ("a=b", "must be a map"),
    ],
)
def test_it_refuses_what_kubernetes_refuses(data: object, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        parse_selector(data)
    assert caught.value.refusals[0].code == "invalid_selector"


KEYS = st.sampled_from(["a", "b", "c"])
MAPS = st.dictionaries(KEYS, st.sampled_from(["x", "y", ""]))


@CALM
@given(KEYS, st.lists(st.sampled_from(["x", "y", ""]), min_size=1), MAPS)
def test_it_keeps_each_operator_the_opposite_of_its_pair(
    key: str, values: list[str], labels: dict[str, str]
) -> None:
    chosen = tuple(values)
    is_in = Requirement(key, Operator.IN, chosen).matches(labels)
    assert is_in is not Requirement(key, Operator.NOT_IN, chosen).matches(labels)
    exists = Requirement(key, Operator.EXISTS).matches(labels)
    assert exists is not Requirement(key, Operator.DOES_NOT_EXIST).matches(labels)
    assert exists or not is_in


def clusters(**labels: str) -> dict[str, Any]:
    return {"clusters": {"selector": {"matchLabels": labels}}}


DEV, PROD = clusters(environment="dev"), clusters(environment="prod")
LIST = {"list": {"elements": [{"name": "one"}]}}
GIT = {"git": {"repoURL": "https://git.example/fleet.git"}}


@pytest.mark.parametrize(
    ("generators", "expected"),
    [
        ([DEV], Match.YES),
        ([PROD], Match.NO),
        ([PROD, DEV], Match.YES),
        ([{"clusters": {}}], Match.YES),
        ([clusters(environment="{{ .name }}")], Match.UNKNOWN),
        ([clusters(environment="prod", tenant="{{ .name }}")], Match.NO),
        ([{**DEV, "selector": {"matchLabels": {"a": "b"}}}], Match.UNKNOWN),
        ([{"clusters": {"selector": {"matchExpressions": [{"key": "a"}]}}}], Match.UNKNOWN),
        ([LIST], Match.NO),
        ([GIT], Match.NO),
        ([{"plugin": {}}], Match.UNKNOWN),
        ([{"plugin": {}}, DEV], Match.YES),
        ([{"matrix": {"generators": [DEV, LIST]}}], Match.YES),
        ([{"matrix": {"generators": [LIST, PROD]}}], Match.NO),
        ([{"matrix": {"generators": [DEV, GIT]}}], Match.UNKNOWN),
        ([{"matrix": {"generators": [DEV, {"list": {"elements": []}}]}}], Match.UNKNOWN),
        ([{"matrix": {"generators": [GIT, LIST]}}], Match.NO),
        ([{"matrix": {"generators": [{"merge": {"generators": [DEV, PROD]}}, LIST]}}], Match.YES),
        ([{"merge": {"generators": [DEV, PROD]}}], Match.YES),
        ([{"merge": {"generators": [PROD, DEV]}}], Match.NO),
        ([{"merge": {}}], Match.UNKNOWN),
        (["nonsense"], Match.UNKNOWN),
        ([], Match.NO),
    ],
)
def test_it_says_whether_an_application_set_selects_a_cluster(
    generators: list[object], expected: Match
) -> None:
    assert application_set_match({"spec": {"generators": generators}}, LABELS) is expected


@pytest.mark.parametrize("data", [{}, {"spec": None}, {"spec": {"generators": "x"}}])
def test_it_selects_nothing_without_generators(data: dict[str, Any]) -> None:
    assert application_set_match(data, LABELS) is Match.NO


def test_it_finds_the_keys_of_nested_generators() -> None:
    nested = {
        "matrix": {
            "generators": [
                LIST,
                {"merge": {"generators": [clusters(enable_a="true"), clusters(enable_b="true")]}},
            ]
        }
    }
    found = label_keys({"spec": {"generators": [nested, clusters(addonsRelease="default"), "x"]}})
    assert found == {"enable_a", "enable_b", "addonsRelease"}
