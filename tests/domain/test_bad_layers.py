"""Layers that nobody should have written: a plan refuses or doubts them with file and line, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.planner import Intent, Neighbours, Plan, plan
from tests.domain.fleet_files import REGISTERED, TENANT_LABELS, Repository, edit

MOST_MEMORY = 64 * 1024 * 1024
VALUES = "addons/defaults/metrics-server/values.yaml"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
BAD = {
    "no map": ("- a\n- b\n", "line 1"),
    "text": ("only words\n", "line 1"),
    "10 MB": ("a: |\n" + f"  {'x' * 1022}\n" * 10 * 1024, "line 1"),
    "depth 100": ("".join(f"{' ' * n}k:\n" for n in range(100)) + f"{' ' * 100}k: 1\n", "line 51"),
    "a bomb of aliases": (BOMB, "line 4"),
    "a key twice": ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4"),
    "a second document": ("a: 1\n---\na: 2\n", "line 2"),
    "not UTF-8": (b"a: 1\nb: \xff\n", "line 2"),
}
MANY = "".join(f'key{n:05}: "{n}"\n' for n in range(10_000))


def planned(path: str, content: str | bytes, intent: Intent | None = None) -> Plan:
    files = Repository({**REGISTERED, path: content})
    return plan(intent or edit(pins={"team": "x"}), files, TENANTS_LAYOUT, Neighbours())


def bounded(work: Callable[[], object]) -> None:
    """The work, in no more memory than a plan may take whatever stands in a repository."""
    tracemalloc.start()
    try:
        work()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY


@pytest.mark.parametrize("name", BAD)
def test_a_bad_layer_of_labels_refuses_the_plan_with_its_place(name: str) -> None:
    content, line = BAD[name]

    def refused() -> None:
        with pytest.raises(Refused) as caught:
            planned(TENANT_LABELS, content)
        assert f"{TENANT_LABELS}, {line}" in str(caught.value)

    bounded(refused)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_layer_of_values_is_doubted_with_its_place_and_hides_no_application(
    name: str,
) -> None:
    content, line = BAD[name]

    def doubted() -> None:
        # The other channel has another version, so that its values are asked for.
        found = planned(VALUES, content, edit(pins={"addonsRelease": "release1"}))
        (warning,) = [one for one in found.warnings if one.code == "values_unreadable"]
        assert f"{VALUES}, {line}" in warning.message
        assert "metrics-server-spoke-1" in [after.name for _, after in found.impact.change]

    bounded(doubted)


def test_ten_thousand_keys_are_only_many() -> None:
    def read() -> None:
        found = planned(VALUES, MANY, edit(pins={"addonsRelease": "release1"}))
        assert "values_unreadable" not in [one.code for one in found.warnings]

    bounded(read)
    labels = "".join(f"    {line}\n" for line in MANY.splitlines())
    after = planned(TENANT_LABELS, f"externalSecret:\n  labels:\n{labels}").labels_after.as_dict()
    assert len([key for key in after if key.startswith("key")]) == 10_000
