"""The list of faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tests.faults as menu

HERE = Path(__file__).parent
NAMED = re.findall(r"(\S+\.py)::(\w+)", menu.__doc__ or "")


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_is_there(file: str, name: str) -> None:
    assert f"\ndef {name}(" in (HERE / file).read_text()


def test_it_has_every_fault_of_the_way_to_git_and_back() -> None:
    listed = {int(number) for number in re.findall(r"^F(\d+) ", menu.__doc__ or "", re.M)}
    assert listed == {*range(1, 30)}
