"""Names stand in the order in which people count."""

from __future__ import annotations

import random

import pytest

from onboarding.domain.natural import natural_key


@pytest.mark.parametrize(
    "names",
    [
        ("tenant-1", "tenant-2", "tenant-10", "tenant-11", "tenant-100"),
        ("a", "a1", "a1b", "a2", "a10", "b"),
        ("1", "2", "10", "a"),
        ("v0.9.0", "v0.10.0", "v1.0.0"),
        ("", "0", "00", "a"),
        ("Alpha", "alpha", "Beta", "beta"),
        ("x07", "x7", "x8"),
        ("a-2-b-10", "a-10-b-2"),
        ("n" + "9" * 5000, "n1" + "0" * 5000),
        ("spoke", "spoke-1", "spoke-1-a"),
    ],
)
def test_they_stand_as_people_count(names: tuple[str, ...]) -> None:
    mixed = list(names)
    for seed in range(5):
        random.Random(seed).shuffle(mixed)
        assert tuple(sorted(mixed, key=natural_key)) == names


def test_digits_of_other_scripts_are_words() -> None:
    assert sorted(["x٣", "x²", "x10", "x9"], key=natural_key)[:2] == ["x9", "x10"]
