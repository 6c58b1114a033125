"""Waves as they are written, and the clusters that they take in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.rollout_waves import Candidate, SplitBy, parse_waves, sort_into_waves

SOAK = timedelta(minutes=10)


def cluster(name: str, environment: str = "dev", channel: str = "default", **labels: str):  # type: ignore[no-untyped-def]
    return Candidate("hub-a", name, "team-a", environment, channel, labels)


FLEET = (
    cluster("one", region="eu"),
    cluster("two", "prod", region="us"),
    cluster("three", "prod"),
    cluster("four", "staging", channel="release1"),
)


def names(text: str, by: SplitBy, key: str = "") -> tuple[list[list[str]], dict[str, str]]:
    asks = parse_waves(text, soak=SOAK)
    found = sort_into_waves(FLEET, asks, by=by, key=key, source="default")
    waves = [[one.name for one in some] for _, some in found.waves]
    return waves, {one.name: why for one, why in found.left_out}


@pytest.mark.parametrize(
    ("text", "by", "key", "waves"),
    [
        ("dev\nprod", SplitBy.ENVIRONMENT, "", [["one"], ["three", "two"]]),
        ("prod, dev", SplitBy.ENVIRONMENT, "", [["one", "three", "two"]]),
        ("team-a", SplitBy.TENANT, "", [["one", "three", "two"]]),
        ("us\neu", SplitBy.LABEL, "region", [["two"], ["one"]]),
        ("three one\nhub-a/two", SplitBy.LIST, "", [["one", "three"], ["two"]]),
        ("nowhere\ndev", SplitBy.ENVIRONMENT, "", [["one"]]),
    ],
)
def test_it_sorts_clusters_into_waves(
    text: str, by: SplitBy, key: str, waves: list[list[str]]
) -> None:
    assert names(text, by, key)[0] == waves


def test_it_says_who_is_left_out_and_why() -> None:
    _, left_out = names("dev\nstaging", SplitBy.ENVIRONMENT)

    assert left_out["two"] == "No wave names it, so it stays where it is."
    assert left_out["four"] == "It is on release1, not on default."


@pytest.mark.parametrize(
    ("text", "soaks"),
    [
        ("dev\nprod @ 30", [10, 30]),
        ("dev @ 5m\n\nprod@2h", [5, 120]),
        ("dev @ 0", [0]),
    ],
)
def test_it_reads_how_long_each_soaks(text: str, soaks: list[int]) -> None:
    found = [ask.soak for ask in parse_waves(text, soak=SOAK)]
    assert found == [timedelta(minutes=one) for one in soaks]


@pytest.mark.parametrize("text", ["", " \n ", "@ 5", "dev @ 500h", "\n".join(["dev"] * 51)])
def test_it_refuses_what_is_no_wave(text: str) -> None:
    with pytest.raises(Refused):
        parse_waves(text, soak=SOAK)


def test_it_refuses_a_list_with_a_name_that_nobody_has() -> None:
    with pytest.raises(Refused, match="no cluster called nobody"):
        names("one nobody", SplitBy.LIST)


def test_it_refuses_a_name_that_two_hubs_have() -> None:
    asks = parse_waves("one", soak=SOAK)
    twins = (cluster("one"), Candidate("hub-b", "one", "team-a", "dev", "default"))

    with pytest.raises(Refused, match="hub/one"):
        sort_into_waves(twins, asks, by=SplitBy.LIST, source="default")
