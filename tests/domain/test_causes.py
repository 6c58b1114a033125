"""What counts as the same trouble: the words, without names, numbers and times."""

from __future__ import annotations

import pytest

from onboarding.domain.causes import cause_of, essence

SAME = [
    (
        "Nothing was heard of its hub for 3 minutes.",
        "Nothing was heard of its hub for 1 hour.",
    ),
    (
        "The hub has not answered since 09:14 UTC; what it said before may not hold any more.",
        "The hub has not answered since 21:40 UTC; what it said before may not hold any more.",
    ),
    (
        "2 of 3 Applications healthy: 1 out of sync, 2 healthy. It has waited for 21 seconds.",
        "4 of 15 Applications healthy: 11 out of sync, 4 healthy. It has waited for 2 days.",
    ),
    (
        "dial tcp https://spoke-a.spokes.example: i/o timeout",
        "dial tcp https://spoke-b.spokes.example: i/o timeout",
    ),
    ("dial tcp 10.0.0.7:6443: refused", "dial tcp 10.12.0.9:6443: refused"),
    (
        "Argo CD has compared 0123abcd, and not yet 99887766.",
        "Argo CD has compared 4567890a, and not yet 11223344.",
    ),
    ("It last said so at 2026-03-04T12:00:00Z.", "It last said so at 2026-03-04 14:01 UTC."),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_it_ignores_numbers_times_and_addresses(one: str, other: str) -> None:
    assert cause_of(one) == cause_of(other) != ""


def test_it_ignores_the_clusters_own_names_wherever_they_stand() -> None:
    one = "cert-manager-spoke-a failed: secret fleet/spoke-a is missing for spoke-a."
    other = "cert-manager-edge-1 failed: secret fleet/edge-1 is missing for edge-1."
    mine = cause_of(one, names=["spoke-a", "fleet/spoke-a", ""])
    assert mine == cause_of(other, names=["edge-1", "fleet/edge-1"])
    assert essence(one, names=["spoke-a"]).count("<name>") == 3


def test_it_takes_no_part_of_another_name_for_its_own() -> None:
    assert essence("spoke-ab and my-spoke-a-b", names=["spoke-a"]) == "spoke-ab and my-spoke-a-b"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AWS denies access.", "The secret does not exist."),
        ("enable_x is false, not true", "enable_y is false, not true"),
    ],
)
def test_it_keeps_what_says_something_else_apart(one: str, other: str) -> None:
    assert cause_of(one) != cause_of(other)


def test_it_has_no_cause_where_nothing_is_said() -> None:
    assert cause_of("") == cause_of("  ") == ""
